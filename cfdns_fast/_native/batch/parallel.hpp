// ParallelBatch: converts a batch by several threads. The result equals that of one thread.
//
// Threads take pieces of the input in order, and each converts a piece to a part in its own memory. A part is placed
// after all parts before it, because it begins where the part before it ends. Then its thread copies it there. Until
// then the thread converts another piece, because waiting at every piece is slower.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

#include "batch/engine.hpp"
#include "support/workers.hpp"

namespace cfdns {

class ParallelBatch {
 public:
  // A piece is one window, because the cursor indexes a window again if a piece ends within it.
  static constexpr size_t piece_bytes = Cursor::window_bytes;

  // Maximum number of threads that get a piece.
  static size_t max_threads(size_t input_bytes) { return input_bytes / piece_bytes; }

  ParallelBatch(Engine& engine, Slice data, const ReadOptions& options)
      : engine_(engine), data_(data), options_(options) {}

  ParallelBatch(const ParallelBatch&) = delete;
  ParallelBatch& operator=(const ParallelBatch&) = delete;
  virtual ~ParallelBatch() = default;

  // Convert the batch by at most this many threads, including the calling thread.
  void run(size_t threads) {
    finished_.assign(parts_per_thread * threads, nullptr);
    Workers::of_process().run(threads - 1, [this] { work(); });
    if (failure_) std::rethrow_exception(failure_);
  }

  uint64_t events = 0;
  uint64_t blank = 0;
  uint64_t newlines = 0;
  uint64_t consumed_bytes = 0;
  uint8_t state = 0;    // of the document or line where reading stopped
  bool is_cut = false;  // reading stopped before the end of the data, because a part was cut
  RejectList rejects;
  DetectionList detections;
  std::vector<uint64_t> problems;

 protected:
  // The counts and the state of a cursor after reading.
  struct Counts {
    uint64_t events = 0;
    uint64_t blank = 0;
    uint64_t newlines = 0;
    uint64_t consumed_bytes = 0;
    uint8_t state = 0;
    std::vector<uint64_t> problems;

    void copy_from(const Cursor& cursor) {
      events = cursor.events;
      blank = cursor.blank;
      newlines = cursor.newlines();
      consumed_bytes = cursor.consumed_bytes();
      state = cursor.state();
      problems = cursor.event.problems;
    }
  };

  // The converted result of a piece. A thread reuses it after it was copied to the output.
  struct Part {
    enum class State : uint8_t { free, finished, placed };

    virtual ~Part() = default;

    State state = State::free;  // guarded by mutex_
    size_t number = 0;          // of the piece
    size_t offset = 0;          // of the piece in the data
    bool is_cut = false;        // a limit ended the part before the end of the piece
    Counts counts;
    RejectList rejects;
    DetectionList detections;
  };

  virtual std::unique_ptr<Part> new_part() = 0;
  // Convert to the end, with stop_at_reject until after the first reject, or until the part is cut. Several threads run
  // this and copy() at once.
  virtual void convert(Part& part, Cursor& cursor, size_t piece_bytes) = 0;
  // Set the part's position in the output. Called part by part, in order, under the lock.
  virtual void place(Part& part) = 0;
  // Copy a placed part to its position in the output.
  virtual void copy(Part& part) = 0;

  // Whether all parts before this one are placed, so that it is placed next.
  bool is_next(const Part& part) {
    std::lock_guard<std::mutex> guard(mutex_);
    return part.number == next_;
  }

  // Whether what is placed is enough for one part, so that no further piece is placed. Called under the lock.
  virtual bool is_full() const = 0;

  // The size of the output of all parts that are placed, if it is bytes.
  virtual uint64_t placed_bytes() const { return 0; }

  // Add to the result what was read at an offset of the data.
  void add(const Counts& counts, uint64_t offset) {
    events += counts.events;
    blank += counts.blank;
    newlines += counts.newlines;
    consumed_bytes = offset + counts.consumed_bytes;
    state = counts.state;
    problems.resize(counts.problems.size(), 0);
    for (size_t i = 0; i < counts.problems.size(); ++i) problems[i] += counts.problems[i];
  }

  Engine& engine_;
  const Slice data_;
  const ReadOptions options_;

 private:
  struct Piece {
    size_t number = 0;
    Slice text;
    size_t offset = 0;
    bool last = false;
  };

  static constexpr size_t parts_per_thread = 2;

  void work() {
    // Declared outside of `try`, because another thread may still place the parts after an exception.
    std::unique_ptr<Part> parts[parts_per_thread];
    try {
      std::unique_ptr<Cursor> cursor = engine_.borrow();
      for (auto& part : parts) part = new_part();
      Piece piece;
      for (;;) {
        Part& part = free_part(*parts[0], *parts[1]);
        if (!next_piece(piece)) break;
        ReadOptions options = options_;
        options.final |= !piece.last;
        if (piece.number != 0) options.state = line_start;
        cursor->start(piece.text, options);
        part.number = piece.number;
        part.offset = piece.offset;
        part.rejects.clear();
        part.detections.clear();
        convert(part, *cursor, piece.text.size_bytes);
        part.counts.copy_from(*cursor);
        finish(part);
      }
      for (auto& part : parts) settle(*part, true);
      engine_.give_back(std::move(cursor));
    } catch (...) {
      std::lock_guard<std::mutex> guard(mutex_);
      if (!failure_) failure_ = std::current_exception();
      stopped_ = true;
      placed_.notify_all();
    }
  }

  // Set the next piece of the data. Returns false if no piece remains.
  bool next_piece(Piece& piece) {
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

  // Place this part and the finished parts after it, if all parts before it are placed.
  void finish(Part& finished) {
    std::lock_guard<std::mutex> guard(mutex_);
    finished.state = Part::State::finished;
    finished_[finished.number % finished_.size()] = &finished;
    bool others_wait = false;
    while (Part* part = std::exchange(finished_[next_ % finished_.size()], nullptr)) {
      if (stopped_) break;
      rejects.append(part->rejects, newlines, part->offset);
      part->rejects.clear();
      detections.append(part->detections, events, placed_bytes());
      part->detections.clear();
      place(*part);
      add(part->counts, part->offset);
      part->state = Part::State::placed;
      others_wait |= part != &finished;
      ++next_;
      is_cut = part->is_cut || (consumed_bytes < data_.size_bytes && is_full());
      stopped_ = is_cut || (options_.stop_at_reject && !rejects.empty());
    }
    if (others_wait || stopped_) placed_.notify_all();
  }

  // Return a free part; preferably the first one, because its memory is in the cache.
  Part& free_part(Part& first, Part& second) {
    bool second_is_free = settle(second, false);
    if (settle(first, false)) return first;
    if (second_is_free) return second;
    Part& older = first.number < second.number ? first : second;
    settle(older, true);
    return older;
  }

  // Copy the part if it is placed; with `wait`, wait until it is. Returns true if the part is free afterwards. It may
  // stay finished if the conversion has stopped, because then no more parts are placed.
  bool settle(Part& part, bool wait) {
    {
      std::unique_lock<std::mutex> guard(mutex_);
      if (wait) placed_.wait(guard, [&] { return part.state != Part::State::finished || stopped_; });
      if (part.state != Part::State::placed) return part.state == Part::State::free;
      part.state = Part::State::free;
    }
    copy(part);
    return true;
  }

  std::mutex mutex_;  // guards all members below, and the public counts
  std::condition_variable placed_;
  size_t taken_ = 0;
  size_t taken_bytes_ = 0;
  size_t next_ = 0;              // number of the part to place next
  std::vector<Part*> finished_;  // by number modulo its size, which is the number of all parts
  bool stopped_ = false;
  std::exception_ptr failure_;
};

// Converts a batch to NDJSON by several threads.
class ParallelNdjson : public ParallelBatch {
 public:
  using ParallelBatch::ParallelBatch;

  // Maximum number of output bytes of a part. It is cut there, and the data after it is not read.
  size_t max_part_bytes = SIZE_MAX;

  // After this many bytes of output of all parts, nothing more is placed.
  size_t max_output_bytes = SIZE_MAX;

  // Convert the batch. Parts that exceed the capacity are kept until finish().
  void run(size_t threads, char* output, size_t capacity_bytes) {
    output_ = output;
    capacity_bytes_ = capacity_bytes;
    ParallelBatch::run(threads);
  }

  // Copy the kept parts to the output, which must have a capacity of written_bytes.
  void finish(char* output) {
    for (const auto& [offset, text] : kept_) std::memcpy(output + offset, text.data(), text.size());
    kept_.clear();
  }

  uint64_t written_bytes = 0;

 private:
  struct Text final : Part {
    Buffer memory;
    bool in_output = false;  // it is written directly to its position in the output
    bool overflows = false;  // it was, and exceeded the capacity
    size_t start = 0;        // its position in the output
    size_t size_bytes = 0;
  };

  // Number of bytes after which a thread checks again whether its part is next.
  static constexpr size_t step_bytes = 32 * 1024;

  bool is_full() const override {
    return written_bytes >= max_output_bytes || rejects.size() >= Batch::rejects_of(max_output_bytes);
  }

  uint64_t placed_bytes() const override { return written_bytes; }

  std::unique_ptr<Part> new_part() override { return std::make_unique<Text>(); }

  // Write to the thread's own memory, or to the output as soon as the part is next.
  void convert(Part& part, Cursor& cursor, size_t piece_bytes) override {
    Text& text = static_cast<Text&>(part);
    Batch batch(cursor, engine_.plan, options_);
    batch.max_rejects = Batch::rejects_of(max_part_bytes);
    text.in_output = text.overflows = text.is_cut = false;
    text.memory.reserve(4 * piece_bytes, 0);
    for (;;) {
      if (!text.in_output) try_output(text, batch);
      char* to = text.in_output ? output_ + text.start : text.memory.data();
      size_t room_bytes = text.in_output ? capacity_bytes_ - text.start : text.memory.capacity_bytes();
      size_t pause_bytes = text.in_output ? SIZE_MAX : batch.written_bytes + step_bytes;
      pause_bytes = std::min(pause_bytes, max_part_bytes);
      BatchState state = batch.run(to, room_bytes, pause_bytes);
      text.is_cut = batch.written_bytes >= max_part_bytes || batch.rejects.size() >= batch.max_rejects;
      if (text.is_cut) break;
      if (state == BatchState::paused) continue;
      if (state != BatchState::full) break;
      if (text.in_output) leave_output(text, batch);
      text.memory.reserve(text.memory.capacity_bytes() + batch.wanted_bytes, batch.written_bytes);
    }
    text.size_bytes = batch.written_bytes;
    text.rejects = std::move(batch.rejects);
    text.detections = std::move(batch.detections);
  }

  void try_output(Text& text, const Batch& batch) {
    if (text.overflows || !is_next(text)) return;
    // No other thread changes written_bytes until this part is finished.
    text.start = static_cast<size_t>(written_bytes);
    if (text.start + batch.written_bytes + batch.wanted_bytes > capacity_bytes_) return;
    std::memcpy(output_ + text.start, text.memory.data(), batch.written_bytes);
    text.in_output = true;
  }

  // Move the part back to the thread's memory, because it exceeds the capacity of the output.
  void leave_output(Text& text, const Batch& batch) {
    text.memory.reserve(batch.written_bytes, 0);
    std::memcpy(text.memory.data(), output_ + text.start, batch.written_bytes);
    text.in_output = false;
    text.overflows = true;
  }

  void place(Part& part) override {
    Text& text = static_cast<Text&>(part);
    text.start = static_cast<size_t>(written_bytes);
    written_bytes += text.size_bytes;
  }

  void copy(Part& part) override {
    Text& text = static_cast<Text&>(part);
    if (text.in_output) return;
    if (text.start + text.size_bytes <= capacity_bytes_) {
      std::memcpy(output_ + text.start, text.memory.data(), text.size_bytes);
    } else {
      std::string kept(text.memory.data(), text.size_bytes);
      std::lock_guard<std::mutex> guard(kept_mutex_);
      kept_.emplace_back(text.start, std::move(kept));
    }
  }

  char* output_ = nullptr;
  size_t capacity_bytes_ = 0;
  std::mutex kept_mutex_;
  std::vector<std::pair<size_t, std::string>> kept_;
};

}  // namespace cfdns
