#pragma once

#include "corbel/workload/network.hpp"

namespace CLI {
class App;
}

namespace corbel::cli {

/// Adds --batch and --dimension NAME=SIZE to a command that loads networks. `options` must live until it has run.
void add_network_options(CLI::App& command, NetworkOptions& options);

}  // namespace corbel::cli
