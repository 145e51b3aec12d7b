// The kernels of avx512, with products of 16-bit weights on AMX. Compiled with the flags of avx512.
#include "amx.h"

#if SUPERINFER_HAS_AMX

#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC target("amx-tile,amx-bf16")

#include "superinfer/amx_linear.h"
#include "superinfer/amx_row.h"

namespace superinfer::amx {
namespace {

// Linux hands out the tiles' registers on request, once for all threads and children of a process (since 5.16).
bool request_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

template <class W>
bool product(const PackedLinearParams& params) {
  return params.rows == 1 ? amx_row<W>(params) : amx_linear<W>(params);
}

bool linear_of_16_bits(const PackedLinearParams& params) {
  if (params.weight_dtype == DType::kBFloat16) return product<BFloat16>(params);
  return params.weight_dtype == DType::kFloat16 && product<Half>(params);
}

void linear(const PackedLinearParams& params) {
  const bool done = params.rows > 0 && linear_of_16_bits(params);
  if (!done) avx512::kernel_table().packed_linear(params);
}

}  // namespace

bool usable() {
  static const bool granted =
      __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") && request_tiles();
  return granted;
}

const KernelTable& kernel_table() {
  static const KernelTable table = [] {
    KernelTable changed = avx512::kernel_table();
    changed.name = "amx";
    changed.packed_linear = linear;
    return changed;
  }();
  return table;
}

}  // namespace superinfer::amx

#endif
