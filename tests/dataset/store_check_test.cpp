#include "corbel/dataset/store_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "corbel/dataset/file_system.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/dataset/store_file.hpp"
#include "dataset_testing.hpp"

namespace corbel::test {
namespace {

using std::filesystem::path;
using testing::ElementsAre;
using testing::HasSubstr;

void tamper(const path& file, const std::string& sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
  char* message = nullptr;
  ASSERT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
  sqlite3_close(handle);
}

std::vector<std::string> faults(const path& file) {
  const StoreCheck found = check_store(file, silent_monitor());
  EXPECT_EQ(found.faults, found.listed.size());
  return found.listed;
}

class StoreChecked : public ::testing::Test {
 protected:
  void SetUp() override {
    ImportSpec spec;
    std::string csv = "pes,latency_ms,feasible\n";
    for (int i = 0; i < 4000; ++i) {
      csv += std::to_string(i) + (i % 3 == 0 ? ",,0\n" : "," + std::to_string(i) + ".5,1\n");
    }
    spec.file = folder_.write("log.csv", csv);
    Store store(file_, Store::Mode::read_write);
    const ImportPlan plan = plan_import(spec, DesignSpace({Parameter::integer("pes", 0, 3999)}), silent_monitor());
    Store::GroupId group = 0;
    import_log(store, spec, plan, group, silent_monitor());
  }
  /// What is found after the SQL; the store is as before then.
  std::vector<std::string> after(const std::string& sql) {
    const path copy = folder_ / "copy.db";
    std::filesystem::copy_file(file_, copy, std::filesystem::copy_options::overwrite_existing);
    tamper(copy, "PRAGMA ignore_check_constraints = ON;" + sql);
    return faults(copy);
  }
  TemporaryFolder folder_;
  path file_ = folder_ / "trials.db";
};

TEST_F(StoreChecked, FindsNothingInAStoreThatIsWell) {
  const StoreCheck found = check_store(file_, silent_monitor());
  EXPECT_EQ(found.trials, 4000U);
  EXPECT_EQ(found.groups, 1U);
  EXPECT_EQ(found.listed, std::vector<std::string>{});
}

TEST_F(StoreChecked, FindsWhatCannotBe) {
  // SQLite sees what breaks a constraint itself, and says so first.
  EXPECT_THAT(after("UPDATE trials SET state = 9 WHERE design = 7"),
              ElementsAre(HasSubstr("CHECK constraint"), "group 1, design 7: has the unknown state 9",
                          HasSubstr("count other rows")));
  EXPECT_THAT(after("INSERT INTO trials VALUES(1, 4000, 3, '', 1, NULL, NULL, NULL, zeroblob(8))"),
              ElementsAre("group 1, design 4000: lies outside its design space", HasSubstr("statistics of group 1")));
  EXPECT_THAT(after("UPDATE trials SET metrics = x'00' WHERE design = 1"),
              ElementsAre("group 1, design 1: has 1 bytes of metrics where its group has 8"));
  EXPECT_THAT(after("UPDATE trials SET metrics = x'000000000000F07F' WHERE design = 1"),
              ElementsAre("group 1, design 1: has an infinite metric"));
  EXPECT_THAT(after("UPDATE trials SET metrics = x'000000000000F87F' WHERE design = 1"),
              ElementsAre("group 1, design 1: is complete, and has no metric"));
  EXPECT_THAT(after("UPDATE trials SET reason = 'x' WHERE design = 1"),
              ElementsAre("group 1, design 1: is complete, and has a reason why not"));
  EXPECT_THAT(after("UPDATE trials SET group_id = 2 WHERE design = 1"),
              ElementsAre("group 2, design 1: is of a group that is not there", HasSubstr("of which 3999 are there"),
                          HasSubstr("count other rows")));
  EXPECT_THAT(after("UPDATE trials SET import_id = 5 WHERE design = 1"),
              ElementsAre(HasSubstr("is of import 5, which is not there"), HasSubstr("of which 3999 are there")));
  EXPECT_THAT(after("DELETE FROM trials WHERE design = 2"),
              ElementsAre("import 1: added 4000 rows, of which 3999 are there",
                          "statistics of group 1: count other rows than there are"));
  EXPECT_THAT(after("UPDATE imports SET added = 5000"),
              ElementsAre("import 1: its counts contradict one another", HasSubstr("added 5000")));
  EXPECT_THAT(after("UPDATE groups SET space_fingerprint = 'x'"),
              ElementsAre(HasSubstr("not that of its fingerprint")));
  EXPECT_THAT(after("UPDATE groups SET space = '{'"), ElementsAre("group 1: its description is not JSON"));
  EXPECT_THAT(after("UPDATE groups SET space = '{}'"), ElementsAre(HasSubstr("its design space makes no sense")));
}

TEST_F(StoreChecked, FindsDamagedPages) {
  std::string bytes = read_text(file_);
  const std::size_t page = 4096;
  ASSERT_GT(bytes.size(), 20 * page);
  int found = 0;
  for (std::size_t at = 2 * page; at < bytes.size(); at += 7 * page) {
    std::string bad = bytes;
    for (std::size_t i = 0; i < 64; ++i) bad[at + i] = static_cast<char>(i * 37);
    const path copy = folder_.write("bad.db", bad);
    try {
      found += check_store(copy, silent_monitor()).faults > 0 ? 1 : 0;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt) << error.what();
      ++found;
    }
  }
  EXPECT_EQ(found, static_cast<int>((bytes.size() - 2 * page + 7 * page - 1) / (7 * page)));
}

/// The store of version 1, as Corbel made it, with one trial.
constexpr const char* version_1 = R"sql(
  PRAGMA journal_mode = WAL;
  CREATE TABLE groups(
    id INTEGER PRIMARY KEY,
    space TEXT NOT NULL, space_fingerprint TEXT NOT NULL,
    simulator TEXT NOT NULL, simulator_fingerprint TEXT NOT NULL,
    workload TEXT NOT NULL, workload_fingerprint TEXT NOT NULL,
    metrics TEXT NOT NULL,
    UNIQUE(space_fingerprint, simulator_fingerprint, workload_fingerprint)) STRICT;
  CREATE TABLE imports(
    id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL, file TEXT NOT NULL,
    rows INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL DEFAULT 0, repeated INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE trials(
    group_id INTEGER NOT NULL, design INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 5),
    reason TEXT NOT NULL, attempt INTEGER NOT NULL, import_id INTEGER,
    lease_owner TEXT, lease_expires INTEGER,
    metrics BLOB NOT NULL,
    PRIMARY KEY(group_id, design)) WITHOUT ROWID, STRICT;
  CREATE TABLE notes(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
  PRAGMA application_id = 1131377250;
  PRAGMA user_version = 1;
)sql";

std::string schema_of(const path& file) {
  const std::unique_ptr<Database> database = open_store_file(file, false, std::chrono::seconds(1));
  Statement statement(*database, "SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name");
  std::string text = std::to_string(database->integer("PRAGMA user_version")) + "\n";
  while (statement.step()) {
    for (int column = 0; column < 3; ++column) text += std::string(statement.text(column)) + "\n";
  }
  return text;
}

TEST(StoreVersions, AnOlderStoreIsReadAndMigratedWhenWritten) {
  const TemporaryFolder folder;
  const path file = folder / "old.db";
  tamper(file, version_1);
  const TrialGroup group = small_group();
  tamper(file, "INSERT INTO groups VALUES(1, '" + group.space.to_json().dump() + "', '" + group.space.fingerprint() +
                   "', 'fake', 's1', 'net', 'w1', '[\"latency_ms\",\"area_mm2\"]');"
                   "INSERT INTO trials VALUES(1, 7, 2, '', 1, NULL, NULL, NULL, "
                   "x'000000000000F03F0000000000000040');");
  {
    const Store store(file, Store::Mode::read_only);
    EXPECT_EQ(store.read(1).metric(0, 1), 2);
    EXPECT_EQ(store.statistics(1, 1), "");
    EXPECT_EQ(check_store(file, silent_monitor()).listed, std::vector<std::string>{});
  }
  EXPECT_EQ(schema_of(file).front(), '1') << "reading leaves it as it is";
  {
    Store store(file, Store::Mode::read_write);
    EXPECT_EQ(store.group(group), 1);
    store.record(1, std::vector<Trial>{{8, TrialState::complete, "", {3, 4}, 1}});
  }
  { Store(folder / "new.db", Store::Mode::read_write); }
  EXPECT_EQ(schema_of(file), schema_of(folder / "new.db"));
  EXPECT_EQ(Store(file, Store::Mode::read_only).read(1).designs, (std::vector<DesignId>{7, 8}));
}

TEST(StorePlace, NetworkFileSystemsAreRefusedForWriting) {
  const TemporaryFolder folder;
  const path file = folder / "trials.db";
  const auto open_on = [&](std::int64_t (*type_of)(const path&), bool writable) {
    return open_store_file(file, writable, std::chrono::seconds(1), type_of);
  };
  constexpr auto nfs = [](const path&) -> std::int64_t { return 0x6969; };
  EXPECT_ERROR(open_on(nfs, true), ErrorCode::unsupported, "trials.db: lies on NFS");
  EXPECT_FALSE(std::filesystem::exists(file));
  constexpr auto ext4 = [](const path&) -> std::int64_t { return 0xEF53; };
  open_on(ext4, true);
  open_on(nfs, false);  // a copy to be read
  EXPECT_EQ(network_file_system(0xFE534D42), "SMB");
  EXPECT_EQ(network_file_system(0x0BD00BD0), "Lustre");
  EXPECT_EQ(network_file_system(0x01021994), "") << "tmpfs";
  EXPECT_EQ(file_system_type(folder / "not/yet/there.db"), file_system_type(folder.path()));
  EXPECT_NE(file_system_type(folder.path()), 0);
}

}  // namespace
}  // namespace corbel::test
