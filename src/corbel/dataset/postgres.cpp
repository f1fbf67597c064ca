#include "corbel/dataset/postgres.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <new>
#include <optional>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

// Types by their numbers in PostgreSQL's catalog, which never change (catalog/pg_type.dat).
constexpr unsigned type_bytea = 17, type_int8 = 20, type_text = 25, type_bytea_array = 1001, type_text_array = 1009,
                   type_int8_array = 1016;

/// The advisory lock that writers wait for: "Corb", and one number of ours.
constexpr const char* begin_exclusive = "BEGIN; SELECT pg_advisory_xact_lock(1131377250, 1)";

constexpr std::chrono::seconds default_connect_patience{10};
constexpr int rows_at_once = 4096;

template <class Unsigned>
void append_big_endian(std::string& to, Unsigned value) {
  for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8) {
    to += static_cast<char>((value >> shift) & 0xff);
  }
}

/// The head of a one-dimensional array in PostgreSQL's binary format.
std::string array_head(std::size_t size, unsigned element_type) {
  std::string head;
  append_big_endian(head, std::uint32_t{1});
  append_big_endian(head, std::uint32_t{0});  // no NULL in it
  append_big_endian(head, element_type);
  append_big_endian(head, static_cast<std::uint32_t>(size));
  append_big_endian(head, std::uint32_t{1});
  return head;
}

/// ?1 of common SQL is $1 here.
std::string with_dollars(std::string_view sql) {
  std::string text(sql);
  bool quoted = false;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '\'') quoted = !quoted;
    if (!quoted && text[i] == '?' && text[i + 1] >= '1' && text[i + 1] <= '9') text[i] = '$';
  }
  return text;
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? "" : text;
}

class PostgresStatement : public PreparedStatement {
 public:
  PostgresStatement(const PostgresDatabase& database, std::string_view sql, Rows rows)
      : database_(database), sql_(with_dollars(sql)), many_(rows == Rows::many) {}
  ~PostgresStatement() override {
    try {
      close();
    } catch (const Error&) {
      // Nothing is lost: the transaction of a cursor only reads.
    }
  }

  void bind(int index, std::int64_t value) override { parameters_.set(index, value); }
  void bind(int index, std::string_view text) override { parameters_.set_text(index, text); }
  void bind_bytes(int index, std::string_view bytes) override { parameters_.set_bytes(index, bytes); }
  void bind_null(int index) override { parameters_.set_null(index); }

  bool step() override {
    if (!running_) {
      open();
    } else if (++row_ == result_.rows() && !cursor_.empty()) {
      fetch();
    }
    if (row_ < result_.rows()) return true;
    close();
    return false;
  }
  void reset() override { close(); }

  std::int64_t integer(int column) const override { return result_.integer(row_, column); }
  std::string_view text(int column) const override { return result_.bytes(row_, column); }
  std::string_view bytes(int column) const override { return result_.bytes(row_, column); }

 private:
  void open() {
    row_ = 0;
    if (many_) {
      transaction_ = database_.reading();
      const std::string name = database_.next_name();
      database_.run("DECLARE " + name + " NO SCROLL CURSOR FOR " + sql_, parameters_);
      cursor_ = name;
      fetch();
    } else {
      result_ = database_.run(sql_, parameters_);
    }
    running_ = true;
  }
  void fetch() {
    result_ = database_.run("FETCH FORWARD " + std::to_string(rows_at_once) + " FROM " + cursor_, {});
    row_ = 0;
  }
  void close() {
    running_ = false;
    result_ = PostgresResult(nullptr);
    const std::string cursor = std::exchange(cursor_, "");
    if (!cursor.empty() && transaction_.use_count() != 1) database_.execute(("CLOSE " + cursor).c_str());
    // The last one ends it, and itself with it.
    transaction_.reset();
  }

  const PostgresDatabase& database_;
  std::string sql_;
  bool many_;
  bool running_ = false;
  PostgresParameters parameters_;
  PostgresResult result_{nullptr};
  int row_ = 0;
  std::string cursor_;
  std::shared_ptr<Transaction> transaction_;
};

}  // namespace

void PostgresResult::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

int PostgresResult::rows() const {
  return result_ ? PQntuples(result_.get()) : 0;
}

std::int64_t PostgresResult::integer(int row, int column) const {
  // Integers of 2, 4 and 8 bytes and truth values, big-endian with sign.
  const std::string_view value = bytes(row, column);
  if (value.empty()) return 0;
  auto number = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<signed char>(value[0])));
  for (const char byte : value.substr(1)) number = number << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(number);
}

std::string_view PostgresResult::bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

PostgresParameters::Value& PostgresParameters::at(int index) {
  if (values_.size() < static_cast<std::size_t>(index)) values_.resize(static_cast<std::size_t>(index));
  Value& value = values_[static_cast<std::size_t>(index) - 1];
  value.is_null = false;
  value.own.clear();
  return value;
}

void PostgresParameters::set(int index, std::int64_t number) {
  Value& value = at(index);
  value.type = type_int8;
  append_big_endian(value.own, static_cast<std::uint64_t>(number));
}

void PostgresParameters::set_text(int index, std::string_view text) {
  Value& value = at(index);
  value.type = type_text;
  value.bytes = text;
}

void PostgresParameters::set_bytes(int index, std::string_view bytes) {
  Value& value = at(index);
  value.type = type_bytea;
  value.bytes = bytes;
}

void PostgresParameters::set_null(int index) {
  Value& value = at(index);
  value.type = 0;
  value.is_null = true;
}

void PostgresParameters::set_array(int index, std::span<const std::int64_t> numbers) {
  Value& value = at(index);
  value.type = type_int8_array;
  value.own = array_head(numbers.size(), type_int8);
  value.own.reserve(value.own.size() + 12 * numbers.size());
  for (const std::int64_t number : numbers) {
    append_big_endian(value.own, std::uint32_t{8});
    append_big_endian(value.own, static_cast<std::uint64_t>(number));
  }
}

void PostgresParameters::set_array(int index, std::span<const std::string_view> values, Bytes kind) {
  Value& value = at(index);
  value.type = kind == Bytes::text ? type_text_array : type_bytea_array;
  value.own = array_head(values.size(), kind == Bytes::text ? type_text : type_bytea);
  for (const std::string_view element : values) {
    append_big_endian(value.own, static_cast<std::uint32_t>(element.size()));
    value.own += element;
  }
}

void PostgresDatabase::Close::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

PostgresDatabase::PostgresDatabase(StoreLocation location, bool writable, std::chrono::milliseconds patience)
    : Database(std::move(location)) {
  connect();
  set_up(writable, patience);
}

void PostgresDatabase::connect() {
  char* problem = nullptr;
  PQconninfoOption* options = PQconninfoParse(this->location().url().c_str(), &problem);
  const std::string detail = problem == nullptr ? "" : first_line(problem);
  PQfreemem(problem);
  if (options == nullptr) {
    // libpq repeats the part that it does not understand, and that may be of a password.
    throw Error(ErrorCode::invalid_input,
                name() + ": not a URL of PostgreSQL" + (this->location().has_password() ? "" : " (" + detail + ")"),
                "write it as postgresql://user@host:port/database");
  }
  PQconninfoFree(options);

  // What comes before the URL is a default that it may change. A client that is cut off must not keep others waiting
  // for the two hours that TCP needs by itself.
  const std::array keywords = {
      "fallback_application_name", "keepalives_idle", "keepalives_interval", "keepalives_count",
      "tcp_user_timeout",          "dbname",          "client_encoding",     ""};
  std::array<const char*, keywords.size()> names{},
      values{"corbel", "30", "10", "3", "60000", location().url().c_str(), "UTF8"};
  std::ranges::copy(keywords, names.begin());
  names.back() = nullptr;
  connection_.reset(PQconnectStartParams(names.data(), values.data(), 1));
  if (!connection_) throw std::bad_alloc();
  PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);

  std::chrono::seconds patience = default_connect_patience;
  if (PQconninfoOption* all = PQconninfo(connection_.get()); all != nullptr) {
    for (const PQconninfoOption* option = all; option->keyword != nullptr; ++option) {
      if (std::string_view(option->keyword) != "connect_timeout" || option->val == nullptr) continue;
      int seconds = 0;
      std::from_chars(option->val, option->val + std::strlen(option->val), seconds);
      if (seconds > 0) patience = std::chrono::seconds(seconds);
    }
    PQconninfoFree(all);
  }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (PQstatus(connection_.get()) != CONNECTION_BAD) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd socket = {PQsocket(connection_.get()), static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                     0};
    const int ready = left.count() > 0 ? poll(&socket, 1, static_cast<int>(left.count())) : 0;
    if (ready == 0) fail_to_connect("no answer within " + std::to_string(patience.count()) + " s");
    if (ready < 0 && errno == EINTR) continue;
    state = PQconnectPoll(connection_.get());
    if (state == PGRES_POLLING_OK) return;
    if (state == PGRES_POLLING_FAILED) break;
  }
  fail_to_connect("");
}

void PostgresDatabase::fail_to_connect(const std::string& timeout) const {
  const auto error = [&](ErrorCode code, const std::string& message, const std::string& hint,
                         DatabaseError::Failure failure = DatabaseError::Failure::other) {
    return PostgresError(code, name() + ": " + message, hint, failure, "");
  };
  const std::string text = PQerrorMessage(connection_.get());
  const auto says = [&](std::string_view state) { return text.find(std::string(state) + ": ") != std::string::npos; };
  // Verbose messages carry the SQLSTATE, whatever language the server speaks: "FATAL:  28P01: …".
  const auto told = [&] {
    std::string line = first_line(text);
    const std::size_t fatal = line.find(":  ");
    return fatal == std::string::npos ? line : line.substr(std::min(line.size(), fatal + 10));
  };
  const std::string as = "`" + user() + "`";
  if (!timeout.empty()) {
    throw error(ErrorCode::file_access, "the server cannot be reached (" + timeout + ")",
                "check host and port, and that a firewall lets this machine through", DatabaseError::Failure::lost);
  }
  if (PQconnectionNeedsPassword(connection_.get()) != 0) {
    throw error(ErrorCode::file_access, "the server asks for the password of " + as + ", and none was given",
                "put it into ~/.pgpass (host:port:database:user:password, chmod 600) or PGPASSWORD");
  }
  if (says("28P01")) {
    throw error(ErrorCode::file_access, "the server does not accept the password of " + as,
                "correct it where it comes from: the URL, PGPASSWORD or ~/.pgpass");
  }
  if (says("28000")) {
    throw error(ErrorCode::file_access, "the server does not let " + as + " in (" + told() + ")",
                "name a user that the server knows in the URL or PGUSER; its administrator decides who may come from "
                "where in pg_hba.conf");
  }
  if (says("3D000")) {
    // Not what is said where only the store is missing: nothing here makes a database.
    throw error(ErrorCode::file_access, "the server has no database `" + database() + "`",
                "make it with `createdb " + database() + "`, or name another one");
  }
  if (says("53300")) {
    throw error(ErrorCode::file_access, "the server has no connection left (" + told() + ")",
                "stop some workers, or raise max_connections of the server", DatabaseError::Failure::lost);
  }
  if (says("57P03") || says("57P01") || says("57P02")) {
    throw error(ErrorCode::file_access, "the server is starting or stopping (" + told() + ")", "try again in a moment",
                DatabaseError::Failure::lost);
  }
  if (says("42501")) {
    throw error(ErrorCode::file_access, as + " may not connect to this database (" + told() + ")",
                "ask its owner for GRANT CONNECT ON DATABASE");
  }
  throw error(ErrorCode::file_access, "the server cannot be reached (" + first_line(text) + ")",
              "check host, port and database, and that the server runs: `pg_isready` tells",
              DatabaseError::Failure::lost);
}

void PostgresDatabase::set_up(bool writable, std::chrono::milliseconds patience) const {
  PQsetErrorVerbosity(connection_.get(), PQERRORS_DEFAULT);
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  const std::string milliseconds = std::to_string(std::clamp<std::int64_t>(patience.count(), 1, 1 << 30));
  execute(("SET search_path = corbel, pg_temp; SET standard_conforming_strings = on;"
           "SET default_transaction_isolation = 'read committed';"
           "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';"
           "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;"
           "SET idle_in_transaction_session_timeout = 0;"
           "SET lock_timeout = " +
           milliseconds + "; SET default_transaction_read_only = " + (writable ? "off" : "on"))
              .c_str());
}

std::string PostgresDatabase::user() const {
  const char* text = PQuser(connection_.get());
  return text == nullptr ? "" : text;
}

std::string PostgresDatabase::database() const {
  const char* text = PQdb(connection_.get());
  return text == nullptr ? "" : text;
}

const Dialect& PostgresDatabase::dialect() const {
  static constexpr Dialect dialect = {"CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
                                      "CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000 AS BIGINT)",
                                      " FOR UPDATE SKIP LOCKED", "json_array_elements_text(CAST(?2 AS json))",
                                      "SET enable_bitmapscan = off; SET enable_seqscan = off"};
  return dialect;
}

void PostgresDatabase::execute(const char* sql) const {
  const PostgresResult result = checked(PQexec(connection_.get(), sql));
  // To commit a transaction in which a statement has failed is to roll it back, and PostgreSQL takes that for success.
  if (std::string_view(sql) == "COMMIT" && std::string_view(PQcmdStatus(result.get())) == "ROLLBACK") {
    throw PostgresError(ErrorCode::file_access, name() + ": nothing was stored, because a statement before had failed",
                        "run the same command again", DatabaseError::Failure::conflict, "");
  }
}

PostgresResult PostgresDatabase::run(const std::string& sql, const PostgresParameters& parameters) const {
  const std::size_t count = parameters.values_.size();
  std::vector<unsigned> types(count);
  std::vector<const char*> values(count);
  std::vector<int> lengths(count), formats(count, 1);
  std::string key = sql;
  for (std::size_t i = 0; i < count; ++i) {
    const PostgresParameters::Value& value = parameters.values_[i];
    const std::string_view bytes = value.own.empty() ? value.bytes : std::string_view(value.own);
    if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
      throw Error(ErrorCode::unsupported, name() + ": a value of more than 2 GiB cannot be stored", "store less of it");
    }
    types[i] = value.type;
    values[i] = value.is_null ? nullptr : bytes.data() == nullptr ? "" : bytes.data();
    lengths[i] = static_cast<int>(bytes.size());
    key += ' ' + std::to_string(value.type);
  }
  const int n = static_cast<int>(count);
  pg_conn* const connection = connection_.get();
  // Names of cursors differ: what holds one comes once.
  const bool once = sql.starts_with("DECLARE ") || sql.starts_with("FETCH ");
  if (!once) {
    Use& use = uses_[key];
    if (++use.times == 2) {
      const std::string made = next_name();
      checked(PQprepare(connection, made.c_str(), sql.c_str(), n, types.data()));
      use.name = made;
    }
    if (!use.name.empty()) {
      return checked(PQexecPrepared(connection, use.name.c_str(), n, values.data(), lengths.data(), formats.data(), 1));
    }
  }
  return checked(
      PQexecParams(connection, sql.c_str(), n, types.data(), values.data(), lengths.data(), formats.data(), 1));
}

std::shared_ptr<Transaction> PostgresDatabase::reading() const {
  std::shared_ptr<Transaction> open = reading_.lock();
  if (!open && !in_transaction()) {
    open = std::make_shared<Transaction>(*this, Transaction::Kind::snapshot);
    reading_ = open;
  }
  return open;
}

std::string PostgresDatabase::next_name() const {
  return "corbel_" + std::to_string(++names_);
}

PostgresResult PostgresDatabase::checked(pg_result* result) const {
  PostgresResult owned(result);
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(result);
  const std::string_view touched = PQcmdTuples(result);
  changes_ = 0;
  std::from_chars(touched.data(), touched.data() + touched.size(), changes_);
  return owned;
}

bool PostgresDatabase::in_transaction() const {
  const PGTransactionStatusType status = PQtransactionStatus(connection_.get());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

void PostgresDatabase::begin(Transaction::Kind kind) const {
  switch (kind) {
    case Transaction::Kind::shared:
      execute("BEGIN");
      return;
    case Transaction::Kind::snapshot:
      execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      return;
    case Transaction::Kind::exclusive:
      break;
  }
  try {
    execute(begin_exclusive);
  } catch (const Error&) {
    if (in_transaction()) execute("ROLLBACK");
    throw;
  }
}

std::unique_ptr<PreparedStatement> PostgresDatabase::prepare(std::string_view sql, Rows rows) const {
  return std::make_unique<PostgresStatement>(*this, sql, rows);
}

void PostgresDatabase::fail(const pg_result* result) const {
  const std::string state = field(result, PG_DIAG_SQLSTATE);
  const std::string said =
      state.empty() ? first_line(PQerrorMessage(connection_.get())) : field(result, PG_DIAG_MESSAGE_PRIMARY);
  const auto error = [&](ErrorCode code, const std::string& message, const std::string& hint,
                         DatabaseError::Failure failure = DatabaseError::Failure::other) {
    return PostgresError(code, name() + ": " + message, hint, failure, state);
  };
  const std::string_view kind = std::string_view(state).substr(0, 2);
  // What has no SQLSTATE does not come from the server.
  if (PQstatus(connection_.get()) == CONNECTION_BAD || state.empty() || kind == "08" || state == "57P01" ||
      state == "57P02" || state == "57P03") {
    throw error(
        ErrorCode::file_access, "the connection to the server was lost (" + said + ")",
        "check that the server runs and can be reached, and run the same command again: what was acknowledged is "
        "stored, and nothing is stored twice",
        DatabaseError::Failure::lost);
  }
  if (state == "55P03") {
    throw error(ErrorCode::file_access, "another process keeps the store locked",
                "wait until it has finished, or stop it, and run the same command again",
                DatabaseError::Failure::locked);
  }
  if (kind == "40") {
    throw error(ErrorCode::file_access, "undone for another process's sake (" + said + ")",
                "run the same command again", DatabaseError::Failure::conflict);
  }
  if (kind == "53") {
    throw error(ErrorCode::file_access,
                state == "53100" ? "the server's disk is full" : "the server is short of something (" + said + ")",
                "free some on the server and run the same command again: rows stored so far are kept",
                DatabaseError::Failure::unable);
  }
  if (state == "42501") {
    throw error(ErrorCode::file_access, "user `" + user() + "` lacks a permission (" + said + ")",
                "ask the store's owner for: GRANT USAGE ON SCHEMA corbel TO \"" + user() +
                    "\"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA corbel TO \"" + user() + "\"");
  }
  if (state == "25006") {
    throw error(ErrorCode::file_access, "cannot be written (" + said + ")",
                "open it for writing; of a replicated server, name the primary", DatabaseError::Failure::unable);
  }
  if (state == "57014") {
    throw error(ErrorCode::file_access, "the server gave up (" + said + ")",
                "raise statement_timeout of this user, or run the same command again", DatabaseError::Failure::unable);
  }
  if (state == "22021" || state == "22P05") {
    throw error(ErrorCode::invalid_input, "a text cannot be stored (" + said + ")",
                "texts must be UTF-8 without NUL bytes");
  }
  if (state == "XX001" || state == "XX002") {
    throw error(ErrorCode::corrupt, "damaged (" + said + ")", "restore the database from a copy");
  }
  throw error(ErrorCode::file_access, said + " (SQLSTATE " + state + ")",
              "check that the schema `corbel` of this database was made by this version of Corbel");
}

}  // namespace corbel
