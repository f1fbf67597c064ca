#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "corbel/dataset/import.hpp"
#include "temporary_folder.hpp"

namespace corbel {
class Monitor;
}

namespace corbel::cli {

/// The store to import into: where a dry run finds none, an empty one that is removed again.
class ScratchStore {
 public:
  ScratchStore(StoreLocation store, ImportMode mode);
  const StoreLocation& location() const { return location_; }

 private:
  StoreLocation location_;
  std::optional<TemporaryFolder> folder_;
};

/// What imports do, or would do, log by log.
class ImportPreview {
 public:
  void add(Store& store, const ImportSpec& spec, const std::optional<DesignSpace>& space, ImportMode mode,
           Monitor& monitor);
  void print(ImportMode mode, const Common& common) const;

 private:
  struct Log {
    std::string file, workload;
    ImportPlan plan;
    ImportResult result;
  };
  std::vector<Log> logs_;
};

}  // namespace corbel::cli
