#pragma once

#include <cstddef>
#include <functional>

namespace corbel {

/// Cores this process may use (the scheduler's affinity mask), at least 1.
std::size_t available_cores();

/// Calls work(begin, end) on disjoint chunks that cover [0, count), on up to `threads` threads (0: all cores).
/// Chunks are handed out dynamically in order. The first exception is rethrown after all threads have ended.
void parallel_for(std::size_t count, std::size_t threads, std::size_t chunk,
                  const std::function<void(std::size_t begin, std::size_t end)>& work);

}  // namespace corbel
