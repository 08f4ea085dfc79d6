// BracketStack: the type of every open bracket, one bit each.
#pragma once

#include <cstdint>

#include "json/token.hpp"

namespace cfdns {

class BracketStack {
 public:
  // `depth`: number of brackets that are open before the text.
  explicit BracketStack(unsigned depth = 0) : depth_(depth) {}

  unsigned depth() const { return depth_; }
  bool in_object() const { return objects_[depth_ / 64] >> (depth_ % 64) & 1; }

  // Open an object or an array; false if max_depth brackets are open.
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
  uint64_t objects_[max_depth / 64 + 1] = {};  // by depth: true for an object
};

}  // namespace cfdns
