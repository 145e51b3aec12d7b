// Bindings of the kernels that touch a KV pool of several formats.
#include <tvm/ffi/function.h>

#include "bindings.h"
#include "checks.h"
#include "dispatch.h"
#include "superinfer/sealed.h"

namespace superinfer {
namespace {

// Pages of a format that the memory of both keys and values has room for.
void check_room(const MixedPool& pool, KvFormat format, int64_t pages) {
  const int64_t k_page = pool.native.heads * key_layout(format, pool.native.k_dim).size;
  const int64_t v_page = pool.native.heads * value_layout(format, pool.native.v_dim).size;
  SUPERINFER_CHECK(pages * k_page <= pool.k_bytes && pages * v_page <= pool.v_bytes,
                   "slots of int" << bits_of(format) << " are " << pages << " pages, more than the memory holds");
}

// `slots` are the first slots of the int8 and the int4 format and the end of all; `k_cache` and `v_cache` are the native
// slots, with which the memory of the other formats begins too.
MixedPool mixed_pool_of(const TensorView& k_cache, const TensorView& v_cache, const TensorView& slots) {
  MixedPool pool{};
  pool.native = pool_of(k_cache, v_cache);
  pool.k = static_cast<uint8_t*>(pool.native.k);
  pool.v = static_cast<uint8_t*>(pool.native.v);
  const int64_t size = bytes_of(pool.native.dtype);
  pool.k_bytes = k_cache.numel() * size;
  pool.v_bytes = v_cache.numel() * size;
  const int64_t* first = integers<int64_t>(slots, "slots", 3);
  pool.int8_slot = first[0], pool.int4_slot = first[1], pool.end_slot = first[2];
  SUPERINFER_CHECK(pool.int8_slot == pool.native.slots,
                   "slots[0] must be the cache's " << pool.native.slots << " native slots, not " << pool.int8_slot);
  for (int i = 0; i < 3; ++i) {
    SUPERINFER_CHECK(first[i] % kPageTokens == 0, "slots[" << i << "] must be a multiple of " << kPageTokens << ", not "
                                                          << first[i]);
    SUPERINFER_CHECK(i == 0 || first[i] >= first[i - 1], "slots must not fall");
  }
  check_room(pool, KvFormat::kInt8, (pool.int4_slot - pool.int8_slot) / kPageTokens);
  check_room(pool, KvFormat::kInt4, (pool.end_slot - pool.int4_slot) / kPageTokens);
  return pool;
}

}  // namespace

void mixed_decode_attention(TensorView q, TensorView k_cache, TensorView v_cache, TensorView slots,
                            TensorView req_to_token, TensorView rows, TensorView seq_lens, TensorView out, double scale,
                            double logit_cap) {
  MixedDecodeParams params;
  params.pool = mixed_pool_of(k_cache, v_cache, slots);
  params.plain = decode_params(params.pool.native, q, req_to_token, rows, seq_lens, out, scale, logit_cap, -1);
  raise_if_failed(kernels().mixed_decode_attention(params));
}

void mixed_extend_attention(TensorView q, TensorView k_cache, TensorView v_cache, TensorView slots,
                            TensorView req_to_token, TensorView rows, TensorView seq_lens, TensorView prefix_lens,
                            TensorView qo_indptr, TensorView out, double scale, bool causal, double logit_cap) {
  MixedExtendParams params;
  params.pool = mixed_pool_of(k_cache, v_cache, slots);
  params.plain = extend_params(params.pool.native, q, req_to_token, rows, seq_lens, prefix_lens, qo_indptr, out, scale,
                               causal, logit_cap, -1);
  raise_if_failed(kernels().mixed_extend_attention(params));
}

namespace {

void seal_pages(TensorView k_cache, TensorView v_cache, TensorView slots, TensorView source, TensorView target) {
  SealParams params;
  params.pool = mixed_pool_of(k_cache, v_cache, slots);
  params.pages = source.numel();
  params.from = integers<int64_t>(source, "source", params.pages);
  params.to = integers<int64_t>(target, "target", params.pages);
  check_range(params.from, params.pages, "source", params.pool.end_slot);
  check_range(params.to, params.pages, "target", params.pool.end_slot);
  for (int64_t i = 0; i < params.pages; ++i) {
    SUPERINFER_CHECK(params.from[i] % kPageTokens == 0 && params.to[i] % kPageTokens == 0,
                     "source[" << i << "] and target[" << i << "] must be the first slots of pages");
    SUPERINFER_CHECK(page_of(params.pool, params.from[i]).format < page_of(params.pool, params.to[i]).format,
                     "target[" << i << "] must be of a coarser format than source[" << i << "]");
  }
  if (kernels().seal_pages(params) == Status::kOutOfMemory) TVM_FFI_THROW(MemoryError) << "no memory to seal pages in";
}

}  // namespace

TVM_FFI_DLL_EXPORT_TYPED_FUNC(mixed_decode_attention, mixed_decode_attention);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(mixed_extend_attention, mixed_extend_attention);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(seal_pages, seal_pages);

}  // namespace superinfer
