// Working memory that a thread keeps from call to call.
#pragma once

#include <cstdlib>

#include "superinfer/simd.h"

namespace superinfer::SUPERINFER_ISA {

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::free(data_); }

  // At least this many floats, aligned to a cache line, with unspecified content; null if out of memory.
  float* reserve(int64_t floats) {
    if (floats > capacity_) {
      std::free(data_);
      data_ = static_cast<float*>(std::aligned_alloc(64, round_up(floats, 16) * sizeof(float)));
      capacity_ = data_ == nullptr ? 0 : floats;
    }
    return data_;
  }

 private:
  float* data_ = nullptr;
  int64_t capacity_ = 0;
};

// Cuts consecutive pieces, each aligned to a cache line, out of one reservation.
class Carver {
 public:
  explicit Carver(float* base) : base_(base) {}

  float* take(int64_t floats) {
    float* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += round_up(floats, 16);
    return piece;
  }
  int64_t used() const { return used_; }

 private:
  float* base_;
  int64_t used_ = 0;
};

}  // namespace superinfer::SUPERINFER_ISA
