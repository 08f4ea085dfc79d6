// Lines: cut text into whole lines, and skip the space between the records of a line.
#pragma once

#include "support/bytes.hpp"

namespace cfdns {

// NULs count as space: a file that lost data in a power failure has runs of them, and records may follow.
inline bool is_line_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\0'; }

inline const char* skip_line_space(const char* at, const char* stop) {
  while (at < stop && is_line_space(*at)) ++at;
  return at;
}

// The last `wanted`, or null. memchr on blocks from the end is several times as fast as a loop over bytes.
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

// The size of the next block of whole lines in a text of `left` bytes: at most max_bytes, or one longer line.
inline size_t whole_lines(const char* from, size_t left, size_t max_bytes) {
  size_t cut = left < max_bytes ? left : max_bytes;
  const char* newline = find_last(from, from + cut, '\n');
  if (newline == nullptr) newline = find(from + cut, from + left, '\n');
  return newline == nullptr ? left : static_cast<size_t>(newline + 1 - from);
}

}  // namespace cfdns
