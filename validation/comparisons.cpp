#include "comparisons.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/permutation.hpp"

namespace corbel {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = (static_cast<double>(begin) + static_cast<double>(end - 1)) / 2;
    for (; begin < end; ++begin) result[order[begin]] = rank;
  }
  return result;
}

}  // namespace

const std::vector<Comparison>& comparisons() {
  static const std::vector<Comparison> table = {
      {"coral", "measured times of the Coral Edge TPU", validate_coral},
      {"configurations", "the published configurations V1, V2, V3 on every network of the zoo",
       validate_configurations},
      {"space", "random designs of the space `edge`: how many compile, and how fast they are", validate_space},
      {"cliff", "weights that stay on chip against weights that are streamed", validate_cliff},
  };
  return table;
}

Target target_from(const Config& file, std::string_view key, std::string name, double value) {
  const Config& range = file.at("targets").at(key);
  range.allow_only({"min", "max"});
  constexpr double infinity = std::numeric_limits<double>::infinity();
  return {std::move(name), value, range.has("min") ? range.at("min").number() : -infinity,
          range.has("max") ? range.at("max").number() : infinity};
}

Hardware hardware_from(const Config& config, const Simulator& simulator) {
  const Config& map = config.at("hardware");
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto& [name, value] : map.entries()) values.emplace_back(name, value.text());
  return parse_hardware(simulator, values, map.place());
}

Sample simulate_sample(const Simulator& simulator, const Network& network, const ValidationOptions& options) {
  const DesignSpace space = DesignSpace::edge();
  const HardwareBinding binding(simulator, space);
  const Permutation order(space.size(), options.seed);
  Sample sample;
  const std::size_t count = static_cast<std::size_t>(std::min(options.designs, space.size()));
  sample.designs.resize(count);
  sample.outcomes.resize(count);
  const auto start = std::chrono::steady_clock::now();
  parallel_for(count, options.threads, 256, [&](std::size_t begin, std::size_t end) {
    std::vector<Hardware> hardware;
    hardware.reserve(end - begin);
    for (std::size_t i = begin; i < end; ++i) {
      sample.designs[i] = space.design(order.at(i));
      hardware.push_back(binding.hardware(sample.designs[i]));
    }
    std::vector<Outcome> outcomes = simulator.simulate(hardware, &network);
    std::move(outcomes.begin(), outcomes.end(), sample.outcomes.begin() + static_cast<std::ptrdiff_t>(begin));
  });
  sample.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return sample;
}

std::size_t metric_index(const Simulator& simulator, std::string_view name) {
  const auto metrics = simulator.metrics();
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    if (metrics[i].name == name) return i;
  }
  throw Error(ErrorCode::not_found, "simulator " + simulator.name() + " has no metric " + std::string(name));
}

double mean(const std::vector<double>& values) {
  if (values.empty()) return not_a_number;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  const std::vector<double> ranks_a = ranks(a), ranks_b = ranks(b);
  const double mean_rank = mean(ranks_a);
  double product = 0, square_a = 0, square_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = ranks_a[i] - mean_rank, y = ranks_b[i] - mean_rank;
    product += x * y;
    square_a += x * x;
    square_b += y * y;
  }
  return product / std::sqrt(square_a * square_b);
}

}  // namespace corbel
