// ArrowBatch: converts a batch to Arrow, by one or several threads.
#pragma once

#include "batch/parallel.hpp"
#include "output/arrow.hpp"

namespace cfdns {

// Converts a batch up to max_part_rows rows. If it stops before the end, is_cut is true.
class ArrowBatch : public ParallelBatch {
 public:
  ArrowBatch(Engine& engine, std::shared_ptr<ArrowPlan> plan, Slice data, const ReadOptions& options)
      : ParallelBatch(engine, data, options), plan_(std::move(plan)), memory_(std::make_shared<ArrowMemory>(plan_)) {}

  // The number of rows, and of rejects, after which a part is cut. Several threads cut after the piece that reaches it.
  size_t max_part_rows = SIZE_MAX;

  // Convert the batch. Documents are converted by one thread.
  void run(size_t threads) {
    Columns& columns = memory_->columns;
    try {
      columns.reserve_for(data_.size_bytes);
    } catch (const std::bad_alloc&) {
      // The learned size may be too large. The columns then grow as needed.
    }
    threads = std::min(threads, max_threads(data_.size_bytes));
    if (threads > 1 && !options_.is_document) {
      ParallelBatch::run(threads);
      columns.reserve_placed();
      for (const Columns& part : kept_) columns.copy_part(part);
    } else {
      run_alone();
    }
    columns.learn(static_cast<size_t>(consumed_bytes));
    columns.finish();
  }

  // Export to an empty array. Call once. If this throws, the caller must release the array.
  void hand_over(ArrowArray& array) { memory_->hand_over(array); }

 private:
  struct ColumnsPart : Part {
    explicit ColumnsPart(const ArrowPlan& plan) : columns(plan.columns) {}
    Columns columns;
    bool fits = true;
  };

  void run_alone() {
    std::unique_ptr<Cursor> cursor = engine_.borrow();
    cursor->start(data_, options_);
    is_cut = read(*cursor, memory_->columns, rejects, detections);
    Counts counts;
    counts.copy_from(*cursor);
    add(counts, 0);
    engine_.give_back(std::move(cursor));
  }

  // Read into columns, rejects and detections. Returns true if max_part_rows stopped it.
  bool read(Cursor& cursor, Columns& columns, RejectList& rejects, DetectionList& detections) {
    return options_.matchers == nullptr ? read<false>(cursor, columns, rejects, detections)
                                        : read<true>(cursor, columns, rejects, detections);
  }

  template <bool detects>
  CFDNS_NOINLINE bool read(Cursor& cursor, Columns& columns, RejectList& rejects, DetectionList& detections) {
    bool cuts = false;
    std::optional<Detector> detector;
    if constexpr (detects) detector.emplace(engine_.plan, *options_.matchers);
    cursor.event.formats_times = plan_->formats_times;
    cursor.event.counts_times = true;
    for (;;) {
      Turn turn = cursor.next();
      if (turn == Turn::end) break;
      if (turn == Turn::event) {
        if constexpr (detects) {
          detector->settle(detections);
          detector->begin(cursor.record(), cursor.event);
        }
        columns.add(engine_.plan, cursor.event, cursor.message());
        if constexpr (detects) detector->finish_later(cursor.event, cursor.events - 1, 0, detections);
        cuts = columns.rows >= max_part_rows;
      } else {
        rejects.add(cursor.reject);
        if (options_.stop_at_reject) break;
        cuts = rejects.size() >= max_part_rows;
      }
      if (cuts) break;
    }
    if constexpr (detects) detector->settle(detections);
    cursor.pause();
    columns.close();
    return cuts;
  }

  bool is_full() const override { return events >= max_part_rows || rejects.size() >= max_part_rows; }

  std::unique_ptr<Part> new_part() override { return std::make_unique<ColumnsPart>(*plan_); }

  void convert(Part& part, Cursor& cursor, size_t) override {
    Columns& columns = static_cast<ColumnsPart&>(part).columns;
    columns.clear();
    part.is_cut = read(cursor, columns, part.rejects, part.detections);
  }

  void place(Part& part) override {
    ColumnsPart& own = static_cast<ColumnsPart&>(part);
    memory_->columns.place(own.columns);
    own.fits = memory_->columns.has_room_for(own.columns);
  }

  void copy(Part& part) override {
    ColumnsPart& own = static_cast<ColumnsPart&>(part);
    if (own.fits) return memory_->columns.copy_part(own.columns);
    Columns next(plan_->columns);
    std::lock_guard<std::mutex> guard(kept_mutex_);
    kept_.push_back(std::exchange(own.columns, std::move(next)));
  }

  std::shared_ptr<ArrowPlan> plan_;
  std::shared_ptr<ArrowMemory> memory_;
  std::mutex kept_mutex_;
  std::vector<Columns> kept_;  // parts that exceed the reserved memory
};

}  // namespace cfdns
