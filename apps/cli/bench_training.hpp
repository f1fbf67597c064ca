#pragma once

#include "commands.hpp"

namespace corbel::cli {

void add_training_bench(CLI::App& group, Common& common);

}  // namespace corbel::cli
