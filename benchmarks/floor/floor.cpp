// The floor: the cost of reading alone with simdjson, the parser of cfdns_fast, used as its documentation recommends.
//
// On-Demand, line by line, with the kernel that simdjson selects. iterate() checks UTF-8 and indexes the line; then every
// field is visited in document order, its key is compared, and all nine values are read with error checks. No output is
// written, and the data is already padded. Visiting fields was faster than operator[] and find_field, so this is the
// stricter floor; it also does not depend on the order of the keys.
//
// Published ratios refer to this file. A change to it needs a note in benchmarks/README.md, "History of the floor".

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

// Returns false if the object does not have these nine fields with their usual types.
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

// Returns the number of records; SIZE_MAX if a line could not be read. SIMDJSON_PADDING (64) readable bytes must follow
// `data`. *sink gets the sum, modulo 2**64, of all string lengths and numbers, so that no read can be optimised away.
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

// Finds the line ends, which every reader of NDJSON must do. *sink gets the sum of the line lengths.
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

// Returns the name of the kernel that simdjson selects on this machine.
const char *floor_kernel() {
  static const std::string name = simdjson::get_active_implementation()->name();
  return name.c_str();
}
}
