// Buffer: growing memory for bytes.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "support/bytes.hpp"

namespace cfdns {

// A malloc'ed buffer that grows without initializing what it adds. It throws std::bad_alloc.
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

  // Reserve size_bytes bytes and the padding, and keep the first kept_bytes bytes.
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

  // Set the capacity to exactly size_bytes and the padding, and keep the content that fits.
  void resize(size_t size_bytes) {
    if (size_bytes > SIZE_MAX / 2) throw std::bad_alloc();
    char* resized = static_cast<char*>(std::realloc(data_, size_bytes + padding_bytes));
    if (resized == nullptr) throw std::bad_alloc();
    data_ = resized;
    capacity_bytes_ = size_bytes;
  }

  // Free the memory if its capacity is larger than max_bytes.
  void trim(size_t max_bytes) {
    if (capacity_bytes_ <= max_bytes) return;
    std::free(data_);
    data_ = nullptr;
    capacity_bytes_ = 0;
  }

 private:
  char* data_ = nullptr;
  size_t capacity_bytes_ = 0;
};

}  // namespace cfdns
