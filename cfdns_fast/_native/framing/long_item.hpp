// LongItem: finds the end of a value that is longer than max_record_bytes in a JSON document: an element, a document
// without a wrapper, or a member of the wrapper.
//
// It can stop after any byte, and finds what DocumentSplitter finds if the whole value is in memory.
#pragma once

#include "framing/document.hpp"
#include "json/scalar_scanner.hpp"

namespace cfdns {

class LongItem {
 public:
  using Place = DocumentSplitter::Place;

  enum class Outcome : uint8_t {
    more,     // the text ends within the value
    item,     // the value ends, and stands in the place of a record
    ignored,  // the member ends, or its records come next
    fault     // the document is invalid from the start of the value on
  };

  // `place`: the state of the document where the value begins.
  explicit LongItem(uint8_t place)
      : framing_(place & (Place::on_lines | Place::across_lines)),
        in_wrapper_(place & Place::in_wrapper),
        place_(place & ~(framing_ | in_wrapper_ | Place::padded)),
        state_(place_ == Place::member ? State::key_start : State::value_start) {}

  // Read on from the first byte that was not read before. `final`: no data follows. All bytes before `read_bytes`
  // belong to the value.
  Outcome read(Slice text, bool final, size_t& read_bytes) {
    const char* at = text.data;
    const char* stop = text.end();
    bool ends = final;
    if (framing_ == Place::on_lines) {
      const char* newline = find(at, stop, '\n');
      ends |= newline != nullptr;
      if (newline != nullptr) stop = newline;
      // A CR before the newline belongs to the line end.
      if ((newline != nullptr || !final) && stop > at && stop[-1] == '\r') --stop;
    }
    Reach reach = Reach::cut;
    while (reach == Reach::cut && at < stop) reach = step(at, stop);
    if (framing_ == 0) crosses_lines_ |= find(text.data, at, '\n') != nullptr;
    read_bytes = static_cast<size_t>(at - text.data);
    // The end of the data may end a number or word that has nothing around it.
    if (reach == Reach::cut && ends) {
      bool whole = place_ == Place::top && state_ == State::scalar && scalar_.is_complete();
      reach = whole ? Reach::whole : Reach::broken;
    }
    if (reach == Reach::cut) return Outcome::more;
    if (reach == Reach::broken) return Outcome::fault;
    return place_ == Place::member ? Outcome::ignored : Outcome::item;
  }

  // The state of the document after the value, or after a fault.
  uint8_t next_place(Outcome outcome) const {
    if (outcome == Outcome::fault) return Place::broken | (framing_ == Place::on_lines ? framing_ : 0);
    int framing = framing_ != 0 ? framing_ : crosses_lines_ ? Place::across_lines : 0;
    if (place_ == Place::top) return static_cast<uint8_t>(framing != 0 ? framing : Place::on_lines);
    if (place_ != Place::member) return static_cast<uint8_t>(Place::after_element | in_wrapper_ | framing);
    int next = holds_records_ ? Place::first_element | Place::in_wrapper : Place::after_member;
    return static_cast<uint8_t>(next | framing);
  }

 private:
  enum class State : uint8_t { key_start, key, colon, value_start, array_start, nested, scalar };

  Reach step(const char*& at, const char* stop) {
    switch (state_) {
      case State::key:
      case State::nested: {
        Reach reach = nested(at, stop);
        return reach == Reach::whole && state_ == State::key ? enter(State::colon) : reach;
      }
      case State::scalar: return scalar(at, stop);
      default: break;
    }
    if (is_space(*at) && state_ != State::key_start) {
      ++at;
      return Reach::cut;
    }
    switch (state_) {
      case State::key_start:
        if (*at != '"') return Reach::broken;
        return enter(State::key);
      case State::colon:
        if (*at++ != ':') return Reach::broken;
        return enter(State::value_start);
      case State::value_start:
        if (*at == '[' && place_ == Place::member) {
          brackets_.count(*at++);
          return enter(State::array_start);
        }
        return enter(*at == '{' || *at == '[' || *at == '"' ? State::nested : State::scalar);
      default: holds_records_ = *at == '{'; return holds_records_ ? Reach::whole : enter(State::nested);
    }
  }

  Reach enter(State state) {
    state_ = state;
    return Reach::cut;
  }

  // Skip a string, array or object. A newline in a string makes it invalid.
  Reach nested(const char*& at, const char* stop) {
    while (at < stop) {
      if (*at == '\n' && brackets_.in_string()) return Reach::broken;
      brackets_.count(*at++);
      if (brackets_.depth() == 0 && !brackets_.in_string()) return Reach::whole;
    }
    return Reach::cut;
  }

  Reach scalar(const char*& at, const char* stop) {
    for (; at < stop && !ends_token(*at); ++at) {
      if (!scalar_.append(*at)) return Reach::broken;
    }
    if (at == stop) return Reach::cut;
    return scalar_.is_complete() ? Reach::whole : Reach::broken;
  }

  int framing_;  // as far as the state says it
  int in_wrapper_;
  int place_;
  State state_;
  BracketCounter brackets_;
  ScalarScanner scalar_;
  bool crosses_lines_ = false;
  bool holds_records_ = false;  // the member is an array of records
};

}  // namespace cfdns
