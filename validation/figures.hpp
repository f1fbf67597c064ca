#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "section.hpp"

namespace corbel {

/// Modelled against measured times: the three tables of validate_coral, and the error in percent that is allowed.
Figure coral_figure(const ResultTable& fitted, const ResultTable& held_out, const ResultTable& variants,
                    double band_percent);

struct LatencyDistribution {
  std::string workload;
  std::vector<double> latencies_us;    ///< of the designs that compile
  std::array<double, 3> published_us;  ///< min, mean, max
};
Figure space_figure(const std::vector<LatencyDistribution>& distributions, std::uint64_t designs);

/// Which share compiles, and why others do not: the two tables of validate_space.
Figure failures_figure(const ResultTable& shares, const ResultTable& reasons, std::uint64_t designs);

struct Cliff {
  struct Design {
    double resident_share, latency_us;
    std::string label = {};
  };
  std::string workload;
  std::vector<Design> designs;
  std::vector<Design> best;
};
Figure cliff_figure(const std::vector<Cliff>& cliffs, double area_limit_mm2, std::uint64_t designs);

}  // namespace corbel
