// JsonScanner: whether text is one JSON object, byte by byte and in a few bytes of memory. For records that are too large to
// become events: their index would take four times their size.
#pragma once

#include "record.hpp"

namespace cfdns {

class JsonScanner {
 public:
  // The text is valid UTF-8.
  JsonScanner(const char* at, const char* end) : at_(at), end_(end) {}

  // Unpaired surrogate escapes are tolerated, as in Decoder::take_object.
  bool is_object() {
    if (!next_is('{')) return false;
    uint64_t object_bits[max_depth / 64 + 1] = {};
    unsigned depth = 0;
    for (;;) {
      // A value starts here.
      skip_space();
      if (at_ == end_) return false;
      char c = *at_;
      if (c == '{' || c == '[') {
        ++at_;
        if (++depth > max_depth) return false;
        uint64_t bit = uint64_t{1} << (depth % 64);
        uint64_t& bits = object_bits[depth / 64];
        bits = c == '{' ? bits | bit : bits & ~bit;
        skip_space();
        if (!next_is(c == '{' ? '}' : ']')) {
          if (c == '{' && !key()) return false;
          continue;
        }
      } else if (!scalar()) {
        return false;
      }
      for (;;) {
        skip_space();
        if (at_ == end_) return false;
        bool object = object_bits[depth / 64] >> (depth % 64) & 1;
        c = *at_++;
        if (c == ',') {
          skip_space();
          if (object && !key()) return false;
          break;
        }
        if (c != (object ? '}' : ']')) return false;
        if (--depth == 0) return at_ == end_;
      }
    }
  }

 private:
  bool next_is(char wanted) const { return at_ < end_ && *at_ == wanted; }

  void skip_space() {
    while (at_ < end_ && is_space(*at_)) ++at_;
  }

  bool key() {
    if (!next_is('"') || !string()) return false;
    skip_space();
    if (!next_is(':')) return false;
    ++at_;
    return true;
  }

  bool string() {
    for (++at_; at_ < end_; ++at_) {
      if (*at_ == '"') {
        ++at_;
        return true;
      }
      if (static_cast<unsigned char>(*at_) < 0x20) return false;
      if (*at_ != '\\') continue;
      if (++at_ == end_) return false;
      if (*at_ == 'u' ? detail::hex4(at_ + 1, end_) < 0 : detail::simple_escape(*at_) == 0) return false;
    }
    return false;
  }

  // Ends at what can follow a value.
  bool scalar() {
    if (*at_ == '"') return string();
    const char* start = at_;
    while (at_ < end_ && *at_ != ',' && *at_ != '}' && *at_ != ']' && !is_space(*at_)) ++at_;
    Slice token{start, static_cast<size_t>(at_ - start)};
    auto is = [&](std::string_view word) { return std::string_view(token.data, token.size_bytes) == word; };
    return is("true") || is("false") || is("null") || number_form(start, at_).valid;
  }

  const char* at_;
  const char* end_;
};

}  // namespace cfdns
