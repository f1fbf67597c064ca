#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "corbel/dataset/database.hpp"
#include "corbel/dataset/trial_table.hpp"

struct sqlite3;

namespace corbel {

/// A failure of SQLite with its (extended) result code.
class SqliteError : public DatabaseError {
 public:
  SqliteError(ErrorCode code, const std::string& message, std::string hint, Failure failure, int result)
      : DatabaseError(code, message, std::move(hint), failure), result_(result) {}
  int result() const { return result_; }

 private:
  int result_;
};

/// A SQLite file. Internal to this floor.
class SqliteDatabase : public Database {
 public:
  enum class Access { read, write, immutable };
  /// Opens; makes the file when access is write. What the file holds is first looked at by the first statement.
  SqliteDatabase(std::filesystem::path path, Access access, std::chrono::milliseconds patience);

  const Dialect& dialect() const override;
  void execute(const char* sql) const override;
  int changes() const override;
  bool in_transaction() const override;
  std::unique_ptr<TrialTable> trials() const override;
  int version() const override;
  std::int64_t data_version() const override;
  void check_integrity(const std::function<void(const std::string&)>& fault) const override;

  bool is_writable() const;
  sqlite3* handle() const { return handle_.get(); }
  /// @throws the SqliteError that a result code stands for
  [[noreturn]] void fail(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  std::unique_ptr<PreparedStatement> prepare(std::string_view sql, Rows rows) const override;
  void begin(Transaction::Kind kind) const override;

  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace corbel
