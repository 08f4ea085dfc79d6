// A whole batch by several threads, with the result of one: order, positions and counts included.
//
// Threads take pieces of the input in order. Each converts into memory of its own, which stays in its cache, and copies the
// result to where the pieces before it end as soon as that is known.
#pragma once

#include <condition_variable>
#include <exception>
#include <thread>
#include <utility>

#include "batch.hpp"

namespace cfdns {

class ParallelBatch {
 public:
  // What is left of a window at the end of a piece is cut off and indexed anew, so a piece is one window.
  static constexpr size_t piece_bytes = Cursor::window_bytes;

  // More threads than that have nothing to do.
  static size_t most_threads(size_t input_bytes) { return input_bytes / piece_bytes; }

  // As Cursor::start; with stop_at_reject nothing is read behind the first reject.
  ParallelBatch(Engine& engine, Slice data, bool final, bool mid_line, size_t raw_limit_bytes, bool stop_at_reject)
      : engine_(engine),
        data_(data),
        stop_at_reject_(stop_at_reject),
        raw_limit_bytes_(raw_limit_bytes),
        final_(final),
        starts_mid_line_(mid_line) {}

  ParallelBatch(const ParallelBatch&) = delete;
  ParallelBatch& operator=(const ParallelBatch&) = delete;
  virtual ~ParallelBatch() = default;

  // Convert everything.
  void run(size_t threads) {
    std::vector<std::thread> others;
    others.reserve(threads);
    for (size_t i = 1; i < threads; ++i) {
      try {
        others.emplace_back([this] { work(); });
      } catch (const std::exception&) {
        break;  // no more threads, or no memory for one; those that run do the work
      }
    }
    work();
    for (std::thread& other : others) other.join();
    if (failure_) std::rethrow_exception(failure_);
  }

  uint64_t events = 0;
  uint64_t blank = 0;
  uint64_t newlines = 0;
  uint64_t consumed_bytes = 0;
  bool mid_line = false;  // reading stopped within a line
  std::vector<Reject> rejects;
  std::vector<uint64_t> problems;

 protected:
  // What a thread makes of a piece, and then of the next one.
  struct Part {
    virtual ~Part() = default;
    std::vector<Reject> rejects;
  };

  virtual std::unique_ptr<Part> new_part() = 0;
  // To the end, or with stop_at_reject behind the first reject. By several threads at once, like put().
  virtual void convert(Part& part, Cursor& cursor, size_t piece_bytes) = 0;
  // Part by part, in order: where does it go?
  virtual void place(Part& part) = 0;
  // There it goes.
  virtual void put(Part& part) = 0;

  void count(const Cursor& cursor, uint64_t offset) {
    events += cursor.events;
    blank += cursor.blank;
    newlines += cursor.newlines();
    consumed_bytes = offset + cursor.consumed_bytes();
    mid_line = cursor.mid_line();
    const std::vector<uint64_t>& counts = cursor.event.problems;
    problems.resize(counts.size(), 0);
    for (size_t i = 0; i < counts.size(); ++i) problems[i] += counts[i];
  }

  Engine& engine_;
  const Slice data_;
  const bool stop_at_reject_;
  const size_t raw_limit_bytes_;

 private:
  struct Piece {
    size_t number = 0;
    Slice text;
    size_t offset = 0;
    bool last = false;
  };

  void work() {
    try {
      std::unique_ptr<Cursor> cursor = engine_.borrow();
      std::unique_ptr<Part> part = new_part();
      Piece piece;
      while (take(piece)) {
        cursor->start(piece.text, final_ || !piece.last, piece.number == 0 && starts_mid_line_, raw_limit_bytes_);
        part->rejects.clear();
        convert(*part, *cursor, piece.text.size_bytes);
        if (add(piece, *cursor, *part)) put(*part);
      }
      engine_.give_back(std::move(cursor));
    } catch (...) {
      std::lock_guard<std::mutex> guard(mutex_);
      if (!failure_) failure_ = std::current_exception();
      stopped_ = true;
      turn_.notify_all();
    }
  }

  bool take(Piece& piece) {
    std::lock_guard<std::mutex> guard(mutex_);
    size_t left = data_.size_bytes - taken_bytes_;
    if (stopped_ || left == 0) return false;
    piece.number = taken_++;
    piece.offset = taken_bytes_;
    const char* from = data_.data + taken_bytes_;
    size_t size_bytes = left <= piece_bytes ? left : whole_lines(from, left, piece_bytes);
    piece.text = {from, size_bytes};
    piece.last = size_bytes == left;
    taken_bytes_ += size_bytes;
    return true;
  }

  // Wait for the pieces before this one and add it to the result; false if there is a fault.
  bool add(const Piece& piece, const Cursor& cursor, Part& part) {
    std::unique_lock<std::mutex> guard(mutex_);
    turn_.wait(guard, [&] { return added_ == piece.number || stopped_; });
    if (added_ != piece.number) return false;
    for (Reject& reject : part.rejects) {
      reject.line += newlines;
      reject.byte_offset += piece.offset;
      rejects.push_back(std::move(reject));
    }
    place(part);
    count(cursor, piece.offset);
    ++added_;
    if (stop_at_reject_ && !rejects.empty()) stopped_ = true;
    turn_.notify_all();
    return true;
  }

  const bool final_;
  const bool starts_mid_line_;

  std::mutex mutex_;  // guards all that follows, and the public counts
  std::condition_variable turn_;
  size_t taken_ = 0;
  size_t taken_bytes_ = 0;
  size_t added_ = 0;
  bool stopped_ = false;
  std::exception_ptr failure_;
};

// To NDJSON.
class ParallelNdjson : public ParallelBatch {
 public:
  using ParallelBatch::ParallelBatch;

  // What does not fit into the output is kept; finish() then moves it.
  void run(size_t threads, char* output, size_t capacity_bytes) {
    output_ = output;
    capacity_bytes_ = capacity_bytes;
    ParallelBatch::run(threads);
  }

  // Move what did not fit into the output, which now has room for written_bytes.
  void finish(char* output) {
    for (const auto& [offset, text] : kept_) std::memcpy(output + offset, text.data(), text.size());
    kept_.clear();
  }

  uint64_t written_bytes = 0;

 private:
  struct Text : Part {
    Buffer output;
    size_t written_bytes = 0;
    size_t offset = 0;
  };

  std::unique_ptr<Part> new_part() override { return std::make_unique<Text>(); }

  void convert(Part& part, Cursor& cursor, size_t piece_bytes) override {
    Text& text = static_cast<Text&>(part);
    Batch batch(cursor);
    text.output.reserve(4 * piece_bytes, 0);
    for (;;) {
      BatchState state = batch.run(engine_.plan, text.output.data(), text.output.capacity_bytes(), stop_at_reject_);
      if (state != BatchState::full) break;
      text.output.reserve(text.output.capacity_bytes() + batch.wanted_bytes, batch.written_bytes);
    }
    text.written_bytes = batch.written_bytes;
    text.rejects = std::move(batch.rejects);
  }

  void place(Part& part) override {
    Text& text = static_cast<Text&>(part);
    text.offset = static_cast<size_t>(written_bytes);
    written_bytes += text.written_bytes;
  }

  void put(Part& part) override {
    Text& text = static_cast<Text&>(part);
    if (text.offset + text.written_bytes <= capacity_bytes_) {
      std::memcpy(output_ + text.offset, text.output.data(), text.written_bytes);
    } else {
      std::string copy(text.output.data(), text.written_bytes);
      std::lock_guard<std::mutex> guard(kept_mutex_);
      kept_.emplace_back(text.offset, std::move(copy));
    }
  }

  char* output_ = nullptr;
  size_t capacity_bytes_ = 0;
  std::mutex kept_mutex_;
  std::vector<std::pair<size_t, std::string>> kept_;
};

}  // namespace cfdns
