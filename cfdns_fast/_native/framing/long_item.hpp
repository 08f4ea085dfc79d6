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
  using DocumentState = DocumentSplitter::State;

  enum class Outcome : uint8_t {
    more,     // the text ends within the value
    item,     // the value ends, and stands in the place of a record
    ignored,  // the member ends, or its records come next
    fault     // the document is invalid from the start of the value on
  };

  // `state`: the DocumentState where the value begins.
  explicit LongItem(uint8_t state)
      : framing_(state & (DocumentState::on_lines | DocumentState::across_lines)),
        in_wrapper_(state & DocumentState::in_wrapper),
        document_state_(state & ~(framing_ | in_wrapper_ | DocumentState::padded)),
        state_(document_state_ == DocumentState::member ? State::key_start : State::value_start) {}

  // Read on from the first byte that was not read before. `final`: no data follows. All bytes before `read_bytes`
  // belong to the value.
  Outcome read(Slice text, const ReadOptions& options, size_t& read_bytes) {
    bool final = options.final;
    const char* at = text.data;
    const char* stop = text.end();
    bool ends = final;
    if (framing_ == DocumentState::on_lines) {
      const char* newline = find(at, stop, '\n');
      ends |= newline != nullptr;
      if (newline != nullptr) stop = newline;
      // A CR before the newline belongs to the line end.
      if ((newline != nullptr || !final) && stop > at && stop[-1] == '\r') --stop;
    }
    SkipResult result = SkipResult::incomplete;
    while (result == SkipResult::incomplete && at < stop) result = step(at, stop);
    if (framing_ == 0) crosses_lines_ |= find(text.data, at, '\n') != nullptr;
    read_bytes = static_cast<size_t>(at - text.data);
    // The end of the data may end a number or word that has nothing around it.
    if (result == SkipResult::incomplete && ends) {
      bool whole = document_state_ == DocumentState::top && state_ == State::scalar && scalar_.is_complete();
      result = whole ? SkipResult::complete : SkipResult::invalid;
    }
    if (result == SkipResult::incomplete) return Outcome::more;
    if (result == SkipResult::invalid) return Outcome::fault;
    return document_state_ == DocumentState::member ? Outcome::ignored : Outcome::item;
  }

  // The state of the document after the value, or after a fault.
  uint8_t next_state(Outcome outcome) const {
    if (outcome == Outcome::fault) return DocumentState::broken | (framing_ == DocumentState::on_lines ? framing_ : 0);
    int framing = framing_ != 0 ? framing_ : crosses_lines_ ? DocumentState::across_lines : 0;
    if (document_state_ == DocumentState::top)
      return static_cast<uint8_t>(framing != 0 ? framing : DocumentState::on_lines);
    if (document_state_ != DocumentState::member)
      return static_cast<uint8_t>(DocumentState::after_element | in_wrapper_ | framing);
    int next = holds_records_ ? DocumentState::first_element | DocumentState::in_wrapper : DocumentState::after_member;
    return static_cast<uint8_t>(next | framing);
  }

 private:
  enum class State : uint8_t { key_start, key, colon, value_start, array_start, nested, scalar };

  SkipResult step(const char*& at, const char* stop) {
    switch (state_) {
      case State::key:
      case State::nested: {
        SkipResult result = nested(at, stop);
        return result == SkipResult::complete && state_ == State::key ? enter(State::colon) : result;
      }
      case State::scalar: return scalar(at, stop);
      default: break;
    }
    if (is_space(*at) && state_ != State::key_start) {
      ++at;
      return SkipResult::incomplete;
    }
    switch (state_) {
      case State::key_start:
        if (*at != '"') return SkipResult::invalid;
        return enter(State::key);
      case State::colon:
        if (*at++ != ':') return SkipResult::invalid;
        return enter(State::value_start);
      case State::value_start:
        if (*at == '[' && document_state_ == DocumentState::member) {
          brackets_.count(*at++);
          return enter(State::array_start);
        }
        return enter(*at == '{' || *at == '[' || *at == '"' ? State::nested : State::scalar);
      default: holds_records_ = *at == '{'; return holds_records_ ? SkipResult::complete : enter(State::nested);
    }
  }

  SkipResult enter(State state) {
    state_ = state;
    return SkipResult::incomplete;
  }

  // Skip a string, array or object. A newline in a string makes it invalid.
  SkipResult nested(const char*& at, const char* stop) {
    while (at < stop) {
      if (*at == '\n' && brackets_.in_string()) return SkipResult::invalid;
      brackets_.count(*at++);
      if (brackets_.depth() == 0 && !brackets_.in_string()) return SkipResult::complete;
    }
    return SkipResult::incomplete;
  }

  SkipResult scalar(const char*& at, const char* stop) {
    for (; at < stop && !ends_token(*at); ++at) {
      if (!scalar_.append(*at)) return SkipResult::invalid;
    }
    if (at == stop) return SkipResult::incomplete;
    return scalar_.is_complete() ? SkipResult::complete : SkipResult::invalid;
  }

  int framing_;  // the framing that the state holds
  int in_wrapper_;
  int document_state_;
  State state_;
  BracketCounter brackets_;
  ScalarScanner scalar_;
  bool crosses_lines_ = false;
  bool holds_records_ = false;  // the member is an array of records
};

}  // namespace cfdns
