// Elements: iterate over an array or object that the decoder has validated.
#pragma once

#include "json/number.hpp"
#include "json/skip.hpp"
#include "json/token.hpp"

namespace cfdns {

class Elements {
 public:
  // `container`: the text from its opening to its closing bracket.
  explicit Elements(Slice container) : at_(container.data + 1), end_(container.end() - 1) {}

  // Parse the next element of an array; false at the end.
  bool next(Token& value) {
    skip_to_token();
    if (at_ == end_) return false;
    parse(value);
    return true;
  }

  // Parse the next member of an object; false at the end.
  bool next(Token& key, Token& value) { return next(key) && next(value); }

 private:
  // Only space, commas and colons stand between tokens.
  void skip_to_token() {
    while (at_ < end_ && (is_space(*at_) || *at_ == ',' || *at_ == ':')) ++at_;
  }

  void parse(Token& token) {
    const char* start = at_;
    token = Token();
    switch (*start) {
      case '"':
        skip_string(at_, end_);
        token.type = TokenType::string;
        token.text = {start + 1, static_cast<size_t>(at_ - start - 2)};
        token.escaped = find(start, at_, '\\') != nullptr;
        return;
      case '{':
      case '[':
        skip_brackets(at_, end_);
        token.type = TokenType::container;
        break;
      case 't': token.type = TokenType::boolean_true; break;
      case 'f': token.type = TokenType::boolean_false; break;
      case 'n': token.type = TokenType::null; break;
      default: token.type = TokenType::number;
    }
    if (token.type != TokenType::container) skip_token(at_, end_);
    token.text = {start, static_cast<size_t>(at_ - start)};
    token.integer = token.type == TokenType::number && number_form(start, at_).integer;
  }

  const char* at_;
  const char* end_;
};

}  // namespace cfdns
