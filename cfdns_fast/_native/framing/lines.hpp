// Lines: where to cut a text into whole lines, and the space that may stand between the records of a line.
#pragma once

#include "support/bytes.hpp"

namespace cfdns {

// Between the records of a line. NULs too: a file that lost its data in a power cut holds them, and a record may follow.
inline bool is_line_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\0'; }

inline const char* skip_line_space(const char* at, const char* stop) {
  while (at < stop && is_line_space(*at)) ++at;
  return at;
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

}  // namespace cfdns
