// The floor: what reading alone costs with simdjson, the parser cfdns_fast is built on, used as its authors advise.
//
// On-Demand, the kernel simdjson picks by itself, line by line. iterate() checks UTF-8 and indexes the line; then every
// field is visited in document order, its key compared, and all nine values are read into locals, errors checked.
// Nothing is written. The data is already padded. (Visiting fields measured 10 to 15 % below looking nine keys up with
// operator[] or find_field, so it is the stricter floor. It also does not depend on the order of the keys.)
//
// Published ratios refer to this file: a change to it needs a note in benchmarks/README.md, "History of the floor".

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "simdjson.h"

namespace {

namespace ondemand = simdjson::ondemand;

constexpr size_t kFailed = SIZE_MAX;
constexpr unsigned kAllNine = (1u << 9) - 1;

struct Record {
  std::string_view colo_code, edns_subnet, query_name, source_ip;
  int64_t edns_subnet_length, query_type, response_code, timestamp;
  bool response_cached;
};

// False: not an object with these nine fields, each of its usual type.
inline bool read_record(ondemand::object &object, Record &record) {
  unsigned seen = 0;
  for (auto result : object) {
    ondemand::field field;
    if (std::move(result).get(field)) return false;
    const ondemand::raw_json_string key = field.key();
    ondemand::value value = field.value();
    simdjson::error_code error;
    if (key == "ColoCode") {
      error = value.get(record.colo_code), seen |= 1u << 0;
    } else if (key == "EDNSSubnet") {
      error = value.get(record.edns_subnet), seen |= 1u << 1;
    } else if (key == "EDNSSubnetLength") {
      error = value.get(record.edns_subnet_length), seen |= 1u << 2;
    } else if (key == "QueryName") {
      error = value.get(record.query_name), seen |= 1u << 3;
    } else if (key == "QueryType") {
      error = value.get(record.query_type), seen |= 1u << 4;
    } else if (key == "ResponseCached") {
      error = value.get(record.response_cached), seen |= 1u << 5;
    } else if (key == "ResponseCode") {
      error = value.get(record.response_code), seen |= 1u << 6;
    } else if (key == "SourceIP") {
      error = value.get(record.source_ip), seen |= 1u << 7;
    } else if (key == "Timestamp") {
      error = value.get(record.timestamp), seen |= 1u << 8;
    } else {
      continue;
    }
    if (error) return false;
  }
  return seen == kAllNine;
}

}  // namespace

extern "C" {

// Returns the number of records, SIZE_MAX if a line could not be read. `data` must be followed by SIMDJSON_PADDING (64)
// readable bytes. *sink gets the sum, modulo 2**64, of all string lengths and numbers: no read can be optimised away.
size_t floor_run(const char *data, size_t size_bytes, size_t *sink) {
  ondemand::parser parser;
  if (parser.allocate(1 << 16)) return kFailed;
  const char *at = data;
  const char *const end = data + size_bytes;
  size_t records = 0;
  uint64_t sum = 0;
  while (at < end) {
    const char *newline = static_cast<const char *>(std::memchr(at, '\n', end - at));
    if (newline == nullptr) newline = end;
    const simdjson::padded_string_view line(at, newline - at, end - at + simdjson::SIMDJSON_PADDING);
    ondemand::document document;
    ondemand::object object;
    Record record;
    if (parser.iterate(line).get(document) || document.get_object().get(object)) return kFailed;
    if (!read_record(object, record)) return kFailed;
    sum += record.colo_code.size() + record.edns_subnet.size() + record.query_name.size() + record.source_ip.size();
    sum += static_cast<uint64_t>(record.edns_subnet_length) + static_cast<uint64_t>(record.query_type) +
           static_cast<uint64_t>(record.response_code) + static_cast<uint64_t>(record.timestamp) +
           record.response_cached;
    ++records;
    at = newline + 1;
  }
  *sink = static_cast<size_t>(sum);
  return records;
}

// Only finds the line ends: what no reader of NDJSON can avoid. *sink gets the sum of the line lengths.
size_t floor_newlines(const char *data, size_t size_bytes, size_t *sink) {
  const char *at = data;
  const char *const end = data + size_bytes;
  size_t lines = 0, sum = 0;
  while (at < end) {
    const char *newline = static_cast<const char *>(std::memchr(at, '\n', end - at));
    if (newline == nullptr) newline = end;
    sum += newline - at;
    ++lines;
    at = newline + 1;
  }
  *sink = sum;
  return lines;
}

// The name of the kernel simdjson dispatches to on this machine.
const char *floor_kernel() {
  static const std::string name = simdjson::get_active_implementation()->name();
  return name.c_str();
}
}
