#pragma once

#include "corbel/dataset/queue.hpp"
#include "corbel/dataset/queue_status.hpp"
#include "dataset_testing.hpp"

namespace corbel::test {

/// A new store for each test, on each backend.
class QueueTest : public testing::TestWithParam<const char*> {
 protected:
  StoreLocation location() const { return folder_ / "trials.db"; }

 private:
  TemporaryFolder folder_;
};

inline auto backends() {
  return testing::Values("sqlite");
}

}  // namespace corbel::test
