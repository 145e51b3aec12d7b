// Products on AMX, the tile multipliers of some x86-64 CPUs.
#pragma once

#include "superinfer/kernel_table.h"

// Older compilers do not know the instructions.
#if defined(__x86_64__) && defined(__linux__) && __GNUC__ >= 11
#define SUPERINFER_HAS_AMX 1
#else
#define SUPERINFER_HAS_AMX 0
#endif

namespace superinfer::amx {

// Whether this CPU has them and the system lets this process use them. A true first answer asks for that.
bool usable();

// For a CPU with which they are usable.
const KernelTable& kernel_table();

}  // namespace superinfer::amx
