// Cursor: iterates over the records of a batch, and finds the reason if bytes are not a record.
//
// simdjson indexes a window of lines at once. If it refuses one (an invalid byte is enough), the cursor tries smaller
// windows, then single lines, then records cut by their brackets, and larger windows again after a while.
//
// All of these lead to the same Decoder and the same result; only their cost differs.
#pragma once

#include <string>

#include "events/event.hpp"
#include "framing/delimiter.hpp"
#include "framing/document.hpp"
#include "framing/lines.hpp"
#include "framing/read_options.hpp"
#include "framing/reject_reason.hpp"
#include "framing/rejects.hpp"
#include "support/buffer.hpp"
#include "support/compiler.hpp"

namespace cfdns {

enum class Turn : uint8_t { event, reject, end };

// What was read of the current line: nothing or only NULs, only space, or other bytes. line_padded is added if NULs
// were skipped that are not counted yet.
enum LineState : uint8_t { line_start = 0, line_blank = 1, line_read = 2, line_padded = 4 };

class Cursor {
 public:
  static constexpr size_t window_bytes = 128 * 1024;

  explicit Cursor(const Plan& plan)
      : event(plan),
        plan_(plan),
        delimiter_(plan.record_delimiter),
        nul_delimits_(plan.record_delimiter.find('\0') != std::string::npos),
        decoder_(plan),
        reason_(plan),
        document_(plan) {}

  // Start to read `data`, which must outlive the reading, and reset all counts.
  void start(Slice data, const ReadOptions& options);

  // Move to the next record: its values are in `event` and its bytes in message(), or it is in `reject`. Throws
  // EngineFailure or std::bad_alloc.
  Turn next();

  // Stop reading before the end. A later call can continue at consumed_bytes().
  void pause();

  Slice message() const { return decoder_.record.raw; }
  const Record& record() const { return decoder_.record; }

  Event event;
  Reject reject;
  uint64_t blank = 0;
  uint64_t events = 0;

  // The position where reading stopped, the newlines before it, and the state of the line or document there.
  uint64_t consumed_bytes() const { return window_offset_ + static_cast<uint64_t>(at_ - buffer_.data()); }
  uint64_t newlines() const { return newlines_; }
  uint8_t state() const { return in_document_ ? document_.state() : line_state(); }

  // Free memory that only unusual input needs.
  void trim();

 private:
  // What the decoder's index covers.
  enum class Indexed : uint8_t { window, line, record };

  // An index takes four bytes for each byte of text, so longer lines are cut into records first. Longer records are
  // only scanned if they are too large anyway.
  static constexpr size_t max_indexed_bytes = 4 * 1024 * 1024;

  static constexpr size_t min_window_bytes = window_bytes / 32;

  uint8_t line_state() const {
    LineState read = mid_line_ ? line_read : is_blank_so_far_ ? line_blank : line_start;
    return static_cast<uint8_t>(read | (padded_ ? line_padded : 0));
  }

  void read_document(const ReadOptions& options);
  bool next_window();
  void copy_window(size_t left, size_t max_bytes);
  void cut_window(size_t size_bytes);
  void find_line_end(const char* from);
  const char* find_piece_end(const char* from);
  void begin_line();
  void end_line();
  void count_padding();
  bool parse_object();
  bool cut_object(const char*& end) const;
  Turn accept();
  Turn resolve();
  Turn refuse(const char* from, const char* to, RejectCode code);
  Turn next_item();
  void move_to(const char* next);
  Turn refuse_item(Slice item, RejectCode code);

  const Plan& plan_;
  const Delimiter delimiter_;
  const bool nul_delimits_;  // a NUL at the start of a line may belong to the delimiter
  Decoder decoder_;
  RejectReason reason_;
  Indexer window_index_;
  Indexer line_index_;
  Buffer buffer_;  // a copy of the window: the caller's bytes may change, and have no padding

  Slice data_;
  bool final_ = true;
  size_t raw_limit_bytes_ = 0;
  uint64_t window_offset_ = 0;  // of the window in the data
  size_t window_size_bytes_ = 0;
  bool window_indexed_ = false;
  size_t try_bytes_ = window_bytes;  // maximum size of the next window
  unsigned good_windows_ = 0;        // number of windows since simdjson refused one
  size_t lines_bytes_ = 0;           // maximum number of bytes to read line by line if it refuses all windows
  const char* newline_ = nullptr;    // after the current piece, or the end of the window; null if unknown
  uint64_t newlines_ = 0;

  const char* at_ = nullptr;  // the next byte to read
  bool in_line_ = false;      // the line at at_ has begun, and the members from indexed_ to delimited_ are valid
  Indexed indexed_ = Indexed::window;
  const char* line_start_ = nullptr;
  const char* line_stop_ = nullptr;  // end of the line without CR and newline
  const char* line_next_ = nullptr;  // start of the next line
  bool ended_ = false;               // a newline or the delimiter ends the line, not the window
  bool delimited_ = false;           // the delimiter ends the line
  bool mid_line_ = false;            // bytes of the line before at_ were read
  bool padded_ = false;              // NULs were skipped and are not counted yet
  bool starts_blank_ = false;        // the data begins within a line of which only space was read
  bool is_first_blank_ = false;      // the current line is that line
  bool is_blank_so_far_ = false;     // reading stopped within a line of which only space was read
  bool stopped_ = false;             // the rest waits for later data

  DocumentSplitter document_;
  bool in_document_ = false;  // window_offset_ is then the offset of the item
};

}  // namespace cfdns
