#pragma once

#include <filesystem>

#include "corbel/simulator/simulator.hpp"

namespace corbel {

/// Answers from recorded rows: a CSV or CSV.gz file with a column per parameter, a feasibility or a reason column (as
/// docs/formats/import.md names and reads them), and metric columns. Rows of failed runs are left out. A design that is
/// not in the table fails ("not_in_table"). Fingerprint: of the file's content.
/// @param space  whose parameters name the columns
/// @throws Error naming file, line and column; for two rows of one design that differ
std::unique_ptr<Simulator> make_table_simulator(const std::filesystem::path& file, const DesignSpace& space);

}  // namespace corbel
