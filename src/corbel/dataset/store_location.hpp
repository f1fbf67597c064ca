#pragma once

#include <filesystem>
#include <string>

namespace corbel {

/// Where a store of trials lies: a SQLite file, or a PostgreSQL database named by postgresql://user@host:port/database
/// (or postgres://). What the URL leaves out comes from PGHOST, PGUSER, PGPASSWORD, ~/.pgpass and so on, as for any
/// program that uses libpq. docs/formats/store.md.
class StoreLocation {
 public:
  /// From what a user writes, or from a file's path. Converts from both, so that whatever opens a store takes both.
  /// @throws Error{invalid_input} for a URL that cannot be shown without its password: one that is not well-formed;
  ///         or for one of another scheme
  StoreLocation(std::string text);                          // NOLINT(google-explicit-constructor)
  StoreLocation(const char* text);                          // NOLINT(google-explicit-constructor)
  StoreLocation(const std::filesystem::path& file_or_url);  // NOLINT(google-explicit-constructor)

  bool is_file() const { return !is_url_; }
  /// The path of a store that is a file.
  std::filesystem::path file() const;
  /// The URL of one that is not, with its password if it has one: for the connection only.
  const std::string& url() const;
  bool has_password() const { return has_password_; }
  /// For messages and logs: the path, or the URL without password.
  const std::string& text() const { return shown_; }
  /// Where temporary files about this store belong.
  std::filesystem::path scratch_folder() const;

  bool operator==(const StoreLocation&) const = default;

 private:
  std::string whole_, shown_;
  bool is_url_ = false, has_password_ = false;
};

/// A text, such as a message, with the passwords of the URLs in it hidden.
std::string without_passwords(std::string text);

/// Whether the text is a URL of PostgreSQL, rather than the name of a file.
bool is_store_url(const std::string& text);

/// Whether a command's argument, which may also be a study or a log, is a store: such a URL, or a file NAME.db.
bool names_store(const std::string& text);

}  // namespace corbel
