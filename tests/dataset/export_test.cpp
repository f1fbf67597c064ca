#include "corbel/dataset/export.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "corbel/base/random.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/dataset/import.hpp"
#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

/// Metrics of all 52 bits, some missing; reasons with all that formats must escape.
std::vector<Trial> trials_of(const DesignSpace& space) {
  Rng rng(3);
  std::vector<Trial> trials;
  for (DesignId id = 0; id < space.size(); id += 1 + rng.below(3)) {
    const bool feasible = rng.below(3) > 0;
    trials.push_back({id,
                      feasible ? TrialState::complete : TrialState::infeasible,
                      feasible            ? ""
                      : rng.below(2) == 0 ? "l1, \"l2\""
                                          : "too wide; \xC2\xB5",
                      {feasible ? std::exp(20 * rng.normal()) : nan, rng.below(4) == 0 ? 2.0 : rng.normal()},
                      1});
  }
  return trials;
}

TEST(Export, RoundTripsAreExactInEveryFormat) {
  const TemporaryFolder folder;
  Store store(folder / "trials.db", Store::Mode::read_write);
  const DesignSpace space({Parameter::integer("width", 1, 9), Parameter::ordinal("clock", {0.1, 1.0 / 3, 7}, "GHz"),
                           Parameter::categorical("flow", {"row", "a,b", "\"q\""}), Parameter::boolean("cache")});
  const TrialGroup group{space, "fake", "s1", "net", "w1", {"latency_ms", "slack"}};
  const auto id = store.group(group);
  store.record(id, trials_of(space));
  const Dataset before = store.read(id);
  for (const RowFormat& format : row_formats()) {
    for (const char* packing : {"", ".zst", ".gz"}) {
      ImportSpec spec;
      spec.file = folder / (std::string(format.id) + "." + std::string(format.id) + packing);
      EXPECT_EQ(export_trials({store, id}, spec.file, "", silent_monitor()), before.rows());
      Store again(folder / ("again." + spec.file.filename().string() + ".db"), Store::Mode::read_write);
      const ImportPlan plan = plan_import(spec, space, silent_monitor());
      Store::GroupId copied = 0;
      const ImportResult result = import_log(again, spec, plan, copied, silent_monitor());
      EXPECT_EQ(result.refusals, std::vector<std::string>{});
      Dataset after = again.read(copied);
      after.group = before.group;  // simulator and workload are not in the file
      EXPECT_EQ(after.fingerprint(), before.fingerprint()) << spec.file;

      const std::filesystem::path second = folder / ("second." + std::string(format.id) + packing);
      export_trials(after, second, "", silent_monitor());
      EXPECT_EQ(read_text(second), read_text(spec.file)) << "from memory as from the store";
    }
  }
}

TEST(Export, LeavesNoFileWhenItCannot) {
  const TemporaryFolder folder;
  Store store(folder / "trials.db", Store::Mode::read_write);
  const auto id = store.group(small_group());
  store.record(id, std::vector<Trial>{{0, TrialState::complete, "", {1, 2}, 1}});
  EXPECT_ERROR(export_trials({store, id}, folder / "x.dat", "", silent_monitor()), ErrorCode::invalid_input,
               "does not tell a format");
  EXPECT_EQ(error_of([&] {
              export_trials({store, id}, folder / "x.csv", "", *std::make_unique<RecordingMonitor>(0));
            }).code(),
            ErrorCode::interrupted);
  EXPECT_FALSE(std::filesystem::exists(folder / "x.csv"));
  TrialGroup clash = small_group("s2");
  clash.metrics = {"feasible"};
  const auto other = store.group(clash);
  EXPECT_ERROR(export_trials({store, other}, folder / "x.csv", "", silent_monitor()), ErrorCode::invalid_input,
               "two columns would be named `feasible`");
}

}  // namespace
}  // namespace corbel::test
