#include <gtest/gtest.h>

#include <string>

#include "base/expect_error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/study/pipeline.hpp"
#include "support/temporary_folder.hpp"

namespace corbel::test {
namespace {

class StoreKey : public ::testing::Test {
 protected:
  StudyFile load(const std::string& line) const {
    return StudyFile::load(folder.write("study.yaml",
                                        "space: edge\nsimulator: edge\nworkload: m4\n"
                                        "objective: latency_ms\n" +
                                            line + "\n"));
  }
  TemporaryFolder folder;
};

TEST_F(StoreKey, IsAFileBesideTheStudyOrADatabase) {
  EXPECT_EQ(load("").store_location(), StoreLocation(folder / "out/trials.db"));
  EXPECT_EQ(load("store: ../shared.db").store_location(), StoreLocation(folder / "../shared.db"));
  EXPECT_EQ(load("store: /data/trials.db").store_location(), StoreLocation("/data/trials.db"));
  const StudyFile shared = load("store: postgresql://ada:s3cret@db/lab");
  EXPECT_EQ(shared.store_location().url(), "postgresql://ada:s3cret@db/lab");
  EXPECT_EQ(shared.store_location().text(), "postgresql://ada@db/lab");
}

TEST_F(StoreKey, IsRefusedWithItsPlaceAndWithoutPassword) {
  expect_error([&] { load("store: ''"); }, ErrorCode::invalid_input, "study.yaml:5:8: `store` is empty", "postgresql");
  expect_error([&] { load("store: mysql://ada@db/lab"); }, ErrorCode::invalid_input, "study.yaml:5:8", "postgresql");
  expect_error([&] { load("store: postgresql://ada:s3@cret@db/lab"); }, ErrorCode::invalid_input,
               "study.yaml:5:8: postgresql://…: the URL has more than one `@`", "%40");
  expect_error([&] { load("store: out/results.json"); }, ErrorCode::invalid_input, "overwrite its own results.json",
               "`output`");
  EXPECT_NO_THROW(load("store: out/trials.db"));
}

TEST_F(StoreKey, KeepsFreshFromRemovingWhatOthersMayUse) {
  const StudyFile study = load("store: shared.db");
  expect_error([&] { clear_study(study, silent_monitor()); }, ErrorCode::unsupported,
               "shared.db, where other studies may use them", "name a new `store`");
}

}  // namespace
}  // namespace corbel::test
