#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "corbel/base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace corbel {

/// A failure of SQLite with its (extended) result code, so that opening a store can try another way.
class DatabaseError : public Error {
 public:
  DatabaseError(ErrorCode code, const std::string& message, std::string hint, int result)
      : Error(code, message, std::move(hint)), result_(result) {}
  int result() const { return result_; }

 private:
  int result_;
};

/// What the dataset floor needs of SQLite, with every failure as an Error that names the file. Internal to this floor.
class Statement {
 public:
  Statement(const class Database& database, std::string_view sql);

  /// Parameters count from 1; the text or numbers must live until the next reset().
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::span<const double> numbers);
  Statement& bind_null(int index);
  /// True while there is a row.
  bool step();
  /// Runs a statement that gives no rows, and makes it ready to bind again.
  void run();
  void reset();

  /// Columns count from 0.
  std::int64_t integer(int column) const;
  std::string_view text(int column) const;   ///< valid until the next step
  std::string_view bytes(int column) const;  ///< of a BLOB; valid until the next step

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  const Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  enum class Access { read, write, immutable };
  /// Opens; makes the file when access is write. What the file holds is first looked at by the first statement.
  Database(std::filesystem::path path, Access access, std::chrono::milliseconds patience);

  const std::filesystem::path& path() const { return path_; }
  void execute(const char* sql) const;
  std::int64_t integer(std::string_view sql) const;  ///< the first column of the only row
  std::int64_t last_row() const;                     ///< id of the row last inserted
  int changes() const;                               ///< rows touched by the last statement
  bool in_transaction() const;
  bool is_writable() const;
  /// @throws the DatabaseError that an SQLite result code stands for
  [[noreturn]] void fail(int code) const;

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A write transaction; joins the one that is open, if any. Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(const Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database* database_;
  bool owns_;
};

}  // namespace corbel
