// Bytes: slices of text, and tricks that read eight bytes at once (SWAR, "SIMD within a register").
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace cfdns {

// Every text is followed by this many readable bytes (every output by as many writable ones), so that short copies can
// move whole words. simdjson asks for the same 64.
constexpr size_t padding_bytes = 64;

struct Slice {
  const char* data = nullptr;
  size_t size_bytes = 0;

  const char* end() const { return data + size_bytes; }
};

// Load eight bytes, the first one lowest.
inline uint64_t load64(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// Space by RFC 8259 section 2. The newline counts, because a window holds several lines.
inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Keep the first size_bytes (1 to 8) bytes of a word, and clear the others.
inline uint64_t first_bytes(uint64_t word, size_t size_bytes) { return word & (UINT64_MAX >> (64 - 8 * size_bytes)); }

// Lower ASCII A-Z in a word, and keep all other bytes. Each byte is compared by an addition whose carry stays in the
// byte ("hasbetween" in Sean Eron Anderson's Bit Twiddling Hacks).
inline uint64_t ascii_lower(uint64_t word) {
  constexpr uint64_t ones = 0x0101010101010101u;
  uint64_t low7 = word & ones * 0x7F;
  uint64_t from_a = low7 + ones * (0x80 - 'A');
  uint64_t past_z = low7 + ones * (0x7F - 'Z');
  uint64_t is_upper = ~word & (from_a ^ past_z) & ones * 0x80;
  return word | is_upper >> 2;
}

// The text must be padded. There is no early exit, because a branch for each word takes longer than the other words.
inline bool is_ascii(Slice text) {
  constexpr uint64_t upper_bits = 0x8080808080808080u;
  const char* at = text.data;
  size_t left = text.size_bytes;
  uint64_t seen = 0;
  for (; left > 32; at += 32, left -= 32) seen |= (load64(at) | load64(at + 8)) | (load64(at + 16) | load64(at + 24));
  for (; left > 8; at += 8, left -= 8) seen |= load64(at);
  if (left != 0) seen |= first_bytes(load64(at), left);
  return (seen & upper_bits) == 0;
}

inline const char* find(const char* from, const char* to, char wanted) {
  if (from >= to) return nullptr;
  return static_cast<const char*>(std::memchr(from, wanted, static_cast<size_t>(to - from)));
}

// Copy size_bytes bytes, and up to 32 more in whole steps: both sides must be padded. The first step needs no length,
// and suffices for most texts.
inline char* copy_loosely(char* to, const char* from, size_t size_bytes) {
  std::memcpy(to, from, 32);
  for (size_t done = 32; done < size_bytes; done += 32) std::memcpy(to + done, from + done, 32);
  return to + size_bytes;
}

}  // namespace cfdns
