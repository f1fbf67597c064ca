#include "corbel/dataset/store_file.hpp"

#include <sqlite3.h>

#include <array>
#include <string>
#include <thread>

#include "corbel/dataset/sqlite.hpp"

namespace corbel {
namespace {

constexpr int schema_version = 3;
constexpr std::int64_t application_id = 0x436f7262;  // "Corb"

/// Of version 1; the migrations make the rest.
constexpr const char* first_schema = R"sql(
  CREATE TABLE groups(
    id INTEGER PRIMARY KEY,
    space TEXT NOT NULL, space_fingerprint TEXT NOT NULL,
    simulator TEXT NOT NULL, simulator_fingerprint TEXT NOT NULL,
    workload TEXT NOT NULL, workload_fingerprint TEXT NOT NULL,
    metrics TEXT NOT NULL,
    UNIQUE(space_fingerprint, simulator_fingerprint, workload_fingerprint)) STRICT;
  CREATE TABLE imports(
    id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL, file TEXT NOT NULL,
    rows INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL DEFAULT 0, repeated INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE trials(
    group_id INTEGER NOT NULL, design INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK(state BETWEEN 0 AND 5),
    reason TEXT NOT NULL, attempt INTEGER NOT NULL, import_id INTEGER,
    lease_owner TEXT, lease_expires INTEGER,
    metrics BLOB NOT NULL,
    PRIMARY KEY(group_id, design)) WITHOUT ROWID, STRICT;
  CREATE TABLE notes(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
  PRAGMA application_id = 1131377250;
)sql";
static_assert(application_id == 1131377250);

/// [v - 1] makes a store of version v one of version v + 1.
constexpr std::array migrations = {
    "CREATE TABLE statistics(group_id INTEGER PRIMARY KEY, version INTEGER NOT NULL, text TEXT NOT NULL) STRICT;"
    "PRAGMA user_version = 2;",
    R"sql(
  ALTER TABLE trials RENAME COLUMN lease_expires TO losses;
  CREATE INDEX trials_waiting ON trials(group_id, design) WHERE state = 0;
  CREATE INDEX trials_running ON trials(lease_owner) WHERE state = 1;
  CREATE TABLE jobs(group_id INTEGER PRIMARY KEY, spec TEXT NOT NULL) STRICT;
  CREATE TABLE workers(
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL, pid INTEGER NOT NULL, version TEXT NOT NULL, threads INTEGER NOT NULL,
    state TEXT NOT NULL, started INTEGER NOT NULL, last_seen INTEGER NOT NULL,
    lease INTEGER NOT NULL, expires INTEGER NOT NULL,
    done INTEGER NOT NULL, failed INTEGER NOT NULL, recent INTEGER NOT NULL, note TEXT NOT NULL) WITHOUT ROWID, STRICT;
  PRAGMA user_version = 3;
)sql"};
static_assert(migrations.size() == schema_version - 1);

bool exists_with_content(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return !error && size > 0;
}

/// What stands at the path, before SQLite looks inside it.
void check_path(const std::filesystem::path& path, bool writable) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  const std::string file = path.string();
  if (file.empty()) {
    throw Error(ErrorCode::invalid_input, "the store has an empty path", "name a file, such as trials.db");
  }
  if (std::filesystem::is_directory(status)) {
    throw Error(ErrorCode::file_access, file + ": is a folder, not a store",
                "name a file in it, such as " + (path / "trials.db").string());
  }
  if (std::filesystem::exists(status)) {
    if (std::filesystem::is_regular_file(status)) return;
    throw Error(ErrorCode::file_access, file + ": is not a regular file", "name a file for the store");
  }
  if (status.type() == std::filesystem::file_type::none) {
    throw Error(ErrorCode::file_access, file + ": " + error.message(), "check the path and its permissions");
  }
  if (!writable) {
    throw Error(ErrorCode::not_found, file + ": no such store", "import a log or run a sweep to make it");
  }
  if (path.has_parent_path()) {
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) {
      throw Error(ErrorCode::file_access,
                  file + ": cannot make the folder " + path.parent_path().string() + " (" + error.message() + ")",
                  "choose a folder that can be written");
    }
  }
}

/// The version of a store, 0 for an SQLite file with nothing in it yet.
int store_version(const Database& database) {
  const std::string& file = database.name();
  // One statement sees one state of the file; between two, another process may make the store.
  Statement head(database,
                 "SELECT (SELECT count(*) FROM sqlite_schema), (SELECT application_id FROM pragma_application_id), "
                 "(SELECT user_version FROM pragma_user_version)");
  head.step();
  const std::int64_t tables = head.integer(0);
  const std::int64_t application = head.integer(1);
  const std::int64_t version = head.integer(2);
  if (application == application_id && version > schema_version) {
    throw Error(ErrorCode::mismatch,
                file + ": made by a newer Corbel (store version " + std::to_string(version) + ", this one reads " +
                    std::to_string(schema_version) + ")",
                "update Corbel, or name another store");
  }
  if (application == application_id && version >= 1 && tables > 0) return static_cast<int>(version);
  if (application == 0 && version == 0 && tables == 0) return 0;
  throw Error(ErrorCode::corrupt, file + ": an SQLite file, but not a Corbel store",
              "name another file: this one belongs to another program");
}

void use_wal(const Database& database, std::chrono::milliseconds patience) {
  // SQLite does not wait by itself when two connections switch a new file to WAL at once.
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    try {
      Statement statement(database, "PRAGMA journal_mode = WAL");
      statement.step();
      return;
    } catch (const SqliteError& error) {
      const bool busy = (error.result() & 0xff) == SQLITE_BUSY || (error.result() & 0xff) == SQLITE_LOCKED;
      if (!busy || std::chrono::steady_clock::now() > deadline) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

std::unique_ptr<Database> open_for_writing(const std::filesystem::path& path, std::chrono::milliseconds patience) {
  auto database = std::make_unique<SqliteDatabase>(path, SqliteDatabase::Access::write, patience);
  if (!database->is_writable()) {
    throw Error(ErrorCode::file_access, path.string() + ": cannot be written",
                "make the file and its folder writable, or copy the store to a folder that is");
  }
  const bool is_current = store_version(*database) == schema_version;
  use_wal(*database, patience);
  if (!is_current) {
    Transaction transaction(*database);
    // Another process may have made or migrated it meanwhile.
    int version = store_version(*database);
    if (version == 0) {
      database->execute(first_schema);
      version = 1;
    }
    for (; version < schema_version; ++version) database->execute(migrations[static_cast<std::size_t>(version) - 1]);
    transaction.commit();
  }
  return database;
}

std::unique_ptr<Database> open_for_reading(const std::filesystem::path& path, std::chrono::milliseconds patience) {
  const auto checked = [&](SqliteDatabase::Access access) {
    auto database = std::make_unique<SqliteDatabase>(path, access, patience);
    if (store_version(*database) == 0) {
      throw Error(ErrorCode::corrupt, path.string() + ": empty, not a Corbel store",
                  "import a log or run a sweep to fill it");
    }
    return database;
  };
  try {
    return checked(SqliteDatabase::Access::read);
  } catch (const SqliteError& error) {
    const int result = error.result() & 0xff;
    if (result != SQLITE_CANTOPEN && result != SQLITE_READONLY && result != SQLITE_IOERR) throw;
    // In a folder where no -shm file can be made, a store that nobody writes to can still be read as it lies there.
    std::filesystem::path log = path;
    log += "-wal";
    if (exists_with_content(log)) {
      throw Error(ErrorCode::file_access,
                  path.string() + ": the newest rows are still in " + log.string() +
                      ", and this place cannot be written to merge them",
                  "copy both files to a folder that can be written and open the copy");
    }
  }
  return checked(SqliteDatabase::Access::immutable);
}

}  // namespace

std::unique_ptr<Database> open_store_file(const std::filesystem::path& path, bool writable,
                                          std::chrono::milliseconds patience,
                                          std::int64_t (*type_of)(const std::filesystem::path&)) {
  check_path(path, writable);
  if (!writable) return open_for_reading(path, patience);
  if (const std::string_view network = network_file_system(type_of(path)); !network.empty()) {
    throw Error(ErrorCode::unsupported,
                path.string() + ": lies on " + std::string(network) +
                    ", where SQLite cannot keep what is acknowledged: its write-ahead log needs memory and locks that "
                    "all processes share, and machines do not",
                "put the store on a local disk, such as with `output:` in the study; copies can be read anywhere");
  }
  return open_for_writing(path, patience);
}

}  // namespace corbel
