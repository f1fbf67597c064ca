#pragma once

#include <cstdint>
#include <string>

#include "corbel/base/monitor.hpp"

namespace corbel::cli {

struct ImportBenchOptions {
  std::uint64_t rows = 1'000'000;
  std::string log = "csv";  ///< format of the log
  std::string folder;       ///< where log and store are made, and removed; "" for the temporary folder
  std::uint64_t seed = 1;
};

struct ImportCost {
  double log_megabytes = 0, store_megabytes = 0;
  /// Of processor time: the columns are found, the rows imported and what is kept for inspect made; then inspect.
  double plan_seconds = 0, import_seconds = 0, inspect_seconds = 0;
  double scan_seconds = 0;    ///< what inspect takes where nothing was kept
  double peak_megabytes = 0;  ///< of memory, of the whole process until then
};

/// Makes a log of random designs of the space `edge`, a quarter of them feasible with a latency and all with an area,
/// and imports it into an empty store.
/// @throws Error{mismatch} if what inspect tells is not what was written; Error{interrupted}
ImportCost bench_import(const ImportBenchOptions& options, Monitor& monitor);

}  // namespace corbel::cli
