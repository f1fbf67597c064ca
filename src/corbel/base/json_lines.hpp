#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "corbel/base/row_file.hpp"

namespace corbel {

/// JSON lines: one object per line. Numbers keep their text; `null` and `NaN` are blank; a field of an object within is
/// named OUTER.INNER. Rows may lack fields, and have them in any order.
/// @param header  the fields, if an earlier reader found them
/// @throws Error{corrupt} naming line and column, also for lists, a line over 16 MB, and NUL bytes
std::unique_ptr<RowReader> read_json_lines(const std::filesystem::path& path, const std::vector<std::string>& header);
/// Blank cells are left out.
std::unique_ptr<RowWriter> write_json_lines(const std::filesystem::path& path, const std::vector<std::string>& header);

}  // namespace corbel
