// Decoder: validates the whole object of one record by the token starts of an Indexer, and finds the values of the
// plan's sources.
#pragma once

#include <vector>

#include "json/bracket_stack.hpp"
#include "json/indexer.hpp"
#include "json/token.hpp"
#include "plan/plan.hpp"
#include "support/buffer.hpp"
#include "support/compiler.hpp"

namespace cfdns {

struct Record {
  Slice raw;                  // from "{" to "}"
  std::vector<Token> tokens;  // by source
  bool lone_surrogate = false;
};

class Decoder {
 public:
  explicit Decoder(const Plan& plan) : plan_(plan) {
    // The last token is for the values of keys that are not in the plan.
    record.tokens.resize(plan.sources.size() + 1);
    // No text matches this source.
    no_source_.key_words.words[0] = no_source_.key_words.masks[0] = UINT64_MAX;
    for (Expected& expected : expected_) expected = {&no_source_, nullptr};
  }

  // Read the tokens that `indexer` found in the text at `base`, which ends at `limit`.
  void attach(const Indexer& indexer, const char* base, const char* limit) {
    base_ = base;
    limit_ = limit;
    at_ = indexer.starts();
    starts_end_ = at_ + indexer.count();
    seek_backslash(base);
  }

  // The next token start, or the limit.
  const char* next_start() const { return at_ == starts_end_ ? limit_ : base_ + *at_; }

  void skip_before(const char* position) {
    while (at_ != starts_end_ && base_ + *at_ < position) ++at_;
  }

  // Parse the object at the next token start. True if it is complete and on one line: `record` then has it, and the
  // next start is after it. False leaves the next start unchanged; the parser never leaves the line.
  bool parse_object() {
    const uint32_t* at = at_;
    const char* start = base_ + *at;
    for (Token& token : record.tokens) {
      token.type = TokenType::absent;
      token.escaped = false;
    }
    record.lone_surrogate = false;
    const char* backslash_before = backslash_;
    const char* last = object(at);
    if (last == nullptr) {
      backslash_ = backslash_before;
      return false;
    }
    record.raw = {start, static_cast<size_t>(last + 1 - start)};
    at_ = at;
    return true;
  }

  // Whether the attached text is exactly one JSON value. Sets `is_object` and record.lone_surrogate.
  bool whole_value(bool& is_object) {
    if (at_ == starts_end_) return false;
    const uint32_t* at = at_;
    record.lone_surrogate = false;
    is_object = base_[*at] == '{';
    bool container = is_object || base_[*at] == '[';
    Token token;
    return (container ? skip_container(at, 1) : scalar(at, token)) && at == starts_end_;
  }

  // Free memory that only records of more than max_bytes need. The current record is lost.
  void trim(size_t max_bytes) { unescaped_.trim(max_bytes); }

  Record record;
  bool newlines_allowed = false;  // between tokens

 private:
  char char_at(const uint32_t* at) const { return base_[*at]; }

  // Whether only space stands between two positions, which are often equal, and no newline that is not allowed.
  bool joined(const char* from, const char* to) const {
    return from == to || newlines_allowed || find(from, to, '\n') == nullptr;
  }

  // Move from a bracket, comma or colon to the next start; false if a newline that is not allowed stands between.
  bool step(const uint32_t*& at) const {
    const char* after = base_ + *at + 1;
    ++at;
    return joined(after, base_ + *at);
  }

  // Parse all members of the object at *at. Returns its "}" and moves `at` after it; null if the object is invalid.
  //
  // The parser stops at the end of the text, because the newline, CR or NUL there is not a token. After a
  // record that was cut by its brackets it may be any byte, but then the last start is the bracket that balances.
  CFDNS_INLINE const char* object(const uint32_t*& at) {
    const char* after = base_ + *at + 1;
    if (*after != '"' && base_[at[1]] == '}' && joined(after, base_ + at[1])) {
      ++at;
      return base_ + *at++;
    }
    for (Expected* expected = expected_;; expected += expected != expected_ + max_expected) {
      Token* token;
      if (!read_key(at, *expected, token) || !value(at, *token)) return nullptr;
      if (char_at(at) == '}') return base_ + *at++;
      if (char_at(at) != ',') return nullptr;
    }
  }

  // The key that is expected at a position in a record.
  struct Expected {
    const Source* source;
    Token* token;
  };

  // Move from the bracket or comma before a key to its value, which belongs to `token`; false if the key is invalid.
  //
  // Producers write all records alike, so the key at a position is mostly the one of the record before. That key is
  // compared as a whole, with quotes and colon, and then skips three tokens.
  CFDNS_INLINE bool read_key(const uint32_t*& at, Expected& expected, Token*& token) {
    const char* text = base_ + *at + 1;
    if (starts_with_key(text, *expected.source)) {
      at += 3;
      token = expected.token;
      return joined(text + expected.source->size_bytes, base_ + *at);
    }
    return read_unexpected_key(at, expected, token);
  }

  CFDNS_NOINLINE bool read_unexpected_key(const uint32_t*& at, Expected& expected, Token*& token) {
    if (!step(at) || char_at(at) != '"') return false;
    const char* text = base_ + *at++ + 1;
    if (char_at(at) != ':') return false;
    Token key;
    if (!string(text, base_ + *at, key)) return false;
    Slice plain = key.text;
    if (key.escaped) {
      unescape(key.text, unescaped_.data(), plain.size_bytes);
      plain.data = unescaped_.data();
    }
    size_t source = plan_.find_source({plain.data, plain.size_bytes});
    token = record.tokens.data() + source;
    bool known = source != plan_.sources.size() && plan_.sources[source].size_bytes != 0;
    if (&expected != expected_ + max_expected) expected = {known ? &plan_.sources[source] : &no_source_, token};
    return step(at);
  }

  static bool starts_with_key(const char* text, const Source& source) {
    const KeyWords& key = source.key_words;
    uint64_t differing =
        ((load64(text) ^ key.words[0]) & key.masks[0]) | ((load64(text + 8) ^ key.words[1]) & key.masks[1]);
    if (source.size_bytes > 16) differing |= (load64(text + 16) ^ key.words[2]) & key.masks[2];
    return differing == 0;
  }

  CFDNS_INLINE bool value(const uint32_t*& at, Token& token) {
    char c = char_at(at);
    if (c != '{' && c != '[') return scalar(at, token);
    token.type = TokenType::container;
    token.escaped = false;
    const char* start = base_ + *at;
    if (!skip_container(at, 2)) return false;
    const char* end = base_ + at[-1] + 1;
    token.text = {start, static_cast<size_t>(end - start)};
    return joined(end, base_ + *at);
  }

  CFDNS_INLINE bool scalar(const uint32_t*& at, Token& token) {
    const char* start = base_ + *at++;
    const char* end = base_ + *at;  // of the token, once trailing space is removed
    if (*start == '"') return string(start + 1, end, token);
    token.escaped = false;
    if (static_cast<unsigned char>(end[-1]) <= ' ') {
      while (end > start && is_space(end[-1])) {
        if (*--end == '\n' && !newlines_allowed) return false;
      }
    }
    token.text = {start, static_cast<size_t>(end - start)};
    if (is_digit(*start)) return number(token);
    switch (*start) {
      case 't': token.type = TokenType::boolean_true; return is(token.text, "true", 4);
      case 'f': token.type = TokenType::boolean_false; return is(token.text, "false", 5);
      case 'n': token.type = TokenType::null; return is(token.text, "null", 4);
      default: return number(token);
    }
  }

  CFDNS_INLINE static bool number(Token& token) {
    NumberForm form = number_form(token.text.data, token.text.end());
    token.type = TokenType::number;
    token.integer = form.integer;
    return form.valid;
  }

  // Only space can stand between the closing quote and the next start.
  CFDNS_INLINE bool string(const char* start, const char* next, Token& token) {
    const char* end = next - 1;
    while (*end != '"') {
      if (*end-- == '\n' && !newlines_allowed) return false;
    }
    token.type = TokenType::string;
    token.text = {start, static_cast<size_t>(end - start)};
    token.escaped = false;
    if (!has_backslash(start, end)) return true;
    token.escaped = true;
    unescaped_.reserve(token.text.size_bytes, 0);
    size_t ignored_bytes;
    EscapeResult result = unescape(token.text, unescaped_.data(), ignored_bytes);
    record.lone_surrogate |= result == EscapeResult::lone_surrogate;
    return result != EscapeResult::broken;
  }

  // backslash_ is the first backslash from a position on; the positions are requested in ascending order.
  bool has_backslash(const char* start, const char* end) {
    if (backslash_ >= end) return false;
    if (backslash_ < start) seek_backslash(start);
    return backslash_ < end;
  }

  void seek_backslash(const char* from) {
    const char* found = find(from, limit_, '\\');
    backslash_ = found == nullptr ? limit_ : found;
  }

  static bool is(Slice text, const char* word, size_t size_bytes) {
    return text.size_bytes == size_bytes && std::memcmp(text.data, word, size_bytes) == 0;
  }

  // Validate the array or object at *at, and move after it. It is the depth-th open bracket.
  bool skip_container(const uint32_t*& at, unsigned depth) {
    const unsigned outside = depth - 1;
    BracketStack brackets(outside);
    Token ignored;
    for (;;) {
      // A value starts at *at.
      char c = char_at(at);
      if (c == '{' || c == '[') {
        if (!brackets.open(c == '{') || !step(at)) return false;
        if (char_at(at) != (c == '{' ? '}' : ']')) {
          if (c == '{' && !key(at)) return false;
          continue;
        }
      } else {
        if (!scalar(at, ignored)) return false;
        if (brackets.depth() == outside) return true;
      }
      // After a value, or in an empty container: brackets close, or a comma leads to the next value.
      for (;;) {
        const bool object = brackets.in_object();
        c = char_at(at);
        if (c == ',') {
          if (!step(at) || (object && !key(at))) return false;
          break;
        }
        if (c != (object ? '}' : ']')) return false;
        brackets.close();
        if (brackets.depth() == outside) {
          ++at;
          return true;
        }
        if (!step(at)) return false;
      }
    }
  }

  bool key(const uint32_t*& at) {
    if (char_at(at) != '"') return false;
    Token ignored;
    return scalar(at, ignored) && char_at(at) == ':' && step(at);
  }

  const Plan& plan_;
  const char* base_ = nullptr;
  const char* limit_ = nullptr;
  const uint32_t* at_ = nullptr;
  const uint32_t* starts_end_ = nullptr;
  const char* backslash_ = nullptr;
  static constexpr size_t max_expected = 128;
  Source no_source_;
  // by position: the last source with key_words; the last element never matches
  Expected expected_[max_expected + 1];
  Buffer unescaped_;
};

}  // namespace cfdns
