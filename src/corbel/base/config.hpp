#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corbel {

/// A node of a YAML file that knows where it stands, so that every complaint can name file, line and column.
/// Reading is safe on hostile input: the document with its aliases expanded is limited to 64 levels of nesting, 200,000
/// nodes and 16 MB of text, files to 16 MB; duplicate keys, tags and a second document are refused.
class Config {
 public:
  enum class Kind { null, scalar, sequence, map };

  /// @throws Error{not_found, file_access} for the file, Error{invalid_input} "FILE:LINE:COLUMN: …" for its content
  static Config load(const std::filesystem::path& file);
  /// The same from text; `name` stands for the file in messages.
  static Config parse(std::string_view text, std::string_view name);
  /// The same of text that once stood in `file`, from which relative paths in it start.
  static Config parse(std::string_view text, std::string_view name, const std::filesystem::path& file);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_scalar() const { return kind_ == Kind::scalar; }
  bool is_sequence() const { return kind_ == Kind::sequence; }
  bool is_map() const { return kind_ == Kind::map; }
  /// "study.yaml:12:3"
  std::string place() const;
  /// Where the key of a map's value stands; the same as place() for other nodes.
  std::string key_place() const;
  /// Path of the file this was read from, "" for text.
  const std::string& file() const;
  /// The node as JSON with every scalar as text: parse() makes the same node of it.
  std::string dump() const;

  // --- scalars; each throws Error{invalid_input} naming the place, what stands there and what is wanted
  const std::string& text() const;
  double number() const;                        ///< finite
  double number(double min, double max) const;  ///< in [min, max]
  std::int64_t integer(std::int64_t min, std::int64_t max) const;
  bool boolean() const;  ///< true or false
  /// A number in `unit`; the file may write another unit of the same dimension ("256 KiB" for bytes).
  double quantity(std::string_view unit) const;
  /// The scalar if it is one of `choices`, else an error with the near miss.
  const std::string& choice(std::span<const std::string_view> choices) const;
  const std::string& choice(std::initializer_list<std::string_view> choices) const {
    return choice(std::span(choices.begin(), choices.size()));
  }

  // --- sequences
  const std::vector<Config>& items() const;  ///< @throws unless a sequence
  /// The texts of a sequence of scalars, or of a single scalar.
  std::vector<std::string> texts() const;

  // --- maps
  const std::vector<std::pair<std::string, Config>>& entries() const;  ///< in file order; @throws unless a map
  const Config* find(std::string_view key) const;                      ///< nullptr if absent; @throws unless a map
  const Config& at(std::string_view key) const;                        ///< @throws "PLACE: `key` is missing"
  bool has(std::string_view key) const { return find(key) != nullptr; }
  /// @throws Error{invalid_input} with the near miss if the map holds any other key. Also throws unless a map.
  void allow_only(std::initializer_list<std::string_view> keys) const;

  /// An Error{invalid_input} "PLACE: message" to throw.
  class Error error(std::string_view message, std::string hint = "") const;

 private:
  friend class ConfigBuilder;
  struct Source;
  static Config parse(std::string_view text, std::shared_ptr<const Source> source);
  class Error wanted(std::string_view what) const;
  Kind kind_ = Kind::null;
  std::string scalar_;
  std::vector<Config> items_;
  std::vector<std::pair<std::string, Config>> entries_;
  std::shared_ptr<const Source> source_;
  int line_ = 0;
  int column_ = 0;
  int key_line_ = 0;
  int key_column_ = 0;
};

}  // namespace corbel
