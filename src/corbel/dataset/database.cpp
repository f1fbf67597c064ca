#include "corbel/dataset/database.hpp"

#include "corbel/dataset/postgres.hpp"
#include "corbel/dataset/store_file.hpp"

namespace corbel {

std::int64_t Database::integer(std::string_view sql) const {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::unique_ptr<Database> open_database(const StoreLocation& location, bool writable,
                                        std::chrono::milliseconds patience) {
  if (location.is_file()) return open_store_file(location.file(), writable, patience);
  return open_postgres_store(location, writable, patience);
}

Statement::Statement(const Database& database, std::string_view sql, Rows rows)
    : prepared_(database.prepare(sql, rows)) {}

Statement& Statement::bind(int index, std::int64_t value) {
  prepared_->bind(index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  prepared_->bind(index, text);
  return *this;
}

Statement& Statement::bind(int index, std::span<const double> numbers) {
  return bind_bytes(index, {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()});
}

Statement& Statement::bind_bytes(int index, std::string_view bytes) {
  prepared_->bind_bytes(index, bytes);
  return *this;
}

Statement& Statement::bind_null(int index) {
  prepared_->bind_null(index);
  return *this;
}

bool Statement::step() {
  return prepared_->step();
}

void Statement::run() {
  step();
  reset();
}

void Statement::reset() {
  prepared_->reset();
}

std::int64_t Statement::integer(int column) const {
  return prepared_->integer(column);
}

std::string_view Statement::text(int column) const {
  return prepared_->text(column);
}

std::string_view Statement::bytes(int column) const {
  return prepared_->bytes(column);
}

Transaction::Transaction(const Database& database, Kind kind)
    : database_(&database), owns_(!database.in_transaction()) {
  if (owns_) database_->begin(kind);
}

Transaction::~Transaction() {
  // A failed ROLLBACK has no remedy and loses nothing: closing the connection rolls back too.
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
