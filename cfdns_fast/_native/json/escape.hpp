// Write text as the inside of a JSON string, as json.dumps(ensure_ascii=False) does.
//
// A record has a quote every few bytes, so stopping at each is slow. Instead a shuffle from a table by mask inserts the
// backslashes of eight bytes at once: the reverse of "despacing" (Daniel Lemire and Wojciech Mula, 2017).
//
// AVX-512 VBMI2 widens 32 bytes to pairs of a backslash and a byte, and compresses away the backslashes not needed.
#pragma once

#include "support/simd.hpp"

namespace cfdns {

namespace detail {

inline char* write_escaped(char* to, unsigned char c) {
  constexpr char hex[] = "0123456789abcdef";
  char letter = 0;
  switch (c) {
    case '"':
    case '\\': letter = static_cast<char>(c); break;
    case '\b': letter = 'b'; break;
    case '\f': letter = 'f'; break;
    case '\n': letter = 'n'; break;
    case '\r': letter = 'r'; break;
    case '\t': letter = 't'; break;
    default:
      if (c >= 0x20) {
        *to++ = static_cast<char>(c);
        return to;
      }
      std::memcpy(to, "\\u00", 4);
      to[4] = hex[c >> 4];
      to[5] = hex[c & 15];
      return to + 6;
  }
  *to++ = '\\';
  *to++ = letter;
  return to;
}

}  // namespace detail

// `to` has room for six bytes for each byte of the text, and the padding. Returns the end of the output.
inline char* escape_plain(char* to, Slice text) {
  for (const char* at = text.data; at < text.end(); ++at)
    to = detail::write_escaped(to, static_cast<unsigned char>(*at));
  return to;
}

#ifdef CFDNS_X64

namespace detail {

// By the mask of bytes that need a backslash: the input index of up to 16 output bytes. The upper half of the input is
// all backslashes, so index 8 is one.
struct ShuffleTable {
  alignas(64) uint8_t control[256][16] = {};
  uint8_t size_bytes[256] = {};

  constexpr ShuffleTable() {
    for (int mask = 0; mask < 256; ++mask) {
      uint8_t size = 0;
      for (uint8_t i = 0; i < 8; ++i) {
        if (mask >> i & 1) control[mask][size++] = 8;
        control[mask][size++] = i;
      }
      size_bytes[mask] = size;
    }
  }
};

inline constexpr ShuffleTable shuffle_table{};

// Write the lower half of a shuffle's input, escaped. 16 bytes are written; returns the number of bytes that count.
CFDNS_TARGET_SSSE3 inline size_t write_half(char* to, __m128i half_and_backslashes, unsigned mask) {
  __m128i control = _mm_load_si128(reinterpret_cast<const __m128i*>(shuffle_table.control[mask]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(half_and_backslashes, control));
  return shuffle_table.size_bytes[mask];
}

// Escape the first size_bytes (1 to 16) bytes at `at`. 16 bytes are read.
CFDNS_TARGET_SSSE3 inline char* escape_block(char* to, const char* at, size_t size_bytes) {
  const __m128i backslashes = _mm_set1_epi8('\\');
  const __m128i last_control = _mm_set1_epi8(0x1F);
  const unsigned wanted = 0xFFFFu >> (16 - size_bytes);
  __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  __m128i controls = _mm_cmpeq_epi8(_mm_max_epu8(bytes, last_control), last_control);
  if ((static_cast<unsigned>(_mm_movemask_epi8(controls)) & wanted) != 0) return escape_plain(to, {at, size_bytes});
  __m128i marked = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, backslashes));
  unsigned mask = static_cast<unsigned>(_mm_movemask_epi8(marked)) & wanted;
  to += write_half(to, _mm_unpacklo_epi64(bytes, backslashes), mask & 0xFF);
  to += write_half(to, _mm_unpackhi_epi64(bytes, backslashes), mask >> 8);
  // Bytes after the text are unmarked, so each of them is one byte of output.
  return to - (16 - size_bytes);
}

}  // namespace detail

// Reads up to 15 bytes of padding.
CFDNS_TARGET_SSSE3 inline char* escape_ssse3(char* to, Slice text) {
  const char* at = text.data;
  const char* end = text.end();
  for (; end - at >= 16; at += 16) to = detail::escape_block(to, at, 16);
  return at == end ? to : detail::escape_block(to, at, static_cast<size_t>(end - at));
}

#ifdef CFDNS_TARGET_VBMI2

namespace detail {

// Escape the first size_bytes (1 to 32) bytes at `at`. 32 bytes are read and 64 written.
CFDNS_TARGET_VBMI2 inline char* escape_wide_block(char* to, const char* at, size_t size_bytes) {
  const uint32_t wanted = UINT32_MAX >> (32 - size_bytes);
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const uint32_t controls = _mm256_cmplt_epu8_mask(bytes, _mm256_set1_epi8(0x20)) & wanted;
  if (controls != 0) return escape_plain(to, {at, size_bytes});
  const uint32_t marked =
      (_mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8('"')) | _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8('\\'))) &
      wanted;
  const __m512i pairs = _mm512_or_si512(_mm512_slli_epi16(_mm512_cvtepu8_epi16(bytes), 8), _mm512_set1_epi16('\\'));
  constexpr uint64_t firsts = 0x5555555555555555u;
  const __mmask64 kept = _pdep_u64(marked, firsts) | ~firsts;
  // Compress into a register, because compressing into memory is many times slower on Zen 4.
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi8(kept, pairs));
  return to + size_bytes + static_cast<unsigned>(_mm_popcnt_u32(marked));
}

}  // namespace detail

// Reads up to 31 bytes of padding.
CFDNS_TARGET_VBMI2 inline char* escape_vbmi2(char* to, Slice text) {
  const char* at = text.data;
  const char* end = text.end();
  for (; end - at >= 32; at += 32) to = detail::escape_wide_block(to, at, 32);
  return at == end ? to : detail::escape_wide_block(to, at, static_cast<size_t>(end - at));
}

#endif

#endif

// Escape by the best instructions of this CPU.
inline char* escape(char* to, Slice text) {
#ifdef CFDNS_X64
#ifdef CFDNS_TARGET_VBMI2
  if (simd_level == SimdLevel::vbmi2) return escape_vbmi2(to, text);
#endif
  if (simd_level == SimdLevel::ssse3) return escape_ssse3(to, text);
#endif
  return escape_plain(to, text);
}

}  // namespace cfdns
