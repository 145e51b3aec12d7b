// Runs every kernel on random shapes, for AddressSanitizer and UndefinedBehaviorSanitizer to watch. Buffers have
// exactly the size of what they hold, so that reading or writing one number too many is an error.
//
// Compiled with -DSUPERINFER_ISA=<name> and that instruction set's flags; with -DDRIVE_AMX beside amx.cc. Arguments:
// which kernels, that instruction set's or amx, and the number of rounds.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "../../../kernels/csrc/amx.h"
#include "../../../kernels/csrc/isa.cc"
#include "../../../kernels/csrc/seal.cc"

namespace {

using namespace superinfer;

std::mt19937 generator(1);

int draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); }

int64_t size_of(DType dtype) { return dtype == DType::kFloat32 ? 4 : 2; }

DType draw_dtype() { return DType(draw(0, 2)); }

// Numbers of a storage type. Bytes of 0x3c are about 0.01 in float32 and bfloat16, and about 1 in float16.
struct Numbers {
  Numbers(int64_t count, DType dtype) : dtype(dtype), bytes(count * size_of(dtype), 0x3c) {}
  void* data() { return bytes.data(); }
  float at(int64_t i) const {
    const char* p = bytes.data() + i * size_of(dtype);
    if (dtype == DType::kFloat32) return *reinterpret_cast<const float*>(p);
    if (dtype == DType::kFloat16) return to_float(*reinterpret_cast<const Half*>(p));
    return to_float(*reinterpret_cast<const BFloat16*>(p));
  }
  DType dtype;
  std::vector<char> bytes;
};

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

struct Case {
  Case() {
    for (int b = 0; b < requests; ++b) {
      prefix.push_back(draw(0, 1) * draw(0, 200));
      lens.push_back(prefix.back() + draw(0, 90));
      indptr.push_back(indptr.back() + lens.back() - prefix.back());
      rows.push_back(b);
      width = std::max<int64_t>(width, lens.back());
    }
    slots = requests * width + 1;
    std::vector<int32_t> order(slots);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), generator);
    table.assign(order.begin(), order.begin() + requests * width);
  }
  Batch batch() const { return {requests, table.data(), width, rows.data(), lens.data()}; }

  int64_t requests = draw(1, 4), width = 1, slots = 0;
  std::vector<int64_t> prefix, lens, rows, indptr{0};
  std::vector<int32_t> table;
};

struct Attention {
  KvPool pool(int64_t slots) { return {k.data(), v.data(), dtype, slots, kv_heads, k_dim, v_dim}; }
  Rows rows(Numbers& x, int dim) const { return {x.data(), x.dtype, int64_t(q_heads) * dim, dim}; }

  explicit Attention(int64_t slots) : k(slots * kv_heads * k_dim, dtype), v(slots * kv_heads * v_dim, dtype) {}

  int kv_heads = draw(1, 3), q_heads = kv_heads * draw(1, 6), k_dim = 8 * draw(1, 17), v_dim = 8 * draw(1, 17);
  DType dtype = draw_dtype();
  Numbers k, v;
  Scores scores{0.1f, draw(0, 1) * 5.0f, draw(0, 2) == 0 ? draw(1, 100) : -1};
};

// All values are equal, so attention must give that value, whatever the weights.
void check_output(const Numbers& out, const Numbers& v, int64_t count) {
  for (int64_t i = 0; i < count; ++i) require(std::abs(out.at(i) - v.at(0)) < 0.02f * v.at(0), "attention's value");
}

void run_attention(const KernelTable& kernels) {
  Case c;
  Attention a(c.slots);
  const int64_t tokens = c.indptr.back();
  const DType io = draw_dtype();
  Numbers q(tokens * a.q_heads * a.k_dim, io), out(tokens * a.q_heads * a.v_dim, io);
  const bool causal = a.scores.window >= 0 || draw(0, 3) > 0;
  const ExtendParams extend{a.rows(q, a.k_dim), a.rows(out, a.v_dim), a.q_heads, a.pool(c.slots), c.batch(),
                            c.prefix.data(), c.indptr.data(), a.scores, causal};
  require(kernels.extend_attention(extend) == Status::kOk, "extend");
  check_output(out, a.v, tokens * a.q_heads * a.v_dim);

  for (int64_t& len : c.lens) len = std::max<int64_t>(len, 1);
  Numbers one(c.requests * a.q_heads * a.k_dim, io), decoded(c.requests * a.q_heads * a.v_dim, io);
  DecodeParams decode{a.rows(one, a.k_dim), a.rows(decoded, a.v_dim), a.q_heads, a.pool(c.slots), c.batch(), a.scores};
  require(kernels.decode_attention(decode) == Status::kOk, "decode");
  check_output(decoded, a.v, c.requests * a.q_heads * a.v_dim);
  c.table[0] = int32_t(c.slots);
  decode.scores.window = -1;
  require(kernels.decode_attention(decode) == Status::kBadSlot, "a slot outside the pool");
}

// Pages of one format that end before `end` in the memory of keys and of values.
int64_t pages_before(const MixedPool& pool, KvFormat format, int64_t k_end, int64_t v_end) {
  const int64_t heads = pool.native.heads;
  return std::min(k_end / (heads * key_layout(format, pool.native.k_dim).size),
                  v_end / (heads * value_layout(format, pool.native.v_dim).size));
}

// Native pages, the first of which are sealed into the end of the memory: into int8, and from there into int4.
void run_mixed(const KernelTable& kernels) {
  constexpr int64_t kPages = 6;
  Attention a(kPages * kPageTokens);
  MixedPool pool{};
  pool.native = a.pool(kPages * kPageTokens);
  pool.k = static_cast<uint8_t*>(pool.native.k), pool.v = static_cast<uint8_t*>(pool.native.v);
  pool.k_bytes = int64_t(a.k.bytes.size()), pool.v_bytes = int64_t(a.v.bytes.size());
  const int64_t int8_pages = pages_before(pool, KvFormat::kInt8, pool.k_bytes, pool.v_bytes);
  const int64_t int4_pages = pages_before(pool, KvFormat::kInt4, pool.k_bytes, pool.v_bytes);
  pool.int8_slot = pool.native.slots;
  pool.int4_slot = pool.int8_slot + int8_pages * kPageTokens;
  pool.end_slot = pool.int4_slot + int4_pages * kPageTokens;
  const int64_t int8 = pool.int4_slot - kPageTokens;
  // The int4 page that ends where the last int8 page begins, or earlier.
  const int64_t before = pages_before(pool, KvFormat::kInt4, pool.k_bytes * 4 / kPages, pool.v_bytes * 4 / kPages);
  const int64_t int4 = pool.int4_slot + (before - 1) * kPageTokens, native[] = {0};
  require(kernels.seal_pages({pool, native, &int8, 1}) == Status::kOk, "seal");
  require(kernels.seal_pages({pool, &int8, &int4, 1}) == Status::kOk, "seal again");

  const int64_t starts[] = {0, int8, int4, kPageTokens, int4};
  std::vector<int32_t> table;
  for (int64_t start : starts) {
    for (int t = 0; t < kPageTokens; ++t) table.push_back(int32_t(start + t));
  }
  const int64_t len = draw(1, int(table.size())), row = 0, prefix = draw(0, int(len) - 1), indptr[] = {0, len - prefix};
  const DType io = draw_dtype();
  Numbers q(len * a.q_heads * a.k_dim, io), out(len * a.q_heads * a.v_dim, io);
  const Batch batch{1, table.data(), int64_t(table.size()), &row, &len};
  a.scores.window = -1;
  const DecodeParams decode{a.rows(q, a.k_dim), a.rows(out, a.v_dim), a.q_heads, pool.native, batch, a.scores};
  require(kernels.mixed_decode_attention({decode, pool}) == Status::kOk, "mixed decode");
  check_output(out, a.v, a.q_heads * a.v_dim);
  const ExtendParams extend{a.rows(q, a.k_dim), a.rows(out, a.v_dim), a.q_heads, pool.native, batch, &prefix, indptr,
                            a.scores, true};
  require(kernels.mixed_extend_attention({extend, pool}) == Status::kOk, "mixed extend");
  check_output(out, a.v, (len - prefix) * a.q_heads * a.v_dim);
  table[0] = int32_t(pool.end_slot);
  require(kernels.mixed_decode_attention({decode, pool}) == Status::kBadSlot, "a slot outside the pool");
}

void run_store(const KernelTable& kernels) {
  const int64_t tokens = draw(0, 40);
  Attention a(tokens + 3);
  const DType from = draw_dtype();
  Numbers k(tokens * a.kv_heads * a.k_dim, from), v(tokens * a.kv_heads * a.v_dim, from);
  std::vector<int64_t> slots(tokens);
  std::iota(slots.begin(), slots.end(), 3);
  kernels.kv_store({{k.data(), from, int64_t(a.kv_heads) * a.k_dim, a.k_dim},
                    {v.data(), from, int64_t(a.kv_heads) * a.v_dim, a.v_dim},
                    a.pool(tokens + 3),
                    slots.data(),
                    tokens});
}

void run_elements(const KernelTable& kernels) {
  const int64_t tokens = draw(0, 20), width = draw(1, 80);
  const DType dtype = draw_dtype(), weight_dtype = draw_dtype();
  Numbers x(tokens * width, dtype), residual(tokens * width, dtype), out(tokens * width, dtype);
  Numbers weight(width, weight_dtype), gates(tokens * width * 2, dtype);
  kernels.rms_norm({x.data(), draw(0, 1) == 0 ? nullptr : residual.data(), out.data(), weight.data(), dtype,
                    weight_dtype, width, width, width, tokens, width, 1e-5f});
  kernels.silu_and_mul({gates.data(), out.data(), dtype, 2 * width, width, tokens, width});

  const int q_heads = draw(1, 4), k_heads = draw(1, 2), rotary = 2 * draw(1, 30), dim = rotary + draw(0, 9);
  Numbers q(tokens * q_heads * dim, dtype), k(tokens * k_heads * dim, dtype);
  std::vector<float> table(50 * rotary, 0.5f);
  std::vector<int64_t> positions(tokens);
  for (int64_t& position : positions) position = draw(0, 49);
  kernels.rope({{q.data(), dtype, int64_t(q_heads) * dim, dim}, {k.data(), dtype, int64_t(k_heads) * dim, dim}, q_heads,
                k_heads, positions.data(), table.data(), tokens, rotary, draw(0, 1) == 1});

  std::vector<float> logits(tokens * width, 1.0f);
  std::vector<int64_t> best(tokens);
  kernels.argmax({logits.data(), width, best.data(), tokens, width});
  for (int64_t index : best) require(index == 0, "argmax");
}

void run_linear(const KernelTable& kernels) {
  const int64_t kinds[] = {draw(0, 14), draw(20, 30), draw(90, 110)};
  const int64_t rows = kinds[draw(0, 2)], outputs = draw(1, 100), inputs = draw(1, 90);
  const DType dtype = draw_dtype();
  Numbers weight((outputs + kPanel - 1) / kPanel * kPanel * inputs, dtype);
  std::vector<float> x(rows * inputs, 1.0f), bias(outputs, 1.0f), out(rows * outputs, 2.0f);
  const bool accumulate = draw(0, 1) == 1, biased = draw(0, 1) == 1;
  kernels.packed_linear({x.data(), weight.data(), biased ? bias.data() : nullptr, out.data(), dtype, inputs, outputs,
                         rows, outputs, inputs, accumulate});
  const float expected = weight.at(0) * float(inputs) + (accumulate ? 2.0f : 0.0f) + (biased ? 1.0f : 0.0f);
  for (float value : out) require(std::abs(value - expected) < 1e-3f * expected, "linear");

  std::vector<int64_t> picked(rows);
  for (int64_t& row : picked) row = draw(0, int(outputs) - 1);
  kernels.unpack_rows({weight.data(), dtype, picked.data(), x.data(), inputs, rows, inputs});
  for (float value : x) require(value == weight.at(0), "unpack_rows");
}

const KernelTable& table_of(const std::string& name) {
#ifdef DRIVE_AMX
  if (name == "amx") {
    require(superinfer::amx::usable(), "tiles");
    return superinfer::amx::kernel_table();
  }
#endif
  return superinfer::SUPERINFER_ISA::kernel_table();
}

}  // namespace

int main(int argc, char** argv) {
  require(argc == 3, "two arguments");
  const KernelTable& kernels = table_of(argv[1]);
  const int rounds = std::atoi(argv[2]);
  for (int i = 0; i < rounds; ++i) {
    run_attention(kernels);
    run_mixed(kernels);
    run_store(kernels);
    run_elements(kernels);
    run_linear(kernels);
  }
  std::printf("%s: %d rounds\n", kernels.name, rounds);
}
