// Members: distinguishes a record from an object around records by the object's members.
#pragma once

#include <string>

#include "json/indexer.hpp"
#include "json/skip.hpp"
#include "json/unescape.hpp"
#include "plan/plan.hpp"

namespace cfdns {

// What the members of an object show about it.
struct Members {
  SkipResult result = SkipResult::incomplete;
  const char* end = nullptr;  // the end of the object, if it is complete
  size_t count = 0;
  bool mapped = false;         // a key is a source of the plan; the members after it were not read
  bool readable = true;        // every key is valid JSON text
  bool holds_records = false;  // a member is an array that begins with an object
  Slice last;                  // the value of the last member
  bool last_is_empty = false;  // the last value is an empty array
};

namespace detail {

inline void read_key(Slice key, const Plan& plan, Members& found) {
  std::string plain(key.data, key.size_bytes);
  bool readable = true;
  for (char c : plain) readable &= static_cast<unsigned char>(c) >= 0x20;
  if (readable && plain.find('\\') != std::string::npos) {
    size_t size_bytes = 0;
    readable = unescape(key, plain.data(), size_bytes) == EscapeResult::ok;
    plain.resize(size_bytes);
  }
  if (readable && plan.find_source(plain) < plan.key_count) {
    found.mapped = true;
  } else if (!readable || !is_utf8(plain.data(), plain.size())) {
    found.readable = false;
  }
}

inline SkipResult scan_members(const char* at, const char* end, const Plan& plan, Members& found) {
  for (++at;; ++at) {
    skip_space(at, end);
    if (at == end) return SkipResult::incomplete;
    if (*at == '}' && found.count == 0) break;
    if (*at != '"') return SkipResult::invalid;
    const char* key = at + 1;
    SkipResult result = skip_string(at, end);
    if (result != SkipResult::complete) return result;
    read_key({key, static_cast<size_t>(at - 1 - key)}, plan, found);
    if (found.mapped) return SkipResult::incomplete;
    result = skip_colon(at, end);
    if (result != SkipResult::complete) return result;
    const char* start = at;
    const char* first = at + 1;
    if (*at == '[') skip_space(first, end);
    found.last_is_empty = *at == '[' && first < end && *first == ']';
    found.holds_records |= *at == '[' && first < end && *first == '{';
    result = skip_value(at, end);
    if (result != SkipResult::complete) return result;
    found.last = {start, static_cast<size_t>(at - start)};
    ++found.count;
    skip_space(at, end);
    if (at == end) return SkipResult::incomplete;
    if (*at == '}') break;
    if (*at != ',') return SkipResult::invalid;
  }
  found.end = at + 1;
  return SkipResult::complete;
}

}  // namespace detail

// Read the members of the object at `at`, up to the first mapped key.
inline Members read_members(const char* at, const char* end, const Plan& plan) {
  Members found;
  found.result = detail::scan_members(at, end, plan, found);
  return found;
}

}  // namespace cfdns
