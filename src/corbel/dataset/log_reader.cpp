#include "corbel/dataset/log_reader.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/number.hpp"
#include "corbel/base/text.hpp"
#include "corbel/base/units.hpp"
#include "corbel/dataset/column_names.hpp"

namespace corbel {
namespace {

class TranslatedReader final : public RowReader {
 public:
  TranslatedReader(std::unique_ptr<RowReader> rows, const ImportSpec& spec, const std::optional<DesignSpace>& space)
      : rows_(std::move(rows)) {
    const std::vector<std::string>& header = rows_->header();
    const auto place_of = [&](const std::string& column) {
      const auto found = std::ranges::find(header, column);
      if (found == header.end()) throw unknown_name("column", column, header, spec.file.string());
      return static_cast<std::size_t>(found - header.begin());
    };
    for (const auto& [column, values] : spec.values) {
      labelled_.push_back({place_of(column), {values.begin(), values.end()}});
    }
    for (const auto& [column, unit] : spec.units) {
      const std::string name = column_name(spec, space, column);
      const auto parameter = space ? space->find(name) : std::nullopt;
      const std::string to = parameter ? space->parameters()[*parameter].unit() : unit_of_metric(name);
      if (!same_dimension(unit, to)) {
        throw Error(ErrorCode::invalid_input,
                    spec.file.string() + ": column " + in_quotes(column) + " is said to be in " + in_quotes(unit) +
                        ", and " + in_quotes(name) + " is in " + in_quotes(to),
                    "correct `units:`, or rename the column");
      }
      measured_.push_back({place_of(column), unit, to, {}});
    }
  }

  const std::vector<std::string>& header() const override { return rows_->header(); }
  RowPlace place() const override { return rows_->place(); }
  std::string text(const RowPlace& place) const override { return rows_->text(place); }
  double progress() const override { return rows_->progress(); }

  bool next(std::vector<std::string_view>& fields) override {
    if (!rows_->next(fields)) return false;
    for (const Labelled& column : labelled_) {
      const auto found = column.values.find(trim(fields[column.index]));
      if (found != column.values.end()) fields[column.index] = found->second;
    }
    for (Measured& column : measured_) fields[column.index] = converted(trim(fields[column.index]), column);
    return true;
  }

 private:
  struct Labelled {
    std::size_t index;
    std::map<std::string, std::string, std::less<>> values;
  };
  struct Measured {
    std::size_t index;
    std::string from, to;
    std::array<char, 32> text;
  };

  /// A cell that is no number in a known unit stays as it is, to be refused with its row.
  static std::string_view converted(std::string_view cell, Measured& column) {
    double value = 0;
    const bool plain = parse_number(cell, value);
    if (plain && column.from == column.to) return cell;
    std::string unit = column.from;
    if (!plain) {
      if (cell.empty() || std::string_view("+-.0123456789").find(cell.front()) == std::string_view::npos) return cell;
      try {
        const Quantity quantity = parse_quantity(cell);
        if (!same_dimension(quantity.unit, column.to)) return cell;
        value = quantity.value;
        unit = quantity.unit;
      } catch (const Error&) {
        return cell;
      }
    }
    try {
      return number_text(convert_unit(value, unit, column.to), column.text);
    } catch (const Error&) {
      return cell;
    }
  }

  std::unique_ptr<RowReader> rows_;
  std::vector<Labelled> labelled_;
  std::vector<Measured> measured_;
};

/// Whether `*` (any characters) and `?` (any one) of the pattern make it the name.
bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*') {
    return matches(pattern.substr(1), name) || (!name.empty() && matches(pattern, name.substr(1)));
  }
  return !name.empty() && (pattern.front() == '?' || pattern.front() == name.front()) &&
         matches(pattern.substr(1), name.substr(1));
}

}  // namespace

std::vector<std::filesystem::path> log_files(const std::filesystem::path& path) {
  std::error_code failure;
  const std::string pattern = path.filename().string();
  const bool is_folder = std::filesystem::is_directory(path, failure);
  const bool is_pattern = pattern.find_first_of("*?") != std::string::npos && !std::filesystem::exists(path, failure);
  if (!is_folder && !is_pattern) return {path};
  const std::filesystem::path folder = is_folder ? path : path.has_parent_path() ? path.parent_path() : ".";
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    const std::string name = at->path().filename().string();
    if (!at->is_regular_file() || name.starts_with('.') || !(is_folder || matches(pattern, name))) continue;
    files.push_back(is_folder ? path / name : path.parent_path() / name);
  }
  if (failure) {
    const bool absent = failure == std::errc::no_such_file_or_directory;
    throw Error(absent ? ErrorCode::not_found : ErrorCode::file_access,
                "cannot read the folder " + folder.string() + ": " + failure.message(), "check its name");
  }
  if (files.empty()) {
    throw Error(ErrorCode::not_found, path.string() + (is_folder ? ": the folder holds no files" : ": no such files"),
                "name a log, a folder of logs, or a pattern such as logs/*.csv");
  }
  std::ranges::sort(files);
  return files;
}

std::unique_ptr<RowReader> open_log(const ImportSpec& spec, const std::optional<DesignSpace>& space,
                                    const std::vector<std::string>& header) {
  std::unique_ptr<RowReader> rows = open_rows(log_files(spec.file), spec.format, header);
  if (spec.values.empty() && spec.units.empty()) return rows;
  return std::make_unique<TranslatedReader>(std::move(rows), spec, space);
}

}  // namespace corbel
