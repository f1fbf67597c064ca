#include "corbel/study/recorded_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "corbel/base/count_text.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/simulator/table.hpp"

namespace corbel {
namespace {

/// A table of more designs is not looked through for its optimum.
constexpr std::uint64_t most_designs = 100'000'000;

std::unique_ptr<Simulator> open_table(const std::filesystem::path& file, const DesignSpace& space) {
  if (space.size() > most_designs) {
    throw Error(ErrorCode::unsupported,
                fmt::format("a space of {} designs is too large for a whole table", count_text(space.size())),
                "use a simulator instead");
  }
  return make_table_simulator(file, space);
}

std::vector<std::string> names_of(std::span<const MetricInfo> metrics) {
  std::vector<std::string> names;
  for (const MetricInfo& metric : metrics) names.push_back(metric.name);
  return names;
}

}  // namespace

RecordedTable::RecordedTable(const std::filesystem::path& file, const DesignSpace& space, const std::string& objective,
                             std::span<const Constraint> constraints, Monitor& monitor, Direction direction)
    : table_(open_table(file, space)),
      binding_(*table_, space),
      question_(space, names_of(table_->metrics()), objective, constraints, file.string(), direction) {
  constexpr std::uint64_t batch = 4096;
  std::vector<Design> designs;
  for (DesignId first = 0; first < space.size(); first += batch) {
    monitor.check();
    designs.clear();
    for (DesignId id = first; id < std::min<DesignId>(space.size(), first + batch); ++id) {
      designs.push_back(space.design(id));
    }
    const std::vector<Outcome> found = outcomes(designs);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const Score score = question_.score(designs[i], found[i]);
      if (score.failed()) continue;
      ++designs_;
      if (score.feasible() && std::isfinite(score.objective)) {
        const double value = value_of(direction, score.objective);
        if (!optimum_ || is_better(direction, value, *optimum_)) optimum_ = value;
      }
    }
    monitor.progress("table", std::min<DesignId>(space.size(), first + batch), space.size(), "");
  }
}

std::vector<Outcome> RecordedTable::outcomes(std::span<const Design> designs) const {
  std::vector<Hardware> hardware;
  hardware.reserve(designs.size());
  for (const Design& design : designs) hardware.push_back(binding_.hardware(design));
  return table_->simulate(hardware, nullptr);
}

}  // namespace corbel
