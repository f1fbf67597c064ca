#pragma once

#include <string>
#include <vector>

namespace corbel {

/// Instruction sets of this machine's processor that the scorer has use for, such as "avx2", "amx_bf16".
std::vector<std::string> instruction_sets();

}  // namespace corbel
