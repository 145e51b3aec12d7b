// What the kernels on plain rows of numbers share.
#pragma once

#include <omp.h>

#include <type_traits>

#include "superinfer/params.h"
#include "superinfer/simd.h"

namespace superinfer::SUPERINFER_ISA {

// Below this many numbers, waking other threads costs more than they save.
constexpr int64_t kParallelFrom = 1 << 13;

// The same for the multiplications of attention.
constexpr int64_t kParallelMultiplications = 1 << 17;

// The element type behind the null pointer that with_type passes.
template <class Pointer>
using Element = std::remove_const_t<std::remove_pointer_t<Pointer>>;

}  // namespace superinfer::SUPERINFER_ISA
