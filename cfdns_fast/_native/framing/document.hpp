// DocumentSplitter: where the records of a JSON document stand, wherever its lines end.
//
// It looks at brackets, strings and the members of the outermost object only. What it finds is then read as any record is.
// It goes on where it stopped, so a document need not be in memory as a whole: all that is kept is one byte, the place.
//
// The first document says how the data is framed. If it ends in the line in which it began, every document is on a line:
// a newline ends whatever is open, and a fault costs the rest of its line. Otherwise documents may span lines, newlines
// mean nothing, and a fault, in the first document too, costs all of the rest.
#pragma once

#include <string>
#include <string_view>

#include "framing/members.hpp"
#include "json/scalar_scanner.hpp"
#include "json/skip.hpp"
#include "plan/plan.hpp"

namespace cfdns {

class DocumentSplitter {
 public:
  enum class Found : uint8_t { item, fault, end };

  // What may stand next. Of elements: in_wrapper says what the array is a part of. And how documents are framed, once the
  // first one has said it. And whether NULs were skipped that are not counted yet.
  enum Place : uint8_t {
    top,
    first_element,
    element,
    behind_element,
    member,
    behind_member,
    broken,
    in_wrapper = 8,
    on_lines = 16,
    across_lines = 32,
    padded = 64
  };

  DocumentSplitter(const Plan& plan, const std::string& delimiter) : plan_(plan), delimiter_(delimiter) {}

  // Read data that begins at `place`. `final`: nothing follows it.
  void start(Slice data, bool final, uint8_t place) {
    at_ = data.data;
    end_ = data_end_ = data.end();
    final_ = data_final_ = final;
    framing_ = static_cast<Place>(place & (on_lines | across_lines));
    in_wrapper_ = (place & in_wrapper) != 0;
    padded_ = (place & padded) != 0;
    place_ = static_cast<Place>(place & ~(on_lines | across_lines | in_wrapper | padded));
    first_end_ = nullptr;
    newline_ = nullptr;
    padding_runs_ = 0;
    if (framing_ == on_lines) begin_line(find(at_, data_end_, '\n'));
    if (framing_ == undecided && place_ != top) newline_ = find(at_, data_end_, '\n');
  }

  // The next item: a record, or what stands in a record's place; or a fault, which is all of the rest, or of the line; or
  // the end, which is before whatever later data could change (or before a fault, and then the place says so).
  Found next(Slice& span) {
    for (;;) {
      if (place_ == broken) return fault(span);
      bool more = skip_between();
      if (at_ == end_) {
        if (place_ == top && end_line()) continue;
        if (place_ == top || !final_) return Found::end;
        return fault(span);  // of no bytes: what is missing is the end of the document
      }
      if (!more) return Found::end;
      if (framing_ == undecided && place_ == top) newline_ = find(at_, data_end_, '\n');
      span = {};
      const char* next = at_;
      Reach reach = take(next, span);
      if (reach == Reach::cut && !final_) return Found::end;
      if (reach != Reach::whole) return fault(span);
      at_ = next;
      if (framing_ == undecided && place_ == top) end_first();
      if (span.data != nullptr) return Found::item;
    }
  }

  const char* position() const { return at_; }
  // How many runs of NULs were skipped in this data.
  uint64_t padding_runs() const { return padding_runs_; }
  // Where the first document ended, if it did in this data.
  const char* first_end() const { return first_end_; }
  uint8_t place() const {
    bool in_array = place_ >= first_element && place_ <= behind_element;
    Place framing = framing_;
    // What the first document has crossed so far is not seen again.
    if (framing == undecided && place_ != top && place_ != broken && crossed_newline()) framing = across_lines;
    // Where all of the rest is lost, nothing else matters.
    if (framing == across_lines && place_ == broken) framing = undecided;
    return static_cast<uint8_t>(place_ | (in_array && in_wrapper_ ? in_wrapper : 0) | framing | (padded_ ? padded : 0));
  }

  // Whether the object or array at `at` is something around records, told by its first max_record_bytes bytes; only of
  // something longer can the answer be wrong, and that is no record anyway.
  Reach is_wrapper(const char* at, bool& answer, Members& members) const {
    answer = *at == '[';
    if (answer) return Reach::whole;
    size_t left = static_cast<size_t>(end_ - at);
    bool all_seen = left >= plan_.max_record_bytes;
    members = members_of(at, all_seen ? at + plan_.max_record_bytes : end_);
    if (members.mapped) return Reach::whole;
    if (members.reach == Reach::cut && !all_seen && !final_) return Reach::cut;
    answer = members.holds_records || (members.reach == Reach::whole && members.count == 1 && members.last_is_empty);
    return Reach::whole;
  }

  // Whether the object from `at` to `end` is nothing but the frame of a record.
  bool frames_record(const char* at, const char* end) const {
    Slice inner = record(at, end, {});
    return inner.data != at && members_of(inner.data, inner.end()).mapped;
  }

 private:
  static constexpr Place undecided = top;

  bool crossed_newline() const { return newline_ != nullptr && newline_ < at_; }

  void end_first() {
    first_end_ = at_;
    framing_ = crossed_newline() ? across_lines : on_lines;
    if (framing_ == on_lines) begin_line(newline_);
  }

  // Read no further than to the newline, which is null if it is not in the data. A CR before it belongs to it, and one at
  // the end of data that goes on may do so.
  void begin_line(const char* newline) {
    newline_ = newline;
    final_ = newline != nullptr || data_final_;
    end_ = newline != nullptr ? newline : data_end_;
    if ((newline != nullptr || !data_final_) && end_ > at_ && end_[-1] == '\r') --end_;
  }

  // From the end of a line to the next one, if there is one.
  bool end_line() {
    if (framing_ != on_lines || newline_ == nullptr) return false;
    at_ = newline_ + 1;
    begin_line(find(at_, data_end_, '\n'));
    return true;
  }

  Found fault(Slice& span) {
    if (!final_) {
      place_ = broken;
      return Found::end;
    }
    span = {at_, static_cast<size_t>(end_ - at_)};
    at_ = end_;
    place_ = top;
    return Found::fault;
  }

  // Skip what may stand between tokens, and between documents. False if what comes next may be half of something to skip.
  bool skip_between() {
    bool more = skip_ignored();
    // A run of NULs that may go on is counted later.
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
      if (place_ == top || place_ == behind_element) {
        std::string_view rest(at_, static_cast<size_t>(end_ - at_));
        bool half = false;
        if (skip(rest, delimiter_, half)) {
          if (place_ == behind_element) place_ = first_element;
          count_padding();
          continue;
        }
        if (half) return false;
        if (place_ == top && skip(rest, byte_order_mark, half)) continue;
        if (half) return false;
      }
      if (*at_ == '\0' && place_ <= behind_element) {
        padded_ = true;
      } else if (!is_space(*at_) && !(*at_ == ',' && place_ == top)) {
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

  // Move `at` behind what stands there; `span` becomes an item if it is one.
  Reach take(const char*& at, Slice& span) {
    switch (place_) {
      case top: return document(at, span);
      case first_element:
        if (*at == ']') return go_on(at, in_wrapper_ ? behind_member : top);
        [[fallthrough]];
      case element: return value(at, span);
      case behind_element:
        // The last element may have a comma too, and objects on lines of their own need none.
        if (*at == ',') return go_on(at, first_element);
        if (*at == '{') {
          place_ = element;
          return Reach::whole;
        }
        return *at == ']' ? go_on(at, in_wrapper_ ? behind_member : top) : Reach::broken;
      case member: return wrapper_member(at);
      case behind_member:
        if (*at == ',') return go_on(at, member);
        return *at == '}' ? go_on(at, top) : Reach::broken;
      default: return Reach::broken;
    }
  }

  Reach go_on(const char*& at, Place place) {
    ++at;
    place_ = place;
    return Reach::whole;
  }

  Reach document(const char*& at, Slice& span) {
    if (*at != '{' && *at != '[') {
      const char* start = at;
      Reach reach = skip_value(at, end_);
      // A number may end with the data.
      if (reach == Reach::cut && final_ && *start != '"' && is_scalar(start, at)) reach = Reach::whole;
      span = {start, static_cast<size_t>(at - start)};
      return reach;
    }
    Members members;
    bool wrapper;
    if (is_wrapper(at, wrapper, members) == Reach::cut) return Reach::cut;
    if (wrapper) {
      in_wrapper_ = false;
      return go_on(at, *at == '[' ? first_element : member);
    }
    const char* start = at;
    Reach reach = members.reach == Reach::whole ? Reach::whole : skip_brackets(at, end_);
    if (members.reach == Reach::whole) at = members.end;
    if (reach == Reach::whole) span = record(start, at, members);
    return reach;
  }

  Reach value(const char*& at, Slice& span) {
    const char* start = at;
    Reach reach = skip_value(at, end_);
    if (reach != Reach::whole) return reach;
    place_ = behind_element;
    span = *start == '{' ? record(start, at, {}) : Slice{start, static_cast<size_t>(at - start)};
    return Reach::whole;
  }

  // An object, or the one in it if that is all it holds. An object longer than max_record_bytes stands for itself, so that it need
  // not be in memory as a whole.
  Slice record(const char* start, const char* end, Members members) const {
    Slice outer{start, static_cast<size_t>(end - start)};
    if (outer.size_bytes > plan_.max_record_bytes) return outer;
    if (!members.mapped && members.reach != Reach::whole) members = members_of(start, end);
    bool nested = !members.mapped && members.reach == Reach::whole && members.readable && members.count == 1 &&
                  *members.last.data == '{';
    return nested ? members.last : outer;
  }

  Reach wrapper_member(const char*& at) {
    if (*at != '"') return Reach::broken;
    Reach reach = skip_string(at, end_);
    if (reach == Reach::whole) reach = skip_colon(at, end_);
    if (reach != Reach::whole) return reach;
    if (*at == '[') {
      const char* first = at + 1;
      skip_space(first, end_);
      if (first == end_) return Reach::cut;
      if (*first == '{') {
        at = first;
        place_ = first_element;
        in_wrapper_ = true;
        return Reach::whole;
      }
    }
    reach = skip_value(at, end_);
    if (reach == Reach::whole) place_ = behind_member;
    return reach;
  }

  Members members_of(const char* at, const char* end) const { return read_members(at, end, plan_); }

  const Plan& plan_;
  const std::string& delimiter_;
  const char* at_ = nullptr;
  const char* end_ = nullptr;  // of the data, or of the line in it
  bool final_ = true;          // nothing follows that belongs to it
  const char* data_end_ = nullptr;
  bool data_final_ = true;
  // The first one behind the start of the first document, or of the line; null if there is none. Found once for each.
  const char* newline_ = nullptr;
  const char* first_end_ = nullptr;
  uint64_t padding_runs_ = 0;
  bool padded_ = false;  // NULs were skipped and are not counted yet
  Place framing_ = undecided;
  Place place_ = top;
  bool in_wrapper_ = false;
};

}  // namespace cfdns
