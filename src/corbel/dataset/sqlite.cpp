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

}  // namespace

Statement::Statement(const Database& database, std::string_view sql) : database_(&database) {
  sqlite3_stmt* statement = nullptr;
  const int result =
      sqlite3_prepare_v2(database.handle_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  statement_.reset(statement);
  if (result != SQLITE_OK) database.fail(result);
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Statement& Statement::bind(int index, std::int64_t value) {
  const int result = sqlite3_bind_int64(statement_.get(), index, value);
  if (result != SQLITE_OK) database_->fail(result);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  // A null pointer would bind NULL instead of the empty text.
  const char* data = text.data() == nullptr ? "" : text.data();
  const int result = sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (result != SQLITE_OK) database_->fail(result);
  return *this;
}

Statement& Statement::bind(int index, std::span<const double> numbers) {
  const int result = numbers.empty() ? sqlite3_bind_zeroblob(statement_.get(), index, 0)
                                     : sqlite3_bind_blob64(statement_.get(), index, numbers.data(),
                                                           numbers.size_bytes(), SQLITE_STATIC);
  if (result != SQLITE_OK) database_->fail(result);
  return *this;
}

Statement& Statement::bind_null(int index) {
  const int result = sqlite3_bind_null(statement_.get(), index);
  if (result != SQLITE_OK) database_->fail(result);
  return *this;
}

bool Statement::step() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  sqlite3_reset(statement_.get());
  database_->fail(result);
}

void Statement::run() {
  step();
  reset();
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string_view Statement::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Database::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

Database::Database(std::filesystem::path path, Access access, std::chrono::milliseconds patience)
    : path_(std::move(path)) {
  // Absolute, so that no name (":memory:", "file:…") means something special to SQLite.
  const std::filesystem::path absolute = std::filesystem::absolute(path_);
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

void Database::execute(const char* sql) const {
  const int result = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) fail(result);
}

std::int64_t Database::integer(std::string_view sql) const {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::int64_t Database::last_row() const {
  return sqlite3_last_insert_rowid(handle_.get());
}
int Database::changes() const {
  return sqlite3_changes(handle_.get());
}
bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}
bool Database::is_writable() const {
  return sqlite3_db_readonly(handle_.get(), "main") == 0;
}

void Database::fail(int code) const {
  const std::string detail = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  const std::string file = path_.string();
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      throw DatabaseError(ErrorCode::file_access, file + ": another process keeps the store locked",
                          "wait until it has finished, or stop it, and run the same command again", code);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      throw DatabaseError(
          ErrorCode::corrupt, file + ": damaged, or not a Corbel store (" + detail + ")",
          "restore it from a copy, or name a new file; `sqlite3 " + file + " .recover` may save rows of a damaged one",
          code);
    case SQLITE_FULL:
      throw DatabaseError(ErrorCode::file_access, file + ": the disk is full",
                          "free some space and run the same command again: rows stored so far are kept", code);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      throw DatabaseError(ErrorCode::file_access, file + ": cannot be written (" + detail + ")",
                          "make the file and its folder writable, or copy the store to a folder that is", code);
    case SQLITE_CANTOPEN:
      throw DatabaseError(ErrorCode::file_access, file + ": cannot be opened (" + detail + ")",
                          "check that the file and its folder may be read and written", code);
    case SQLITE_IOERR:
      throw DatabaseError(ErrorCode::file_access, file + ": reading or writing failed (" + detail + ")",
                          "check the disk and its free space, then run the same command again", code);
    default:
      throw DatabaseError(ErrorCode::file_access,
                          file + ": " + detail + " (SQLite result " + std::to_string(code) + ")",
                          "check that the file is a store of this version of Corbel", code);
  }
}

Transaction::Transaction(const Database& database) : database_(&database), owns_(!database.in_transaction()) {
  if (owns_) database_->execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  // A failed ROLLBACK has no remedy and loses nothing: closing the file rolls back too.
  if (owns_ && database_->in_transaction()) {
    try {
      database_->execute("ROLLBACK");
    } catch (const Error&) {
    }
  }
}

void Transaction::commit() {
  if (owns_) database_->execute("COMMIT");
  owns_ = false;
}

}  // namespace corbel
