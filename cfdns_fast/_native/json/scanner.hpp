// JsonScanner: where a JSON object ends, or where text stops being one. It needs a few bytes of memory and can stop
// after any byte, so it reads records that arrive in blocks or are too large to index.
#pragma once

#include "json/bracket_stack.hpp"
#include "json/scalar_scanner.hpp"
#include "json/skip.hpp"
#include "json/unescape.hpp"

namespace cfdns {

class JsonScanner {
 public:
  // Scan on from `at` to `end`, which is in the same line. Moves `at` after the object, to the byte that does not fit,
  // or to the end. UTF-8 is not checked, and unpaired surrogate escapes are tolerated, as in Decoder::parse_object.
  SkipResult scan(const char*& at, const char* end) {
    const char* from = at;
    SkipResult result = SkipResult::incomplete;
    while (at < end && result == SkipResult::incomplete) result = step(at, end, from);
    scanned_bytes_ += static_cast<uint64_t>(at - from);
    return result;
  }

  // Number of bytes up to the end of the last token that fits. Within a string, the scanned part of the string counts.
  uint64_t fitting_bytes() const { return state_ == State::string ? scanned_bytes_ : fitting_bytes_; }

  // The same if the text ends here, which also ends a number or word.
  uint64_t fitting_bytes_at_end() const {
    return state_ == State::scalar && scalar_.is_complete() ? scanned_bytes_ : fitting_bytes();
  }

 private:
  enum class State : uint8_t {
    object,         // expects the opening bracket of the object
    first_key,      // expects a key or "}"
    key,            // expects a key
    colon,          // expects a colon
    first_element,  // expects a value or "]"
    value,          // expects a value
    after_value,    // expects a comma or the closing bracket
    string,         // within a string
    escape,         // after a backslash
    digits,         // within the four digits of \uXXXX
    scalar          // within a number or word
  };

  SkipResult step(const char*& at, const char* end, const char* from) {
    switch (state_) {
      case State::string: return string(at, end, from);
      case State::escape:
        if (*at == 'u') {
          digits_left_ = 4;
          state_ = State::digits;
        } else if (detail::simple_escape(*at) != 0) {
          state_ = State::string;
        } else {
          return SkipResult::invalid;
        }
        ++at;
        return SkipResult::incomplete;
      case State::digits:
        if (detail::hex_value(*at) < 0) return SkipResult::invalid;
        ++at;
        if (--digits_left_ == 0) state_ = State::string;
        return SkipResult::incomplete;
      case State::scalar: return scalar(at, end, from);
      default: break;
    }
    while (is_space(*at)) {
      if (++at == end) return SkipResult::incomplete;
    }
    return token(at, from);
  }

  SkipResult token(const char*& at, const char* from) {
    char c = *at;
    switch (state_) {
      case State::object: return c == '{' ? open(at, from) : SkipResult::invalid;
      case State::first_key:
        if (c == '}') return close(at, from);
        [[fallthrough]];
      case State::key: is_key_ = true; return c == '"' ? advance(State::string, at, from) : SkipResult::invalid;
      case State::colon: return c == ':' ? advance(State::value, at, from) : SkipResult::invalid;
      case State::first_element:
        if (c == ']') return close(at, from);
        [[fallthrough]];
      case State::value:
        if (c == '{' || c == '[') return open(at, from);
        if (c == '"') {
          is_key_ = false;
          return advance(State::string, at, from);
        }
        scalar_ = ScalarScanner();
        state_ = State::scalar;
        return SkipResult::incomplete;
      default:
        if (c == ',') return advance(brackets_.in_object() ? State::key : State::value, at, from);
        return c == (brackets_.in_object() ? '}' : ']') ? close(at, from) : SkipResult::invalid;
    }
  }

  // Skip a token of one byte.
  SkipResult advance(State state, const char*& at, const char* from) {
    state_ = state;
    fit(++at, from);
    return SkipResult::incomplete;
  }

  SkipResult open(const char*& at, const char* from) {
    bool object = *at == '{';
    if (!brackets_.open(object)) return SkipResult::invalid;
    return advance(object ? State::first_key : State::first_element, at, from);
  }

  SkipResult close(const char*& at, const char* from) {
    advance(State::after_value, at, from);
    brackets_.close();
    return brackets_.depth() == 0 ? SkipResult::complete : SkipResult::incomplete;
  }

  SkipResult string(const char*& at, const char* end, const char* from) {
    while (at < end && static_cast<unsigned char>(*at) >= 0x20 && *at != '"' && *at != '\\') ++at;
    if (at == end) return SkipResult::incomplete;
    if (*at == '"') return advance(is_key_ ? State::colon : State::after_value, at, from);
    fit(at, from);
    if (*at != '\\') return SkipResult::invalid;
    state_ = State::escape;
    ++at;
    return SkipResult::incomplete;
  }

  SkipResult scalar(const char*& at, const char* end, const char* from) {
    while (at < end && is_word_byte(*at)) {
      if (!scalar_.append(*at)) return SkipResult::invalid;
      ++at;
    }
    if (at == end) return SkipResult::incomplete;
    if (!scalar_.is_complete()) return SkipResult::invalid;
    fit(at, from);
    state_ = State::after_value;
    return SkipResult::incomplete;
  }

  static bool is_word_byte(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '+' || c == '-';
  }

  void fit(const char* at, const char* from) { fitting_bytes_ = scanned_bytes_ + static_cast<uint64_t>(at - from); }

  State state_ = State::object;
  bool is_key_ = false;
  uint8_t digits_left_ = 0;
  BracketStack brackets_;
  uint64_t scanned_bytes_ = 0;
  uint64_t fitting_bytes_ = 0;
  ScalarScanner scalar_;
};

}  // namespace cfdns
