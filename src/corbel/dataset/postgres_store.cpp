#include <string>

#include "corbel/dataset/postgres.hpp"

namespace corbel {
namespace {

constexpr std::int64_t schema_version = 3;

// Keys and texts are compared byte by byte, as SQLite does, whatever language the database was made for.
constexpr const char* schema = R"sql(
  CREATE SCHEMA IF NOT EXISTS corbel;
  CREATE TABLE corbel.about(application TEXT PRIMARY KEY, version BIGINT NOT NULL);
  CREATE TABLE corbel.groups(
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space TEXT NOT NULL, space_fingerprint TEXT NOT NULL,
    simulator TEXT NOT NULL, simulator_fingerprint TEXT NOT NULL,
    workload TEXT NOT NULL, workload_fingerprint TEXT NOT NULL,
    metrics TEXT NOT NULL,
    UNIQUE(space_fingerprint, simulator_fingerprint, workload_fingerprint));
  CREATE TABLE corbel.imports(
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    group_id BIGINT NOT NULL, file TEXT NOT NULL,
    rows BIGINT NOT NULL DEFAULT 0, added BIGINT NOT NULL DEFAULT 0, repeated BIGINT NOT NULL DEFAULT 0);
  CREATE TABLE corbel.trials(
    group_id BIGINT NOT NULL, design BIGINT NOT NULL,
    state BIGINT NOT NULL CHECK(state BETWEEN 0 AND 5),
    reason TEXT NOT NULL, attempt BIGINT NOT NULL, import_id BIGINT,
    lease_owner TEXT, losses BIGINT,
    metrics BYTEA NOT NULL,
    PRIMARY KEY(group_id, design));
  CREATE INDEX trials_waiting ON corbel.trials(group_id, design) WHERE state = 0;
  CREATE INDEX trials_running ON corbel.trials(lease_owner) WHERE state = 1;
  CREATE TABLE corbel.jobs(group_id BIGINT PRIMARY KEY, spec TEXT NOT NULL);
  CREATE TABLE corbel.workers(
    id TEXT COLLATE "C" PRIMARY KEY,
    host TEXT NOT NULL, pid BIGINT NOT NULL, version TEXT NOT NULL, threads BIGINT NOT NULL,
    state TEXT NOT NULL, started BIGINT NOT NULL, last_seen BIGINT NOT NULL,
    lease BIGINT NOT NULL, expires BIGINT NOT NULL,
    done BIGINT NOT NULL, failed BIGINT NOT NULL, recent BIGINT NOT NULL, note TEXT NOT NULL) WITH (fillfactor = 50);
  CREATE TABLE corbel.notes(key TEXT COLLATE "C" PRIMARY KEY, value TEXT NOT NULL);
  CREATE TABLE corbel.statistics(group_id BIGINT PRIMARY KEY, version BIGINT NOT NULL, text TEXT NOT NULL);
  CREATE TABLE corbel.writers(process BIGINT PRIMARY KEY, writes BIGINT NOT NULL) WITH (fillfactor = 50);
  CREATE FUNCTION corbel.count_write() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO corbel.writers AS w(process, writes) VALUES(pg_backend_pid(), 1)
        ON CONFLICT(process) DO UPDATE SET writes = w.writes + 1;
      RETURN NULL;
    END $$;
  CREATE TRIGGER count_write AFTER INSERT OR UPDATE OR DELETE ON corbel.trials
    FOR EACH STATEMENT EXECUTE FUNCTION corbel.count_write();
  INSERT INTO corbel.about VALUES('Corbel', 3);
)sql";

/// The version of the store, 0 for a database that has nothing of ours.
std::int64_t store_version(const PostgresDatabase& database) {
  const std::string& name = database.name();
  const auto not_ours = [&] {
    return Error(ErrorCode::corrupt, name + ": has a schema `corbel` that is not a Corbel store",
                 "name another database: this schema belongs to another program");
  };
  Statement head(database,
                 "SELECT count(*), coalesce(bool_or(has_schema_privilege(n.oid, 'USAGE')), false), "
                 "(SELECT count(*) FROM pg_class c WHERE c.relnamespace = min(n.oid::bigint)::oid), "
                 "(SELECT count(*) FROM pg_attribute a JOIN pg_class c ON a.attrelid = c.oid "
                 "WHERE c.relnamespace = min(n.oid::bigint)::oid AND c.relname = 'about' "
                 "AND a.attname IN ('application', 'version')) FROM pg_namespace n WHERE nspname = 'corbel'");
  head.step();
  const bool there = head.integer(0) > 0, usable = head.integer(1) > 0;
  const std::int64_t tables = head.integer(2), columns = head.integer(3);
  head.reset();
  if (!there || tables == 0) return 0;
  if (columns < 2) throw not_ours();
  if (!usable) {
    throw Error(ErrorCode::file_access,
                name + ": user `" + database.user() + "` may not look into the schema `corbel` (permission denied)",
                "ask its owner for: GRANT USAGE ON SCHEMA corbel TO \"" + database.user() +
                    "\"; GRANT SELECT ON ALL TABLES IN SCHEMA corbel TO \"" + database.user() + "\"");
  }
  Statement about(database, "SELECT version FROM about WHERE application = 'Corbel'");
  if (!about.step() || about.integer(0) < 1) throw not_ours();
  const std::int64_t version = about.integer(0);
  if (version > schema_version) {
    throw Error(ErrorCode::mismatch,
                name + ": made by a newer Corbel (store version " + std::to_string(version) + ", this one reads " +
                    std::to_string(schema_version) + ")",
                "update Corbel, or name another store");
  }
  return version;
}

void check_may_write(const PostgresDatabase& database) {
  if (database.integer("SELECT bool_and(has_table_privilege('corbel.trials', needed)) FROM "
                       "unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS needed") != 0) {
    return;
  }
  throw Error(
      ErrorCode::file_access,
      database.name() + ": user `" + database.user() + "` may not write this store (permission denied)",
      "ask its owner for: GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA corbel TO \"" + database.user() + "\"");
}

void make(const PostgresDatabase& database) {
  Transaction transaction(database);
  // Another process may have made it meanwhile.
  if (store_version(database) == 0) {
    try {
      database.execute(schema);
    } catch (const PostgresError& error) {
      if (error.state() != "42501") throw;
      throw Error(ErrorCode::file_access,
                  database.name() + ": user `" + database.user() +
                      "` may not make the schema `corbel` in this database (permission denied)",
                  "ask the database's owner for: CREATE SCHEMA corbel AUTHORIZATION \"" + database.user() + "\"");
    }
  }
  transaction.commit();
}

}  // namespace

std::unique_ptr<Database> open_postgres_store(const StoreLocation& location, bool writable,
                                              std::chrono::milliseconds patience) {
  auto database = std::make_unique<PostgresDatabase>(location, writable, patience);
  if (store_version(*database) == 0) {
    if (!writable) {
      throw Error(ErrorCode::not_found, location.text() + ": the database holds no Corbel store yet",
                  "import a log or run a sweep to fill it");
    }
    make(*database);
  }
  if (writable) check_may_write(*database);
  return database;
}

int PostgresDatabase::version() const {
  return static_cast<int>(integer("SELECT version FROM about WHERE application = 'Corbel'"));
}

std::int64_t PostgresDatabase::data_version() const {
  return integer("SELECT CAST(coalesce(sum(writes), 0) AS BIGINT) FROM writers WHERE process <> pg_backend_pid()");
}

void PostgresDatabase::check_integrity(const std::function<void(const std::string&)>& fault) const {
  // PostgreSQL checks pages as they are read, which the check of every row does. What must hold beyond that rests on
  // keys.
  Statement keys(*this,
                 "SELECT name FROM unnest(ARRAY['about', 'groups', 'imports', 'trials', 'notes', 'statistics', 'jobs', "
                 "'workers', 'writers']) "
                 "AS name WHERE NOT EXISTS(SELECT 1 FROM pg_index WHERE indisprimary AND indisvalid AND indrelid = "
                 "to_regclass('corbel.' || name))");
  while (keys.step()) fault("PostgreSQL: table " + std::string(keys.text(0)) + " lacks its primary key");
}

}  // namespace corbel
