// The elements of an array and the members of an object that the decoder has found valid: a walk over their bytes.
#pragma once

#include "record.hpp"

namespace cfdns {

class Elements {
 public:
  // `container`: from its opening to its closing bracket.
  explicit Elements(Slice container) : at_(container.data + 1), end_(container.end() - 1) {}

  // The next element of an array; false behind the last one.
  bool next(Token& value) {
    skip_to_token();
    if (at_ == end_) return false;
    take(value);
    return true;
  }

  // The next member of an object.
  bool next(Token& key, Token& value) { return next(key) && next(value); }

 private:
  // Between tokens stand only space, commas and colons.
  void skip_to_token() {
    while (at_ < end_ && (is_space(*at_) || *at_ == ',' || *at_ == ':')) ++at_;
  }

  void take(Token& token) {
    const char* start = at_;
    token = Token();
    switch (*start) {
      case '"':
        skip_string(&token.escaped);
        token.type = TokenType::string;
        token.text = {start + 1, static_cast<size_t>(at_ - start - 2)};
        return;
      case '{':
      case '[': skip_container(); token.type = TokenType::container; break;
      default:
        token.integer = true;
        for (; at_ < end_ && *at_ != ',' && *at_ != ']' && *at_ != '}' && !is_space(*at_); ++at_) {
          if (*at_ == '.' || *at_ == 'e' || *at_ == 'E') token.integer = false;
        }
        token.type = *start == 't'   ? TokenType::boolean_true
                     : *start == 'f' ? TokenType::boolean_false
                     : *start == 'n' ? TokenType::null
                                     : TokenType::number;
    }
    token.text = {start, static_cast<size_t>(at_ - start)};
  }

  // From a string's opening quote to behind its closing one.
  void skip_string(bool* escaped) {
    for (++at_; *at_ != '"'; ++at_) {
      if (*at_ != '\\') continue;
      *escaped = true;
      ++at_;
    }
    ++at_;
  }

  void skip_container() {
    size_t depth = 0;
    bool ignored;
    do {
      if (*at_ == '"') {
        skip_string(&ignored);
        continue;
      }
      if (*at_ == '{' || *at_ == '[') ++depth;
      if (*at_ == '}' || *at_ == ']') --depth;
      ++at_;
    } while (depth != 0);
  }

  const char* at_;
  const char* end_;
};

}  // namespace cfdns
