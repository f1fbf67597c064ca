#include "corbel/study/experiment_setup.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <system_error>

#include "corbel/base/error.hpp"
#include "corbel/base/json.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"

namespace corbel {

using nlohmann::json;

json question_json(const ExperimentQuestion& question) {
  const DesignSpace& space = question.objective->space();
  json others = json::array();
  for (const ExperimentQuestion& other : question.others)
    others.push_back({{"name", other.name}, {"rows", other.rows}});
  return {{"name", question.name},
          {"source", question.source},
          {"designs", space.size()},
          {"parameters", space.dimensions()},
          {"space", space.fingerprint()},
          {"objective",
           {{"metric", question.metric},
            {"unit", unit_of_metric(question.metric)},
            {"direction", to_string(question.direction)}}},
          {"constraints", question.constraints},
          {"learnt_from", std::move(others)}};
}

Error experiment_error(const std::string& what, const std::string& hint) {
  return Error(ErrorCode::invalid_input, "the experiment " + what, hint);
}

void check_setup(const ExperimentSetup& setup) {
  if (setup.seeds == 0) throw experiment_error("has no seeds", "give at least 1");
  if (setup.optimum && !std::isfinite(*setup.optimum))
    throw experiment_error("has an optimum that is no number", "give the best objective, or leave it out");
}

// Two processes that append to one file of a run would leave each query in it twice.
ExperimentFolder::ExperimentFolder(const ExperimentSetup& setup)
    : runs_(setup.folder / "runs"), lock_(setup.folder / ".lock") {
  if (!setup.fresh) return;
  std::error_code error;
  std::filesystem::remove_all(runs_, error);
  if (!error) return;
  throw Error(ErrorCode::file_access, fmt::format("cannot remove {}: {}", runs_.string(), error.message()),
              "check the permissions there");
}

ExperimentReference::ExperimentReference(const ExperimentQuestion& question, const ExperimentSetup& setup,
                                         double best_found)
    : value(value_of(question.direction, best_found)), basis("best found in this experiment"), is_known(false) {
  if (setup.optimum) {
    value = *setup.optimum;
    basis = "given";
    is_known = true;
  } else if (question.optimum) {
    value = *question.optimum;
    basis = question.optimum_basis;
    is_known = true;
  }
}

json ExperimentReference::to_json() const {
  return {{"value", number_or_null(value)}, {"basis", basis}, {"known", is_known}};
}

std::vector<std::string> split_methods(std::string_view text) {
  std::vector<std::string> methods;
  for (const std::string_view piece : split(text, ',')) {
    const std::string part(trim(piece));
    // A further option of the method before it.
    const std::size_t equals = part.find('=');
    const bool is_option = equals != std::string::npos && part.find(':') > equals;
    if (is_option && !methods.empty()) {
      methods.back() += "," + part;
    } else {
      methods.push_back(part);
    }
  }
  return methods;
}

}  // namespace corbel
