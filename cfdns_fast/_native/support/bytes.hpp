// Bytes: the slices that everything else speaks of, unaligned loads, growing output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

// COLD, of what few records need, whoever sends them: kept out of the loop, which then has more of its own inlined, and made
// for size (measured: 5 %).
// APART, of what some senders' records need and others' do not: kept out of the loop, but made for speed. The loop itself is
// apart too: within a larger function it has too few registers (measured: 4 %, of writing).
// FLAT, of what all records need: with whatever it calls all in one (measured: 6 %, of reading values).
// WITHIN, of what all records need in one place: a part of that place. GCC would see it by itself; clang, for which FLAT means
// no more than the calls in the function's own text, takes 28 % longer for NDJSON otherwise (measured: clang 14).
#if defined(__GNUC__)
#define CFDNS_COLD __attribute__((noinline, cold))
#define CFDNS_FLAT __attribute__((flatten))
#define CFDNS_APART __attribute__((noinline))
#define CFDNS_WITHIN __attribute__((always_inline))
#else
#define CFDNS_COLD
#define CFDNS_FLAT
#define CFDNS_APART
#define CFDNS_WITHIN
#endif

namespace cfdns {

// Every buffer that is read or appended to has this many readable (writable) bytes behind its content, so short copies
// can move whole words. simdjson asks for the same 64.
constexpr size_t padding_bytes = 64;

struct Slice {
  const char* data = nullptr;
  size_t size_bytes = 0;

  const char* end() const { return data + size_bytes; }
};

// Eight bytes, the first one lowest.
inline uint64_t load64(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// RFC 8259 section 2; the newline counts because windows hold several lines.
inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Between the records of a line. NULs too: a file that lost its data in a power cut holds them, and a record may follow.
inline bool is_line_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\0'; }

inline const char* skip_line_space(const char* at, const char* stop) {
  while (at < stop && is_line_space(*at)) ++at;
  return at;
}

// The first size_bytes (1 to 8) bytes of a word, the others zero.
inline uint64_t first_bytes(uint64_t word, size_t size_bytes) { return word & (UINT64_MAX >> (64 - 8 * size_bytes)); }

// ASCII A-Z in a word to lower case; bytes from 0x80 on stay.
inline uint64_t ascii_lower(uint64_t word) {
  constexpr uint64_t ones = 0x0101010101010101u;
  uint64_t low7 = word & ones * 0x7F;
  uint64_t from_a = low7 + ones * (0x80 - 'A');
  uint64_t past_z = low7 + ones * (0x7F - 'Z');
  uint64_t is_upper = ~word & (from_a ^ past_z) & ones * 0x80;
  return word | is_upper >> 2;
}

// Of padded text. No early exit: stopping at each word cost more than looking at the rest.
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

// The last one; in steps, because that is several times as fast as byte by byte.
inline const char* find_last(const char* from, const char* to, char wanted) {
  constexpr ptrdiff_t step_bytes = 256;
  while (from < to) {
    const char* start = to - from > step_bytes ? to - step_bytes : from;
    const char* last = nullptr;
    for (const char* at = start; (at = find(at, to, wanted)) != nullptr; ++at) last = at;
    if (last != nullptr) return last;
    to = start;
  }
  return nullptr;
}

// How much of a text of `left` bytes to take next: at most most_bytes, cut behind the last newline in them, or a line that is
// longer.
inline size_t whole_lines(const char* from, size_t left, size_t most_bytes) {
  size_t cut = left < most_bytes ? left : most_bytes;
  const char* newline = find_last(from, from + cut, '\n');
  if (newline == nullptr) newline = find(from + cut, from + left, '\n');
  return newline == nullptr ? left : static_cast<size_t>(newline + 1 - from);
}

// Copy size_bytes bytes; may write up to 32 bytes behind them and read as many behind the source. Most pieces are short, and
// the first step, which needs no length, does for them.
inline char* copy_loosely(char* to, const char* from, size_t size_bytes) {
  std::memcpy(to, from, 32);
  for (size_t done = 32; done < size_bytes; done += 32) std::memcpy(to + done, from + done, 32);
  return to + size_bytes;
}

// A malloc'ed buffer that grows without initialising what it adds. Throws std::bad_alloc; frees itself.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : data_(other.data_), capacity_bytes_(other.capacity_bytes_) {
    other.data_ = nullptr;
    other.capacity_bytes_ = 0;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t capacity_bytes() const { return capacity_bytes_; }

  // Make room for size_bytes bytes and the padding; the first kept_bytes bytes survive.
  void reserve(size_t size_bytes, size_t kept_bytes) {
    if (data_ != nullptr && size_bytes <= capacity_bytes_) return;
    if (size_bytes > SIZE_MAX / 2) throw std::bad_alloc();
    size_t wanted = capacity_bytes_ * 2 > size_bytes ? capacity_bytes_ * 2 : size_bytes;
    char* grown = static_cast<char*>(std::malloc(wanted + padding_bytes));
    if (grown == nullptr) throw std::bad_alloc();
    if (kept_bytes != 0) std::memcpy(grown, data_, kept_bytes);
    std::free(data_);
    data_ = grown;
    capacity_bytes_ = wanted;
  }

  // Make exactly so much room, and the padding; what fits into it survives.
  void resize(size_t size_bytes) {
    if (size_bytes > SIZE_MAX / 2) throw std::bad_alloc();
    char* resized = static_cast<char*>(std::realloc(data_, size_bytes + padding_bytes));
    if (resized == nullptr) throw std::bad_alloc();
    data_ = resized;
    capacity_bytes_ = size_bytes;
  }

  // Give the memory back if it is more than that.
  void trim(size_t kept_bytes) {
    if (capacity_bytes_ <= kept_bytes) return;
    std::free(data_);
    data_ = nullptr;
    capacity_bytes_ = 0;
  }

 private:
  char* data_ = nullptr;
  size_t capacity_bytes_ = 0;
};

}  // namespace cfdns
