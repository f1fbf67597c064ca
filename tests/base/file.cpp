#include "corbel/base/file.hpp"

#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "base/expect_error.hpp"
#include "corbel/base/hash.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

namespace fs = std::filesystem;

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(WriteFile, WritesAndReplaces) {
  const test::TemporaryFolder folder;
  const fs::path file = folder / "a/b/c.txt";
  write_file(file, "first");
  EXPECT_EQ(read_file(file), "first");
  write_file(file, std::string_view("\0\xFF", 2));
  EXPECT_EQ(read_file(file), std::string("\0\xFF", 2));
  EXPECT_EQ(files_in(file.parent_path()), 1u);
}

TEST(WriteFile, KeepsThePermissionsAndTheLinkOfWhatItReplaces) {
  const test::TemporaryFolder folder;
  write_file(folder / "real", "old");
  fs::permissions(folder / "real", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(folder / "real", folder / "link");
  write_file(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "real"), "new");
  EXPECT_EQ(fs::status(folder / "real").permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST(WriteFile, SaysWhyItCannot) {
  // A path below a file cannot be written even by root.
  expect_error([] { write_file("/dev/null/x", "content"); }, ErrorCode::file_access, "cannot write /dev/null/x");
  const test::TemporaryFolder folder;
  write_file(folder / "file", "kept");
  expect_error([&] { write_file(folder / "file/below/x", "content"); }, ErrorCode::file_access, "Not a directory",
               "a file, not a folder");
  EXPECT_EQ(read_file(folder / "file"), "kept");
  expect_error([&] { write_file(folder.path(), "content"); }, ErrorCode::file_access, "Is a directory");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(WriteFile, LeavesNothingBehindWhenTheDiskIsFull) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this machine";
  expect_error([] { write_file("/dev/full", "content"); }, ErrorCode::file_access, "No space", "make room");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(WriteFile, WritesThroughDevicesInsteadOfReplacingThem) {
  write_file("/dev/null", "content");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(WriteFile, ShowsReadersTheOldOrTheNewContentOnly) {
  const test::TemporaryFolder folder;
  const fs::path file = folder / "shared";
  const std::string a(100'000, 'a'), b(50'000, 'b');
  write_file(file, a);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) write_file(file, i % 2 == 0 ? b : a);
    done = true;
  });
  while (!done) {
    const std::string content = read_file(file);
    EXPECT_TRUE(content == a || content == b) << content.size();
  }
  writer.join();
}

TEST(ReadFile, TellsMissingFromUnreadable) {
  const test::TemporaryFolder folder;
  expect_error([&] { read_file(folder / "none"); }, ErrorCode::not_found, "no such file");
  expect_error([] { read_file("/dev/null/x"); }, ErrorCode::not_found, "/dev/null/x");
  expect_error([&] { read_file(folder.path()); }, ErrorCode::file_access, "Is a directory");
}

TEST(ReadFile, RefusesMoreThanAllowed) {
  const test::TemporaryFolder folder;
  write_file(folder / "ten", "0123456789");
  EXPECT_EQ(read_file(folder / "ten", 10), "0123456789");
  expect_error([&] { read_file(folder / "ten", 9); }, ErrorCode::invalid_input, "larger than the 9 bytes");
  expect_error([] { read_file("/dev/zero", 1000); }, ErrorCode::invalid_input, "larger than the 1000 bytes");
}

TEST(FileFingerprint, IsThatOfTheContent) {
  const test::TemporaryFolder folder;
  const std::string content(3'000'001, 'x');  // more than one buffer
  write_file(folder / "file", content);
  EXPECT_EQ(file_fingerprint(folder / "file"), fingerprint(content));
  expect_error([&] { file_fingerprint(folder / "none"); }, ErrorCode::not_found, "no such file");
}

TEST(FileLock, KeepsASecondHolderOutUntilItEnds) {
  const test::TemporaryFolder folder;
  {
    const FileLock first(folder / "new/.lock");
    expect_error([&] { FileLock second(folder / "new/.lock"); }, ErrorCode::file_access, "another process");
  }
  const FileLock third(folder / "new/.lock");
}

}  // namespace
}  // namespace corbel
