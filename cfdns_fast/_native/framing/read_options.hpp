// ReadOptions: how the data of one call is read.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cfdns {

class MatcherSet;

// How the data of a call is read.
struct ReadOptions {
  bool final = true;         // no data follows; otherwise reading stops before what later data could change
  bool is_document = false;  // the data is a JSON document, or a part of one
  bool stop_at_reject = false;
  uint8_t state = 0;                     // where earlier calls stopped: a LineState or a DocumentSplitter::State
  size_t raw_limit_bytes = 0;            // the maximum of a reject's bytes that are kept
  const MatcherSet* matchers = nullptr;  // what is looked for in events; null for nothing
};

}  // namespace cfdns
