#include "corbel/dataset/store_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "corbel/base/random.hpp"
#include "corbel/dataset/store.hpp"
#include "dataset_testing.hpp"
#include "store_backends.hpp"

namespace corbel::test {
namespace {

using std::filesystem::path;

Store open(const path& file) {
  return Store(file, Store::Mode::read_write);
}

Trial complete(DesignId design, double latency, double area) {
  return {design, TrialState::complete, "", {latency, area}, 1};
}

TEST(StoreFile, LeavesOnlyItsFileBehind) {
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

TEST(StoreFile, OpensNamesThatMeanSomethingToSqlite) {
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

TEST(StoreFile, RefusesWhatIsNotAStore) {
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

  tamper_with_file(folder / "other.db", "CREATE TABLE t(x)");
  both(folder / "other.db", ErrorCode::corrupt, "not a Corbel store");

  { open(folder / "newer.db"); }
  tamper_with_file(folder / "newer.db", "PRAGMA user_version = 99");
  both(folder / "newer.db", ErrorCode::mismatch, "newer Corbel");

  const path file = folder.write("file", "x");
  EXPECT_ERROR(open(file / "trials.db"), ErrorCode::file_access, "trials.db");
  EXPECT_ERROR(open(""), ErrorCode::invalid_input, "empty path");
}

TEST(StoreFile, FillsAnEmptyFileButDoesNotReadOne) {
  const TemporaryFolder folder;
  const path file = folder.write("trials.db", "");
  EXPECT_ERROR(Store(file, Store::Mode::read_only), ErrorCode::corrupt, file.string());
  EXPECT_EQ(open(file).group(small_group()), 1);
}

TEST(StoreFile, TellsDamageFromData) {
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

  tamper_with_file(file, "UPDATE trials SET metrics = x'0011' WHERE design = 5");
  EXPECT_ERROR(open(file).read(1), ErrorCode::corrupt, "wrong number of metrics");
  tamper_with_file(file, "UPDATE trials SET metrics = zeroblob(16); UPDATE groups SET space = '{}'");
  EXPECT_ERROR(open(file).read(1), ErrorCode::corrupt, "makes no sense");
  tamper_with_file(file, "UPDATE groups SET space = '{'");
  EXPECT_ERROR(open(file).groups(), ErrorCode::corrupt, "cannot be read");
}

TEST(StoreFile, NamesTheRemedyWhenTheFolderCannotBeWritten) {
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

}  // namespace
}  // namespace corbel::test
