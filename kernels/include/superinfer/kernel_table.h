// One table of kernels for each instruction set, and the choice among them.
#pragma once

#include "superinfer/params.h"

namespace superinfer {

struct KernelTable {
  const char* name;
  Status (*decode_attention)(const DecodeParams&);
  Status (*extend_attention)(const ExtendParams&);
  void (*kv_store)(const KvStoreParams&);
  void (*rms_norm)(const NormParams&);
  void (*rope)(const RopeParams&);
  void (*silu_and_mul)(const SiluMulParams&);
  void (*argmax)(const ArgmaxParams&);
  void (*packed_linear)(const PackedLinearParams&);
  void (*unpack_rows)(const UnpackRowsParams&);
  Status (*mixed_decode_attention)(const MixedDecodeParams&);
  Status (*mixed_extend_attention)(const MixedExtendParams&);
  Status (*seal_pages)(const SealParams&);
};

namespace portable {
const KernelTable& kernel_table();
Status seal_mixed_pages(const SealParams&);
}
#if defined(__x86_64__)
namespace avx2 {
const KernelTable& kernel_table();
Status seal_mixed_pages(const SealParams&);
}
namespace avx512 {
const KernelTable& kernel_table();
Status seal_mixed_pages(const SealParams&);
}
#endif

}  // namespace superinfer
