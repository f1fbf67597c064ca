#pragma once

#include "corbel/dataset/queue.hpp"
#include "corbel/dataset/queue_status.hpp"
#include "dataset_testing.hpp"
#include "store_backends.hpp"

namespace corbel::test {

/// A new store for each test, on each backend.
class QueueTest : public StoreBackends {};

inline auto backends() {
  return testing::Values("Sqlite", "Postgres");
}

}  // namespace corbel::test
