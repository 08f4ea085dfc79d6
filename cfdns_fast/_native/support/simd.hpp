// The vector instructions of this CPU, detected once at run time, and masks of bytes. Every use has a plain twin.
#pragma once

#include <cstdlib>
#include <string_view>

#include "support/bytes.hpp"

#if defined(__x86_64__) || defined(_M_X64)
#define CFDNS_X64 1
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#include <tmmintrin.h>
#define CFDNS_TARGET_SSSE3
#else
#include <immintrin.h>
#define CFDNS_TARGET_SSSE3 __attribute__((target("ssse3")))
#define CFDNS_TARGET_VBMI2 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")))
#endif
#endif

namespace cfdns {

enum class SimdLevel : uint8_t { plain, ssse3, vbmi2 };

namespace detail {

inline bool has_ssse3() {
#ifndef CFDNS_X64
  return false;
#elif defined(_MSC_VER) && !defined(__clang__)
  int info[4];
  __cpuid(info, 1);
  return info[2] >> 9 & 1;
#else
  return __builtin_cpu_supports("ssse3");
#endif
}

inline bool has_vbmi2() {
#ifdef CFDNS_TARGET_VBMI2
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
#else
  return false;
#endif
}

inline SimdLevel choose_simd_level() {
  const char* value = std::getenv("CFDNS_SIMD");
  const std::string_view most = value == nullptr ? "vbmi2" : value;
  if (most == "vbmi2" && has_vbmi2()) return SimdLevel::vbmi2;
  return most != "plain" && has_ssse3() ? SimdLevel::ssse3 : SimdLevel::plain;
}

}  // namespace detail

// The best level of this CPU, limited by CFDNS_SIMD in the environment: vbmi2, ssse3 or plain. CPUs other than x86-64
// have only plain.
inline const SimdLevel simd_level = detail::choose_simd_level();

#ifdef CFDNS_X64

// Every x86-64 CPU has SSE2. Bit i of a mask stands for byte i.
inline __m128i load16(const char* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }

inline uint32_t mask_equal(__m128i bytes, char c) {
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c))));
}

// Compares signed bytes: those from 0x80 on are less than every ASCII character.
inline uint32_t mask_greater(__m128i bytes, char c) {
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(c))));
}

#endif

// "Counting bits set, in parallel", from Sean Eron Anderson's Bit Twiddling Hacks.
inline unsigned count_bits(uint64_t mask) {
  mask -= (mask >> 1) & 0x5555555555555555u;
  mask = (mask & 0x3333333333333333u) + ((mask >> 2) & 0x3333333333333333u);
  mask = (mask + (mask >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
  return static_cast<unsigned>(mask * 0x0101010101010101u >> 56);
}

// The mask must not be 0.
inline unsigned highest_bit(uint64_t mask) {
#if defined(_MSC_VER) && !defined(__clang__)
  unsigned long bit;
  _BitScanReverse64(&bit, mask);
  return bit;
#else
  return 63 - static_cast<unsigned>(__builtin_clzll(mask));
#endif
}

// The mask must not be 0.
inline unsigned lowest_bit(uint64_t mask) {
#if defined(_MSC_VER) && !defined(__clang__)
  unsigned long bit;
  _BitScanForward64(&bit, mask);
  return bit;
#else
  return static_cast<unsigned>(__builtin_ctzll(mask));
#endif
}

}  // namespace cfdns
