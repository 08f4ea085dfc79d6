// Escape a DNS name to printable ASCII, as ECS defines dns.question.name.
#pragma once

#include <string>

#include "support/bytes.hpp"
#include "support/compiler.hpp"

namespace cfdns {

inline bool is_printable(char c) { return c >= 0x20 && c < 0x7F; }

// Whether padded text without bytes below 0x20 is printable ASCII.
inline bool is_printable(Slice text) {
  constexpr uint64_t ones = 0x0101010101010101u;
  const char* at = text.data;
  size_t left = text.size_bytes;
  uint64_t seen = 0;
  auto look = [&seen](uint64_t word) { seen |= word | ((word & ones * 0x7F) + ones); };
  for (; left > 8; at += 8, left -= 8) look(load64(at));
  if (left != 0) look(first_bytes(load64(at), left));
  return (seen & ones * 0x80) == 0;
}

// Write an escaped name and padding to `text`. Tabs, CRs and newlines become letters, other bytes three decimal digits.
// A backslash before a printable character is an escape that the sender wrote, and stays.
CFDNS_COLD inline Slice escape_name(Slice name, std::string& text) {
  text.clear();
  for (size_t i = 0; i < name.size_bytes; ++i) {
    const char c = name.data[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\' && i + 1 < name.size_bytes && is_printable(name.data[i + 1])) {
      text += {c, name.data[++i]};
    } else if (c == '"' || c == '\\') {
      text += {'\\', c};
    } else if (c == '\t' || c == '\n' || c == '\r') {
      text += {'\\', c == '\t' ? 't' : c == '\n' ? 'n' : 'r'};
    } else if (is_printable(c)) {
      text += c;
    } else {
      auto digit = [byte](int unit) { return static_cast<char>('0' + byte / unit % 10); };
      text += {'\\', digit(100), digit(10), digit(1)};
    }
  }
  const size_t size_bytes = text.size();
  text.append(padding_bytes, '\0');
  return {text.data(), size_bytes};
}

}  // namespace cfdns
