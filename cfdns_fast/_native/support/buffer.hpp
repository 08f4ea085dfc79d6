// Buffer: growing memory for bytes.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "support/bytes.hpp"

namespace cfdns {

// A malloc'ed buffer that grows without initialising what it adds. Throws std::bad_alloc; frees itself.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : data_(other.data_), capacity_bytes_(other.capacity_bytes_) {
    other.data_ = nullptr;
    other.capacity_bytes_ = 0;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t capacity_bytes() const { return capacity_bytes_; }

  // Make room for size_bytes bytes and the padding; the first kept_bytes bytes survive.
  void reserve(size_t size_bytes, size_t kept_bytes) {
    if (data_ != nullptr && size_bytes <= capacity_bytes_) return;
    if (size_bytes > SIZE_MAX / 2) throw std::bad_alloc();
    size_t wanted = capacity_bytes_ * 2 > size_bytes ? capacity_bytes_ * 2 : size_bytes;
    char* grown = static_cast<char*>(std::malloc(wanted + padding_bytes));
    if (grown == nullptr) throw std::bad_alloc();
    if (kept_bytes != 0) std::memcpy(grown, data_, kept_bytes);
    std::free(data_);
    data_ = grown;
    capacity_bytes_ = wanted;
  }

  // Make exactly so much room, and the padding; what fits into it survives.
  void resize(size_t size_bytes) {
    if (size_bytes > SIZE_MAX / 2) throw std::bad_alloc();
    char* resized = static_cast<char*>(std::realloc(data_, size_bytes + padding_bytes));
    if (resized == nullptr) throw std::bad_alloc();
    data_ = resized;
    capacity_bytes_ = size_bytes;
  }

  // Give the memory back if it is more than that.
  void trim(size_t kept_bytes) {
    if (capacity_bytes_ <= kept_bytes) return;
    std::free(data_);
    data_ = nullptr;
    capacity_bytes_ = 0;
  }

 private:
  char* data_ = nullptr;
  size_t capacity_bytes_ = 0;
};

}  // namespace cfdns
