#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "corbel/base/row_file.hpp"
#include "corbel/dataset/import.hpp"

namespace corbel {

/// Opens the log as the rest of the import sees it: cells replaced as `values:` says, numbers in the unit of their
/// column's name as `units:` says. Internal to this floor.
/// @param header  of an earlier reader of the log, or {}
/// @throws as open_rows; Error{invalid_input} for a unit that does not measure what the column's name says
std::unique_ptr<RowReader> open_log(const ImportSpec& spec, const std::optional<DesignSpace>& space,
                                    const std::vector<std::string>& header = {});

}  // namespace corbel
