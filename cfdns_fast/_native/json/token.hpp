// A JSON value as it is written, and how deep values nest.
#pragma once

#include "support/bytes.hpp"

namespace cfdns {

// The maximum number of brackets open at once.
constexpr unsigned max_depth = 256;

enum class TokenType : uint8_t { absent, null, boolean_true, boolean_false, number, string, container };

// A value as written: of strings the content between the quotes, of everything else its own text.
struct Token {
  Slice text;
  TokenType type = TokenType::absent;
  bool escaped = false;  // a string that holds a backslash
  bool integer = false;  // of numbers: no fraction, no exponent
};

}  // namespace cfdns
