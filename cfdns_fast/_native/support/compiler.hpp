// Hints to the compiler about inlining. Each is empty where the compiler does not know it.
#pragma once

#if defined(__GNUC__)
// Rarely run code: kept out of line and optimized for size, so that more of the loop around it is inlined.
#define CFDNS_COLD __attribute__((noinline, cold))
// Code that only some inputs run often: kept out of line for the registers of its caller, but optimized for speed.
#define CFDNS_NOINLINE __attribute__((noinline))
// A function of the hot path: every call in it is inlined. clang inlines only the calls in the function's own text.
#define CFDNS_FLATTEN __attribute__((flatten))
// A part of one hot function: always inlined, because clang does not inline it by itself.
#define CFDNS_INLINE __attribute__((always_inline))
#else
#define CFDNS_COLD
#define CFDNS_NOINLINE
#define CFDNS_FLATTEN
#define CFDNS_INLINE
#endif
