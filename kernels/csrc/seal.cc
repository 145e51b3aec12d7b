// Sealing for one instruction set, apart from the other kernels: compiled with -ffp-contract=off, as its results have to
// be the same bits on all of them.
#include "superinfer/kernel_table.h"
#include "superinfer/seal_pages.h"

namespace superinfer::SUPERINFER_ISA {

Status seal_mixed_pages(const SealParams& params) { return seal_pages(params); }

}  // namespace superinfer::SUPERINFER_ISA
