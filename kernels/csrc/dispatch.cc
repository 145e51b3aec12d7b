#include "dispatch.h"

#include <atomic>

#include "amx.h"

namespace superinfer {
namespace {

std::vector<const KernelTable*> supported_tables() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#if SUPERINFER_HAS_AMX
  if (has_avx2 && has_avx512 && amx::usable()) tables.push_back(&amx::kernel_table());
#endif
  if (has_avx2 && has_avx512) tables.push_back(&avx512::kernel_table());
  if (has_avx2) tables.push_back(&avx2::kernel_table());
#endif
  tables.push_back(&portable::kernel_table());
  return tables;
}

std::atomic<const KernelTable*>& current() {
  static std::atomic<const KernelTable*> table{supported_tables().front()};
  return table;
}

}  // namespace

const KernelTable& kernels() { return *current().load(std::memory_order_relaxed); }

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (const KernelTable* table : supported_tables()) names.emplace_back(table->name);
  return names;
}

bool use_isa(const std::string& name) {
  for (const KernelTable* table : supported_tables()) {
    if (table->name == name) {
      current().store(table);
      return true;
    }
  }
  return false;
}

}  // namespace superinfer
