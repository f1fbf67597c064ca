#pragma once

#include <functional>
#include <string>

#include "corbel/base/monitor.hpp"
#include "corbel/dataset/database.hpp"

namespace corbel {

/// try_patiently() until the user asks to stop, who is told of the first failure. Internal to this floor.
/// @param reconnect  called before each further try
template <class Work>
auto patiently(Monitor& monitor, const std::function<void()>& reconnect, const Work& work) {
  bool has_failed = false;
  return try_patiently(
      [&] {
        if (has_failed) reconnect();
        return work();
      },
      [&](const DatabaseError& failure, int number) {
        has_failed = true;
        if (monitor.stop_requested()) return false;
        if (number == 1) monitor.message(std::string(failure.what()) + "; trying again");
        return true;
      });
}

}  // namespace corbel
