#pragma once

#include <sys/types.h>

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace corbel::test {

struct Finished {
  int exit_code = -1;  ///< 128 + the signal if one ended it
  std::string out, err;
};

/// Runs the program with these arguments, and with these variables set, and waits.
Finished corbel(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& variables = {});

/// What it printed, as JSON; a failure of the test if that is none.
nlohmann::json parse(const Finished& finished);
/// The same of a command that is to succeed.
nlohmann::json parse_success(const Finished& finished);

/// Starts it without waiting; output is dropped.
pid_t start_corbel(const std::vector<std::string>& arguments);
/// Exit code of a started process, 128 + the signal if one ended it.
int wait_for(pid_t process);

}  // namespace corbel::test
