#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "corbel/dataset/store_location.hpp"

namespace corbel {

class Monitor;

/// What is wrong with a store.
struct StoreCheck {
  std::uint64_t groups = 0, trials = 0;  ///< that could be read
  std::uint64_t faults = 0;
  std::vector<std::string> listed;  ///< the first 100, one line each
};

/// Looks for damage: the database's own integrity check, and whatever else must hold of a store (docs/formats/store.md)
/// — ids within the space, states and metrics that make sense, groups that are what their fingerprints say, imports
/// with as many rows as they added, kept statistics that count what is there. Changes nothing. Memory does not grow
/// with the store.
/// @throws as Store's constructor for what cannot be opened at all; Error{interrupted}
StoreCheck check_store(const StoreLocation& location, Monitor& monitor);

}  // namespace corbel
