// ScalarScanner: true, false, null or a number (RFC 8259 sections 3 and 6), byte by byte. It can stop after any byte.
#pragma once

#include "support/bytes.hpp"

namespace cfdns {

class ScalarScanner {
 public:
  // Append one byte; false if the text can no longer become a scalar.
  bool append(char c) {
    switch (state_) {
      case State::start:
        if (c == '-') return enter(State::minus);
        if (c == 't') return begin_word("rue");
        if (c == 'f') return begin_word("alse");
        if (c == 'n') return begin_word("ull");
        [[fallthrough]];
      case State::minus: return is_digit(c) && enter(c == '0' ? State::zero : State::integer);
      case State::integer:
        if (is_digit(c)) return true;
        [[fallthrough]];
      case State::zero: return c == '.' ? enter(State::point) : is_exponent(c);
      case State::point: return is_digit(c) && enter(State::fraction);
      case State::fraction: return is_digit(c) || is_exponent(c);
      case State::exponent:
        if (c == '+' || c == '-') return enter(State::sign);
        [[fallthrough]];
      case State::sign:
      case State::digits: return is_digit(c) && enter(State::digits);
      case State::word: return *word_ != '\0' && *word_++ == c;
    }
    return false;
  }

  // Whether the text so far is a scalar.
  bool is_complete() const {
    return state_ == State::zero || state_ == State::integer || state_ == State::fraction || state_ == State::digits ||
           (state_ == State::word && *word_ == '\0');
  }

 private:
  enum class State : uint8_t { start, minus, zero, integer, point, fraction, exponent, sign, digits, word };

  bool enter(State state) {
    state_ = state;
    return true;
  }
  bool is_exponent(char c) { return (c == 'e' || c == 'E') && enter(State::exponent); }
  bool begin_word(const char* rest) {
    word_ = rest;
    return enter(State::word);
  }

  State state_ = State::start;
  const char* word_ = "";  // the part of the word that is still missing
};

// Whether a text is true, false, null or a number.
inline bool is_scalar(const char* from, const char* to) {
  ScalarScanner scalar;
  while (from < to && scalar.append(*from)) ++from;
  return from == to && scalar.is_complete();
}

}  // namespace cfdns
