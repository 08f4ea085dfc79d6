// A whole batch by several threads, with the result of one: order, positions and counts included.
//
// Threads take pieces of the input in order. Each converts into memory of its own, which stays in its cache, and copies the
// result to where the pieces before it end as soon as that is known. Until then it goes on with another piece: threads that
// wait for each other at every piece lose 5 %, and copying all of it 4 %.
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
  // What is left of a window at the end of a piece is cut off and indexed anew, so a piece is one window.
  static constexpr size_t piece_bytes = Cursor::window_bytes;

  // More threads than that have nothing to do.
  static size_t max_threads(size_t input_bytes) { return input_bytes / piece_bytes; }

  ParallelBatch(Engine& engine, Slice data, const ReadOptions& options)
      : engine_(engine), data_(data), options_(options) {}

  ParallelBatch(const ParallelBatch&) = delete;
  ParallelBatch& operator=(const ParallelBatch&) = delete;
  virtual ~ParallelBatch() = default;

  // Convert everything.
  void run(size_t threads) {
    finished_.assign(parts_per_thread * threads, nullptr);
    Workers::of_process().run(threads - 1, [this] { work(); });
    if (failure_) std::rethrow_exception(failure_);
  }

  uint64_t events = 0;
  uint64_t blank = 0;
  uint64_t newlines = 0;
  uint64_t consumed_bytes = 0;
  uint8_t state = 0;    // where reading stopped
  bool is_cut = false;  // reading stopped before the end of the data, because a part was cut
  RejectList rejects;
  std::vector<uint64_t> problems;

 protected:
  // What comes of reading.
  struct Counts {
    uint64_t events = 0;
    uint64_t blank = 0;
    uint64_t newlines = 0;
    uint64_t consumed_bytes = 0;
    uint8_t state = 0;
    std::vector<uint64_t> problems;

    void take(const Cursor& cursor) {
      events = cursor.events;
      blank = cursor.blank;
      newlines = cursor.newlines();
      consumed_bytes = cursor.consumed_bytes();
      state = cursor.state();
      problems = cursor.event.problems;
    }
  };

  // What a thread makes of a piece, and when that has its place, of another one.
  struct Part {
    enum class State : uint8_t { free, finished, placed };

    virtual ~Part() = default;

    State state = State::free;  // guarded by the batch
    size_t number = 0;          // of the piece
    size_t offset = 0;          // of the piece in the data
    bool is_cut = false;        // the rest of the piece was not read
    Counts counts;
    RejectList rejects;
  };

  virtual std::unique_ptr<Part> new_part() = 0;
  // To the end, or with stop_at_reject behind the first reject, or until the part is cut. By several threads at once, like put().
  virtual void convert(Part& part, Cursor& cursor, size_t piece_bytes) = 0;
  // Part by part, in order: where does it go?
  virtual void place(Part& part) = 0;
  // There it goes.
  virtual void put(Part& part) = 0;

  // Whether all before it are placed, so that it will have the next place.
  bool is_next(const Part& part) {
    std::lock_guard<std::mutex> guard(mutex_);
    return part.number == next_;
  }

  // The number of events, or of rejects, after which no further piece is placed.
  size_t max_placed_ = SIZE_MAX;

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
    // They outlive what is thrown: another thread may be about to place them.
    std::unique_ptr<Part> parts[parts_per_thread];
    try {
      std::unique_ptr<Cursor> cursor = engine_.borrow();
      for (auto& part : parts) part = new_part();
      Piece piece;
      for (;;) {
        Part& part = free_part(*parts[0], *parts[1]);
        if (!take(piece)) break;
        ReadOptions options = options_;
        options.final |= !piece.last;
        if (piece.number != 0) options.state = line_start;
        cursor->start(piece.text, options);
        part.number = piece.number;
        part.offset = piece.offset;
        part.rejects.clear();
        convert(part, *cursor, piece.text.size_bytes);
        part.counts.take(*cursor);
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

  // Place it, and those that have waited for it, if all before it are placed.
  void finish(Part& finished) {
    std::lock_guard<std::mutex> guard(mutex_);
    finished.state = Part::State::finished;
    finished_[finished.number % finished_.size()] = &finished;
    bool others_wait = false;
    while (Part* part = std::exchange(finished_[next_ % finished_.size()], nullptr)) {
      if (stopped_) break;
      rejects.append(part->rejects, newlines, part->offset);
      part->rejects.clear();
      place(*part);
      add(part->counts, part->offset);
      part->state = Part::State::placed;
      others_wait |= part != &finished;
      ++next_;
      bool is_full = events >= max_placed_ || rejects.size() >= max_placed_;
      is_cut = part->is_cut || (is_full && consumed_bytes < data_.size_bytes);
      stopped_ = is_cut || (options_.stop_at_reject && !rejects.empty());
    }
    if (others_wait || stopped_) placed_.notify_all();
  }

  // A part that holds nothing; the first one if it can be, because its memory is in the cache.
  Part& free_part(Part& first, Part& second) {
    bool second_is_free = settle(second, false);
    if (settle(first, false)) return first;
    if (second_is_free) return second;
    Part& older = first.number < second.number ? first : second;
    settle(older, true);
    return older;
  }

  // Put the part into its place if it has one, or wait for it; true if it holds nothing then. With a fault it may have none.
  bool settle(Part& part, bool wait) {
    {
      std::unique_lock<std::mutex> guard(mutex_);
      if (wait) placed_.wait(guard, [&] { return part.state != Part::State::finished || stopped_; });
      if (part.state != Part::State::placed) return part.state == Part::State::free;
      part.state = Part::State::free;
    }
    put(part);
    return true;
  }

  std::mutex mutex_;  // guards all that follows, and the public counts
  std::condition_variable placed_;
  size_t taken_ = 0;
  size_t taken_bytes_ = 0;
  size_t next_ = 0;              // the piece to place next
  std::vector<Part*> finished_;  // by number; a thread has no more pieces than parts, so they never meet
  bool stopped_ = false;
  std::exception_ptr failure_;
};

// To NDJSON.
class ParallelNdjson : public ParallelBatch {
 public:
  using ParallelBatch::ParallelBatch;

  // After this many bytes of output a part is cut, and nothing after it is read.
  size_t max_part_bytes = SIZE_MAX;

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
  struct Text final : Part {
    Buffer memory;
    bool in_output = false;  // it stands in its place already
    bool overflows = false;  // it did, and had too little room
    size_t start = 0;        // its place
    size_t size_bytes = 0;
  };

  // How much is written until the thread looks again whether all before it is placed.
  static constexpr size_t step_bytes = 32 * 1024;

  std::unique_ptr<Part> new_part() override { return std::make_unique<Text>(); }

  // Into the thread's own memory, and as soon as its place is known, into that.
  void convert(Part& part, Cursor& cursor, size_t piece_bytes) override {
    Text& text = static_cast<Text&>(part);
    Batch batch(cursor);
    batch.max_rejects = Batch::rejects_of(max_part_bytes);
    text.in_output = text.overflows = text.is_cut = false;
    text.memory.reserve(4 * piece_bytes, 0);
    for (;;) {
      if (!text.in_output) try_output(text, batch);
      char* to = text.in_output ? output_ + text.start : text.memory.data();
      size_t room_bytes = text.in_output ? capacity_bytes_ - text.start : text.memory.capacity_bytes();
      size_t pause_bytes = text.in_output ? SIZE_MAX : batch.written_bytes + step_bytes;
      pause_bytes = std::min(pause_bytes, max_part_bytes);
      BatchState state = batch.run(engine_.plan, to, room_bytes, options_.stop_at_reject, pause_bytes);
      text.is_cut = batch.written_bytes >= max_part_bytes || batch.rejects.size() >= batch.max_rejects;
      if (text.is_cut) break;
      if (state == BatchState::paused) continue;
      if (state != BatchState::full) break;
      if (text.in_output) leave_output(text, batch);
      text.memory.reserve(text.memory.capacity_bytes() + batch.wanted_bytes, batch.written_bytes);
    }
    text.size_bytes = batch.written_bytes;
    text.rejects = std::move(batch.rejects);
  }

  void try_output(Text& text, const Batch& batch) {
    if (text.overflows || !is_next(text)) return;
    // Nobody changes that any more before this part is finished.
    text.start = static_cast<size_t>(written_bytes);
    if (text.start + batch.written_bytes + batch.wanted_bytes > capacity_bytes_) return;
    std::memcpy(output_ + text.start, text.memory.data(), batch.written_bytes);
    text.in_output = true;
  }

  // There is too little room.
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

  void put(Part& part) override {
    Text& text = static_cast<Text&>(part);
    if (text.in_output) return;
    if (text.start + text.size_bytes <= capacity_bytes_) {
      std::memcpy(output_ + text.start, text.memory.data(), text.size_bytes);
    } else {
      std::string copy(text.memory.data(), text.size_bytes);
      std::lock_guard<std::mutex> guard(kept_mutex_);
      kept_.emplace_back(text.start, std::move(copy));
    }
  }

  char* output_ = nullptr;
  size_t capacity_bytes_ = 0;
  std::mutex kept_mutex_;
  std::vector<std::pair<size_t, std::string>> kept_;
};

}  // namespace cfdns
