#include "bench_import.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cmath>
#include <filesystem>

#include "corbel/base/error.hpp"
#include "corbel/base/permutation.hpp"
#include "corbel/base/random.hpp"
#include "corbel/base/row_file.hpp"
#include "corbel/dataset/import.hpp"
#include "corbel/dataset/inspect.hpp"
#include "processor_time.hpp"
#include "temporary_folder.hpp"

namespace corbel::cli {
namespace {

/// @return how many rows are feasible
std::uint64_t write_log(const std::filesystem::path& file, const DesignSpace& space, const ImportBenchOptions& options,
                        Monitor& monitor) {
  std::vector<std::string> header;
  for (const Parameter& parameter : space.parameters()) header.push_back(parameter.name());
  header.insert(header.end(), {"feasible", "latency_us", "area_mm2"});
  const std::unique_ptr<RowWriter> writer = write_rows(file, header, options.log);
  const Permutation order(space.size(), options.seed);
  Rng rng(options.seed);
  std::vector<Cell> row;
  Design design;
  std::uint64_t feasible = 0;
  for (std::uint64_t i = 0; i < options.rows; ++i) {
    if ((i & 0x1fff) == 0) {
      monitor.check();
      monitor.progress("write", i, options.rows, "");
    }
    space.design(order.at(i), design);
    row.clear();
    for (std::size_t p = 0; p < design.size(); ++p) row.push_back(Cell::of(space.parameters()[p].number(design[p])));
    const bool is_feasible = rng.below(4) == 0;
    feasible += is_feasible ? 1 : 0;
    row.push_back(Cell::whole(is_feasible ? 1 : 0));
    // As many digits as single precision has, as the published logs have them.
    const double latency = static_cast<float>(200 * std::exp2(6 * rng.uniform()));
    const double area = std::round(5e4 + 6e5 * rng.uniform()) / 1e4;
    row.push_back(is_feasible ? Cell::of(latency) : Cell{});
    row.push_back(Cell::of(area));
    writer->write(row);
  }
  writer->finish();
  return feasible;
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double megabytes(const std::filesystem::path& file) {
  return static_cast<double>(std::filesystem::file_size(file)) / (1 << 20);
}

}  // namespace

ImportCost bench_import(const ImportBenchOptions& options, Monitor& monitor) {
  const TemporaryFolder folder("bench", options.folder);
  const DesignSpace space = DesignSpace::edge();
  ImportSpec spec;
  spec.format = options.log;
  spec.file = folder.path() / ("log." + options.log);
  const std::uint64_t feasible = write_log(spec.file, space, options, monitor);
  ImportCost cost;
  cost.log_megabytes = megabytes(spec.file);

  double start = processor_seconds();
  const auto lap = [&] {
    const double now = processor_seconds();
    return now - std::exchange(start, now);
  };
  const std::filesystem::path file = folder.path() / "trials.db";
  Store::GroupId group = 0;
  {
    Store store(file, Store::Mode::read_write);
    const ImportPlan plan = plan_import(spec, space, monitor);
    cost.plan_seconds = lap();
    import_log(store, spec, plan, group, monitor);
    cost.import_seconds = lap();
  }
  cost.store_megabytes = megabytes(file);
  lap();
  Inspection found;
  {
    const Store store(file, Store::Mode::read_only);
    found = inspect({store, group});
    cost.inspect_seconds = lap();
  }
  if (found.rows != options.rows || found.feasible != feasible) {
    throw Error(ErrorCode::mismatch,
                fmt::format("{} rows were written, {} feasible, and {} found, {} feasible", options.rows, feasible,
                            found.rows, found.feasible),
                "this is a fault of Corbel: please report it with the command");
  }
  {
    Store store(file, Store::Mode::read_write);
    lap();
    static_cast<void>(inspect(TrialLog(store.describe(group), [&] { return store.open(group); })));
    cost.scan_seconds = lap();
  }
  cost.peak_megabytes = peak_megabytes();
  return cost;
}

}  // namespace corbel::cli
