#include "corbel/dataset/store.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/dataset/database.hpp"
#include "corbel/dataset/store_file.hpp"
#include "corbel/dataset/trial_log.hpp"
#include "corbel/dataset/trial_table.hpp"

namespace corbel {
namespace {

static_assert(std::endian::native == std::endian::little, "metrics are stored as little-endian doubles");

constexpr std::string_view forget_statistics = "DELETE FROM statistics WHERE group_id = ?1";

nlohmann::json parse_json(std::string_view text, const std::string& store) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    throw Error(ErrorCode::corrupt, store + ": damaged: a group's description cannot be read",
                "restore the store from a copy");
  }
  return json;
}

/// From columns `first` … of a statement over groups: space, simulator, its fingerprint, workload, its fingerprint,
/// metrics.
TrialGroup group_from(const Statement& row, int first, const std::string& store) {
  const nlohmann::json space = parse_json(row.text(first), store);
  const nlohmann::json names = parse_json(row.text(first + 5), store);
  try {
    return {DesignSpace::from_json(space),    std::string(row.text(first + 1)), std::string(row.text(first + 2)),
            std::string(row.text(first + 3)), std::string(row.text(first + 4)), names.get<std::vector<std::string>>()};
  } catch (const nlohmann::json::exception&) {
  } catch (const Error&) {
  }
  throw Error(ErrorCode::corrupt, store + ": damaged: a group's description makes no sense",
              "restore the store from a copy");
}

constexpr std::string_view group_columns =
    "space, simulator, simulator_fingerprint, workload, workload_fingerprint, metrics";

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// Copies a row's metrics to `out`. @throws Error{corrupt} if there is another number of them
void copy_metrics(std::string_view bytes, std::span<double> out, const std::string& store) {
  if (bytes.size() != out.size_bytes()) {
    throw Error(ErrorCode::corrupt, store + ": damaged: a trial has the wrong number of metrics",
                "restore the store from a copy");
  }
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
}

TrialState state_of(std::int64_t number, const std::string& store) {
  if (number < 0 || number > static_cast<int>(TrialState::abandoned)) {
    throw Error(ErrorCode::corrupt, store + ": damaged: a trial has the unknown state " + std::to_string(number),
                "restore the store from a copy");
  }
  return static_cast<TrialState>(number);
}

std::string_view bytes_of(std::span<const double> numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

bool same_numbers(std::span<const double> a, std::span<const double> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

/// What a trial must fit.
struct Shape {
  std::uint64_t designs;
  std::size_t metrics;
};

/// @throws Error{invalid_input} for a trial that does not fit its group
void check_trial(const Trial& trial, const Shape& shape) {
  if (trial.design >= shape.designs) {
    throw Error(ErrorCode::invalid_input,
                "design " + std::to_string(trial.design) + " lies outside its space of " +
                    std::to_string(shape.designs) + " designs",
                "store it in the group of the space it was drawn from");
  }
  const bool none = trial.metrics.empty() && trial.state != TrialState::complete;
  if (!none && trial.metrics.size() != shape.metrics) {
    throw Error(ErrorCode::invalid_input,
                "design " + std::to_string(trial.design) + " has " + std::to_string(trial.metrics.size()) +
                    " metrics where its group has " + std::to_string(shape.metrics),
                "store it in the group of the simulator it comes from");
  }
}

}  // namespace

struct Store::Data {
  Mode mode = Mode::read_only;
  std::chrono::milliseconds patience{};
  std::unique_ptr<Database> database;
  std::int64_t data_version = 0;
  std::optional<Transaction> snapshot;  // after the database, which it ends on

  /// Of groups already looked up, to check trials against.
  std::unordered_map<GroupId, Shape> shapes;

  const std::string& name() const { return database->name(); }
};

Store::Store(const StoreLocation& location, Mode mode, std::chrono::milliseconds patience)
    : data_(std::make_unique<Data>()) {
  data_->mode = mode;
  data_->patience = patience;
  data_->database = open_database(location, mode == Mode::read_write, patience);
  data_->data_version = data_->database->data_version();
  if (mode == Mode::snapshot) data_->snapshot.emplace(*data_->database, Transaction::Kind::snapshot);
}

std::optional<Store> Store::if_there(const StoreLocation& location, Mode mode, std::chrono::milliseconds patience) {
  try {
    return Store(location, mode, patience);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    return std::nullopt;
  }
}

Store::~Store() = default;
Store::Store(Store&&) noexcept = default;

void Store::reconnect() {
  Store anew(location(), data_->mode, data_->patience);
  anew.data_->data_version = -1;  // others may have written meanwhile
  data_ = std::move(anew.data_);
}

const StoreLocation& Store::location() const {
  return data_->database->location();
}

std::optional<Store::GroupId> Store::find_group(const TrialGroup& group) const {
  Statement statement(*data_->database,
                      "SELECT id FROM groups WHERE space_fingerprint = ?1 AND simulator_fingerprint = ?2 "
                      "AND workload_fingerprint = ?3");
  statement.bind(1, group.space.fingerprint()).bind(2, group.simulator_fingerprint).bind(3, group.workload_fingerprint);
  if (!statement.step()) return std::nullopt;
  return statement.integer(0);
}

Store::GroupId Store::group(const TrialGroup& group) {
  const auto find = [&]() -> std::optional<GroupId> {
    const std::optional<GroupId> id = find_group(group);
    if (!id) return std::nullopt;
    Statement statement(*data_->database, "SELECT metrics FROM groups WHERE id = ?1");
    statement.bind(1, *id);
    if (!statement.step()) return std::nullopt;
    const nlohmann::json names = parse_json(statement.text(0), data_->name());
    if (names != nlohmann::json(group.metrics)) {
      throw Error(ErrorCode::mismatch,
                  data_->name() + ": trials of simulator `" + group.simulator +
                      "` were stored with other metrics: " + names.dump() + ", now [" + joined(group.metrics) + "]",
                  "use a new store, or the simulator that made this one");
    }
    return id;
  };
  if (const auto id = find()) return *id;
  Transaction transaction(*data_->database);
  if (const auto id = find()) return *id;
  const std::string space = group.space.to_json().dump();
  const std::string metrics = nlohmann::json(group.metrics).dump();
  Statement insert(*data_->database,
                   "INSERT INTO groups(space, space_fingerprint, simulator, simulator_fingerprint, workload, "
                   "workload_fingerprint, metrics) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id");
  insert.bind(1, space)
      .bind(2, group.space.fingerprint())
      .bind(3, group.simulator)
      .bind(4, group.simulator_fingerprint)
      .bind(5, group.workload)
      .bind(6, group.workload_fingerprint)
      .bind(7, metrics)
      .step();
  const GroupId id = insert.integer(0);
  insert.reset();
  transaction.commit();
  return id;
}

Store::GroupId Store::widened_group(const TrialGroup& group) {
  Transaction transaction(*data_->database);
  TrialGroup wider = group;
  std::vector<std::string> added;
  if (const std::optional<GroupId> id = find_group(group)) {
    wider.metrics = describe(*id).metrics;
    const std::size_t before = wider.metrics.size();
    for (const std::string& name : group.metrics) {
      if (std::find(wider.metrics.begin(), wider.metrics.end(), name) == wider.metrics.end()) added.push_back(name);
    }
    wider.metrics.insert(wider.metrics.end(), added.begin(), added.end());
    if (!added.empty()) widen(*id, before, wider.metrics);
  }
  const GroupId id = this->group(wider);
  transaction.commit();
  return id;
}

void Store::widen(GroupId group, std::size_t before, const std::vector<std::string>& metrics) {
  const std::string names = nlohmann::json(metrics).dump();
  Statement(*data_->database, "UPDATE groups SET metrics = ?2 WHERE id = ?1").bind(1, group).bind(2, names).run();
  std::vector<std::pair<std::int64_t, std::vector<double>>> rows;
  Statement read(*data_->database, "SELECT design, metrics FROM trials WHERE group_id = ?1");
  read.bind(1, group);
  while (read.step()) {
    std::vector<double> values(metrics.size(), std::numeric_limits<double>::quiet_NaN());
    copy_metrics(read.bytes(1), std::span(values).first(before), data_->name());
    rows.emplace_back(read.integer(0), std::move(values));
  }
  Statement write(*data_->database, "UPDATE trials SET metrics = ?3 WHERE group_id = ?1 AND design = ?2");
  for (const auto& [design, values] : rows) write.bind(1, group).bind(2, design).bind(3, std::span(values)).run();
  Statement(*data_->database, forget_statistics).bind(1, group).run();
  data_->shapes.erase(group);
}

TrialGroup Store::describe(GroupId group) const {
  Statement statement(*data_->database,
                      std::string("SELECT ").append(group_columns).append(" FROM groups WHERE id = ?1"));
  statement.bind(1, group);
  if (!statement.step()) {
    throw Error(ErrorCode::not_found, data_->name() + ": has no group of trials " + std::to_string(group),
                "list the store's groups to see those it has");
  }
  return group_from(statement, 0, data_->name());
}

std::vector<Store::GroupSummary> Store::groups() const {
  std::map<GroupId, std::array<std::uint64_t, 6>> counts;
  Statement count(*data_->database, "SELECT group_id, state, count(*) FROM trials GROUP BY group_id, state");
  while (count.step()) {
    const auto state = static_cast<std::size_t>(state_of(count.integer(1), data_->name()));
    counts[count.integer(0)][state] = static_cast<std::uint64_t>(count.integer(2));
  }
  std::vector<GroupSummary> summaries;
  Statement statement(*data_->database,
                      std::string("SELECT id, ").append(group_columns).append(" FROM groups ORDER BY id"));
  while (statement.step()) {
    const GroupId id = statement.integer(0);
    const auto& n = counts[id];
    const auto of = [&](TrialState state) { return n[static_cast<std::size_t>(state)]; };
    summaries.push_back({id, group_from(statement, 1, data_->name()), of(TrialState::complete),
                         of(TrialState::infeasible), of(TrialState::failed) + of(TrialState::abandoned),
                         of(TrialState::waiting) + of(TrialState::running)});
  }
  return summaries;
}

std::uint64_t Store::record(GroupId group, std::span<const Trial> trials) {
  if (trials.empty()) return 0;
  Batch batch(*this);
  const std::vector<Batch::Put> put = batch.put(group, trials);
  batch.commit();
  return static_cast<std::uint64_t>(std::ranges::count(put, Batch::Put::added));
}

std::vector<Store::GroupId> Store::group_ids() const {
  Statement statement(*data_->database, "SELECT id FROM groups ORDER BY id");
  std::vector<GroupId> ids;
  while (statement.step()) ids.push_back(statement.integer(0));
  return ids;
}

namespace {

class StoreCursor final : public TrialCursor {
 public:
  StoreCursor(const Database& database, Store::GroupId group, const TrialGroup& description, Store::Read what)
      : name_(database.name()),
        designs_(description.space.size()),
        with_results_(what == Store::Read::finished),
        // One statement is one snapshot, whatever others write meanwhile.
        statement_(database,
                   with_results_ ? "SELECT design, state, reason, metrics FROM trials WHERE group_id = ?1 AND state IN "
                                   "(2, 3) ORDER BY design"
                                 : "SELECT design, state FROM trials WHERE group_id = ?1 ORDER BY design",
                   Rows::many),
        metrics_(with_results_ ? description.metrics.size() : 0) {
    statement_.bind(1, group);
  }

  bool next(TrialView& trial) override {
    if (!statement_.step()) return false;
    trial.design = static_cast<DesignId>(statement_.integer(0));
    if (trial.design >= designs_) {
      throw Error(ErrorCode::corrupt, name_ + ": damaged: a trial lies outside its design space",
                  "restore the store from a copy");
    }
    trial.state = state_of(statement_.integer(1), name_);
    if (!with_results_) return true;
    trial.reason = statement_.text(2);
    copy_metrics(statement_.bytes(3), metrics_, name_);
    trial.metrics = metrics_;
    return true;
  }

 private:
  std::string name_;
  std::uint64_t designs_;
  bool with_results_;
  Statement statement_;
  std::vector<double> metrics_;
};

}  // namespace

std::unique_ptr<TrialCursor> Store::open(GroupId group, Read what) const {
  return std::make_unique<StoreCursor>(*data_->database, group, describe(group), what);
}

std::uint64_t Store::repeated(GroupId group) const {
  Statement repeats(*data_->database,
                    "SELECT CAST(coalesce(sum(repeated), 0) AS BIGINT) FROM imports WHERE group_id = ?1");
  repeats.bind(1, group).step();
  return static_cast<std::uint64_t>(repeats.integer(0));
}

Dataset Store::read(GroupId group) const {
  return TrialLog(*this, group).read();
}

std::vector<DesignId> Store::finished(GroupId group) const {
  Statement statement(*data_->database,
                      "SELECT design FROM trials WHERE group_id = ?1 AND state IN (2, 3) ORDER BY design", Rows::many);
  statement.bind(1, group);
  std::vector<DesignId> designs;
  while (statement.step()) designs.push_back(static_cast<DesignId>(statement.integer(0)));
  return designs;
}

std::vector<Trial> Store::unfinished(GroupId group) const {
  std::vector<DesignId> designs;
  Statement statement(*data_->database,
                      "SELECT design FROM trials WHERE group_id = ?1 AND state NOT IN (2, 3) ORDER BY design",
                      Rows::many);
  statement.bind(1, group);
  while (statement.step()) designs.push_back(static_cast<DesignId>(statement.integer(0)));
  return find(group, designs);
}

std::vector<Trial> Store::find(GroupId group, std::span<const DesignId> designs) const {
  const std::size_t width = describe(group).metrics.size();
  std::unordered_map<DesignId, Trial> found;
  data_->database->trials()->find(group, designs, [&](const TrialRow& row) {
    Trial trial{row.design, state_of(row.state, data_->name()), std::string(row.reason), std::vector<double>(width),
                static_cast<std::uint32_t>(row.attempt)};
    copy_metrics(row.metrics, trial.metrics, data_->name());
    found.insert_or_assign(row.design, std::move(trial));
  });
  std::vector<Trial> trials;
  for (const DesignId design : designs) {
    if (const auto trial = found.find(design); trial != found.end()) trials.push_back(trial->second);
  }
  return trials;
}

void Store::clear(GroupId group) {
  Transaction transaction(*data_->database);
  Statement(*data_->database, "DELETE FROM trials WHERE group_id = ?1").bind(1, group).run();
  Statement(*data_->database, "DELETE FROM imports WHERE group_id = ?1").bind(1, group).run();
  Statement(*data_->database, forget_statistics).bind(1, group).run();
  transaction.commit();
}

bool Store::changed_elsewhere() {
  const std::int64_t version = data_->database->data_version();
  return std::exchange(data_->data_version, version) != version;
}

std::string Store::note(std::string_view key) const {
  Statement statement(*data_->database, "SELECT value FROM notes WHERE key = ?1");
  statement.bind(1, key);
  return statement.step() ? std::string(statement.text(0)) : std::string();
}

void Store::set_note(std::string_view key, std::string_view value) {
  Statement(*data_->database,
            "INSERT INTO notes(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value")
      .bind(1, key)
      .bind(2, value)
      .run();
}

std::vector<std::pair<std::string, std::string>> Store::notes(std::string_view prefix) const {
  Statement statement(*data_->database,
                      "SELECT key, value FROM notes WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key");
  statement.bind(1, prefix);
  std::vector<std::pair<std::string, std::string>> found;
  while (statement.step()) found.emplace_back(statement.text(0), statement.text(1));
  return found;
}

void Store::forget_notes(std::string_view prefix) {
  Statement(*data_->database, "DELETE FROM notes WHERE substr(key, 1, length(?1)) = ?1").bind(1, prefix).run();
}

std::string Store::statistics(GroupId group, int version) const {
  // A store of an older version that nobody has written to since has none.
  if (data_->database->version() < first_version_with_statistics) return "";
  Statement statement(*data_->database, "SELECT text FROM statistics WHERE group_id = ?1 AND version = ?2");
  statement.bind(1, group).bind(2, version);
  return statement.step() ? std::string(statement.text(0)) : std::string();
}

struct Store::Batch::Data {
  explicit Data(Store& owner)
      : store(&owner),
        transaction(*owner.data_->database),
        trials(owner.data_->database->trials()),
        forget(*owner.data_->database, forget_statistics) {}

  const Shape& shape(GroupId group) {
    auto& shapes = store->data_->shapes;
    const auto known = shapes.find(group);
    if (known != shapes.end()) return known->second;
    const TrialGroup description = store->describe(group);
    return shapes.insert({group, {description.space.size(), description.metrics.size()}}).first->second;
  }

  Store* store;
  Transaction transaction;
  std::unique_ptr<TrialTable> trials;
  Statement forget;
  GroupId changed = 0;      // the group written to last, whose statistics are gone
  std::int64_t import = 0;  // 0: not from a log

  /// A trial that is there, to compare others with.
  struct Present {
    std::int64_t state;
    std::string reason;
    std::vector<double> metrics;
    std::int64_t import;
  };
  Put compare(const std::optional<Present>& present, const Trial& trial, std::span<const double> metrics) const {
    const bool same = present && present->state == static_cast<std::int64_t>(trial.state) &&
                      present->reason == trial.reason && same_numbers(present->metrics, metrics);
    if (!same) return Put::differs;
    return import != 0 && present->import == import ? Put::repeated : Put::present;
  }
};

Store::Batch::Batch(Store& store) : data_(std::make_unique<Data>(store)) {}

Store::Batch::~Batch() {
  // Groups made in a transaction that is rolled back are gone, and their ids may be given again.
  if (data_->store->data_->database->in_transaction()) data_->store->data_->shapes.clear();
}

std::vector<Store::Batch::Put> Store::Batch::put(GroupId group, std::span<const Trial> trials) {
  Data& data = *data_;
  const Shape shape = data.shape(group);
  const std::string& store = data.store->data_->name();
  const std::vector<double> none(shape.metrics, std::numeric_limits<double>::quiet_NaN());
  const auto metrics_of = [&](const Trial& trial) { return std::span(trial.metrics.empty() ? none : trial.metrics); };
  for (const Trial& trial : trials) check_trial(trial, shape);

  std::vector<Put> results(trials.size());
  std::vector<std::size_t> waiting(trials.size());
  std::iota(waiting.begin(), waiting.end(), std::size_t{0});
  while (!waiting.empty()) {
    // The first trial of each design is written; what becomes of the others depends on what is there then.
    std::unordered_map<DesignId, std::optional<Data::Present>> designs;
    std::vector<std::size_t> firsts, others;
    std::vector<TrialRow> rows;
    // As imports come, which are sorted: no design comes twice.
    const bool distinct =
        std::ranges::is_sorted(waiting, std::ranges::less_equal(), [&](std::size_t i) { return trials[i].design; });
    for (const std::size_t i : waiting) {
      const Trial& trial = trials[i];
      if (!distinct && !designs.try_emplace(trial.design).second) {
        others.push_back(i);
        continue;
      }
      firsts.push_back(i);
      rows.push_back({trial.design, static_cast<std::int64_t>(trial.state), trial.reason,
                      static_cast<std::int64_t>(trial.attempt), data.import, bytes_of(metrics_of(trial))});
    }
    const std::vector<bool> written = data.trials->put(group, rows);
    std::vector<DesignId> refused;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!written[i]) refused.push_back(rows[i].design);
    }
    data.trials->find(group, refused, [&](const TrialRow& row) {
      Data::Present present{row.state, std::string(row.reason), std::vector<double>(shape.metrics), row.import};
      copy_metrics(row.metrics, present.metrics, store);
      designs[row.design] = std::move(present);
    });
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Trial& trial = trials[firsts[i]];
      if (!written[i]) {
        results[firsts[i]] = data.compare(designs[trial.design], trial, metrics_of(trial));
        continue;
      }
      results[firsts[i]] = Put::added;
      const std::span<const double> metrics = metrics_of(trial);
      if (!others.empty() && is_finished(trial.state)) {
        designs[trial.design] = {rows[i].state, trial.reason, {metrics.begin(), metrics.end()}, data.import};
      }
    }
    if (refused.size() < rows.size()) {
      if (data.changed != group) data.forget.bind(1, group).run();
      data.changed = group;
    }
    waiting.clear();
    for (const std::size_t i : others) {
      const auto& present = designs.at(trials[i].design);
      if (present) {
        results[i] = data.compare(present, trials[i], metrics_of(trials[i]));
      } else {
        waiting.push_back(i);
      }
    }
  }
  return results;
}

void Store::Batch::start_import(GroupId group, std::string_view file) {
  const Database& database = *data_->store->data_->database;
  Statement insert(database, "INSERT INTO imports(group_id, file) VALUES(?1, ?2) RETURNING id");
  insert.bind(1, group).bind(2, file).step();
  data_->import = insert.integer(0);
}

void Store::Batch::finish_import(std::uint64_t rows, std::uint64_t added, std::uint64_t repeated) {
  const Database& database = *data_->store->data_->database;
  if (added == 0) {
    Statement(database, "DELETE FROM imports WHERE id = ?1").bind(1, data_->import).run();
  } else {
    Statement(database, "UPDATE imports SET rows = ?2, added = ?3, repeated = ?4 WHERE id = ?1")
        .bind(1, data_->import)
        .bind(2, static_cast<std::int64_t>(rows))
        .bind(3, static_cast<std::int64_t>(added))
        .bind(4, static_cast<std::int64_t>(repeated))
        .run();
  }
  data_->import = 0;
}

void Store::Batch::keep_statistics(GroupId group, int version, std::string_view text) {
  Statement(*data_->store->data_->database,
            "INSERT INTO statistics(group_id, version, text) VALUES(?1, ?2, ?3) ON CONFLICT(group_id) DO UPDATE SET "
            "version = excluded.version, text = excluded.text")
      .bind(1, group)
      .bind(2, version)
      .bind(3, text)
      .run();
  data_->changed = 0;
}

void Store::Batch::commit() {
  data_->transaction.commit();
}

}  // namespace corbel
