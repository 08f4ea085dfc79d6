// DocumentSplitter: finds the records of a JSON document, which may span lines, by brackets, strings and the members of
// the outermost object; a record is decoded later. It can stop anywhere, and then keeps one byte of state.
//
// The first document decides the framing. If it ends in its first line, each document is on one line: a newline ends
// it, and a fault costs the rest of the line. Otherwise newlines mean nothing, and a fault costs all of the rest.
#pragma once

#include <string>
#include <string_view>

#include "framing/members.hpp"
#include "framing/read_options.hpp"
#include "json/scalar_scanner.hpp"
#include "json/skip.hpp"
#include "plan/plan.hpp"

namespace cfdns {

class DocumentSplitter {
 public:
  enum class Found : uint8_t { item, fault, end };

  // What is expected next in a document. The bits from in_wrapper on are added: whether the array is in a wrapper, the
  // framing once it is known, and whether NULs were skipped that are not counted yet.
  enum State : uint8_t {
    top,
    first_element,
    element,
    after_element,
    member,
    after_member,
    broken,
    in_wrapper = 8,
    on_lines = 16,
    across_lines = 32,
    padded = 64
  };

  explicit DocumentSplitter(const Plan& plan) : plan_(plan), delimiter_(plan.record_delimiter) {}

  // Start to read data in this state. `final`: no data follows.
  void start(Slice data, const ReadOptions& options) {
    uint8_t state = options.state;
    at_ = data.data;
    end_ = data_end_ = data.end();
    final_ = data_final_ = options.final;
    framing_ = static_cast<State>(state & (on_lines | across_lines));
    in_wrapper_ = (state & in_wrapper) != 0;
    padded_ = (state & padded) != 0;
    state_ = static_cast<State>(state & ~(on_lines | across_lines | in_wrapper | padded));
    first_end_ = nullptr;
    newline_ = nullptr;
    padding_runs_ = 0;
    if (framing_ == on_lines) begin_line(find(at_, data_end_, '\n'));
    if (framing_ == undecided && state_ != top) newline_ = find(at_, data_end_, '\n');
  }

  // Find the next item, which is a record or stands in its place; or a fault, which is the rest of the data or line; or
  // the end, which is before the first byte that later data could change, or before a fault in data that is not final.
  Found next(Slice& span) {
    for (;;) {
      if (state_ == broken) return fault(span);
      bool more = skip_between();
      if (at_ == end_) {
        if (state_ == top && end_line()) continue;
        if (state_ == top || !final_) return Found::end;
        return fault(span);  // an empty fault: the end of the document is missing
      }
      if (!more) return Found::end;
      if (framing_ == undecided && state_ == top) newline_ = find(at_, data_end_, '\n');
      span = {};
      const char* next = at_;
      SkipResult result = parse(next, span);
      if (result == SkipResult::incomplete && !final_) return Found::end;
      if (result != SkipResult::complete) return fault(span);
      at_ = next;
      if (framing_ == undecided && state_ == top) end_first();
      if (span.data != nullptr) return Found::item;
    }
  }

  const char* position() const { return at_; }
  // Number of runs of NULs that were skipped in this data.
  uint64_t padding_runs() const { return padding_runs_; }
  // The end of the first document, or null if it does not end in this data.
  const char* first_end() const { return first_end_; }
  uint8_t state() const {
    bool in_array = state_ >= first_element && state_ <= after_element;
    State framing = framing_;
    // Later calls do not see the newlines that the first document has crossed so far.
    if (framing == undecided && state_ != top && state_ != broken && crossed_newline()) framing = across_lines;
    // If all of the rest is lost, the framing no longer matters.
    if (framing == across_lines && state_ == broken) framing = undecided;
    return static_cast<uint8_t>(state_ | (in_array && in_wrapper_ ? in_wrapper : 0) | framing | (padded_ ? padded : 0));
  }

  // Whether the object or array at `at` contains records. Only its first max_record_bytes bytes are read, because a
  // longer value is not a record.
  SkipResult is_wrapper(const char* at, bool& answer, Members& members) const {
    answer = *at == '[';
    if (answer) return SkipResult::complete;
    size_t left = static_cast<size_t>(end_ - at);
    bool all_seen = left >= plan_.max_record_bytes;
    members = members_of(at, all_seen ? at + plan_.max_record_bytes : end_);
    if (members.mapped) return SkipResult::complete;
    if (members.result == SkipResult::incomplete && !all_seen && !final_) return SkipResult::incomplete;
    answer = members.holds_records ||
             (members.result == SkipResult::complete && members.count == 1 && members.last_is_empty);
    return SkipResult::complete;
  }

  // Whether the object from `at` to `end` only wraps one record.
  bool frames_record(const char* at, const char* end) const {
    Slice inner = record(at, end, {});
    return inner.data != at && members_of(inner.data, inner.end()).mapped;
  }

 private:
  static constexpr State undecided = top;

  bool crossed_newline() const { return newline_ != nullptr && newline_ < at_; }

  void end_first() {
    first_end_ = at_;
    framing_ = crossed_newline() ? across_lines : on_lines;
    if (framing_ == on_lines) begin_line(newline_);
  }

  // Read up to the newline, or to the end of the data if it is null. A CR before the newline belongs to it, and a CR at
  // the end of data that is not final may belong to one.
  void begin_line(const char* newline) {
    newline_ = newline;
    final_ = newline != nullptr || data_final_;
    end_ = newline != nullptr ? newline : data_end_;
    if ((newline != nullptr || !data_final_) && end_ > at_ && end_[-1] == '\r') --end_;
  }

  // Move from the end of a line to the next one; false if there is none.
  bool end_line() {
    if (framing_ != on_lines || newline_ == nullptr) return false;
    at_ = newline_ + 1;
    begin_line(find(at_, data_end_, '\n'));
    return true;
  }

  Found fault(Slice& span) {
    if (!final_) {
      state_ = broken;
      return Found::end;
    }
    span = {at_, static_cast<size_t>(end_ - at_)};
    at_ = end_;
    state_ = top;
    return Found::fault;
  }

  // Skip the bytes between tokens and between documents; false if the data ends within bytes that may be skipped.
  bool skip_between() {
    bool more = skip_ignored();
    // A run of NULs that may continue is counted later.
    bool is_over = more && (at_ < end_ || final_);
    if (is_over) count_padding();
    return more;
  }

  void count_padding() {
    padding_runs_ += padded_;
    padded_ = false;
  }

  bool skip_ignored() {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    while (at_ < end_) {
      if (state_ == top || state_ == after_element) {
        std::string_view rest(at_, static_cast<size_t>(end_ - at_));
        bool half = false;
        if (skip(rest, delimiter_, half)) {
          if (state_ == after_element) state_ = first_element;
          count_padding();
          continue;
        }
        if (half) return false;
        if (state_ == top && skip(rest, byte_order_mark, half)) continue;
        if (half) return false;
      }
      if (*at_ == '\0' && state_ <= after_element) {
        padded_ = true;
      } else if (!is_space(*at_) && !(*at_ == ',' && state_ == top)) {
        break;
      }
      ++at_;
    }
    return true;
  }

  bool skip(std::string_view rest, std::string_view what, bool& half) {
    if (what.empty()) return false;
    if (rest.substr(0, what.size()) == what) {
      at_ += what.size();
      return true;
    }
    half |= !final_ && rest.size() < what.size() && what.substr(0, rest.size()) == rest;
    return false;
  }

  // Parse what is expected next, and move `at` after it. `span` is set if it is an item.
  SkipResult parse(const char*& at, Slice& span) {
    switch (state_) {
      case top: return document(at, span);
      case first_element:
        if (*at == ']') return advance(at, in_wrapper_ ? after_member : top);
        [[fallthrough]];
      case element: return value(at, span);
      case after_element:
        // A comma may follow the last element, and none is needed between objects.
        if (*at == ',') return advance(at, first_element);
        if (*at == '{') {
          state_ = element;
          return SkipResult::complete;
        }
        return *at == ']' ? advance(at, in_wrapper_ ? after_member : top) : SkipResult::invalid;
      case member: return wrapper_member(at);
      case after_member:
        if (*at == ',') return advance(at, member);
        return *at == '}' ? advance(at, top) : SkipResult::invalid;
      default: return SkipResult::invalid;
    }
  }

  SkipResult advance(const char*& at, State state) {
    ++at;
    state_ = state;
    return SkipResult::complete;
  }

  SkipResult document(const char*& at, Slice& span) {
    if (*at != '{' && *at != '[') {
      const char* start = at;
      SkipResult result = skip_value(at, end_);
      // The end of the data may end a number.
      if (result == SkipResult::incomplete && final_ && *start != '"' && is_scalar(start, at))
        result = SkipResult::complete;
      span = {start, static_cast<size_t>(at - start)};
      return result;
    }
    Members members;
    bool wrapper;
    if (is_wrapper(at, wrapper, members) == SkipResult::incomplete) return SkipResult::incomplete;
    if (wrapper) {
      in_wrapper_ = false;
      return advance(at, *at == '[' ? first_element : member);
    }
    const char* start = at;
    SkipResult result = members.result == SkipResult::complete ? SkipResult::complete : skip_brackets(at, end_);
    if (members.result == SkipResult::complete) at = members.end;
    if (result == SkipResult::complete) span = record(start, at, members);
    return result;
  }

  SkipResult value(const char*& at, Slice& span) {
    const char* start = at;
    SkipResult result = skip_value(at, end_);
    if (result != SkipResult::complete) return result;
    state_ = after_element;
    span = *start == '{' ? record(start, at, {}) : Slice{start, static_cast<size_t>(at - start)};
    return SkipResult::complete;
  }

  // The object, or the object in it if that is its only member. An object longer than max_record_bytes is not searched,
  // so that it need not be in memory as a whole.
  Slice record(const char* start, const char* end, Members members) const {
    Slice outer{start, static_cast<size_t>(end - start)};
    if (outer.size_bytes > plan_.max_record_bytes) return outer;
    if (!members.mapped && members.result != SkipResult::complete) members = members_of(start, end);
    bool nested = !members.mapped && members.result == SkipResult::complete && members.readable && members.count == 1 &&
                  *members.last.data == '{';
    return nested ? members.last : outer;
  }

  SkipResult wrapper_member(const char*& at) {
    if (*at != '"') return SkipResult::invalid;
    SkipResult result = skip_string(at, end_);
    if (result == SkipResult::complete) result = skip_colon(at, end_);
    if (result != SkipResult::complete) return result;
    if (*at == '[') {
      const char* first = at + 1;
      skip_space(first, end_);
      if (first == end_) return SkipResult::incomplete;
      if (*first == '{') {
        at = first;
        state_ = first_element;
        in_wrapper_ = true;
        return SkipResult::complete;
      }
    }
    result = skip_value(at, end_);
    if (result == SkipResult::complete) state_ = after_member;
    return result;
  }

  Members members_of(const char* at, const char* end) const { return read_members(at, end, plan_); }

  const Plan& plan_;
  const std::string& delimiter_;
  const char* at_ = nullptr;
  const char* end_ = nullptr;  // end of the data, or of the line in it
  bool final_ = true;          // no text of this data or line follows
  const char* data_end_ = nullptr;
  bool data_final_ = true;
  // The first newline after the start of the first document, or of the line; null if there is none.
  const char* newline_ = nullptr;
  const char* first_end_ = nullptr;
  uint64_t padding_runs_ = 0;
  bool padded_ = false;  // NULs were skipped and are not counted yet
  State framing_ = undecided;
  State state_ = top;
  bool in_wrapper_ = false;
};

}  // namespace cfdns
