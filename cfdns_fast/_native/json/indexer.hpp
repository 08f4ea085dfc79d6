// Indexer: simdjson's stage 1 (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", VLDB Journal 2019). It
// validates UTF-8 and strings, and lists where every token starts; the decoder then validates all tokens.
//
// simdjson's own parsers do not fit: DOM refuses numbers beyond 64 bits, On-Demand does not validate skipped values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace cfdns {

// The engine cannot work on this machine. It becomes cfdns_fast.EngineError.
struct EngineFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Indexer {
 public:
  Indexer();
  ~Indexer();
  Indexer(const Indexer&) = delete;
  Indexer& operator=(const Indexer&) = delete;

  // List the token starts of padded text; false if the text is not UTF-8, has a control character in a string, or an
  // open string. Two sentinels equal to the size of the text follow the starts. Throws EngineFailure or std::bad_alloc.
  bool index(const char* text, size_t size_bytes);

  const uint32_t* starts() const { return starts_; }
  size_t count() const { return count_; }

  // Free memory that only windows of more than max_bytes need.
  void trim(size_t max_bytes);

 private:
  struct Engine;
  std::unique_ptr<Engine> engine_;
  const uint32_t* starts_ = nullptr;
  size_t count_ = 0;
};

bool is_utf8(const char* text, size_t size_bytes);

// Names of simdjson's kernels: the active one, and those that this CPU can run.
std::string active_kernel();
std::vector<std::string> available_kernels();

}  // namespace cfdns
