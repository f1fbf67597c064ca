#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/dataset/store_location.hpp"

namespace corbel {

/// A failure of the database itself, and what kind of one, so that callers can try again or another way.
class DatabaseError : public Error {
 public:
  enum class Failure {
    locked,    ///< another connection holds what this one waited for
    conflict,  ///< the transaction was undone for another one's sake: the same again may succeed
    lost,      ///< the server cannot be reached (any more): what was not acknowledged may or may not be stored
    unable,    ///< not now: its disk is full, it only reads, it took too long
    other
  };
  DatabaseError(ErrorCode code, const std::string& message, std::string hint, Failure failure)
      : Error(code, message, std::move(hint)), failure_(failure) {}
  Failure failure() const { return failure_; }
  /// Whether the same may succeed later, without anybody changing what was asked.
  bool may_pass() const { return failure_ != Failure::other; }

 private:
  Failure failure_;
};

/// Does what may be repeated, again where its failure may pass, after pauses that double from 0.1 s up to 5 s.
/// @param goes_on  told of each such failure, and which one it is, from 1, before the pause; where false, it is thrown
template <class Work>
auto try_patiently(const Work& work, const std::function<bool(const DatabaseError& failure, int number)>& goes_on) {
  constexpr std::chrono::milliseconds shortest{100}, longest{5000};
  std::chrono::milliseconds pause = shortest;
  for (int number = 1;; ++number) {
    try {
      return work();
    } catch (const DatabaseError& failure) {
      if (!failure.may_pass() || !goes_on(failure, number)) throw;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, longest);
  }
}

/// What a statement is on its backend. Its members are those of Statement.
class PreparedStatement {
 public:
  virtual ~PreparedStatement() = default;
  virtual void bind(int index, std::int64_t value) = 0;
  virtual void bind(int index, std::string_view text) = 0;
  virtual void bind_bytes(int index, std::string_view bytes) = 0;
  virtual void bind_null(int index) = 0;
  virtual bool step() = 0;
  virtual void reset() = 0;
  virtual std::int64_t integer(int column) const = 0;
  virtual std::string_view text(int column) const = 0;
  virtual std::string_view bytes(int column) const = 0;
};

/// How many rows a statement gives.
enum class Rows {
  few,   ///< they fit in memory
  many,  ///< they may not: until the last one, no other write begins on this connection
};

/// Where the two kinds of SQL differ beyond what SQL common to both can say.
struct Dialect {
  std::string_view now_ms;      ///< the server's clock as an integer: milliseconds since 1970, whatever the transaction
  std::string_view started_ms;  ///< when the server was started, in the same measure; 0 where there is none
  std::string_view skip_locked;  ///< ends a SELECT of rows to be updated: none that another transaction is at
  /// Parameter ?2, a JSON array of numbers, as a table with the column `value`.
  std::string_view numbers;
  /// Readies a connection for statements that touch a few rows of many by an index: a server that does not know how
  /// many there are would otherwise read, and sort, all of them.
  const char* few_of_many;
};

class Database;
class TrialTable;

/// A transaction; joins the one that is open, if any. Rolled back unless committed.
class Transaction {
 public:
  enum class Kind {
    exclusive,  ///< writes; others that begin such a one wait
    shared,     ///< writes; others write at once, where the backend can, and wait for rows this one has touched
    snapshot,   ///< reads one state of the store
  };
  explicit Transaction(const Database& database, Kind kind = Kind::exclusive);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database* database_;
  bool owns_;
};

/// A connection to a store, SQLite or PostgreSQL, with every failure as an Error that names the store. SQL is written
/// once, in what both understand (docs/formats/store.md); placeholders are ?1, ?2, …. One thread at a time.
/// Internal to this floor.
class Database {
 public:
  virtual ~Database() = default;

  const StoreLocation& location() const { return location_; }
  const std::string& name() const { return location_.text(); }  ///< as messages name it

  virtual const Dialect& dialect() const = 0;
  virtual void execute(const char* sql) const = 0;
  std::int64_t integer(std::string_view sql) const;  ///< the first column of the only row
  virtual int changes() const = 0;                   ///< rows touched by the last statement
  virtual bool in_transaction() const = 0;

  virtual std::unique_ptr<TrialTable> trials() const = 0;

  /// The version of the schema that the store has.
  virtual int version() const = 0;
  /// Another number whenever another connection has written to the store.
  virtual std::int64_t data_version() const = 0;
  /// Tells each fault that the database finds in its own structures.
  virtual void check_integrity(const std::function<void(const std::string&)>& fault) const = 0;

 protected:
  explicit Database(StoreLocation location) : location_(std::move(location)) {}

 private:
  friend class Statement;
  friend class Transaction;
  virtual std::unique_ptr<PreparedStatement> prepare(std::string_view sql, Rows rows) const = 0;
  virtual void begin(Transaction::Kind kind) const = 0;

  StoreLocation location_;
};

/// Opens the store, having checked that it is one; makes it when absent and writable, or brings it to this version of
/// the schema; read-only, an older one is left as it is. The errors are those of Store's constructor.
std::unique_ptr<Database> open_database(const StoreLocation& location, bool writable,
                                        std::chrono::milliseconds patience);

/// A statement of SQL, prepared once.
class Statement {
 public:
  Statement(const Database& database, std::string_view sql, Rows rows = Rows::few);

  /// Parameters count from 1; the text or numbers must live until the next reset().
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::span<const double> numbers);
  Statement& bind_bytes(int index, std::string_view bytes);
  Statement& bind_null(int index);
  /// True while there is a row.
  bool step();
  /// Runs a statement that gives no rows, and makes it ready to bind again.
  void run();
  void reset();

  /// Columns count from 0. NULL is 0 or empty.
  std::int64_t integer(int column) const;
  std::string_view text(int column) const;   ///< valid until the next step
  std::string_view bytes(int column) const;  ///< of a BLOB; valid until the next step

 private:
  std::unique_ptr<PreparedStatement> prepared_;
};

}  // namespace corbel
