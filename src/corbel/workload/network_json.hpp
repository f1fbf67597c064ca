#pragma once

#include <nlohmann/json_fwd.hpp>

#include "corbel/workload/network.hpp"

namespace corbel {

/// A network with every field of its layers, and what they add up to; docs/process.md. What programs are told of it,
/// and what carries it to other machines.
nlohmann::json to_json(const Network& network);
/// The network that to_json() wrote.
/// @throws Error{invalid_input} for anything else: a field that is missing, of another kind, or of a size that cannot
/// be
Network network_from_json(const nlohmann::json& json);

}  // namespace corbel
