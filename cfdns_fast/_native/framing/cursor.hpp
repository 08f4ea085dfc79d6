// Cursor: one record after the other out of a batch. Frames lines, cuts records, judges what is no record.
//
// Lines are indexed a window at a time. If simdjson refuses a window (one bad byte is enough), smaller ones are tried, and larger
// ones again after some good ones (measured: 14 % where 1 % of the lines are bad). Where it refuses the least one too, lines are
// indexed one by one for a while; if it refuses a line, each record of that line is cut by its brackets and indexed alone. All
// ways end in the same walk (record.hpp) and give the same answer; only their cost differs.
#pragma once

#include <string>

#include "events/event.hpp"
#include "framing/delimiter.hpp"
#include "framing/document.hpp"
#include "framing/lines.hpp"
#include "framing/reject_reason.hpp"
#include "framing/rejects.hpp"
#include "support/buffer.hpp"
#include "support/compiler.hpp"

namespace cfdns {

enum class Turn : uint8_t { event, reject, end };

// What was read of the line at hand: nothing or only NULs, only space, or something else. With line_padded, NULs were skipped
// that are not counted yet.
enum LineState : uint8_t { line_start = 0, line_blank = 1, line_read = 2, line_padded = 4 };

class Cursor {
 public:
  static constexpr size_t window_bytes = 128 * 1024;

  // `delimiter`, if not empty, ends records as newlines do. It holds no newline, bracket or quote.
  Cursor(const Plan& plan, const std::string& delimiter)
      : event(plan),
        plan_(plan),
        delimiter_(delimiter),
        nul_delimits_(delimiter.find('\0') != std::string::npos),
        decoder_(plan),
        reason_(plan),
        document_(plan, delimiter) {}

  // Read data, which must outlive the reading. `final`: its last line is whole even without a newline; otherwise reading
  // stops before the first byte that later data could change. `line_state`: what earlier calls have read of the first line.
  // Counts start anew, problems included.
  void start(Slice data, bool final, uint8_t line_state, size_t raw_limit_bytes);

  // After start(): the data is no lines but a document, or what follows `place` in one.
  void read_document(uint8_t place);

  // Move to the next record: its values are in `event` and its bytes in message(), or it is in `reject`. May throw
  // EngineFailure and std::bad_alloc.
  Turn next();

  // End the reading before next() has returned Turn::end: it can go on from consumed_bytes().
  void pause();

  Slice message() const { return decoder_.record.raw; }

  Event event;
  Reject reject;
  uint64_t blank = 0;
  uint64_t events = 0;

  // What was read so far, the newlines in it, and what was read of the line where it stops, or where in the document.
  uint64_t consumed_bytes() const { return window_offset_ + static_cast<uint64_t>(at_ - buffer_.data()); }
  uint64_t newlines() const { return newlines_; }
  uint8_t line_state() const {
    LineState read = mid_line_ ? line_read : is_blank_so_far_ ? line_blank : line_start;
    return static_cast<uint8_t>(read | (padded_ ? line_padded : 0));
  }
  uint8_t place() const { return document_.place(); }

  // Give back memory that only unusual input needs.
  void trim();

 private:
  // What the decoder's index covers.
  enum class Indexed : uint8_t { window, line, record };

  // An index takes four bytes for each byte of text, so longer lines are cut into records first, and longer records that
  // are too large anyway are only scanned.
  static constexpr size_t most_indexed_bytes = 4 * 1024 * 1024;

  static constexpr size_t least_window_bytes = window_bytes / 32;

  bool next_window();
  void copy_window(size_t left, size_t most_bytes);
  void cut_window(size_t size_bytes);
  void find_line_end(const char* from);
  const char* find_piece_end(const char* from);
  void begin_line();
  void end_line();
  void count_padding();
  bool take_object();
  bool cut_object(const char*& end) const;
  Turn accept();
  Turn resolve();
  Turn refuse(const char* from, const char* to, RejectCode code);
  Turn next_item();
  void move_to(const char* next);
  Turn refuse_item(Slice item, RejectCode code);

  const Plan& plan_;
  const Delimiter delimiter_;
  const bool nul_delimits_;  // a NUL at the start of a line may be a part of it
  Decoder decoder_;
  RejectReason reason_;
  Indexer window_index_;
  Indexer line_index_;
  Buffer buffer_;  // the window, copied: the caller's bytes may change, and lack padding

  Slice data_;
  bool final_ = true;
  size_t raw_limit_bytes_ = 0;
  uint64_t window_offset_ = 0;  // of the window in the data
  size_t window_size_bytes_ = 0;
  bool window_indexed_ = false;
  size_t try_bytes_ = window_bytes;  // how much to index at once
  unsigned good_windows_ = 0;        // since simdjson refused one
  size_t lines_bytes_ = 0;           // how much to read by lines where that cannot be
  const char* newline_ = nullptr;    // of some piece, or the end of the window; null if not looked for
  uint64_t newlines_ = 0;

  const char* at_ = nullptr;  // where reading goes on
  bool in_line_ = false;      // the line at at_ has begun, and the next five hold
  Indexed indexed_ = Indexed::window;
  const char* line_start_ = nullptr;
  const char* line_stop_ = nullptr;  // its end without CR and newline
  const char* line_next_ = nullptr;  // the line after it
  bool ended_ = false;               // by a newline or the delimiter, not by the window
  bool delimited_ = false;           // by the delimiter
  bool mid_line_ = false;            // something of the line was read before at_
  bool padded_ = false;              // NULs were skipped and are not counted yet
  bool starts_blank_ = false;        // the data begins within a line of which only space was read
  bool is_first_blank_ = false;      // this is that line
  bool is_blank_so_far_ = false;     // reading stopped within a line of which only space was read
  bool stopped_ = false;             // the rest waits for later data

  DocumentSplitter document_;
  bool in_document_ = false;  // window_offset_ is of the item
};

}  // namespace cfdns
