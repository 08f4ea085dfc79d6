// NetworkTable: networks of IPv4 and IPv6 addresses, found by the longest prefix.
//
// The networks of one prefix length are sorted, so a lookup is one binary search for each length that occurs. A bitmap
// on the first bits of an address excludes most addresses before that.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "matching/patterns.hpp"
#include "support/bytes.hpp"

namespace cfdns {

class NetworkTable {
 public:
  // Which addresses of an event a network matches.
  static constexpr uint8_t source = 1, answer = 2;

  struct Row {
    uint64_t high, low;  // the address as IPv6; IPv4 is mapped (RFC 4291 section 2.5.5.2)
    uint32_t metadata;
    uint8_t bits;  // the length of the prefix
    uint8_t roles;
  };

  struct Match {
    uint32_t row;
    uint32_t metadata;
  };

  // `address`: 16 bytes; bits after the prefix are ignored. A mapped network of at least 96 bits is one of IPv4.
  void add(std::string_view address, unsigned bits, uint8_t roles, uint32_t metadata) {
    if (address.size() != 16 || bits > 128) throw std::invalid_argument("not a network");
    AddressBits text;
    std::memcpy(text.bytes.data(), address.data(), 16);
    const Address masked = Address(text).prefix(bits);
    rows_.push_back({masked.high, masked.low, metadata, static_cast<uint8_t>(bits), roles});
  }

  // Call after the last add.
  void finish() {
    order_.resize(rows_.size());
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<uint32_t>(i);
    // Longest prefixes first; of equal networks the first one that was added counts.
    std::stable_sort(order_.begin(), order_.end(), [&](uint32_t left, uint32_t right) {
      const Row &a = rows_[left], &b = rows_[right];
      if (a.bits != b.bits) return a.bits > b.bits;
      return a.high != b.high ? a.high < b.high : a.low < b.low;
    });
    // The screen takes up to 2^24 steps for a network, so its time would grow with the square of equal ones.
    const auto is_equal = [&](uint32_t left, uint32_t right) {
      const Row &a = rows_[left], &b = rows_[right];
      return a.bits == b.bits && a.high == b.high && a.low == b.low;
    };
    order_.erase(std::unique(order_.begin(), order_.end(), is_equal), order_.end());
    for (size_t i = 0; i < order_.size(); ++i) {
      const unsigned bits = rows_[order_[i]].bits;
      if (groups_.empty() || groups_.back().bits != bits) groups_.push_back({bits, i, i});
      groups_.back().end = i + 1;
    }
    while (screen_bits_ < max_screen_bits && rows_.size() << 6 > size_t{1} << screen_bits_) ++screen_bits_;
    for (Screen& screen : screens_) screen.assign(size_t{1} << (screen_bits_ - 6), 0);
    for (uint32_t index : order_) {
      const Row& row = rows_[index];
      const Address first{row.high, row.low};
      const bool is_mapped = first.is_mapped() && row.bits >= 96;
      const unsigned bits = is_mapped ? row.bits - 96u : row.bits;
      const size_t start = screen_index(first, is_mapped);
      const size_t count = bits >= screen_bits_ ? 1 : size_t{1} << (screen_bits_ - bits);
      for (size_t i = start; i < start + count; ++i) screens_[is_mapped][i / 64] |= uint64_t{1} << i % 64;
    }
  }

  size_t size() const { return rows_.size(); }
  const Row& row(size_t index) const { return rows_[index]; }
  size_t memory_bytes() const {
    return rows_.size() * (sizeof(Row) + sizeof(uint32_t)) + 2 * screens_[0].size() * sizeof(uint64_t);
  }

  // Whether a network may hold an address. It reads no more of the text than the screen needs.
  bool may_have(Slice text) const {
    const char* at = text.data;
    const char* end = text.end();
    // Such an address may be a mapped one, also in the long form 0:0:0:0:0:ffff:192.0.2.1.
    if (at < end && (*at == ':' || *at == '0')) return true;
    while (at < end && at - text.data < 4 && *at != ':' && *at != '.') ++at;
    if (at == end) return false;
    return *at == '.' ? passes(first_octets(text), 1) : passes(first_groups(text), 0);
  }

  // Find the longest network that holds an address and has the role. The text is padded.
  bool find(Slice text, uint8_t role, Match& match) const {
    AddressBits bits;
    if (!is_ip(text) || !AddressBits::parse(text, bits)) return false;
    const Address address(bits);
    const bool is_mapped = address.is_mapped();
    if (!passes(screen_index(address, is_mapped), is_mapped)) return false;
    for (const Group& group : groups_) {
      const Address wanted = address.prefix(group.bits);
      const auto begin = order_.begin() + static_cast<ptrdiff_t>(group.begin);
      const auto end = order_.begin() + static_cast<ptrdiff_t>(group.end);
      auto found = std::lower_bound(begin, end, wanted, [&](uint32_t row, const Address& value) {
        return rows_[row].high != value.high ? rows_[row].high < value.high : rows_[row].low < value.low;
      });
      if (found == end || rows_[*found].high != wanted.high || rows_[*found].low != wanted.low) continue;
      // A shorter network of IPv6, such as ::/0, holds no addresses of IPv4.
      if (is_mapped && group.bits < 96) break;
      if ((rows_[*found].roles & role) == 0) continue;
      match = {*found, rows_[*found].metadata};
      return true;
    }
    return false;
  }

 private:
  static constexpr unsigned max_screen_bits = 24;  // 2 MiB for each family

  struct Address {
    uint64_t high = 0, low = 0;

    Address(uint64_t upper, uint64_t lower) : high(upper), low(lower) {}
    explicit Address(const AddressBits& address) {
      for (size_t i = 0; i < 8; ++i) high = high << 8 | address.bytes[i];
      for (size_t i = 8; i < 16; ++i) low = low << 8 | address.bytes[i];
    }

    bool is_mapped() const { return high == 0 && low >> 32 == 0xFFFF; }

    Address prefix(unsigned bits) const {
      const uint64_t all = ~uint64_t{0};
      if (bits == 0) return {0, 0};
      if (bits <= 64) return {high & all << (64 - bits), 0};
      return {high, low & all << (128 - bits)};
    }
  };

  // The networks of one prefix length, in `order_`.
  struct Group {
    unsigned bits;
    size_t begin, end;
  };

  using Screen = std::vector<uint64_t>;

  // The first bits of an address of its family.
  size_t screen_index(const Address& address, bool is_mapped) const {
    const uint64_t first = is_mapped ? address.low << 32 : address.high;
    return static_cast<size_t>(first >> (64 - screen_bits_));
  }

  bool passes(size_t index, bool is_mapped) const { return (screens_[is_mapped][index / 64] >> index % 64 & 1) != 0; }

  // The index of the first three octets of an IPv4 address; any index if the text is something else.
  size_t first_octets(Slice text) const {
    const char* at = text.data;
    uint32_t bits = 0;
    for (int octet = 0; octet < 3; ++octet) {
      uint32_t value = 0;
      for (; at < text.end() && is_digit(*at); ++at) value = value * 10 + static_cast<uint32_t>(*at - '0');
      bits = bits << 8 | (value & 0xFF);
      ++at;
    }
    return bits >> (24 - screen_bits_);
  }

  // The index of the first two groups of an IPv6 address, of which the first one is not empty; any index if the text is
  // something else.
  size_t first_groups(Slice text) const {
    const char* at = text.data;
    uint32_t bits = 0;
    for (int group = 0; group < 2; ++group) {
      uint32_t value = 0;
      for (; at < text.end() && *at != ':'; ++at) {
        // A letter has the bit 0x40, and its value is nine more than its lowest four bits.
        value = value << 4 | ((static_cast<uint32_t>(*at) & 0xF) + (static_cast<uint32_t>(*at) >> 6 & 1) * 9);
      }
      bits = bits << 16 | (value & 0xFFFF);
      ++at;
    }
    return bits >> (32 - screen_bits_);
  }

  std::vector<Row> rows_;
  std::vector<uint32_t> order_;  // rows: longest prefixes first, then by address
  std::vector<Group> groups_;
  unsigned screen_bits_ = 12;
  Screen screens_[2];  // of IPv6 and of IPv4: a bit for each beginning of an address that a network has
};

}  // namespace cfdns
