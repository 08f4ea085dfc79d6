// A whole batch to NDJSON, and the workspaces that calls borrow.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framing/cursor.hpp"
#include "output/ndjson.hpp"
#include "support/output_room.hpp"

namespace cfdns {

enum class BatchState : uint8_t { end, full, refused, paused };

// Reads a cursor to its end and writes events into memory that the caller owns and may enlarge in between.
class Batch {
 public:
  explicit Batch(Cursor& cursor) : cursor_(cursor) {}

  // Goes on until the end; until the next event might not fit into what is left of the capacity (`wanted_bytes` says how
  // much it could take); with stop_at_reject, until behind a reject; or until so many bytes are written.
  CFDNS_HOT CFDNS_NOINLINE BatchState run(const Plan& plan, char* output, size_t capacity_bytes, bool stop_at_reject,
                                          size_t pause_bytes = SIZE_MAX) {
    for (;;) {
      if (written_bytes >= pause_bytes) return BatchState::paused;
      if (!pending_) {
        Turn turn = cursor_.next();
        if (turn == Turn::end) return BatchState::end;
        if (turn == Turn::reject) {
          rejects.add(cursor_.reject);
          if (stop_at_reject) return BatchState::refused;
          if (rejects.size() >= max_rejects) return BatchState::paused;
          continue;
        }
      }
      wanted_bytes = max_event_bytes(plan, cursor_.event, cursor_.message());
      // The quick bound of a small record is far too high, and the last records must not make the output grow for it.
      if (wanted_bytes > capacity_bytes - written_bytes) {
        wanted_bytes = exact_max_event_bytes(plan, cursor_.event, cursor_.message());
      }
      pending_ = wanted_bytes > capacity_bytes - written_bytes;
      if (pending_) return BatchState::full;
      written_bytes += write_event(plan, cursor_.event, cursor_.message(), output + written_bytes);
    }
  }

  size_t written_bytes = 0;
  size_t wanted_bytes = 0;
  size_t max_rejects = SIZE_MAX;  // run() pauses when there are as many
  RejectList rejects;

  // The number of rejects that may take as much memory as an output of this size.
  static size_t rejects_of(size_t output_bytes) { return output_bytes == SIZE_MAX ? SIZE_MAX : output_bytes / 64; }

 private:
  Cursor& cursor_;
  bool pending_ = false;
};

// A plan and the cursors that calls have given back; any number of threads may borrow at once. There is no lock, because a
// process that forks while another of its threads holds one would find it locked for good.
class Engine {
 public:
  explicit Engine(std::shared_ptr<const Plan> shared_plan) : plan(*shared_plan), shared_plan_(std::move(shared_plan)) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() {
    for (std::atomic<Cursor*>& place : idle_) delete place.load();
  }

  const Plan& plan;
  // Events are about 3.7 times their records with the message.
  OutputRoom room{16384, 4 * OutputRoom::unit_bytes, 16 * OutputRoom::unit_bytes};

  std::unique_ptr<Cursor> borrow() {
    for (std::atomic<Cursor*>& place : idle_) {
      Cursor* cursor = place.load(std::memory_order_relaxed) == nullptr ? nullptr : place.exchange(nullptr);
      if (cursor != nullptr) return std::unique_ptr<Cursor>(cursor);
    }
    return std::make_unique<Cursor>(plan);
  }

  // Where there is no place for it, it is dropped.
  void give_back(std::unique_ptr<Cursor> cursor) noexcept {
    cursor->trim();
    for (std::atomic<Cursor*>& place : idle_) {
      Cursor* none = nullptr;
      if (!place.compare_exchange_strong(none, cursor.get())) continue;
      (void)cursor.release();
      return;
    }
  }

 private:
  const std::shared_ptr<const Plan> shared_plan_;
  std::atomic<Cursor*> idle_[8] = {};
};

}  // namespace cfdns
