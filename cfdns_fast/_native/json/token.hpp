// Token: a JSON value as it is written.
#pragma once

#include "support/bytes.hpp"

namespace cfdns {

// The maximum number of open brackets.
constexpr unsigned max_depth = 256;

enum class TokenType : uint8_t { absent, null, boolean_true, boolean_false, number, string, container };

// The text is the content between the quotes of a string, and the whole text of any other value.
struct Token {
  Slice text;
  TokenType type = TokenType::absent;
  bool escaped = false;  // the string has a backslash
  bool integer = false;  // the number has no fraction and no exponent
};

}  // namespace cfdns
