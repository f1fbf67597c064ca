#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace corbel::cli {

/// Of a figure that was measured several times.
struct Spread {
  double median = 0, least = 0, most = 0;

  /// @param values  one at least
  static Spread of(const std::vector<double>& values);
  Spread times(double factor) const { return {median * factor, least * factor, most * factor}; }
  std::string rising() const;   ///< "least to most", for people
  std::string falling() const;  ///< "most to least"
  /// As NAME, NAME_min and NAME_max.
  void add_to(nlohmann::json& object, const std::string& name) const;
};

}  // namespace corbel::cli
