// Decoding one record: a walk over the token starts of an Indexer that checks the JSON grammar of the whole object and
// notes where the values of the plan's sources stand.
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
  Slice raw;                  // "{" to "}"
  std::vector<Token> tokens;  // by source
  bool lone_surrogate = false;
};

class Decoder {
 public:
  explicit Decoder(const Plan& plan) : plan_(plan) {
    // One more, for the values of keys that nobody asked for.
    record.tokens.resize(plan.sources.size() + 1);
    // No text is that.
    no_source_.key_words.words[0] = no_source_.key_words.masks[0] = UINT64_MAX;
    for (Expected& expected : expected_) expected = {&no_source_, nullptr};
  }

  // Read what `indexer` found in the text at base; `limit` is the end of that text.
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

  // Take the object that starts at the next token start. True if it is complete and on one line; `record` then holds it and
  // the next start is behind it. False leaves the next start where it was; the walk never leaves the line.
  bool take_object() {
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

  // Whether the attached text is exactly one JSON value; `is_object` and record.lone_surrogate tell more about it.
  bool whole_value(bool& is_object) {
    if (at_ == starts_end_) return false;
    const uint32_t* at = at_;
    record.lone_surrogate = false;
    is_object = base_[*at] == '{';
    bool container = is_object || base_[*at] == '[';
    Token token;
    return (container ? skip_container(at, 1) : scalar(at, token)) && at == starts_end_;
  }

  // Give memory back if it is more than usual records need. The record at hand is gone then.
  void trim(size_t kept_bytes) { unescaped_.trim(kept_bytes); }

  Record record;
  bool newlines_allowed = false;  // between tokens

 private:
  char char_at(const uint32_t* at) const { return base_[*at]; }

  // Whether only space, mostly nothing at all, stands between two places, and no newline that is not allowed.
  bool joined(const char* from, const char* to) const {
    return from == to || newlines_allowed || find(from, to, '\n') == nullptr;
  }

  // From a one-byte token (a bracket, comma or colon) to the next start; false if a newline lies between.
  bool step(const uint32_t*& at) const {
    const char* behind = base_ + *at + 1;
    ++at;
    return joined(behind, base_ + *at);
  }

  // Every member of the object whose "{" *at names; moves `at` behind its "}" and returns that, or null if broken.
  //
  // The walk stops in time at the end of the text, because what stands there is taken for a token and is none: behind a
  // window, a line or a piece that is a newline, a CR or NUL. Behind a record cut by its brackets it may be anything, but
  // then the last start is the bracket that balances, and the walk ends there or before.
  CFDNS_INLINE const char* object(const uint32_t*& at) {
    const char* behind = base_ + *at + 1;
    if (*behind != '"' && base_[at[1]] == '}' && joined(behind, base_ + at[1])) {
      ++at;
      return base_ + *at++;
    }
    for (Expected* expected = expected_;; expected += expected != expected_ + most_expected) {
      Token* token;
      if (!read_key(at, *expected, token) || !value(at, *token)) return nullptr;
      if (char_at(at) == '}') return base_ + *at++;
      if (char_at(at) != ',') return nullptr;
    }
  }

  // What to expect at a position in a record.
  struct Expected {
    const Source* source;
    Token* token;
  };

  // Move from the bracket or comma before a key to the value, for which `token` is. False if it is broken.
  //
  // Producers write all records alike, so the record before tells which key to expect at a position; that key, with its
  // quotes and colon and without space, is compared as a whole, and is three tokens then (measured: 5 % of NDJSON).
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
    if (&expected != expected_ + most_expected) expected = {known ? &plan_.sources[source] : &no_source_, token};
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
    const char* end = base_ + *at;  // of the token, once trailing space is taken off
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

  // backslash_ is the first one at or behind some position that no later question precedes.
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

  // Validate the array or object at *at and move behind it; it would be the depth-th open bracket.
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
      // A value ended, or an empty container is about to: brackets close, or a comma leads to the next value.
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
  static constexpr size_t most_expected = 128;
  Source no_source_;
  // By position: the source last seen there, if it has key_words. Never the last one.
  Expected expected_[most_expected + 1];
  Buffer unescaped_;
};

}  // namespace cfdns
