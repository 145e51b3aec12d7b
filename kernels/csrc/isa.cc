// All kernels for one instruction set. Compiled once for each, with -DSUPERINFER_ISA=<name> and its flags.
#include "superinfer/activation.h"
#include "superinfer/argmax.h"
#include "superinfer/kernel_table.h"
#include "superinfer/kv_store.h"
#include "superinfer/mixed_decode.h"
#include "superinfer/mixed_extend.h"
#include "superinfer/mixed_step.h"
#include "superinfer/norm.h"
#include "superinfer/packed_linear.h"
#include "superinfer/rope.h"
#include "superinfer/unpack_rows.h"

#define SUPERINFER_TEXT_OF(x) #x
#define SUPERINFER_TEXT(x) SUPERINFER_TEXT_OF(x)

namespace superinfer::SUPERINFER_ISA {

const KernelTable& kernel_table() {
  static const KernelTable table{SUPERINFER_TEXT(SUPERINFER_ISA),
                                 decode_attention,
                                 mixed_step_attention,
                                 kv_store,
                                 rms_norm,
                                 rope,
                                 silu_and_mul,
                                 argmax,
                                 packed_linear,
                                 unpack_rows,
                                 mixed_decode_attention,
                                 mixed_extend_attention,
                                 seal_mixed_pages};
  return table;
}

}  // namespace superinfer::SUPERINFER_ISA
