// How good a model from 4,000 random rows is on the whole MAESTRO tables, where the optimum is known. Slow: runs only
// with CORBEL_SLOW_TESTS=1; docs/surrogate.md holds the figures that it prints.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>
#include <unordered_map>

#include "corbel/base/csv.hpp"
#include "corbel/base/number.hpp"
#include "corbel/scorer/model.hpp"
#include "support/temporary_folder.hpp"
#include "surrogate/surrogate_testing.hpp"

namespace corbel {
namespace {

constexpr double area_limit_um2 = 6e6;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::filesystem::path table_file(const std::string& network) {
  return std::filesystem::path(CORBEL_SOURCE_DIR) / "../shared/data/maestro" / ("maestro_" + network + ".csv.gz");
}

struct Table {
  DesignSpace space{{Parameter::categorical("dataflow", {"kcp_ws", "ckp_ws", "ykp_os", "yxp_os", "rs"}),
                     Parameter::ordinal("tile_p", {8, 16, 32, 64}), Parameter::ordinal("tile_t", {1, 2, 4, 8}),
                     Parameter::ordinal("num_pes", {32, 64, 96, 128, 192, 256, 384, 512, 768, 1024}),
                     Parameter::ordinal("simd", {1, 4}), Parameter::ordinal("noc_bw", {16, 32, 64, 128, 256}),
                     Parameter::ordinal("offchip_bw", {64, 256, 1024}),
                     Parameter::ordinal("l1_bytes", {256, 512, 1024, 2048}),
                     Parameter::ordinal("l2_bytes", {4096, 16384, 65536, 262144})}};
  std::vector<double> cycles, area;  // [designs]; NaN cycles where infeasible
  double optimum = std::numeric_limits<double>::max();

  explicit Table(const std::string& network) : cycles(space.size(), nan), area(space.size(), nan) {
    CsvReader reader(table_file(network));
    const auto column = [&](const std::string& name) {
      const auto& header = reader.header();
      return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
    };
    std::vector<std::size_t> columns;
    for (const Parameter& parameter : space.parameters()) columns.push_back(column(parameter.name()));
    const std::size_t cycles_at = column("runtime_cycles"), area_at = column("area_um2");
    std::vector<std::unordered_map<std::string, std::uint32_t>> known(columns.size());
    Design design(columns.size());
    for (std::vector<std::string_view> fields; reader.next(fields);) {
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto [entry, is_new] = known[i].try_emplace(std::string(fields[columns[i]]));
        if (is_new) entry->second = space.parameters()[i].find(fields[columns[i]]).value();
        design[i] = entry->second;
      }
      const DesignId id = space.id(design);
      parse_number(fields[area_at], area[id]);
      if (parse_number(fields[cycles_at], cycles[id]) && area[id] <= area_limit_um2) {
        optimum = std::min(optimum, cycles[id]);
      }
    }
  }
};

struct Outcome {
  double top1, top16, top256;  // best true runtime of the first k, over the optimum
  double infeasible;           // share among those of the first 256 that meet the limit
};

// The k best predicted, among those predicted feasible and within the limit.
Outcome assess(const Table& table, const Model& model) {
  const Predictions predictions = model.predict_range(0, table.space.size());
  std::vector<DesignId> order;
  for (DesignId id = 0; id < table.space.size(); ++id) {
    if (predictions.feasibility[id] >= 0.5 && predictions.metrics[2 * id + 1] <= area_limit_um2) order.push_back(id);
  }
  std::sort(order.begin(), order.end(),
            [&](DesignId a, DesignId b) { return predictions.metrics[2 * a] < predictions.metrics[2 * b]; });
  Outcome outcome{};
  double best = std::numeric_limits<double>::infinity(), within = 0, infeasible = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(256, order.size()); ++i) {
    const DesignId id = order[i];
    if (table.area[id] <= area_limit_um2) {
      ++within;
      infeasible += std::isnan(table.cycles[id]);
      if (table.cycles[id] < best) best = table.cycles[id];
    }
    (i == 0 ? outcome.top1 : i < 16 ? outcome.top16 : outcome.top256) = best / table.optimum;
  }
  outcome.infeasible = infeasible / std::max(1.0, within);
  return outcome;
}

class Maestro : public testing::TestWithParam<const char*> {};

TEST_P(Maestro, ModelFromALogFindsNearlyTheBest) {
  if (std::getenv("CORBEL_SLOW_TESTS") == nullptr) GTEST_SKIP() << "set CORBEL_SLOW_TESTS=1";
  if (!std::filesystem::exists(table_file(GetParam()))) GTEST_SKIP() << "the MAESTRO tables are not here";
  const Table table(GetParam());
  std::vector<double> top16, infeasible;
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    Dataset log{TrialGroup{table.space, "maestro", "1", "", "", {"runtime_cycles", "area_um2"}}, {}, {}, {}, {""}, {}};
    TrainingTask task;
    task.objective = "runtime_cycles";
    task.also_predict = {"area_um2"};
    Rng rng(seed, 99);
    std::set<DesignId> ids;
    while (ids.size() < 4000) ids.insert(rng.below(table.space.size()));
    for (const DesignId id : ids) {
      log.designs.push_back(id);
      log.states.push_back(std::isnan(table.cycles[id]) ? TrialState::infeasible : TrialState::complete);
      log.reasons.push_back(0);
      log.metrics.push_back(table.cycles[id]);
      log.metrics.push_back(table.area[id]);
      task.over_limit.push_back(table.area[id] > area_limit_um2);
    }
    TrainingOptions options;
    options.seed = seed;
    const test::TemporaryFolder folder;
    const nlohmann::json report =
        train(log, task, options, folder / "model.safetensors", folder / "work", silent_monitor());
    const Outcome outcome = assess(table, Model::load(folder / "model.safetensors"));
    const nlohmann::json& chosen = report["candidates"][report["chosen"].get<std::size_t>()];
    std::cout << fmt::format(
        "{} seed {}: top-1 {:.3f} top-16 {:.3f} top-256 {:.3f}, infeasible {:.1f} %, chosen alpha {} beta {}, "
        "Kendall {:.2f}, AUC {:.3f}, {:.0f} s\n",
        GetParam(), seed, outcome.top1, outcome.top16, outcome.top256, 100 * outcome.infeasible,
        chosen["alpha"].get<double>(), chosen["beta"].get<double>(), chosen["kendall"].get<double>(),
        chosen["infeasible_auc"].get<double>(), report["seconds"].get<double>());
    top16.push_back(outcome.top16);
    infeasible.push_back(outcome.infeasible);
  }
  std::sort(top16.begin(), top16.end());
  std::sort(infeasible.begin(), infeasible.end());
  EXPECT_LE(top16[2], 1.05) << "median";
  EXPECT_LE(infeasible[2], 0.05) << "median";
}

INSTANTIATE_TEST_SUITE_P(Tables, Maestro, testing::Values("resnet50", "mobilenetv2"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace corbel
