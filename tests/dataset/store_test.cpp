#include "corbel/dataset/store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <thread>

#include "corbel/dataset/import.hpp"
#include "corbel/dataset/store_check.hpp"
#include "corbel/dataset/trial_log.hpp"
#include "dataset_testing.hpp"
#include "store_backends.hpp"

namespace corbel::test {
namespace {

/// What a store promises, whatever it lies in.
using StoreContract = StoreBackends;
INSTANTIATE_TEST_SUITE_P(On, StoreContract, ::testing::Values("Sqlite", "Postgres"), backend_name);

Trial complete(DesignId design, double latency, double area) {
  return {design, TrialState::complete, "", {latency, area}, 1};
}

TEST_P(StoreContract, ReturnsWhatWasRecordedOrderedByDesign) {
  Store store = open();
  const auto id = store.group(small_group());
  const std::vector<Trial> trials = {
      complete(599, 1.5, 2.5),
      {3, TrialState::infeasible, "too_wide", {nan, 7}, 1},
      complete(0, -0.1, 1e300),
      {4, TrialState::infeasible, "", {}, 1},
      {5, TrialState::failed, "crash", {}, 1},
  };
  EXPECT_EQ(store.record(id, trials), 5U);
  const Dataset data = store.read(id);
  EXPECT_EQ(data.designs, (std::vector<DesignId>{0, 3, 4, 599}));
  EXPECT_EQ(data.states,
            (std::vector{TrialState::complete, TrialState::infeasible, TrialState::infeasible, TrialState::complete}));
  EXPECT_EQ(data.feasible(), 2U);
  EXPECT_EQ(data.reason_names, (std::vector<std::string>{"", "too_wide"}));
  EXPECT_EQ(data.reasons, (std::vector<std::uint16_t>{0, 1, 0, 0}));
  EXPECT_EQ(data.metric(0, 0), -0.1);
  EXPECT_EQ(data.metric(0, 1), 1e300);
  EXPECT_TRUE(std::isnan(data.metric(1, 0)));
  EXPECT_EQ(data.metric(1, 1), 7);
  EXPECT_TRUE(std::isnan(data.metric(2, 1)));
  EXPECT_EQ(data.metric(3, 0), 1.5);
  EXPECT_EQ(data.group.space, small_space());
  EXPECT_EQ(data.group.metrics, small_group().metrics);
  EXPECT_EQ(data.metric_index("area_mm2"), 1U);
  EXPECT_ERROR(data.metric_index("area_mm"), ErrorCode::invalid_input, "area_mm");
  EXPECT_EQ(store.finished(id), data.designs);
}

TEST_P(StoreContract, KeepsFinishedRowsAndReplacesFailedOnes) {
  Store store = open();
  const auto id = store.group(small_group());
  store.record(id, std::vector{complete(1, 1, 1), Trial{2, TrialState::failed, "crash", {}, 1}});
  EXPECT_EQ(store.record(id, std::vector{complete(1, 9, 9), Trial{1, TrialState::failed, "", {}, 1}}), 0U);
  EXPECT_EQ(store.record(id, std::vector{Trial{2, TrialState::failed, "crash again", {}, 1}}), 1U);
  EXPECT_EQ(store.record(id, std::vector{complete(2, 5, 6)}), 1U);
  const std::vector<DesignId> asked = {2, 77, 1};
  const std::vector<Trial> found = store.find(id, asked);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].design, 2U);
  EXPECT_EQ(found[0].state, TrialState::complete);
  EXPECT_EQ(found[0].reason, "");
  EXPECT_EQ(found[0].attempt, 3U);
  EXPECT_EQ(found[0].metrics, (std::vector<double>{5, 6}));
  EXPECT_EQ(found[1].metrics, (std::vector<double>{1, 1}));
  EXPECT_EQ(found[1].attempt, 1U);
}

TEST_P(StoreContract, HoldsTheLastDesignOfTheLargestSpace) {
  std::vector<Parameter> parameters;
  for (const char* name : {"a", "b", "c"}) parameters.push_back(Parameter::integer(name, 0, (1 << 21) - 1));
  const DesignSpace space(std::move(parameters));
  ASSERT_EQ(space.size(), std::uint64_t{1} << 63);
  Store store = open();
  const auto id = store.group({space, "s", "f", "", "", {"x_ms"}});
  const DesignId last = space.size() - 1;
  store.record(id, std::vector<Trial>{{last, TrialState::complete, "", {1}, 1}, {0, TrialState::complete, "", {2}, 1}});
  EXPECT_EQ(store.finished(id), (std::vector<DesignId>{0, last}));
  EXPECT_ERROR(store.record(id, std::vector<Trial>{{last + 1, TrialState::complete, "", {1}, 1}}),
               ErrorCode::invalid_input, "9223372036854775808");
}

TEST_P(StoreContract, RefusesTrialsThatDoNotFitTheirGroup) {
  Store store = open();
  const auto id = store.group(small_group());
  const auto record = [&](Trial trial) { store.record(id, std::vector{complete(1, 1, 1), std::move(trial)}); };
  EXPECT_EQ(error_of([&] { record(complete(600, 1, 1)); }).code(), ErrorCode::invalid_input);
  EXPECT_EQ(error_of([&] { record({2, TrialState::complete, "", {1}, 1}); }).code(), ErrorCode::invalid_input);
  EXPECT_EQ(error_of([&] { record({2, TrialState::complete, "", {}, 1}); }).code(), ErrorCode::invalid_input);
  EXPECT_EQ(error_of([&] { store.record(id + 1, std::vector{complete(1, 1, 1)}); }).code(), ErrorCode::not_found);
  EXPECT_TRUE(store.finished(id).empty()) << "a refused call must store nothing";
}

TEST_P(StoreContract, KeepsGroupsApartAndRefusesOtherMetrics) {
  Store store = open();
  const auto first = store.group(small_group());
  EXPECT_EQ(store.group(small_group()), first);
  EXPECT_EQ(open().group(small_group()), first);
  const auto other = store.group(small_group("s2"));
  EXPECT_NE(other, first);
  TrialGroup workload = small_group();
  workload.workload_fingerprint = "w2";
  EXPECT_NE(store.group(workload), first);
  TrialGroup metrics = small_group();
  metrics.metrics = {"latency_ms"};
  EXPECT_ERROR(store.group(metrics), ErrorCode::mismatch, "other metrics");

  store.record(first, std::vector{complete(1, 1, 1), Trial{2, TrialState::infeasible, "r", {}, 1},
                                  Trial{3, TrialState::infeasible, "r", {}, 1}, Trial{4, TrialState::failed, "", {}, 1},
                                  Trial{5, TrialState::waiting, "", {}, 1}});
  const auto groups = store.groups();
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].id, first);
  EXPECT_EQ(groups[0].complete, 1U);
  EXPECT_EQ(groups[0].infeasible, 2U);
  EXPECT_EQ(groups[0].failed, 1U);
  EXPECT_EQ(groups[0].pending, 1U);
  EXPECT_EQ(groups[1].complete, 0U);
  store.clear(first);
  EXPECT_EQ(store.read(first).rows(), 0U);
}

TEST_P(StoreContract, KeepsNotes) {
  open().set_note("step", "one");
  Store store = open();
  EXPECT_EQ(store.note("step"), "one");
  EXPECT_EQ(store.note("absent"), "");
  store.set_note("step", "");
  EXPECT_EQ(store.note("step"), "");
}

TEST_P(StoreContract, ReadOnlyDoesNotWrite) {
  EXPECT_ERROR(Store(location(), Store::Mode::read_only), ErrorCode::not_found, location().text());
  Store::GroupId id = 0;
  {
    Store store = open();
    id = store.group(small_group());
    store.record(id, std::vector{complete(1, 1, 1)});
  }
  Store store(location(), Store::Mode::read_only);
  EXPECT_EQ(store.group(small_group()), id);
  EXPECT_EQ(store.read(id).rows(), 1U);
  EXPECT_ERROR(store.record(id, std::vector{complete(2, 1, 1)}), ErrorCode::file_access, location().text());
  EXPECT_ERROR(store.group(small_group("s2")), ErrorCode::file_access, location().text());
  EXPECT_ERROR(store.set_note("a", "b"), ErrorCode::file_access, location().text());
}

TEST_P(StoreContract, SaysWhenAnotherProcessKeepsItLocked) {
  Store holder = open();
  const auto id = holder.group(small_group());
  Store::Batch batch(holder);
  batch.put(id, complete(1, 1, 1));
  Store waiting(location(), Store::Mode::read_write, std::chrono::milliseconds(20));
  EXPECT_ERROR(waiting.record(id, std::vector{complete(2, 1, 1)}), ErrorCode::file_access, "locked");
  EXPECT_EQ(waiting.read(id).rows(), 0U) << "readers see the state before";
  batch.commit();
  EXPECT_EQ(waiting.record(id, std::vector{complete(2, 1, 1)}), 1U);
}

TEST_P(StoreContract, NoticesWritesOfOthersOnly) {
  Store store = open();
  const auto id = store.group(small_group());
  EXPECT_FALSE(store.changed_elsewhere());
  store.record(id, std::vector{complete(1, 1, 1)});
  EXPECT_FALSE(store.changed_elsewhere());
  open().record(id, std::vector{complete(2, 1, 1)});
  EXPECT_TRUE(store.changed_elsewhere());
  EXPECT_FALSE(store.changed_elsewhere());
}

TEST_P(StoreContract, TakesWritesFromManyProcessesAtOnce) {
  location();
  std::vector<pid_t> children;
  for (int child = 0; child < 6; ++child) {
    children.push_back(fork_child([&] {
      // All make the file, the schema and the group at the same time; then each writes rows that overlap its
      // neighbour's.
      Store store = open();
      const auto id = store.group(small_group());
      for (DesignId i = 0; i < 40; ++i) {
        const DesignId design = static_cast<DesignId>(child) * 20 + i;
        store.record(id, std::vector{complete(design, static_cast<double>(design), 1)});
      }
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  Store store(location(), Store::Mode::read_only);
  ASSERT_EQ(store.groups().size(), 1U);
  const Dataset data = store.read(1);
  ASSERT_EQ(data.rows(), 140U);  // 0 … 5 · 20 + 39
  for (std::size_t row = 0; row < 140; ++row) {
    EXPECT_EQ(data.designs[row], row);
    EXPECT_EQ(data.metric(row, 0), static_cast<double>(row));
  }
}

TEST_P(StoreContract, IsMadeByManyAtOnce) {
  for (int round = 0; round < 5; ++round) {
    const StoreLocation place = location(round);
    std::vector<std::thread> threads;
    for (int opener = 0; opener < 8; ++opener) {
      threads.emplace_back([&] { EXPECT_NO_THROW(Store(place, Store::Mode::read_write, std::chrono::minutes(1))); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_NO_THROW(Store(place, Store::Mode::read_only));
  }
}

TEST_P(StoreContract, StoresAllOrNothing) {
  Store store = open();
  {
    Store::Batch batch(store);
    const auto id = store.group(small_group());
    EXPECT_EQ(batch.put(id, complete(1, 1, 1)), Store::Batch::Put::added);
  }
  EXPECT_TRUE(store.groups().empty());
  EXPECT_EQ(error_of([&] { store.record(1, std::vector{complete(1, 1, 1)}); }).code(), ErrorCode::not_found);
  Store::Batch batch(store);
  const auto id = store.group(small_group());
  batch.put(id, complete(1, 1, 1));
  batch.commit();
  EXPECT_EQ(store.read(id).rows(), 1U);
}

TEST_P(StoreContract, TellsRepeatsFromContradictions) {
  Store store = open();
  const auto id = store.group(small_group());
  const Trial bad{2, TrialState::infeasible, "too_wide", {nan, 4}, 1};
  store.record(id, std::vector{complete(1, 1, 1)});
  using Put = Store::Batch::Put;
  {
    Store::Batch batch(store);
    batch.start_import(id, "log.csv");
    EXPECT_EQ(batch.put(id, complete(1, 1, 1)), Put::present);
    EXPECT_EQ(batch.put(id, complete(1, 1, 2)), Put::differs);
    EXPECT_EQ(batch.put(id, bad), Put::added);
    EXPECT_EQ(batch.put(id, bad), Put::repeated);
    EXPECT_EQ(batch.put(id, Trial{2, TrialState::infeasible, "other", {nan, 4}, 1}), Put::differs);
    EXPECT_EQ(batch.put(id, Trial{2, TrialState::infeasible, "too_wide", {0, 4}, 1}), Put::differs);
    batch.finish_import(6, 1, 1);
    batch.commit();
  }
  EXPECT_EQ(store.read(id).duplicates, 1U);
  {
    Store::Batch batch(store);
    batch.start_import(id, "log.csv");
    EXPECT_EQ(batch.put(id, bad), Put::present) << "from the earlier import";
    batch.finish_import(1, 0, 0);
    batch.commit();
  }
  EXPECT_EQ(store.read(id).duplicates, 1U);
}

TEST_P(StoreContract, FingerprintIsOfTheRowsNotOfTheirHistory) {
  Store store = open();
  Store other = open(1);
  const std::vector rows = {complete(1, 1, 1), complete(2, 2, 2), Trial{3, TrialState::infeasible, "x", {}, 1},
                            Trial{4, TrialState::infeasible, "y", {}, 1}};
  std::vector<Trial> reversed(rows.rbegin(), rows.rend());
  const auto id = store.group(small_group());
  store.record(id, rows);
  const auto unused = other.group(small_group("s0"));
  const auto other_id = other.group(small_group());
  ASSERT_NE(unused, other_id);
  for (const Trial& trial : reversed) other.record(other_id, std::vector{trial});
  const std::string fingerprint = store.read(id).fingerprint();
  EXPECT_EQ(other.read(other_id).fingerprint(), fingerprint);
  EXPECT_EQ(fingerprint.size(), 32U);

  const auto changed = [&](const std::function<void(Dataset&)>& change) {
    Dataset data = store.read(id);
    change(data);
    return data.fingerprint();
  };
  EXPECT_EQ(changed([](Dataset&) {}), fingerprint);
  EXPECT_EQ(changed([](Dataset& d) { d.duplicates = 9; }), fingerprint);
  EXPECT_NE(changed([](Dataset& d) { d.metrics[0] = 1.0000000000000002; }), fingerprint);
  EXPECT_NE(changed([](Dataset& d) { d.designs[3] = 5; }), fingerprint);
  EXPECT_NE(changed([](Dataset& d) { d.states[3] = TrialState::complete; }), fingerprint);
  EXPECT_NE(changed([](Dataset& d) { std::swap(d.reasons[2], d.reasons[3]); }), fingerprint);
  EXPECT_NE(changed([](Dataset& d) { d.group.simulator_fingerprint = "s2"; }), fingerprint);
}

TEST_P(StoreContract, WidensAGroupByTheMetricsItLacks) {
  Store store = open();
  TrialGroup group = small_group();
  const auto id = store.group(group);
  store.record(id, std::vector<Trial>{complete(1, 2, 3), {2, TrialState::running, "", {}, 1}});
  group.metrics = {"power_w", group.metrics[1]};
  EXPECT_EQ(store.widened_group(group), id);
  const std::vector<std::string> all = {small_group().metrics[0], small_group().metrics[1], "power_w"};
  EXPECT_EQ(store.describe(id).metrics, all);
  const Dataset data = store.read(id);
  EXPECT_EQ(data.metric(0, 0), 2);
  EXPECT_EQ(data.metric(0, 1), 3);
  EXPECT_TRUE(std::isnan(data.metric(0, 2)));
  // Trials of the new width fit, and a group that is there keeps what nobody asks for.
  EXPECT_EQ(store.record(id, std::vector<Trial>{{2, TrialState::complete, "", {4, 5, 6}, 1}}), 1U);
  EXPECT_EQ(store.read(id).metric(1, 2), 6);
  EXPECT_EQ(store.widened_group(small_group()), id);
  EXPECT_EQ(store.describe(id).metrics, all);
  group.simulator_fingerprint = "another";
  const auto fresh = store.widened_group(group);
  EXPECT_NE(fresh, id);
  EXPECT_EQ(store.describe(fresh).metrics, group.metrics);
}

TEST_P(StoreContract, ListsWhatIsUnfinished) {
  Store store = open();
  const auto id = store.group(small_group());
  store.record(id, std::vector<Trial>{{9, TrialState::waiting, "", {}, 1},
                                      complete(8, 1, 1),
                                      {7, TrialState::running, "", {}, 2},
                                      {6, TrialState::infeasible, "", {}, 1},
                                      {5, TrialState::failed, "crash", {}, 1},
                                      {4, TrialState::abandoned, "crash", {}, 3}});
  std::vector<DesignId> designs;
  for (const Trial& trial : store.unfinished(id)) designs.push_back(trial.design);
  EXPECT_EQ(designs, (std::vector<DesignId>{4, 5, 7, 9}));
  EXPECT_EQ(store.unfinished(id)[2].attempt, 2U);
}

TEST_P(StoreContract, FindsAndForgetsNotesByTheirBeginning) {
  Store store = open();
  store.set_note("a%1", "x");
  store.set_note("a%0", "y");
  store.set_note("ab", "z");
  EXPECT_EQ(store.notes("a%"), (std::vector<std::pair<std::string, std::string>>{{"a%0", "y"}, {"a%1", "x"}}));
  EXPECT_EQ(store.notes("").size(), 3U);
  store.forget_notes("a%");
  EXPECT_EQ(store.notes("a"), (std::vector<std::pair<std::string, std::string>>{{"ab", "z"}}));
}

TEST_P(StoreContract, TellsOfManyTrialsAtOnceAsIfTheyCameOneByOne) {
  Store store = open();
  const auto id = store.group(small_group());
  store.record(id, std::vector{complete(5, 5, 5), Trial{6, TrialState::failed, "crash", {}, 1}});
  const Trial crash{7, TrialState::failed, "crash", {}, 1}, wide{8, TrialState::infeasible, "too_wide", {}, 1};
  using Put = Store::Batch::Put;
  Store::Batch batch(store);
  EXPECT_EQ(batch.put(id, std::vector{complete(5, 5, 5), complete(5, 5, 6), complete(6, 1, 1), complete(6, 1, 1), crash,
                                      crash, complete(7, 2, 2), crash, wide, wide, complete(8, 1, 1)}),
            (std::vector{Put::present, Put::differs, Put::added, Put::present, Put::added, Put::added, Put::added,
                         Put::differs, Put::added, Put::present, Put::differs}));
  EXPECT_TRUE(batch.put(id, std::vector<Trial>()).empty());
  batch.commit();
  const std::vector<DesignId> asked = {7, 5, 7, 6, 99};
  const std::vector<Trial> found = store.find(id, asked);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].design, 7U);
  EXPECT_EQ(found[0].attempt, 3U) << "two crashes before";
  EXPECT_EQ(found[2].design, 7U);
  EXPECT_EQ(found[3].attempt, 2U);
}

TEST_P(StoreContract, HoldsMoreTrialsThanOneStatementTakes) {
  const DesignSpace space({Parameter::integer("n", 0, 99'999)});
  Store store = open();
  const auto id = store.group({space, "s", "f", "", "", {"x_ms"}});
  std::vector<Trial> trials;
  for (DesignId i = 0; i < 20'000; ++i) {
    trials.push_back({(i * 7919) % 100'000, TrialState::complete, "", {static_cast<double>(i)}, 1});
  }
  EXPECT_EQ(store.record(id, trials), 20'000U);
  trials.push_back({99'999, TrialState::complete, "", {0}, 1});
  ASSERT_EQ(store.find(id, std::vector<DesignId>{99'999}).size(), 0U);
  EXPECT_EQ(store.record(id, trials), 1U) << "all others are there";
  std::uint64_t seen = 0;
  DesignId before = 0;
  TrialLog(store, id).each([&](const TrialView& trial) {
    EXPECT_TRUE(seen == 0 || trial.design > before);
    before = trial.design;
    EXPECT_TRUE(trial.design == 99'999 || static_cast<DesignId>(trial.metrics[0]) * 7919 % 100'000 == trial.design);
    ++seen;
    EXPECT_EQ(seen % 5000 == 0 ? store.note("absent") : "", "") << "a visitor may read on";
  });
  EXPECT_EQ(seen, 20'001U);
  EXPECT_EQ(store.find(id, store.finished(id)).size(), 20'001U);
  // A reader that stops half-way leaves the store as it was.
  EXPECT_THROW(TrialLog(store, id).each([](const TrialView&) { throw std::runtime_error("enough"); }),
               std::runtime_error);
  store.set_note("after", "all");
  EXPECT_EQ(open().note("after"), "all");
}

TEST_P(StoreContract, KeepsTextsAsTheyAre) {
  Store store = open();
  const auto id = store.group(small_group());
  const std::string text = "it's “q” ?1 $1 \\x00 %s\n\ttoo wide: 3 µm > 2 µm";
  store.record(id, std::vector{Trial{3, TrialState::infeasible, text, {}, 1}});
  EXPECT_EQ(store.find(id, std::vector<DesignId>{3})[0].reason, text);
  store.set_note(text, text + text);
  EXPECT_EQ(store.note(text), text + text);
  EXPECT_EQ(store.notes("it's").size(), 1U);
}

TEST_P(StoreContract, OrdersNotesByTheirBytes) {
  Store store = open();
  for (const char* key : {"b", "a b", "B", "a_b", "ä", "ab"}) store.set_note(key, "x");
  std::vector<std::string> keys;
  for (const auto& [key, value] : store.notes("")) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"B", "a b", "a_b", "ab", "b", "ä"}));
}

TEST_P(StoreContract, TellsDamagedRowsFromData) {
  {
    Store store = open();
    store.record(store.group(small_group()), std::vector{complete(5, 1, 2)});
  }
  tamper(is_postgres() ? "UPDATE trials SET metrics = '\\x0011'" : "UPDATE trials SET metrics = x'0011'");
  EXPECT_ERROR(open().read(1), ErrorCode::corrupt, "wrong number of metrics");
  EXPECT_EQ(check_store(location(), silent_monitor()).listed,
            std::vector<std::string>{"group 1, design 5: has 2 bytes of metrics where its group has 16"});
  tamper("DELETE FROM trials; UPDATE groups SET space = '{}'");
  EXPECT_ERROR(open().read(1), ErrorCode::corrupt, "makes no sense");
  tamper("UPDATE groups SET space = '{'");
  EXPECT_ERROR(open().groups(), ErrorCode::corrupt, "cannot be read");
}

TEST_P(StoreContract, RefusesANewerVersion) {
  { open(); }
  tamper(is_postgres() ? "UPDATE about SET version = 99" : "PRAGMA user_version = 99");
  for (const auto mode : {Store::Mode::read_only, Store::Mode::read_write}) {
    EXPECT_ERROR(Store(location(), mode), ErrorCode::mismatch, "newer Corbel");
    EXPECT_ERROR(Store(location(), mode), ErrorCode::mismatch, location().text());
  }
}

TEST_P(StoreContract, TakesALogOnce) {
  const TemporaryFolder folder;
  std::string csv = "pes,latency_ms,feasible\n";
  for (int i = 0; i < 9000; ++i) {
    csv += std::to_string(i % 8000) + (i % 3 == 0 ? ",,0\n" : "," + std::to_string(i % 8000) + ".5,1\n");
  }
  ImportSpec spec;
  spec.file = folder.write("log.csv", csv);
  const ImportPlan plan = plan_import(spec, DesignSpace({Parameter::integer("pes", 0, 7999)}), silent_monitor());
  Store store = open();
  Store::GroupId group = 0;
  const ImportResult first = import_log(store, spec, plan, group, silent_monitor());
  // 8000 ≡ 2 (mod 3): a row that comes again is feasible where it was not, or the other way round, for two in three.
  EXPECT_EQ(first.added, 8000U);
  EXPECT_EQ(first.duplicates, 333U);
  EXPECT_EQ(first.refused, 667U);
  const std::string fingerprint = store.read(group).fingerprint();
  EXPECT_NE(store.statistics(group, 1), "");
  const ImportResult second = import_log(store, spec, plan, group, silent_monitor());
  EXPECT_EQ(second.added, 0U);
  EXPECT_EQ(store.read(group).fingerprint(), fingerprint);
  EXPECT_EQ(store.repeated(group), 333U);
  EXPECT_EQ(check_store(location(), silent_monitor()).listed, std::vector<std::string>{});
  tamper("DELETE FROM trials WHERE design = 2");
  EXPECT_EQ(check_store(location(), silent_monitor()).listed,
            (std::vector<std::string>{"import 1: added 8000 rows, of which 7999 are there",
                                      "statistics of group 1: count other rows than there are"}));
}

TEST(TrialState, HasNames) {
  EXPECT_EQ(to_string(TrialState::waiting), "waiting");
  EXPECT_EQ(to_string(TrialState::infeasible), "infeasible");
  EXPECT_EQ(to_string(TrialState::abandoned), "abandoned");
}

}  // namespace
}  // namespace corbel::test
