// Batch converts a batch to NDJSON; Engine lends its workspaces to calls.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/detector.hpp"
#include "framing/cursor.hpp"
#include "output/ndjson.hpp"
#include "support/output_room.hpp"

namespace cfdns {

// Why Batch::run() stopped: at the end, for lack of capacity, at a reject, or at a limit.
enum class BatchState : uint8_t { end, full, refused, paused };

// Reads a cursor to its end and writes events into memory that the caller owns, and may enlarge between calls.
class Batch {
 public:
  // `options`: those with which the cursor was started.
  Batch(Cursor& cursor, const Plan& plan, const ReadOptions& options)
      : cursor_(cursor), plan_(plan), stops_at_reject_(options.stop_at_reject) {
    if (options.matchers != nullptr) detector_.emplace(plan, *options.matchers);
  }

  // Write events until the end, until pause_bytes are written, or with stop_at_reject until after a reject. Returns
  // `full` if the next event might exceed the capacity; `wanted_bytes` is its maximum size.
  BatchState run(char* output, size_t capacity_bytes, size_t pause_bytes = SIZE_MAX) {
    if (!detector_) return write<false>(output, capacity_bytes, pause_bytes);
    const BatchState state = write<true>(output, capacity_bytes, pause_bytes);
    detector_->settle(detections);
    return state;
  }

  size_t written_bytes = 0;
  size_t wanted_bytes = 0;
  size_t max_rejects = SIZE_MAX;  // run() pauses at this number of rejects
  RejectList rejects;
  DetectionList detections;

  // Return the maximum number of rejects for an output limit, so that rejects do not need more memory than the output.
  static size_t rejects_of(size_t output_bytes) { return output_bytes == SIZE_MAX ? SIZE_MAX : output_bytes / 64; }

 private:
  // Two functions, so that a batch without matchers does nothing for them.
  template <bool detects>
  CFDNS_NOINLINE BatchState write(char* output, size_t capacity_bytes, size_t pause_bytes) {
    for (;;) {
      if (written_bytes >= pause_bytes) return BatchState::paused;
      if (!pending_) {
        Turn turn = cursor_.next();
        if (turn == Turn::end) return BatchState::end;
        if (turn == Turn::reject) {
          rejects.add(cursor_.reject);
          if (stops_at_reject_) return BatchState::refused;
          if (rejects.size() >= max_rejects) return BatchState::paused;
          continue;
        }
        if constexpr (detects) {
          detector_->settle(detections);
          detector_->begin(cursor_.record(), cursor_.event);
        }
      }
      wanted_bytes = max_event_bytes(plan_, cursor_.event, cursor_.message());
      // The quick bound of a small record is far too high, so compute the exact one before the output must grow.
      if (wanted_bytes > capacity_bytes - written_bytes) {
        wanted_bytes = exact_max_event_bytes(plan_, cursor_.event, cursor_.message());
      }
      pending_ = wanted_bytes > capacity_bytes - written_bytes;
      if (pending_) return BatchState::full;
      const size_t event_bytes = write_event(plan_, cursor_.event, cursor_.message(), output + written_bytes);
      if constexpr (detects) {
        detector_->finish_later(cursor_.event, cursor_.events - 1, written_bytes, detections);
      }
      written_bytes += event_bytes;
    }
  }

  Cursor& cursor_;
  const Plan& plan_;
  const bool stops_at_reject_;
  bool pending_ = false;
  std::optional<Detector> detector_;
};

// Holds a plan and its idle cursors. Any number of threads may borrow at once. It uses no lock, because a lock that
// another thread holds during a fork stays locked in the child.
class Engine {
 public:
  explicit Engine(std::shared_ptr<const Plan> shared_plan) : plan(*shared_plan), shared_plan_(std::move(shared_plan)) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() {
    for (std::atomic<Cursor*>& slot : idle_) delete slot.load();
  }

  const Plan& plan;
  // An event with its message is about four times its record.
  OutputRoom room{16384, 4 * OutputRoom::unit_bytes, 16 * OutputRoom::unit_bytes};

  std::unique_ptr<Cursor> borrow() {
    for (std::atomic<Cursor*>& slot : idle_) {
      Cursor* cursor = slot.load(std::memory_order_relaxed) == nullptr ? nullptr : slot.exchange(nullptr);
      if (cursor != nullptr) return std::unique_ptr<Cursor>(cursor);
    }
    return std::make_unique<Cursor>(plan);
  }

  // Keep the cursor for the next call, or delete it if all slots are in use.
  void give_back(std::unique_ptr<Cursor> cursor) noexcept {
    cursor->trim();
    for (std::atomic<Cursor*>& slot : idle_) {
      Cursor* none = nullptr;
      if (!slot.compare_exchange_strong(none, cursor.get())) continue;
      (void)cursor.release();
      return;
    }
  }

 private:
  const std::shared_ptr<const Plan> shared_plan_;
  std::atomic<Cursor*> idle_[8] = {};
};

}  // namespace cfdns
