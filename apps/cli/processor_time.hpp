#pragma once

#include <ctime>

namespace corbel::cli {

/// Seconds of processor time that this process has used, on all of its threads: other work on the machine does not
/// count.
inline double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace corbel::cli
