#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/row_file.hpp"

namespace corbel {

/// Base of readers of formats whose rows name their fields: finds the names in the whole file, and puts the fields of
/// each row in their order.
class KeyedReader : public RowReader {
 public:
  const std::vector<std::string>& header() const override { return header_; }
  bool next(std::vector<std::string_view>& fields) override;
  /// Reads to the end. @return every field's name, in order of appearance
  std::vector<std::string> find_header();

 protected:
  /// @param header  {} if its names are to be found
  explicit KeyedReader(const std::vector<std::string>& header);

  /// Calls column() and set() for the fields of the next row; false at the end.
  virtual bool read_row() = 0;
  /// An Error{corrupt} that names the row being read.
  virtual Error fault(const std::string& what, std::string hint) const = 0;

  /// The place of a field of the row being read; nothing while names are only being found.
  /// @throws Error{corrupt} for a name that the row had before, is no text, or that makes too many of them;
  ///         Error{mismatch} for one that the header lacks
  std::optional<std::size_t> column(std::string_view name);
  /// The same for what may tell a field a second time.
  std::optional<std::size_t> column_again(std::string_view name);
  void set(std::size_t column, std::string_view value) { (*fields_)[column] = value; }

 private:
  std::size_t index_of(std::string_view name);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::vector<std::string> header_;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> columns_;
  bool finding_;
  std::size_t expected_ = 0;  ///< rows mostly have their fields in one order
  std::uint64_t row_ = 0;
  std::vector<std::uint64_t> seen_;  ///< [column] the row that last had it
  std::vector<std::string_view>* fields_ = nullptr;
};

/// @param header  of an earlier reader of the file, or {}
template <class Reader>
std::unique_ptr<RowReader> open_keyed(const std::filesystem::path& path, const std::vector<std::string>& header) {
  return std::make_unique<Reader>(path, header.empty() ? Reader(path, {}).find_header() : header);
}

}  // namespace corbel
