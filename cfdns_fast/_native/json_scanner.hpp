// JsonScanner: where a JSON object ends, or where text stops being one, byte by byte and in a few bytes of memory. For
// records that are too large to become events, as their index would take four times their size, and for telling a delimiter
// within a record from one behind it.
#pragma once

#include "brackets.hpp"
#include "record.hpp"

namespace cfdns {

class JsonScanner {
 public:
  // Text within a line. UTF-8 is not looked at. Unpaired surrogate escapes are tolerated, as in Decoder::take_object.
  JsonScanner(const char* at, const char* end) : at_(at), end_(end), behind_(at) {}

  bool is_object() { return object() == Reach::whole && at_ == end_; }

  // Read the object that the text begins with.
  Reach object() {
    if (at_ == end_) return Reach::cut;
    if (*at_ != '{') return Reach::broken;
    uint64_t object_bits[max_depth / 64 + 1] = {};
    unsigned depth = 0;
    for (;;) {
      // A value starts here.
      if (!skip_to_token()) return Reach::cut;
      char c = *at_;
      if (c == '{' || c == '[') {
        if (++depth > max_depth) return Reach::broken;
        take();
        uint64_t bit = uint64_t{1} << (depth % 64);
        uint64_t& bits = object_bits[depth / 64];
        bits = c == '{' ? bits | bit : bits & ~bit;
        if (!skip_to_token()) return Reach::cut;
        if (*at_ != (c == '{' ? '}' : ']')) {
          Reach reach = c == '{' ? key() : Reach::whole;
          if (reach != Reach::whole) return reach;
          continue;
        }
      } else {
        Reach reach = scalar();
        if (reach != Reach::whole) return reach;
      }
      for (;;) {
        if (!skip_to_token()) return Reach::cut;
        bool object = object_bits[depth / 64] >> (depth % 64) & 1;
        if (*at_ == ',') {
          take();
          Reach reach = object ? key() : Reach::whole;
          if (reach != Reach::whole) return reach;
          break;
        }
        if (*at_ != (object ? '}' : ']')) return Reach::broken;
        take();
        if (--depth == 0) return Reach::whole;
      }
    }
  }

  // Behind the object. If there is none: behind the last token that fits, or at the byte that makes a string none.
  const char* position() const { return behind_; }

 private:
  bool skip_to_token() {
    while (at_ < end_ && is_space(*at_)) ++at_;
    return at_ < end_;
  }

  void take() { behind_ = ++at_; }

  Reach key() {
    if (!skip_to_token()) return Reach::cut;
    if (*at_ != '"') return Reach::broken;
    Reach reach = string();
    if (reach != Reach::whole) return reach;
    if (!skip_to_token()) return Reach::cut;
    if (*at_ != ':') return Reach::broken;
    take();
    return Reach::whole;
  }

  Reach string() {
    constexpr ptrdiff_t longest_escape_bytes = 6;
    for (++at_; at_ < end_; ++at_) {
      if (*at_ == '"') {
        take();
        return Reach::whole;
      }
      bool valid = static_cast<unsigned char>(*at_) >= 0x20;
      if (valid && *at_ != '\\') continue;
      behind_ = at_;
      if (!valid) return Reach::broken;
      bool more = end_ - at_ >= longest_escape_bytes;
      if (++at_ == end_) return Reach::cut;
      valid = *at_ == 'u' ? detail::hex4(at_ + 1, end_) >= 0 : detail::simple_escape(*at_) != 0;
      if (!valid) return more ? Reach::broken : Reach::cut;
    }
    behind_ = end_;
    return Reach::cut;
  }

  // A number or word that the end of the text cuts may be whole.
  Reach scalar() {
    if (*at_ == '"') return string();
    const char* start = at_;
    while (at_ < end_ && is_word_byte(*at_)) ++at_;
    std::string_view token(start, static_cast<size_t>(at_ - start));
    if (token == "true" || token == "false" || token == "null" || number_form(start, at_).valid) {
      behind_ = at_;
      return Reach::whole;
    }
    return at_ == end_ ? Reach::cut : Reach::broken;
  }

  // Of numbers and words. No other byte is looked at before it is known that it belongs to one, or many pieces that each
  // begin with one would take quadratic time.
  static bool is_word_byte(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '+' || c == '-';
  }

  const char* at_;
  const char* end_;
  const char* behind_;
};

}  // namespace cfdns
