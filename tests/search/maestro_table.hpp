#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "corbel/base/csv.hpp"
#include "corbel/base/number.hpp"
#include "corbel/search/objective.hpp"

namespace corbel::test {

/// The exhaustive MAESTRO table of a network (384,000 designs) under `area_um2 <= 6e6` as an objective: what a search
/// on an expensive simulator meets, with a known optimum.
class MaestroTable final : public Objective {
 public:
  static std::filesystem::path file(std::string_view network) {
    return std::filesystem::path(CORBEL_SOURCE_DIR) / "../shared/data/maestro" /
           ("maestro_" + std::string(network) + ".csv.gz");
  }

  explicit MaestroTable(std::string_view network)
      : space_({Parameter::categorical("dataflow", {"kcp_ws", "ckp_ws", "ykp_os", "yxp_os", "rs"}),
                Parameter::ordinal("tile_p", {8, 16, 32, 64}), Parameter::ordinal("tile_t", {1, 2, 4, 8}),
                Parameter::ordinal("num_pes", {32, 64, 96, 128, 192, 256, 384, 512, 768, 1024}),
                Parameter::ordinal("simd", {1, 4}), Parameter::ordinal("noc_bw", {16, 32, 64, 128, 256}),
                Parameter::ordinal("offchip_bw", {64, 256, 1024}),
                Parameter::ordinal("l1_bytes", {256, 512, 1024, 2048}),
                Parameter::ordinal("l2_bytes", {4096, 16384, 65536, 262144})}),
        scores_(space_.size()),
        metrics_(space_.size()) {
    constexpr double area_limit_um2 = 6e6;
    CsvReader reader(file(network));
    std::vector<std::size_t> columns;
    for (const Parameter& parameter : space_.parameters()) columns.push_back(column(reader, parameter.name()));
    const std::size_t feasible = column(reader, "feasible"), runtime = column(reader, "runtime_cycles"),
                      energy = column(reader, "energy_mac"), area = column(reader, "area_um2");
    std::vector<std::unordered_map<std::string, std::uint32_t>> indices(columns.size());
    Design design(columns.size());
    for (std::vector<std::string_view> fields; reader.next(fields);) {
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto [entry, is_new] = indices[i].try_emplace(std::string(fields[columns[i]]));
        if (is_new) entry->second = space_.parameters()[i].find(fields[columns[i]]).value();
        design[i] = entry->second;
      }
      Score& score = scores_[space_.id(design)];
      double energy_mac = std::nan(""), area_um2 = 0;
      parse_number(fields[energy], energy_mac);
      parse_number(fields[area], area_um2);
      score.violation = std::max(0.0, area_um2 / area_limit_um2 - 1);
      if (fields[feasible] == "1") {
        parse_number(fields[runtime], score.objective);
      } else {
        score.violation += 1;
      }
      metrics_[space_.id(design)] = {score.objective, energy_mac, area_um2};
    }
  }

  const DesignSpace& space() const override { return space_; }
  void score(std::span<const Design> designs, std::span<Score> out) const override {
    for (std::size_t i = 0; i < designs.size(); ++i) out[i] = scores_[space_.id(designs[i])];
  }
  const Score& score(DesignId id) const { return scores_[id]; }
  /// Runtime in cycles, energy in that of a MAC, area in µm²; NaN where there is none.
  const std::array<double, 3>& metrics(DesignId id) const { return metrics_[id]; }
  double optimum() const { return std::min_element(scores_.begin(), scores_.end(), better)->objective; }

 private:
  static std::size_t column(const CsvReader& reader, std::string_view name) {
    const auto& header = reader.header();
    return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
  }

  DesignSpace space_;
  std::vector<Score> scores_;
  std::vector<std::array<double, 3>> metrics_;
};

}  // namespace corbel::test
