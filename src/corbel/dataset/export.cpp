#include "corbel/dataset/export.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/row_file.hpp"

namespace corbel {
namespace {

class TrialWriter {
 public:
  TrialWriter(const TrialGroup& group, const std::filesystem::path& file, std::string_view format, Monitor& monitor)
      : space_(group.space), monitor_(monitor) {
    std::vector<std::string> header;
    for (const Parameter& parameter : space_.parameters()) {
      header.push_back(parameter.name());
      numbers_.push_back(parameter.kind() == ParameterKind::ordinal || parameter.kind() == ParameterKind::integer);
      labels_.emplace_back();
    }
    header.insert(header.end(), {"feasible", "reason"});
    header.insert(header.end(), group.metrics.begin(), group.metrics.end());
    std::vector<std::string> sorted = header;
    std::ranges::sort(sorted);
    if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
      throw Error(ErrorCode::invalid_input, file.string() + ": two columns would be named " + in_quotes(*twice),
                  "read the store with SQLite instead; docs/formats/store.md tells its tables");
    }
    writer_ = write_rows(file, header, format);
  }

  void write(const TrialView& trial) {
    if ((rows_++ & 0x1fff) == 0) {
      monitor_.check();
      monitor_.progress("export", rows_, 0, "");
    }
    space_.design(trial.design, design_);
    row_.clear();
    for (std::size_t p = 0; p < design_.size(); ++p) row_.push_back(cell(p));
    row_.push_back(Cell::whole(trial.state == TrialState::complete ? 1 : 0));
    row_.push_back(trial.reason.empty() ? Cell{} : Cell::of(trial.reason));
    for (const double value : trial.metrics) row_.push_back(std::isnan(value) ? Cell{} : Cell::of(value));
    writer_->write(row_);
  }

  std::uint64_t finish() {
    writer_->finish();
    return rows_;
  }

 private:
  Cell cell(std::size_t p) {
    const Parameter& parameter = space_.parameters()[p];
    if (numbers_[p]) return Cell::of(parameter.number(design_[p]));
    labels_[p] = parameter.label(design_[p]);
    return Cell::of(std::string_view(labels_[p]));
  }

  const DesignSpace space_;
  Monitor& monitor_;
  std::unique_ptr<RowWriter> writer_;
  std::vector<bool> numbers_;        ///< [parameter]
  std::vector<std::string> labels_;  ///< [parameter] of the row being written
  std::vector<Cell> row_;
  Design design_;
  std::uint64_t rows_ = 0;
};

}  // namespace

std::uint64_t export_trials(const TrialLog& log, const std::filesystem::path& file, std::string_view format,
                            Monitor& monitor) {
  TrialWriter writer(log.group(), file, format, monitor);
  log.each([&](const TrialView& trial) { writer.write(trial); });
  return writer.finish();
}

}  // namespace corbel
