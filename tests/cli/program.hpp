#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace corbel::test {

struct Finished {
  int exit_code = -1;  ///< 128 + the signal if one ended it
  std::string out, err;
};

/// Runs the program with these arguments and waits.
Finished corbel(const std::vector<std::string>& arguments);

/// Starts it without waiting; output is dropped.
pid_t start_corbel(const std::vector<std::string>& arguments);
/// Exit code of a started process, 128 + the signal if one ended it.
int wait_for(pid_t process);

}  // namespace corbel::test
