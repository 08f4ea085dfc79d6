// RejectReason: finds the first code that applies to bytes that are not a record.
#pragma once

#include <algorithm>

#include "events/decoder.hpp"
#include "framing/rejects.hpp"
#include "json/indexer.hpp"
#include "json/skip.hpp"
#include "plan/plan.hpp"

namespace cfdns {

class RejectReason {
 public:
  explicit RejectReason(const Plan& plan) : plan_(plan), decoder_(plan) {}

  // Whether newlines may stand between the tokens of a record.
  void allow_newlines(bool allowed) { decoder_.newlines_allowed = allowed; }

  // The text must be padded.
  CFDNS_COLD RejectCode of(const char* from, const char* to) {
    size_t size_bytes = static_cast<size_t>(to - from);
    if (size_bytes > plan_.max_record_bytes) return RejectCode::too_large;
    if (!is_utf8(from, size_bytes)) return RejectCode::utf8;
    if (is_too_deep(from, to)) return RejectCode::depth;
    if (!index_.index(from, size_bytes)) return RejectCode::syntax;
    decoder_.attach(index_, from, to);
    bool is_object;
    if (!decoder_.whole_value(is_object)) return RejectCode::syntax;
    return decoder_.record.lone_surrogate ? RejectCode::surrogate : RejectCode::not_object;
  }

  void trim(size_t max_bytes) {
    decoder_.trim(max_bytes);
    index_.trim(max_bytes);
  }

 private:
  static bool is_too_deep(const char* from, const char* to) {
    // Most texts have few brackets, and need no scan.
    if (std::count_if(from, to, [](char c) { return c == '{' || c == '['; }) <= max_depth) return false;
    BracketCounter brackets;
    for (; from < to; ++from) {
      brackets.count(*from);
      if (brackets.depth() > max_depth) return true;
    }
    return false;
  }

  const Plan& plan_;
  Decoder decoder_;
  Indexer index_;
};

}  // namespace cfdns
