#include "corbel/dataset/sqlite.hpp"

#include <sqlite3.h>

#include <cassert>
#include <string>

namespace corbel {
namespace {

// Everything but unreserved characters and '/' is escaped: '?' and '#' would end the path of a URI.
std::string uri_of(const std::filesystem::path& path) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string uri = "file://";
  for (const char c : path.string()) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
                       c == '.' || c == '-' || c == '_';
    if (plain) {
      uri += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      uri += '%';
      uri += digits[byte >> 4];
      uri += digits[byte & 15];
    }
  }
  return uri + "?immutable=1";
}

class SqliteStatement : public PreparedStatement {
 public:
  SqliteStatement(const SqliteDatabase& database, std::string_view sql) : database_(&database) {
    sqlite3_stmt* statement = nullptr;
    const int result =
        sqlite3_prepare_v2(database.handle(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
    statement_.reset(statement);
    check(result);
  }

  void bind(int index, std::int64_t value) override { check(sqlite3_bind_int64(statement_.get(), index, value)); }
  void bind(int index, std::string_view text) override {
    // A null pointer would bind NULL instead of the empty text.
    const char* data = text.data() == nullptr ? "" : text.data();
    check(sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
  }
  void bind_bytes(int index, std::string_view bytes) override {
    check(bytes.empty() ? sqlite3_bind_zeroblob(statement_.get(), index, 0)
                        : sqlite3_bind_blob64(statement_.get(), index, bytes.data(), bytes.size(), SQLITE_STATIC));
  }
  void bind_null(int index) override { check(sqlite3_bind_null(statement_.get(), index)); }

  bool step() override {
    const int result = sqlite3_step(statement_.get());
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    sqlite3_reset(statement_.get());
    database_->fail(result);
  }
  void reset() override { sqlite3_reset(statement_.get()); }

  std::int64_t integer(int column) const override { return sqlite3_column_int64(statement_.get(), column); }
  std::string_view text(int column) const override {
    return view(reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column)), column);
  }
  std::string_view bytes(int column) const override {
    return view(static_cast<const char*>(sqlite3_column_blob(statement_.get(), column)), column);
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  void check(int result) const {
    if (result != SQLITE_OK) database_->fail(result);
  }
  std::string_view view(const char* data, int column) const {
    if (data == nullptr) return {};
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
  }

  const SqliteDatabase* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

}  // namespace

void SqliteDatabase::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

SqliteDatabase::SqliteDatabase(std::filesystem::path path, Access access, std::chrono::milliseconds patience)
    : Database(path) {
  // Absolute, so that no name (":memory:", "file:…") means something special to SQLite.
  const std::filesystem::path absolute = std::filesystem::absolute(path);
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  std::string name = absolute.string();
  switch (access) {
    case Access::write:
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      break;
    case Access::read:
      // A reader that may write removes the -wal and -shm files it had to make; where the file system says no, SQLite
      // falls back to reading by itself.
      flags |= SQLITE_OPEN_READWRITE;
      break;
    case Access::immutable:
      flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
      name = uri_of(absolute);
      break;
  }
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (result != SQLITE_OK) fail(result);
  sqlite3_busy_timeout(handle, static_cast<int>(patience.count()));
  // A damaged or malicious file must not be able to do more than give wrong rows, and those are checked.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  execute(
      "PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY;"
      "PRAGMA cell_size_check = ON; PRAGMA journal_size_limit = 67108864;");
  if (access != Access::write) execute("PRAGMA query_only = ON");
}

void SqliteDatabase::execute(const char* sql) const {
  const int result = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) fail(result);
}

int SqliteDatabase::changes() const {
  return sqlite3_changes(handle_.get());
}
bool SqliteDatabase::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}
bool SqliteDatabase::is_writable() const {
  return sqlite3_db_readonly(handle_.get(), "main") == 0;
}

const Dialect& SqliteDatabase::dialect() const {
  static constexpr Dialect dialect = {"CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)", "0", "",
                                      "json_each(?2)", ""};
  return dialect;
}

int SqliteDatabase::version() const {
  return static_cast<int>(integer("PRAGMA user_version"));
}

std::int64_t SqliteDatabase::data_version() const {
  return integer("PRAGMA data_version");
}

void SqliteDatabase::check_integrity(const std::function<void(const std::string&)>& fault) const {
  Statement statement(*this, "PRAGMA integrity_check(100)");
  while (statement.step()) {
    if (statement.text(0) != "ok") fault("SQLite: " + printable(statement.text(0), 300));
  }
}

std::unique_ptr<PreparedStatement> SqliteDatabase::prepare(std::string_view sql, Rows) const {
  return std::make_unique<SqliteStatement>(*this, sql);
}

void SqliteDatabase::begin(Transaction::Kind kind) const {
  execute(kind == Transaction::Kind::snapshot ? "BEGIN" : "BEGIN IMMEDIATE");
}

void SqliteDatabase::fail(int code) const {
  const std::string detail = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  const std::string& file = name();
  const auto error = [&](ErrorCode as, const std::string& what, std::string hint,
                         DatabaseError::Failure failure = DatabaseError::Failure::other) {
    return SqliteError(as, file + what, std::move(hint), failure, code);
  };
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      throw error(ErrorCode::file_access, ": another process keeps the store locked",
                  "wait until it has finished, or stop it, and run the same command again",
                  DatabaseError::Failure::locked);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      throw error(
          ErrorCode::corrupt, ": damaged, or not a Corbel store (" + detail + ")",
          "restore it from a copy, or name a new file; `sqlite3 " + file + " .recover` may save rows of a damaged one");
    case SQLITE_FULL:
      throw error(ErrorCode::file_access, ": the disk is full",
                  "free some space and run the same command again: rows stored so far are kept",
                  DatabaseError::Failure::unable);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      throw error(ErrorCode::file_access, ": cannot be written (" + detail + ")",
                  "make the file and its folder writable, or copy the store to a folder that is");
    case SQLITE_CANTOPEN:
      throw error(ErrorCode::file_access, ": cannot be opened (" + detail + ")",
                  "check that the file and its folder may be read and written");
    case SQLITE_IOERR:
      throw error(ErrorCode::file_access, ": reading or writing failed (" + detail + ")",
                  "check the disk and its free space, then run the same command again");
    default:
      throw error(ErrorCode::file_access, ": " + detail + " (SQLite result " + std::to_string(code) + ")",
                  "check that the file is a store of this version of Corbel");
  }
}

}  // namespace corbel
