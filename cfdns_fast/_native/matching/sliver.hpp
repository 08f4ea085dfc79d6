// Sliver: screens query names for the DNS channel of Sliver, and decodes the messages in them. reference/sliver.py has
// the same rules in Python, and names their sources.
#pragma once

#include <algorithm>
#include <string>

#include "support/bytes.hpp"
#include "support/compiler.hpp"
#include "support/simd.hpp"

namespace cfdns {

// In the order of matching.SLIVER_MESSAGES.
enum class SliverMessage : uint8_t {
  nop,
  totp,
  init,
  poll,
  data_to_implant,
  data_from_implant,
  clear,
  totp0,
  l_poll,
  l_data,
  l_end,
  l_domainkey,
  l_block,
  l_clear,
};

enum class SliverEncoder : uint8_t { base32, base58, legacy };

struct SliverName {
  SliverMessage message = SliverMessage::nop;
  SliverEncoder encoder = SliverEncoder::base32;
  uint32_t id = 0;    // 0 if the message has none
  size_t parent = 0;  // the start of the parent domain in the name
};

namespace detail {

inline bool is_upper(char c) { return static_cast<unsigned char>(c - 'A') < 26; }
inline bool is_lower(char c) { return static_cast<unsigned char>(c - 'a') < 26; }
inline bool is_word(char c) { return is_upper(c) || is_lower(c) || is_digit(c) || c == '_' || c == '-'; }

// The value of every byte as a digit; `none` if it is not one.
class Digits {
 public:
  static constexpr uint8_t none = 255;

  constexpr Digits(std::string_view alphabet, bool any_case) : values_() {
    for (uint8_t& value : values_) value = none;
    for (size_t i = 0; i < alphabet.size(); ++i) {
      const char c = alphabet[i];
      values_[static_cast<unsigned char>(c)] = static_cast<uint8_t>(i);
      if (any_case && c >= 'a' && c <= 'z')
        values_[static_cast<unsigned char>(c - 'a' + 'A')] = static_cast<uint8_t>(i);
    }
  }

  constexpr uint8_t of(char c) const { return values_[static_cast<unsigned char>(c)]; }

 private:
  uint8_t values_[256];
};

inline constexpr Digits base32_digits("ab1c2d3e4f5g6h7j8k9m0npqrtuvwxyz", true);
inline constexpr Digits base58_digits("213465789aBcDeFgHjKLMNPQRSTUVWXYZAbCdEfGhiJkmnopqrstuvwxyz", false);

// The bytes of a text of up to four characters as they are in memory, with the bit that makes letters lower case.
constexpr uint64_t folded_word(std::string_view text) {
  uint64_t word = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    word |= static_cast<uint64_t>(static_cast<unsigned char>(text[i]) | 0x20) << (8 * i);
  }
  return word;
}

}  // namespace detail

// The rules for one name. The name is padded text without dots at its ends.
class SliverDecoder {
 public:
  static constexpr size_t max_name_bytes = 254;

  // A fast test that every name passes which decode() accepts, and few others. Most names fail it without a branch that
  // depends on the sizes of labels, which are random.
  CFDNS_INLINE static bool may_match(Slice name) {
    constexpr uint64_t case_bits = 0x2020202020202020u;
    const uint64_t word = load64(name.data) | case_bits;
    const uint32_t start = static_cast<uint32_t>(word) & 0xFFFF;
    const FirstLabel label(name);
    const bool is_base32 = start == detail::folded_word("ba");
    const bool is_nop = (start == detail::folded_word("11")) | (start == detail::folded_word("1c"));
    const bool is_long = (label.size_bytes >= min_base58_characters) & label.may_be_mixed;
    const bool is_full = label.size_bytes == max_label_bytes;
    const bool is_legacy = may_be_legacy(name.data, label.size_bytes);
    if (!(is_base32 | is_nop | is_long | is_full | is_legacy)) return false;
    return may_match_exactly(name, word, label.size_bytes, is_legacy);
  }

  static bool decode(Slice name, SliverName& found) {
    if (name.size_bytes > max_name_bytes || name.size_bytes == 0) return false;
    SliverDecoder decoder(name);
    return decoder.decode_text(found) || decoder.decode_legacy(found);
  }

 private:
  static constexpr size_t max_label_bytes = 63;
  static constexpr size_t min_base58_characters = 18;
  static constexpr size_t max_labels = (max_name_bytes + 1) / 2 + 1;

  explicit SliverDecoder(Slice name) : name_(name) {
    size_t start = 0;
    for (size_t i = 0; i <= name.size_bytes; ++i) {
      if (i != name.size_bytes && name.data[i] != '.') continue;
      if (i == start) has_empty_ = true;
      // More labels than a name can have: then some are empty, and the name is refused.
      if (count_ < max_labels) labels_[count_++] = {name.data + start, i - start};
      start = i + 1;
    }
  }

  // Screens

  // The size of the first label, and whether it may have letters of both cases.
  struct FirstLabel {
    size_t size_bytes;
    bool may_be_mixed = true;

    CFDNS_INLINE explicit FirstLabel(Slice name) {
#ifdef CFDNS_X64
      if (simd_level != SimdLevel::plain) {
        const __m128i first = load16(name.data), second = load16(name.data + 16);
        const uint32_t dots = mask_equal(first, '.') | mask_equal(second, '.') << 16;
        const uint32_t capitals = capitals_of(first) | capitals_of(second) << 16;
        if (dots != 0) {
          size_bytes = std::min<size_t>(lowest_bit(dots), name.size_bytes);
          may_be_mixed = (capitals & (dots ^ (dots - 1))) != 0;
          return;
        }
      }
#endif
      size_bytes = long_label(name);
    }

#ifdef CFDNS_X64
    // Capitals are moved to the lowest values of signed bytes, so that one comparison finds them.
    static uint32_t capitals_of(__m128i bytes) {
      const __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8(static_cast<char>(0x80 - 'A')));
      return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmplt_epi8(moved, _mm_set1_epi8(-0x80 + 26))));
    }
#endif

    CFDNS_NOINLINE static size_t long_label(Slice name) {
      const char* dot = find(name.data, name.end(), '.');
      return dot == nullptr ? name.size_bytes : static_cast<size_t>(dot - name.data);
    }
  };

  CFDNS_NOINLINE static bool may_match_exactly(Slice name, uint64_t word, size_t label, bool is_legacy) {
    if (is_legacy || starts_base32(word, label) || (label - 23 < 4 && starts_nop(name.data, label))) return true;
    return label >= min_base58_characters && long_label_may_match(name, label);
  }

  static bool starts_base32(uint64_t word, size_t label) {
    constexpr uint64_t five = (uint64_t{1} << 40) - 1;
    for (std::string_view wanted : {"baakb", "babbb", "babkb", "backb", "ba2bb", "ba2kb"}) {
      if ((word & five) == detail::folded_word(wanted)) return true;
    }
    // Folding may turn other characters into letters or digits, so the four characters are compared when decoded.
    return label == 4 && (word & 0xFFFFFFFF) == detail::folded_word("baa8");
  }

  static bool starts_nop(const char* name, size_t label) {
    const auto is_at = [name](size_t at, std::string_view tag) {
      for (size_t i = 0; i < tag.size(); ++i) {
        if ((name[at + i] | 0x20) != (tag[i] | 0x20)) return false;
      }
      return true;
    };
    return (label == 23 && is_at(7, "9b")) || (label == 24 && is_at(8, "342")) || (label == 26 && is_at(10, "ta"));
  }

  // All positions are in the name or in its padding.
  CFDNS_INLINE static bool may_be_legacy(const char* name, size_t label) {
    const bool starts = (*name == '_') & (label == 7);
    const bool ends = (name[11] == '_') & (label == 10);
    const bool clears = (name[14] == '_') & (label == 6);
    return starts | ends | clears | (name[label + 20] == '_');
  }

  // Whether a sequence number, a nonce and a session may follow a label of data.
  static bool ends_legacy_data(const char* dot) { return (dot[8] == '.') & (dot[19] == '.') & (dot[20] == '_'); }

  static bool long_label_may_match(Slice name, size_t label) {
    // Legacy data may have two or three labels of 63 bytes and less.
    if (label == max_label_bytes && may_be_more_data(name)) return true;
    const size_t size_bytes = std::min(label, max_label_bytes);
    bool has_upper = false, has_lower = false;
    for (size_t i = 0; i < size_bytes; ++i) {
      const char c = name.data[i];
      if (detail::base58_digits.of(c) == detail::Digits::none) return false;
      has_upper |= detail::is_upper(c);
      has_lower |= detail::is_lower(c);
    }
    return has_upper && has_lower;
  }

  static bool may_be_more_data(Slice name) {
    const char* at = name.data;
    for (int labels = 0; labels < 3; ++labels) {
      const char* dot = find(at, name.end(), '.');
      if (dot == nullptr) return false;
      if (name.end() - dot > 20 && ends_legacy_data(dot)) return true;
      at = dot + 1;
    }
    return false;
  }

  // v1.5 and later: one message in the first labels

  bool decode_text(SliverName& found) const {
    size_t full = 0;
    while (full < count_ && labels_[full].size_bytes == max_label_bytes) ++full;
    return (full != 0 && decode_labels(full, found)) || decode_labels(full + 1, found);
  }

  // Decode the text of the first labels. At least two labels must follow, and none of them may be empty.
  bool decode_labels(size_t count, SliverName& found) const {
    if (count + 2 > count_) return false;
    for (size_t i = count; i < count_; ++i) {
      if (labels_[i].size_bytes == 0) return false;
    }
    char text[max_name_bytes + padding_bytes];
    size_t size_bytes = 0;
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(text + size_bytes, labels_[i].data, labels_[i].size_bytes);
      size_bytes += labels_[i].size_bytes;
    }
    std::memset(text + size_bytes, 0, padding_bytes);
    found.parent = static_cast<size_t>(labels_[count].data - name_.data);
    uint8_t message[max_name_bytes];
    size_t message_bytes;
    if (is_base32_start(text, size_bytes) && from_base32(text, size_bytes, message, message_bytes) &&
        accept(message, message_bytes, found)) {
      found.encoder = SliverEncoder::base32;
      return true;
    }
    if (is_base58_start(text, size_bytes) && from_base58(text, size_bytes, message, message_bytes) &&
        accept(message, message_bytes, found)) {
      found.encoder = SliverEncoder::base58;
      return true;
    }
    return false;
  }

  static bool is_base32_start(const char* text, size_t size_bytes) {
    constexpr uint64_t case_bits = 0x2020202020202020u;
    const uint64_t word = load64(text) | case_bits;
    if ((word & 0xFFFF) == detail::folded_word("ba")) return size_bytes >= 4 && starts_base32(word, size_bytes);
    return (size_bytes == 23 || size_bytes == 24 || size_bytes == 26) && starts_nop(text, size_bytes) &&
           text[0] == '1' && (text[1] == '1' || (text[1] | 0x20) == 'c');
  }

  static bool is_base58_start(const char* text, size_t size_bytes) {
    if (size_bytes < min_base58_characters) return false;
    bool has_upper = false, has_lower = false;
    for (size_t i = 0; i < std::min(size_bytes, max_label_bytes); ++i) {
      has_upper |= detail::is_upper(text[i]);
      has_lower |= detail::is_lower(text[i]);
    }
    return has_upper && has_lower;
  }

  static bool from_base32(const char* text, size_t size_bytes, uint8_t* to, size_t& written_bytes) {
    const size_t rest = size_bytes % 8;
    if (rest == 1 || rest == 3 || rest == 6) return false;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    written_bytes = 0;
    for (size_t i = 0; i < size_bytes; ++i) {
      const uint8_t digit = detail::base32_digits.of(text[i]);
      if (digit == detail::Digits::none) return false;
      bits = bits << 5 | digit;
      bit_count += 5;
      if (bit_count < 8) continue;
      bit_count -= 8;
      to[written_bytes++] = static_cast<uint8_t>(bits >> bit_count);
      bits &= (1u << bit_count) - 1;
    }
    return bits == 0;
  }

  // The text is one number. It is converted by chunks of five digits, the most that 32 bits can hold.
  static bool from_base58(const char* text, size_t size_bytes, uint8_t* to, size_t& written_bytes) {
    constexpr size_t chunk_digits = 5;
    uint32_t number[max_name_bytes / 4 + 1];  // lowest first
    size_t words = 0;
    if (*text == '2') return false;  // a leading zero
    for (size_t i = 0; i < size_bytes;) {
      uint32_t chunk = 0, scale = 1;
      for (size_t end = std::min(size_bytes, i + chunk_digits); i < end; ++i) {
        const uint8_t digit = detail::base58_digits.of(text[i]);
        if (digit == detail::Digits::none) return false;
        chunk = chunk * 58 + digit;
        scale *= 58;
      }
      uint64_t carry = chunk;
      for (size_t word = 0; word < words; ++word) {
        carry += uint64_t{number[word]} * scale;
        number[word] = static_cast<uint32_t>(carry);
        carry >>= 32;
      }
      if (carry != 0) number[words++] = static_cast<uint32_t>(carry);
    }
    written_bytes = 0;
    for (size_t word = words; word-- > 0;) {
      for (unsigned shift = 32; shift != 0;) {
        shift -= 8;
        const uint8_t byte = static_cast<uint8_t>(number[word] >> shift);
        if (byte != 0 || written_bytes != 0) to[written_bytes++] = byte;
      }
    }
    return *to == 0x08 || *to == 0x10;
  }

  // The fields of a message, by number (dns.proto). Of the data only the size counts.
  enum Field : uint8_t { type = 1, id = 2, start = 3, stop = 4, size = 5, data = 6 };

  struct Fields {
    uint32_t values[data + 1] = {};
    unsigned present = 0;  // bit i: field i

    bool has_only(std::initializer_list<Field> wanted) const {
      unsigned mask = 0;
      for (Field field : wanted) mask |= 1u << field;
      return present == mask;
    }
  };

  // Read a minimal varint from 1 to 2^32 - 1.
  static bool read_varint(const uint8_t*& at, const uint8_t* end, uint32_t& value) {
    uint64_t read = 0;
    for (unsigned shift = 0; at != end && shift < 35; shift += 7) {
      const uint8_t byte = *at++;
      read |= uint64_t{byte & 0x7Fu} << shift;
      if (byte >= 0x80) continue;
      value = static_cast<uint32_t>(read);
      return byte != 0 && read <= UINT32_MAX;
    }
    return false;
  }

  // Read the fields strictly: in ascending order, each once, no others, the data last and to the end.
  static bool read_fields(const uint8_t* at, const uint8_t* end, Fields& fields) {
    unsigned last = 0;
    while (at != end) {
      const unsigned number = *at >> 3;
      const unsigned wire_type = *at++ & 7;
      if (number <= last || number > data || wire_type != (number == data ? 2 : 0)) return false;
      if (!read_varint(at, end, fields.values[number])) return false;
      fields.present |= 1u << number;
      if (number == data) return fields.values[data] == static_cast<size_t>(end - at);
      last = number;
    }
    return true;
  }

  // Whether an implant sends such a message.
  static bool accept(const uint8_t* bytes, size_t size_bytes, SliverName& found) {
    constexpr uint32_t min_long_varint = 1 << 14;
    constexpr uint32_t max_totp = 99'999'999;
    constexpr uint32_t session_bits = 0xFFFFFF;
    constexpr uint32_t nonce_bytes = 8;
    constexpr uint32_t read_bytes = 192;
    Fields fields;
    if (!read_fields(bytes, bytes + size_bytes, fields)) return false;
    const uint32_t number = found.id = fields.values[id];
    const bool has_nonce = fields.values[data] == nonce_bytes;
    if (fields.values[type] == 1) {
      found.message = fields.has_only({type}) ? SliverMessage::totp0 : SliverMessage::totp;
      return fields.has_only({type}) ||
             (fields.has_only({type, id}) && number >= min_long_varint && number <= max_totp);
    }
    if ((number & session_bits) == 0) return false;
    const uint64_t from = fields.values[start];
    fields.present |= 1u << start;
    switch (fields.values[type]) {
      case 0:
        found.message = SliverMessage::nop;
        return from == 0 && fields.has_only({id, start, data}) && has_nonce && number >= min_long_varint;
      case 3:
        found.message = SliverMessage::poll;
        return from == 0 && fields.has_only({type, id, start, data}) && has_nonce && number <= session_bits;
      case 9:
        found.message = SliverMessage::clear;
        return from == 0 && fields.has_only({type, id, start, data}) && has_nonce;
      case 7:
        found.message = SliverMessage::data_to_implant;
        return fields.has_only({type, id, start, stop}) && from < fields.values[stop] &&
               fields.values[stop] <= from + read_bytes;
      case 2:
        found.message = SliverMessage::init;
        return fields.has_only({type, id, start, size, data}) && from + fields.values[data] <= fields.values[size] &&
               fields.values[size] > 32 && fields.values[size] <= 16384;
      case 8:
        found.message = SliverMessage::data_from_implant;
        return fields.has_only({type, id, start, size, data}) && from + fields.values[data] <= fields.values[size];
      default: return false;
    }
  }

  // v1.4 and earlier: several labels

  bool decode_legacy(SliverName& found) const {
    if (has_empty_) return false;
    found.encoder = SliverEncoder::legacy;
    found.id = 0;
    if (is_label(0, 7, true) && is_label(1, 13, true) && is_text(2, "sp")) {
      return is_legacy(3, SliverMessage::l_poll, found);
    }
    for (size_t count = 1; count <= 3; ++count) {
      if (is_data(count) && (is_text(count + 3, "si") || is_text(count + 3, "se"))) {
        return is_legacy(count + 4, SliverMessage::l_data, found);
      }
    }
    if (is_label(0, 10, false) && is_session(1) && (is_text(2, "_si") || is_text(2, "_se"))) {
      return is_legacy(3, SliverMessage::l_end, found);
    }
    if (is_label(0, 7, true) && is_word_label(1) && is_text(2, "_domainkey")) {
      return is_legacy(3, SliverMessage::l_domainkey, found);
    }
    if (is_label(0, 7, true) && is_number(1) && is_number(2) && is_label(3, 6, false) && is_text(4, "b")) {
      return is_legacy(5, SliverMessage::l_block, found);
    }
    if (is_label(0, 6, false) && is_label(1, 6, false) && is_text(2, "_cb")) {
      return is_legacy(3, SliverMessage::l_clear, found);
    }
    return false;
  }

  // Whether a parent of two labels or more follows the first ones.
  bool is_legacy(size_t count, SliverMessage message, SliverName& found) const {
    if (count + 2 > count_) return false;
    found.message = message;
    found.parent = static_cast<size_t>(labels_[count].data - name_.data);
    return true;
  }

  // Data in labels of which all but the last have 63 bytes, then a sequence number, a nonce and a session.
  bool is_data(size_t count) const {
    if (count + 4 > count_) return false;
    for (size_t i = 0; i <= count; ++i) {
      if (i + 1 < count && labels_[i].size_bytes != max_label_bytes) return false;
      if (i == count && labels_[i].size_bytes != 7) return false;
      if (labels_[i].size_bytes > max_label_bytes) return false;
      for (const char* at = labels_[i].data; at != labels_[i].end(); ++at) {
        if (detail::base32_digits.of(*at) == detail::Digits::none) return false;
      }
    }
    return is_label(count + 1, 10, false) && is_session(count + 2);
  }

  bool is_session(size_t index) const { return is_text(index, "_") || is_label(index, 13, true); }

  bool is_word_label(size_t index) const { return index < count_ && is_label(index, labels_[index].size_bytes, false); }

  // Whether a label has this size and only letters, digits, "_" and "-".
  bool is_label(size_t index, size_t size_bytes, bool underscore_first) const {
    if (index >= count_ || labels_[index].size_bytes != size_bytes) return false;
    if (underscore_first && *labels_[index].data != '_') return false;
    return std::all_of(labels_[index].data, labels_[index].end(), detail::is_word);
  }

  bool is_number(size_t index) const {
    return index < count_ && labels_[index].size_bytes <= 7 &&
           std::all_of(labels_[index].data, labels_[index].end(), is_digit);
  }

  // `lower`: the text in lower case.
  bool is_text(size_t index, std::string_view lower) const {
    if (index >= count_ || labels_[index].size_bytes != lower.size()) return false;
    for (size_t i = 0; i < lower.size(); ++i) {
      const char c = labels_[index].data[i];
      if ((detail::is_upper(c) ? static_cast<char>(c | 0x20) : c) != lower[i]) return false;
    }
    return true;
  }

  Slice name_;
  Slice labels_[max_labels];
  size_t count_ = 0;
  bool has_empty_ = false;
};

}  // namespace cfdns
