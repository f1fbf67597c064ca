#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "corbel/dataset/database.hpp"
#include "corbel/dataset/trial_table.hpp"

struct pg_conn;
struct pg_result;

namespace corbel {

/// A failure of PostgreSQL with its SQLSTATE, "" where there is none.
class PostgresError : public DatabaseError {
 public:
  PostgresError(ErrorCode code, const std::string& message, std::string hint, Failure failure, std::string state)
      : DatabaseError(code, message, std::move(hint), failure), state_(std::move(state)) {}
  const std::string& state() const { return state_; }

 private:
  std::string state_;
};

/// The rows that a statement gave.
class PostgresResult {
 public:
  explicit PostgresResult(pg_result* result) : result_(result) {}
  pg_result* get() const { return result_.get(); }
  int rows() const;
  std::int64_t integer(int row, int column) const;
  std::string_view bytes(int row, int column) const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

/// What stands for $1, $2, … in a statement. Texts and bytes must live until it is run.
class PostgresParameters {
 public:
  void set(int index, std::int64_t value);
  void set_text(int index, std::string_view text);
  void set_bytes(int index, std::string_view bytes);
  void set_null(int index);
  /// Arrays; the elements are copied.
  void set_array(int index, std::span<const std::int64_t> numbers);
  enum class Bytes { text, binary };
  void set_array(int index, std::span<const std::string_view> values, Bytes kind);

 private:
  friend class PostgresDatabase;
  struct Value {
    unsigned type = 0;  ///< 0: whatever the statement makes of it
    bool is_null = true;
    std::string_view bytes;
    std::string own;
  };
  Value& at(int index);
  std::vector<Value> values_;
};

/// A PostgreSQL database; what is its own stands in the schema `corbel`. Internal to this floor.
class PostgresDatabase : public Database {
 public:
  /// Connects. What the database holds is not looked at.
  PostgresDatabase(StoreLocation location, bool writable, std::chrono::milliseconds patience);

  const Dialect& dialect() const override;
  void execute(const char* sql) const override;
  int changes() const override { return changes_; }
  bool in_transaction() const override;
  std::unique_ptr<TrialTable> trials() const override;
  int version() const override;
  std::int64_t data_version() const override;
  void check_integrity(const std::function<void(const std::string&)>& fault) const override;

  /// A statement in PostgreSQL's own words ($1, …); prepared when it comes the second time.
  PostgresResult run(const std::string& sql, const PostgresParameters& parameters) const;
  std::string next_name() const;  ///< for a cursor
  /// The transaction that open cursors share; null within any other.
  std::shared_ptr<Transaction> reading() const;
  std::string user() const;
  std::string database() const;

 private:
  struct Close {
    void operator()(pg_conn* connection) const;
  };
  std::unique_ptr<PreparedStatement> prepare(std::string_view sql, Rows rows) const override;
  void begin(Transaction::Kind kind) const override;
  void connect();
  void set_up(bool writable, std::chrono::milliseconds patience) const;
  [[noreturn]] void fail_to_connect(const std::string& timeout) const;
  [[noreturn]] void fail(const pg_result* result) const;
  PostgresResult checked(pg_result* result) const;

  std::unique_ptr<pg_conn, Close> connection_;
  struct Use {
    int times = 0;
    std::string name;
  };
  mutable std::unordered_map<std::string, Use> uses_;  ///< by SQL and types of the parameters
  mutable std::uint64_t names_ = 0;
  mutable std::weak_ptr<Transaction> reading_;
  mutable int changes_ = 0;
};

/// open_database() of a PostgreSQL database.
std::unique_ptr<Database> open_postgres_store(const StoreLocation& location, bool writable,
                                              std::chrono::milliseconds patience);

}  // namespace corbel
