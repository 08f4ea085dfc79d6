// A whole batch to NDJSON by several threads, with the result of one: order, positions and counts included.
//
// Threads take pieces of the input in order. Each converts into memory of its own, which stays in its cache, and moves the
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
        final_(final),
        raw_limit_bytes_(raw_limit_bytes),
        stop_at_reject_(stop_at_reject),
        starts_mid_line_(mid_line) {}

  // Convert everything. What does not fit into the output is kept; finish() then moves it.
  void run(size_t threads, char* output, size_t capacity_bytes) {
    output_ = output;
    capacity_bytes_ = capacity_bytes;
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

  // Move what did not fit into the output, which now has room for written_bytes.
  void finish(char* output) {
    for (const auto& [offset, text] : kept_) std::memcpy(output + offset, text.data(), text.size());
    kept_.clear();
  }

  uint64_t written_bytes = 0;
  uint64_t events = 0;
  uint64_t blank = 0;
  uint64_t newlines = 0;
  uint64_t consumed_bytes = 0;
  bool mid_line = false;  // reading stopped within a line
  std::vector<Reject> rejects;
  std::vector<uint64_t> problems;

 private:
  struct Piece {
    size_t number = 0;
    Slice text;
    size_t offset = 0;
    bool last = false;
  };

  // A thread's own.
  struct Workspace {
    std::unique_ptr<Cursor> cursor;
    Buffer output;
  };

  void work() {
    try {
      Workspace own{engine_.borrow(), {}};
      Piece piece;
      while (take(piece)) convert(piece, own);
      engine_.give_back(std::move(own.cursor));
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

  void convert(const Piece& piece, Workspace& own) {
    Cursor& cursor = *own.cursor;
    cursor.start(piece.text, final_ || !piece.last, piece.number == 0 && starts_mid_line_, raw_limit_bytes_);
    Batch batch(cursor);
    own.output.reserve(4 * piece.text.size_bytes, 0);
    for (;;) {
      BatchState state = batch.run(engine_.plan, own.output.data(), own.output.capacity_bytes(), stop_at_reject_);
      if (state != BatchState::full) break;
      own.output.reserve(own.output.capacity_bytes() + batch.wanted_bytes, batch.written_bytes);
    }
    size_t offset;
    if (!add(piece, cursor, batch, offset)) return;
    if (offset + batch.written_bytes <= capacity_bytes_) {
      std::memcpy(output_ + offset, own.output.data(), batch.written_bytes);
    } else {
      std::string text(own.output.data(), batch.written_bytes);
      std::lock_guard<std::mutex> guard(mutex_);
      kept_.emplace_back(offset, std::move(text));
    }
  }

  // Wait for the pieces before this one, add it to the result and say where its output goes; false if there is a fault.
  bool add(const Piece& piece, Cursor& cursor, Batch& batch, size_t& offset) {
    std::unique_lock<std::mutex> guard(mutex_);
    turn_.wait(guard, [&] { return added_ == piece.number || stopped_; });
    if (added_ != piece.number) return false;
    for (Reject& reject : batch.rejects) {
      reject.line += newlines;
      reject.byte_offset += piece.offset;
      rejects.push_back(std::move(reject));
    }
    offset = static_cast<size_t>(written_bytes);
    written_bytes += batch.written_bytes;
    events += cursor.events;
    blank += cursor.blank;
    newlines += cursor.newlines();
    consumed_bytes = piece.offset + cursor.consumed_bytes();
    mid_line = cursor.mid_line();
    const std::vector<uint64_t>& counts = cursor.event.problems;
    problems.resize(counts.size(), 0);
    for (size_t i = 0; i < counts.size(); ++i) problems[i] += counts[i];
    ++added_;
    if (stop_at_reject_ && !rejects.empty()) stopped_ = true;
    turn_.notify_all();
    return true;
  }

  Engine& engine_;
  const Slice data_;
  const bool final_;
  const size_t raw_limit_bytes_;
  const bool stop_at_reject_;
  const bool starts_mid_line_;
  char* output_ = nullptr;
  size_t capacity_bytes_ = 0;

  std::mutex mutex_;  // guards all that follows, and the public counts
  std::condition_variable turn_;
  size_t taken_ = 0;
  size_t taken_bytes_ = 0;
  size_t added_ = 0;
  bool stopped_ = false;
  std::exception_ptr failure_;
  std::vector<std::pair<size_t, std::string>> kept_;
};

}  // namespace cfdns
