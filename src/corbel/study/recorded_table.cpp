#include "corbel/study/recorded_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/units.hpp"
#include "corbel/simulator/table.hpp"

namespace corbel {
namespace {

/// A table of more designs is not looked through for its optimum.
constexpr std::uint64_t most_designs = 100'000'000;

std::unique_ptr<Simulator> open_table(const std::filesystem::path& file, const StudyFile& study,
                                      const DesignSpace& space) {
  if (study.workloads.has_several()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: a recorded table does not say which of several workloads a row is of", file.string()),
                "validate with the study's simulator: corbel validate without --table");
  }
  if (space.size() > most_designs) {
    throw Error(ErrorCode::unsupported,
                fmt::format("a space of {} designs is too large for a whole table",
                            format_for_people(static_cast<double>(space.size()), 18)),
                "validate with a simulator instead");
  }
  return make_table_simulator(file, space);
}

}  // namespace

RecordedTable::RecordedTable(const std::filesystem::path& file, const StudyFile& study, const DesignSpace& space,
                             Monitor& monitor)
    : table_(open_table(file, study, space)), binding_(*table_, space) {
  std::vector<std::string> names;
  for (const MetricInfo& metric : metrics()) names.push_back(metric.name);
  const auto found = std::find(names.begin(), names.end(), study.objective);
  if (found == names.end()) throw unknown_name("metric", study.objective, names, file.string());
  const auto objective = static_cast<std::size_t>(found - names.begin());
  std::vector<BoundConstraint> limits;
  for (const Constraint& constraint : study.constraints) limits.emplace_back(constraint, space, names);

  constexpr std::uint64_t batch = 4096;
  std::vector<Design> designs;
  std::vector<Hardware> hardware;
  for (DesignId first = 0; first < space.size(); first += batch) {
    monitor.check();
    designs.clear();
    hardware.clear();
    for (DesignId id = first; id < std::min<DesignId>(space.size(), first + batch); ++id) {
      designs.push_back(space.design(id));
      hardware.push_back(binding_.hardware(designs.back()));
    }
    const std::vector<Outcome> outcomes = table_->simulate(hardware, nullptr);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].state == OutcomeState::failed) continue;
      ++designs_;
      if (outcomes[i].state != OutcomeState::complete) continue;
      const bool within = std::all_of(limits.begin(), limits.end(), [&](const BoundConstraint& limit) {
        return limit.satisfied(designs[i], outcomes[i].metrics);
      });
      const double value = outcomes[i].metrics[objective];
      if (within && std::isfinite(value)) optimum_ = std::min(value, optimum_.value_or(value));
    }
    monitor.progress("table", first, space.size(), "");
  }
}

Outcome RecordedTable::outcome(const Design& design) const {
  const Hardware hardware = binding_.hardware(design);
  return table_->simulate(std::span(&hardware, 1), nullptr).front();
}

}  // namespace corbel
