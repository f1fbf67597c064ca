#include <algorithm>
#include <string>

#include "corbel/dataset/postgres.hpp"

namespace corbel {
namespace {

/// A statement takes arrays of values, one for each column, however many rows there are.
class PostgresTrials : public TrialTable {
 public:
  explicit PostgresTrials(const PostgresDatabase& database) : database_(database) {}

  std::vector<bool> put(std::int64_t group, std::span<const TrialRow> rows) override {
    std::vector<bool> written(rows.size());
    for (std::size_t first = 0; first < rows.size(); first += most_rows) {
      put_some(group, rows.subspan(first, std::min(most_rows, rows.size() - first)), first, written);
    }
    return written;
  }

  std::vector<bool> finish(std::int64_t group, std::string_view worker, std::span<const TrialRow> rows) override {
    Columns columns(rows);
    PostgresParameters parameters;
    parameters.set(1, group);
    parameters.set_text(2, worker);
    parameters.set_array(3, columns.designs);
    parameters.set_array(4, columns.states);
    parameters.set_array(5, columns.reasons, PostgresParameters::Bytes::text);
    parameters.set_array(6, columns.metrics, PostgresParameters::Bytes::binary);
    // Both columns of the key come from what is given. Where the server was last told of the table's contents before
    // this group was there, it takes the group for empty: for `group_id = $1` it would read all of it each time.
    const PostgresResult result = database_.run(
        "WITH given AS MATERIALIZED (SELECT $1 AS group_id, * FROM unnest($3, $4, $5, $6) AS each(design, state, "
        "reason, metrics)) UPDATE trials SET state = given.state, reason = given.reason, metrics = given.metrics FROM "
        "given WHERE trials.group_id = given.group_id AND trials.design = given.design AND trials.state IN (0, 1) AND "
        "lease_owner = $2 RETURNING trials.design",
        parameters);
    std::vector<bool> written(rows.size());
    note_written(result, columns.designs, 0, written);
    return written;
  }

  void find(std::int64_t group, std::span<const DesignId> designs,
            const std::function<void(const TrialRow&)>& visit) override {
    for (std::size_t first = 0; first < designs.size(); first += most_rows) {
      find_some(group, designs.subspan(first, std::min(most_rows, designs.size() - first)), visit);
    }
  }

 private:
  static constexpr std::size_t most_rows = 4096;

  struct Columns {
    explicit Columns(std::span<const TrialRow> rows) {
      for (const TrialRow& row : rows) {
        designs.push_back(static_cast<std::int64_t>(row.design));
        states.push_back(row.state);
        reasons.push_back(row.reason);
        attempts.push_back(row.attempt);
        imports.push_back(row.import);
        metrics.push_back(row.metrics);
      }
    }
    std::vector<std::int64_t> designs, states, attempts, imports;
    std::vector<std::string_view> reasons, metrics;
  };

  void put_some(std::int64_t group, std::span<const TrialRow> rows, std::size_t first, std::vector<bool>& written) {
    const Columns columns(rows);
    PostgresParameters parameters;
    parameters.set(1, group);
    parameters.set_array(2, columns.designs);
    parameters.set_array(3, columns.states);
    parameters.set_array(4, columns.reasons, PostgresParameters::Bytes::text);
    parameters.set_array(5, columns.attempts);
    parameters.set_array(6, columns.imports);
    parameters.set_array(7, columns.metrics, PostgresParameters::Bytes::binary);
    // Row numbers rather than designs come back: what was not written is what is missing.
    static const std::string sql =
        std::string(
            "INSERT INTO trials(group_id, design, state, reason, attempt, import_id, metrics) "
            "SELECT $1, design, state, reason, attempt, nullif(import, 0), metrics "
            "FROM unnest($2, $3, $4, $5, $6, $7) AS given(design, state, reason, attempt, import, metrics) ")
            .append(keep_finished_trials)
            .append(" RETURNING design");
    note_written(database_.run(sql, parameters), columns.designs, first, written);
  }

  /// @param result  the designs that were written
  static void note_written(const PostgresResult& result, std::span<const std::int64_t> designs, std::size_t first,
                           std::vector<bool>& written) {
    if (result.rows() == static_cast<int>(designs.size())) {
      std::fill_n(written.begin() + static_cast<std::ptrdiff_t>(first), designs.size(), true);
      return;
    }
    std::vector<std::int64_t> stored;
    for (int row = 0; row < result.rows(); ++row) stored.push_back(result.integer(row, 0));
    std::ranges::sort(stored);
    for (std::size_t i = 0; i < designs.size(); ++i) {
      written[first + i] = std::ranges::binary_search(stored, designs[i]);
    }
  }

  void find_some(std::int64_t group, std::span<const DesignId> designs,
                 const std::function<void(const TrialRow&)>& visit) {
    const std::vector<std::int64_t> wanted(designs.begin(), designs.end());
    PostgresParameters parameters;
    parameters.set(1, group);
    parameters.set_array(2, wanted);
    const PostgresResult result = database_.run(
        "SELECT design, state, reason, attempt, import_id, metrics FROM trials WHERE group_id = $1 AND design = "
        "ANY($2)",
        parameters);
    for (int row = 0; row < result.rows(); ++row) {
      visit({static_cast<DesignId>(result.integer(row, 0)), result.integer(row, 1), result.bytes(row, 2),
             result.integer(row, 3), result.integer(row, 4), result.bytes(row, 5)});
    }
  }

  const PostgresDatabase& database_;
};

}  // namespace

std::unique_ptr<TrialTable> PostgresDatabase::trials() const {
  return std::make_unique<PostgresTrials>(*this);
}

}  // namespace corbel
