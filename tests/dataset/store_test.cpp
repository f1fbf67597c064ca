#include "corbel/dataset/store.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <thread>

#include "corbel/base/random.hpp"
#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

using std::filesystem::path;

Store open(const path& file) {
  return Store(file, Store::Mode::read_write);
}

/// Runs SQL behind the store's back.
void tamper(const path& file, const std::string& sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
  char* message = nullptr;
  ASSERT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
  sqlite3_close(handle);
}

Trial complete(DesignId design, double latency, double area) {
  return {design, TrialState::complete, "", {latency, area}, 1};
}

TEST(Store, ReturnsWhatWasRecordedOrderedByDesign) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
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

TEST(Store, KeepsFinishedRowsAndReplacesFailedOnes) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
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

TEST(Store, HoldsTheLastDesignOfTheLargestSpace) {
  const TemporaryFolder folder;
  std::vector<Parameter> parameters;
  for (const char* name : {"a", "b", "c"}) parameters.push_back(Parameter::integer(name, 0, (1 << 21) - 1));
  const DesignSpace space(std::move(parameters));
  ASSERT_EQ(space.size(), std::uint64_t{1} << 63);
  Store store = open(folder / "trials.db");
  const auto id = store.group({space, "s", "f", "", "", {"x_ms"}});
  const DesignId last = space.size() - 1;
  store.record(id, std::vector<Trial>{{last, TrialState::complete, "", {1}, 1}, {0, TrialState::complete, "", {2}, 1}});
  EXPECT_EQ(store.finished(id), (std::vector<DesignId>{0, last}));
  EXPECT_ERROR(store.record(id, std::vector<Trial>{{last + 1, TrialState::complete, "", {1}, 1}}),
               ErrorCode::invalid_input, "9223372036854775808");
}

TEST(Store, RefusesTrialsThatDoNotFitTheirGroup) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
  const auto id = store.group(small_group());
  const auto record = [&](Trial trial) { store.record(id, std::vector{complete(1, 1, 1), std::move(trial)}); };
  EXPECT_EQ(error_of([&] { record(complete(600, 1, 1)); }).code(), ErrorCode::invalid_input);
  EXPECT_EQ(error_of([&] { record({2, TrialState::complete, "", {1}, 1}); }).code(), ErrorCode::invalid_input);
  EXPECT_EQ(error_of([&] { record({2, TrialState::complete, "", {}, 1}); }).code(), ErrorCode::invalid_input);
  EXPECT_EQ(error_of([&] { store.record(id + 1, std::vector{complete(1, 1, 1)}); }).code(), ErrorCode::not_found);
  EXPECT_TRUE(store.finished(id).empty()) << "a refused call must store nothing";
}

TEST(Store, KeepsGroupsApartAndRefusesOtherMetrics) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
  const auto first = store.group(small_group());
  EXPECT_EQ(store.group(small_group()), first);
  EXPECT_EQ(open(folder / "trials.db").group(small_group()), first);
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

TEST(Store, KeepsNotes) {
  const TemporaryFolder folder;
  open(folder / "trials.db").set_note("step", "one");
  Store store = open(folder / "trials.db");
  EXPECT_EQ(store.note("step"), "one");
  EXPECT_EQ(store.note("absent"), "");
  store.set_note("step", "");
  EXPECT_EQ(store.note("step"), "");
}

TEST(Store, LeavesOnlyItsFileBehind) {
  const TemporaryFolder folder;
  {
    Store store = open(folder / "new/folder/trials.db");
    store.group(small_group());
  }
  { EXPECT_EQ(Store(folder / "new/folder/trials.db", Store::Mode::read_only).groups().size(), 1U); }
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "new/folder")) {
    names.push_back(entry.path().filename());
  }
  EXPECT_EQ(names, std::vector<std::string>{"trials.db"});
}

TEST(Store, OpensNamesThatMeanSomethingToSqlite) {
  const TemporaryFolder folder;
  const path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  for (const char* name : {":memory:", "file:x?mode=ro#y", "a%20b"}) {
    { open(name).group(small_group()); }
    EXPECT_TRUE(std::filesystem::exists(name)) << name;
    EXPECT_EQ(Store(name, Store::Mode::read_only).groups().size(), 1U) << name;
  }
  std::filesystem::current_path(before);
}

TEST(Store, ReadOnlyDoesNotWrite) {
  const TemporaryFolder folder;
  const path file = folder / "trials.db";
  EXPECT_ERROR(Store(file, Store::Mode::read_only), ErrorCode::not_found, file.string());
  EXPECT_FALSE(std::filesystem::exists(file));
  Store::GroupId id = 0;
  {
    Store store = open(file);
    id = store.group(small_group());
    store.record(id, std::vector{complete(1, 1, 1)});
  }
  Store store(file, Store::Mode::read_only);
  EXPECT_EQ(store.group(small_group()), id);
  EXPECT_EQ(store.read(id).rows(), 1U);
  EXPECT_ERROR(store.record(id, std::vector{complete(2, 1, 1)}), ErrorCode::file_access, file.string());
  EXPECT_ERROR(store.group(small_group("s2")), ErrorCode::file_access, file.string());
  EXPECT_ERROR(store.set_note("a", "b"), ErrorCode::file_access, file.string());
}

TEST(Store, RefusesWhatIsNotAStore) {
  const TemporaryFolder folder;
  const auto both = [&](const path& file, ErrorCode code, const std::string& part) {
    for (const auto mode : {Store::Mode::read_only, Store::Mode::read_write}) {
      EXPECT_ERROR(Store(file, mode), code, file.string());
      EXPECT_ERROR(Store(file, mode), code, part);
    }
  };
  both(folder.path(), ErrorCode::file_access, "is a folder");
  both("/dev/null", ErrorCode::file_access, "not a regular file");

  std::string noise;
  Rng rng(7);
  for (int i = 0; i < 5000; ++i) noise += static_cast<char>(rng.next());
  both(folder.write("noise.db", noise), ErrorCode::corrupt, "not a Corbel store");
  both(folder.write("text.db", "width,depth\n1,2\n"), ErrorCode::corrupt, "not a Corbel store");
  EXPECT_EQ(read_text(folder / "noise.db"), noise) << "a file that is not ours was changed";

  tamper(folder / "other.db", "CREATE TABLE t(x)");
  both(folder / "other.db", ErrorCode::corrupt, "not a Corbel store");

  { open(folder / "newer.db"); }
  tamper(folder / "newer.db", "PRAGMA user_version = 99");
  both(folder / "newer.db", ErrorCode::mismatch, "newer Corbel");

  const path file = folder.write("file", "x");
  EXPECT_ERROR(open(file / "trials.db"), ErrorCode::file_access, "trials.db");
  EXPECT_ERROR(open(""), ErrorCode::invalid_input, "empty path");
}

TEST(Store, FillsAnEmptyFileButDoesNotReadOne) {
  const TemporaryFolder folder;
  const path file = folder.write("trials.db", "");
  EXPECT_ERROR(Store(file, Store::Mode::read_only), ErrorCode::corrupt, file.string());
  EXPECT_EQ(open(file).group(small_group()), 1);
}

TEST(Store, TellsDamageFromData) {
  const TemporaryFolder folder;
  const path file = folder / "trials.db";
  std::vector<Trial> trials;
  for (DesignId i = 0; i < 600; ++i) trials.push_back(complete(i, 1, 2));
  {
    Store store = open(file);
    store.record(store.group(small_group()), trials);
  }
  const std::string whole = read_text(file);
  ASSERT_GT(whole.size(), 16384U);

  for (const std::size_t kept : {std::size_t{50}, std::size_t{1000}, std::size_t{4096}, whole.size() - 4096}) {
    const path cut = folder.write("cut.db", whole.substr(0, kept));
    for (const auto mode : {Store::Mode::read_only, Store::Mode::read_write}) {
      EXPECT_ERROR(Store(cut, mode).read(1), ErrorCode::corrupt, cut.string());
    }
  }

  // Any bytes at all may stand in the file: it is an error or the rows, never a crash.
  Rng rng(11);
  for (int round = 0; round < 60; ++round) {
    std::string damaged = whole;
    for (int i = 0; i < 40; ++i) damaged[rng.below(damaged.size())] = static_cast<char>(rng.next());
    const path bad = folder.write("bad.db", damaged);
    try {
      Store store(bad, Store::Mode::read_only);
      for (const auto& group : store.groups()) EXPECT_LE(store.read(group.id).rows(), 600U);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("bad.db"), std::string::npos) << error.what();
    }
  }

  tamper(file, "UPDATE trials SET metrics = x'0011' WHERE design = 5");
  EXPECT_ERROR(open(file).read(1), ErrorCode::corrupt, "wrong number of metrics");
  tamper(file, "UPDATE trials SET metrics = zeroblob(16); UPDATE groups SET space = '{}'");
  EXPECT_ERROR(open(file).read(1), ErrorCode::corrupt, "makes no sense");
  tamper(file, "UPDATE groups SET space = '{'");
  EXPECT_ERROR(open(file).groups(), ErrorCode::corrupt, "cannot be read");
}

TEST(Store, NamesTheRemedyWhenTheFolderCannotBeWritten) {
  const TemporaryFolder folder;
  const path place = folder / "place";
  std::filesystem::create_directory(place);
  const path file = place / "trials.db";
  {
    Store store = open(file);
    store.record(store.group(small_group()), std::vector{complete(1, 2, 3)});
  }
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(file, std::filesystem::perms(0444));
  std::filesystem::permissions(place, std::filesystem::perms(0555));
  const auto as_other = [](const std::function<bool()>& check) {
    return wait_for(fork_child([&] {
      lose_privileges();
      if (!check()) throw std::runtime_error("the check failed");
    }));
  };
  const auto refused = [](const path& at, Store::Mode mode, const std::string& part) {
    try {
      Store(at, mode).groups();
    } catch (const Error& error) {
      return error.code() == ErrorCode::file_access && !error.hint().empty() &&
             std::string(error.what()).find(at.string()) != std::string::npos &&
             std::string(error.what()).find(part) != std::string::npos;
    }
    return false;
  };
  EXPECT_EQ(as_other([&] { return refused(file, Store::Mode::read_write, "cannot be"); }), 0);
  EXPECT_EQ(as_other([&] { return refused(place / "new.db", Store::Mode::read_write, "cannot be opened"); }), 0);
  EXPECT_EQ(as_other([&] { return refused(place / "sub/new.db", Store::Mode::read_write, "cannot make the folder"); }),
            0);
  EXPECT_EQ(as_other([&] { return Store(file, Store::Mode::read_only).read(1).metric(0, 1) == 3; }), 0)
      << "a store in a read-only folder can be read";

  // What a killed writer left in the log may not be passed over silently.
  std::filesystem::permissions(place, std::filesystem::perms(0755));
  const pid_t writer = fork_child([&] {
    Store store = open(file);
    store.record(1, std::vector{complete(2, 2, 3)});
    _exit(0);  // without closing
  });
  ASSERT_EQ(wait_for(writer), 0);
  ASSERT_GT(std::filesystem::file_size(file.string() + "-wal"), 0U);
  std::filesystem::remove(file.string() + "-shm");
  std::filesystem::permissions(file, std::filesystem::perms(0444));
  std::filesystem::permissions(place, std::filesystem::perms(0555));
  EXPECT_EQ(as_other([&] { return refused(file, Store::Mode::read_only, "-wal"); }), 0);
  std::filesystem::permissions(place, std::filesystem::perms(0755));
  EXPECT_EQ(Store(file, Store::Mode::read_only).read(1).rows(), 2U);
}

TEST(Store, SaysWhenAnotherProcessKeepsItLocked) {
  const TemporaryFolder folder;
  Store holder = open(folder / "trials.db");
  const auto id = holder.group(small_group());
  Store::Batch batch(holder);
  batch.put(id, complete(1, 1, 1));
  Store waiting(folder / "trials.db", Store::Mode::read_write, std::chrono::milliseconds(20));
  EXPECT_ERROR(waiting.record(id, std::vector{complete(2, 1, 1)}), ErrorCode::file_access, "locked");
  EXPECT_EQ(waiting.read(id).rows(), 0U) << "readers see the state before";
  batch.commit();
  EXPECT_EQ(waiting.record(id, std::vector{complete(2, 1, 1)}), 1U);
}

TEST(Store, NoticesWritesOfOthersOnly) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
  const auto id = store.group(small_group());
  EXPECT_FALSE(store.changed_elsewhere());
  store.record(id, std::vector{complete(1, 1, 1)});
  EXPECT_FALSE(store.changed_elsewhere());
  open(folder / "trials.db").record(id, std::vector{complete(2, 1, 1)});
  EXPECT_TRUE(store.changed_elsewhere());
  EXPECT_FALSE(store.changed_elsewhere());
}

TEST(Store, TakesWritesFromManyProcessesAtOnce) {
  const TemporaryFolder folder;
  const path file = folder / "trials.db";
  std::vector<pid_t> children;
  for (int child = 0; child < 6; ++child) {
    children.push_back(fork_child([&] {
      // All make the file, the schema and the group at the same time; then each writes rows that overlap its
      // neighbour's.
      Store store = open(file);
      const auto id = store.group(small_group());
      for (DesignId i = 0; i < 40; ++i) {
        const DesignId design = static_cast<DesignId>(child) * 20 + i;
        store.record(id, std::vector{complete(design, static_cast<double>(design), 1)});
      }
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  Store store(file, Store::Mode::read_only);
  ASSERT_EQ(store.groups().size(), 1U);
  const Dataset data = store.read(1);
  ASSERT_EQ(data.rows(), 140U);  // 0 … 5 · 20 + 39
  for (std::size_t row = 0; row < 140; ++row) {
    EXPECT_EQ(data.designs[row], row);
    EXPECT_EQ(data.metric(row, 0), static_cast<double>(row));
  }
}

TEST(Store, IsMadeByManyAtOnce) {
  const TemporaryFolder folder;
  for (int round = 0; round < 10; ++round) {
    const path file = folder / ("trials" + std::to_string(round) + ".db");
    std::vector<std::thread> threads;
    for (int opener = 0; opener < 8; ++opener) {
      threads.emplace_back([&] { EXPECT_NO_THROW(Store(file, Store::Mode::read_write, std::chrono::minutes(1))); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_NO_THROW(Store(file, Store::Mode::read_only));
  }
}

TEST(StoreBatch, StoresAllOrNothing) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
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

TEST(StoreBatch, TellsRepeatsFromContradictions) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
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

TEST(Dataset, FingerprintIsOfTheRowsNotOfTheirHistory) {
  const TemporaryFolder folder;
  Store store = open(folder / "a.db");
  Store other = open(folder / "b.db");
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

TEST(TrialState, HasNames) {
  EXPECT_EQ(to_string(TrialState::waiting), "waiting");
  EXPECT_EQ(to_string(TrialState::infeasible), "infeasible");
  EXPECT_EQ(to_string(TrialState::abandoned), "abandoned");
}

TEST(Store, WidensAGroupByTheMetricsItLacks) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
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

TEST(Store, ListsWhatIsUnfinished) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
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

TEST(Store, FindsAndForgetsNotesByTheirBeginning) {
  const TemporaryFolder folder;
  Store store = open(folder / "trials.db");
  store.set_note("a%1", "x");
  store.set_note("a%0", "y");
  store.set_note("ab", "z");
  EXPECT_EQ(store.notes("a%"), (std::vector<std::pair<std::string, std::string>>{{"a%0", "y"}, {"a%1", "x"}}));
  EXPECT_EQ(store.notes("").size(), 3U);
  store.forget_notes("a%");
  EXPECT_EQ(store.notes("a"), (std::vector<std::pair<std::string, std::string>>{{"ab", "z"}}));
}

}  // namespace
}  // namespace corbel::test
