// The instruction set in use.
#pragma once

#include <string>
#include <vector>

#include "superinfer/kernel_table.h"

namespace superinfer {

// The table in use: the widest that the CPU supports, unless another was chosen.
const KernelTable& kernels();

// Names of the instruction sets that this CPU supports, widest first.
std::vector<std::string> supported_isas();

// Uses the named instruction set from now on. False if this CPU does not support it.
bool use_isa(const std::string& name);

}  // namespace superinfer
