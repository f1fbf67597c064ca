#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "corbel/base/random.hpp"
#include "corbel/scorer/model.hpp"
#include "corbel/scorer/network_spec.hpp"
#include "corbel/scorer/transform.hpp"

namespace corbel::test {

/// Every kind of parameter: ordinal, categorical, boolean, small integer, and one too large for a table.
inline DesignSpace mixed_space() {
  return DesignSpace({Parameter::ordinal("lanes", {1, 2, 4, 8}), Parameter::categorical("order", {"a", "b", "c"}),
                      Parameter::boolean("fused"), Parameter::integer("tile", 1, 12),
                      Parameter::integer("bytes", 16, 160000, 16, "bytes")});
}

inline nlohmann::json metadata_for(const DesignSpace& space, const NetworkSpec& spec, std::int64_t members,
                                   const std::vector<MetricTransform>& transforms) {
  nlohmann::json json = {{"version", model_version},
                         {"space", space.to_json()},
                         {"space_fingerprint", space.fingerprint()},
                         {"network", to_json(spec)},
                         {"context_scale", 0.5},
                         {"members", members},
                         {"metrics", nlohmann::json::array()},
                         {"transforms", nlohmann::json::array()}};
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    json["metrics"].push_back("metric_" + std::to_string(i));
    json["transforms"].push_back(to_json(transforms[i]));
  }
  return json;
}

inline TensorMap random_tensors(const DesignSpace& space, const NetworkSpec& spec, std::int64_t members,
                                std::uint64_t seed) {
  Rng rng(seed);
  TensorMap tensors;
  for (std::int64_t m = 0; m < members; ++m) {
    for (const auto& [name, shape] : tensor_shapes(spec, space)) {
      StoredTensor tensor;
      tensor.shape = shape;
      std::int64_t count = 1;
      for (const std::int64_t size : shape) count *= size;
      const double fan_in = shape.size() > 1 && !name.starts_with("input") ? static_cast<double>(shape[1]) : 2;
      for (std::int64_t i = 0; i < count; ++i) {
        tensor.values.push_back(static_cast<float>(rng.normal() / std::sqrt(fan_in)));
      }
      tensors[std::to_string(m) + "." + name] = std::move(tensor);
    }
  }
  return tensors;
}

inline Model random_model(const DesignSpace& space, const NetworkSpec& spec, std::int64_t members, std::uint64_t seed) {
  const std::vector<MetricTransform> transforms(static_cast<std::size_t>(spec.metrics), {true, 2.0, 0.5});
  return Model::from_tensors(metadata_for(space, spec, members, transforms),
                             random_tensors(space, spec, members, seed));
}

inline std::vector<Design> random_designs(const DesignSpace& space, std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<Design> designs;
  for (std::size_t i = 0; i < n; ++i) designs.push_back(space.random(rng));
  return designs;
}

}  // namespace corbel::test
