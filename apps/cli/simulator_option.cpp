#include "simulator_option.hpp"

#include <fmt/format.h>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel::cli {

std::unique_ptr<Simulator> make_named_simulator(const std::string& name, const std::vector<std::string>& settings,
                                                const std::string& space) {
  std::string text = "{name: " + name;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      throw Error(ErrorCode::usage, fmt::format("--set: `{}` is not NAME=VALUE", setting),
                  "such as --set clock_mhz=1066");
    }
    text += ", " + setting.substr(0, equals) + ": " + setting.substr(equals + 1);
  }
  return make_simulator(Config::parse(text + "}", "simulator"),
                        DesignSpace::from_config(Config::parse(space, "--space")));
}

StudyFile load_simulator_study(const std::string& file) {
  StudyFile study = StudyFile::load(file);
  if (!study.simulator) {
    throw Error(ErrorCode::usage, fmt::format("--study: {} has no simulator", file), "add `simulator:` to it");
  }
  return study;
}

}  // namespace corbel::cli
