// Indexer: simdjson's first stage, which checks UTF-8 and strings and lists where every token starts.
//
// Only stage 1 is used, through the interface that simdjson's own parsers use: its index plus a walk over it (record.hpp)
// validates the whole record, values nobody asked for included, and keeps numbers as text. simdjson's DOM refuses numbers
// beyond 64 bits or a double, and On-Demand does not look at what it skips.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace cfdns {

// The engine cannot work here; becomes cfdns_fast.EngineError.
struct EngineFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Indexer {
 public:
  Indexer();
  ~Indexer();
  Indexer(const Indexer&) = delete;
  Indexer& operator=(const Indexer&) = delete;

  // List the token starts of text, which must have 64 readable bytes behind it. False if the text is not UTF-8, holds a
  // control character within a string, or leaves a string open. Throws EngineFailure or std::bad_alloc.
  //
  // Behind the last start the size of the text stands twice, for who reads one or two too far.
  bool index(const char* text, size_t size_bytes);

  const uint32_t* starts() const { return starts_; }
  size_t count() const { return count_; }

  // Give memory back if it holds more than a usual window needs.
  void trim(size_t kept_bytes);

 private:
  struct Engine;
  std::unique_ptr<Engine> engine_;
  const uint32_t* starts_ = nullptr;
  size_t count_ = 0;
};

bool is_utf8(const char* text, size_t size_bytes);

// Names of simdjson's kernels: the one at work, and those this CPU can run.
std::string active_kernel();
std::vector<std::string> available_kernels();

}  // namespace cfdns
