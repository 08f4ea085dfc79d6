// BracketStack: which brackets are open, one bit each.
#pragma once

#include <cstdint>

#include "json/token.hpp"

namespace cfdns {

class BracketStack {
 public:
  // `depth`: the number of brackets that are open around the text.
  explicit BracketStack(unsigned depth = 0) : depth_(depth) {}

  unsigned depth() const { return depth_; }
  bool in_object() const { return objects_[depth_ / 64] >> (depth_ % 64) & 1; }

  // Open a bracket; false if max_depth brackets are open already.
  bool open(bool object) {
    if (depth_ == max_depth) return false;
    ++depth_;
    uint64_t bit = uint64_t{1} << (depth_ % 64);
    uint64_t& bits = objects_[depth_ / 64];
    bits = object ? bits | bit : bits & ~bit;
    return true;
  }

  void close() { --depth_; }

 private:
  unsigned depth_;
  uint64_t objects_[max_depth / 64 + 1] = {};  // by depth: an object, not an array
};

}  // namespace cfdns
