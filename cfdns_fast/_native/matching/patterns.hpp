// Patterns: exact comparisons of a text with strings, wildcards, networks and automata.
#pragma once

#include <array>
#include <cstring>
#include <string>

#include "support/bytes.hpp"
#include "values/ip_address.hpp"

namespace cfdns {

// In the order of matching.OPERATORS.
enum class PatternKind : uint8_t { equals, contains, starts, ends, glob, cidr, exists, automaton };

// An address as the 128 bits of IPv6; IPv4 is mapped (RFC 4291 section 2.5.5.2).
class AddressBits {
 public:
  std::array<uint8_t, 16> bytes{};

  // text: a valid address without a zone.
  static bool parse(Slice text, AddressBits& address) {
    const char* at = text.data;
    uint8_t head[16] = {}, tail[16] = {};
    size_t head_bytes = 0, tail_bytes = 0;
    bool has_gap = false;
    if (find(at, text.end(), ':') == nullptr) {
      address = AddressBits();
      address.bytes[10] = address.bytes[11] = 0xFF;
      return parse_ipv4(at, text.end(), address.bytes.data() + 12);
    }
    while (at < text.end()) {
      if (text.end() - at >= 2 && at[0] == ':' && at[1] == ':') {
        if (has_gap) return false;
        has_gap = true;
        at += 2;
        continue;
      }
      if (*at == ':') ++at;
      uint8_t* to = has_gap ? tail + tail_bytes : head + head_bytes;
      size_t& size_bytes = has_gap ? tail_bytes : head_bytes;
      const char* colon = find(at, text.end(), ':');
      const char* end = colon == nullptr ? text.end() : colon;
      const bool is_ipv4 = find(at, end, '.') != nullptr;
      if (head_bytes + tail_bytes + (is_ipv4 ? 4 : 2) > 16) return false;
      if (is_ipv4) {
        if (!parse_ipv4(at, end, to)) return false;
        size_bytes += 4;
      } else {
        unsigned value = 0;
        if (end == at || end - at > 4) return false;
        for (; at < end; ++at) {
          const int digit = hex_digit(*at);
          if (digit < 0) return false;
          value = value * 16 + static_cast<unsigned>(digit);
        }
        to[0] = static_cast<uint8_t>(value >> 8);
        to[1] = static_cast<uint8_t>(value);
        size_bytes += 2;
      }
      at = end;
    }
    if (!has_gap && head_bytes != 16) return false;
    address = AddressBits();
    std::memcpy(address.bytes.data(), head, head_bytes);
    std::memcpy(address.bytes.data() + 16 - tail_bytes, tail, tail_bytes);
    return true;
  }

 private:
  static int hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  }

  static bool parse_ipv4(const char* at, const char* end, uint8_t* to) {
    for (int part = 0; part < 4; ++part) {
      unsigned value = 0;
      const char* start = at;
      for (; at < end && is_digit(*at) && at - start < 3; ++at) value = value * 10 + static_cast<unsigned>(*at - '0');
      if (at == start || value > 255 || (part < 3 && (at == end || *at++ != '.'))) return false;
      to[part] = static_cast<uint8_t>(value);
    }
    return at == end;
  }
};

// A pattern with what it is compared with.
class Pattern {
 public:
  // `text`: of a glob, a wildcard is a byte after a backslash, and every other byte is literal: see write_glob in
  // matching/predicates.py. Of a network, its 16 bytes and the number of bits that count. Of an automaton, the bytes
  // that matching/automata.py describes and has checked.
  Pattern(PatternKind kind, std::string text, bool cased) : kind_(kind), cased_(cased), text_(std::move(text)) {
    if (cased_ || kind == PatternKind::cidr || kind == PatternKind::automaton) return;
    for (char& c : text_) c = folded(c);
  }

  bool matches(Slice text) const {
    const size_t size_bytes = text_.size();
    switch (kind_) {
      case PatternKind::exists: return true;
      case PatternKind::cidr: return is_in_network(text);
      case PatternKind::glob: return matches_glob(text);
      case PatternKind::automaton: return runs_to_match(text);
      case PatternKind::contains: return contains(text);
      default: break;
    }
    if (text.size_bytes < size_bytes || (kind_ == PatternKind::equals && text.size_bytes != size_bytes)) return false;
    return is_at(kind_ == PatternKind::ends ? text.end() - size_bytes : text.data);
  }

 private:
  static char folded(char c) { return static_cast<unsigned char>(c - 'A') < 26 ? static_cast<char>(c | 0x20) : c; }
  char seen(char c) const { return cased_ ? c : folded(c); }

  bool is_at(const char* at) const {
    for (size_t i = 0; i < text_.size(); ++i) {
      if (seen(at[i]) != text_[i]) return false;
    }
    return true;
  }

  bool contains(Slice text) const {
    for (const char* at = text.data; text.end() - at >= static_cast<ptrdiff_t>(text_.size()); ++at) {
      if (is_at(at)) return true;
    }
    return false;
  }

  // After a mismatch, the last "*" takes one more byte, so this needs no recursion.
  bool matches_glob(Slice text) const {
    const char* at = text.data;
    const char* retry = nullptr;
    size_t i = 0, star = 0;
    for (;;) {
      const bool is_wild = i < text_.size() && text_[i] == '\\';
      if (is_wild && text_[i + 1] == '*') {
        i = star = i + 2;
        retry = at;
        continue;
      }
      if (at == text.end()) return i == text_.size();
      if (is_wild ? text_[i + 1] == '?' || text_[i + 1] == seen(*at) : i < text_.size() && text_[i] == seen(*at)) {
        i += is_wild ? 2 : 1;
        ++at;
        continue;
      }
      if (retry == nullptr) return false;
      i = star;
      at = ++retry;
    }
  }

  bool runs_to_match(Slice text) const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(text_.data());
    const auto number_at = [](const uint8_t* at) { return static_cast<size_t>(at[0] | at[1] << 8); };
    const size_t width = bytes[256];
    const size_t states = number_at(bytes + 257);
    const uint8_t* is_accepting = bytes + 261;
    const uint8_t* table = is_accepting + states;
    size_t state = number_at(bytes + 259);
    for (size_t i = 0; i < text.size_bytes && state > 1; ++i) {
      const size_t number = bytes[static_cast<uint8_t>(text.data[i])];
      if (number != 255) state = number_at(table + 2 * (state * width + number));
    }
    return is_accepting[state] != 0;
  }

  bool is_in_network(Slice text) const {
    AddressBits address;
    // A name may be any text.
    if (!is_ip(text) || !AddressBits::parse(text, address)) return false;
    size_t bits = static_cast<unsigned char>(text_[16]);
    for (size_t i = 0; bits != 0; ++i) {
      const size_t here = bits < 8 ? bits : 8;
      const int differing = address.bytes[i] ^ static_cast<unsigned char>(text_[i]);
      if (differing >> (8 - here) != 0) return false;
      bits -= here;
    }
    return true;
  }

  PatternKind kind_;
  bool cased_;
  std::string text_;
};

}  // namespace cfdns
