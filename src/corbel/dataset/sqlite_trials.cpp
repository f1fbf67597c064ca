#include "corbel/dataset/sqlite.hpp"
#include "corbel/dataset/trial_table.hpp"

namespace corbel {
namespace {

class SqliteTrials : public TrialTable {
 public:
  explicit SqliteTrials(const Database& database)
      : database_(database),
        upsert_(database,
                std::string("INSERT INTO trials(group_id, design, state, reason, attempt, import_id, metrics) "
                            "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ")
                    .append(keep_finished_trials)),
        finish_(database,
                "UPDATE trials SET state = ?4, reason = ?5, metrics = ?6 WHERE group_id = ?1 AND design = ?3 AND "
                "state IN (0, 1) AND lease_owner = ?2"),
        find_(database,
              "SELECT state, reason, attempt, import_id, metrics FROM trials WHERE group_id = ?1 AND design = ?2") {}

  std::vector<bool> put(std::int64_t group, std::span<const TrialRow> rows) override {
    std::vector<bool> written(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const TrialRow& row = rows[i];
      upsert_.bind(1, group)
          .bind(2, static_cast<std::int64_t>(row.design))
          .bind(3, row.state)
          .bind(4, row.reason)
          .bind(5, row.attempt)
          .bind_bytes(7, row.metrics);
      if (row.import == 0) {
        upsert_.bind_null(6);
      } else {
        upsert_.bind(6, row.import);
      }
      upsert_.run();
      written[i] = database_.changes() > 0;
    }
    return written;
  }

  std::vector<bool> finish(std::int64_t group, std::string_view worker, std::span<const TrialRow> rows) override {
    std::vector<bool> written(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      finish_.bind(1, group)
          .bind(2, worker)
          .bind(3, static_cast<std::int64_t>(rows[i].design))
          .bind(4, rows[i].state)
          .bind(5, rows[i].reason)
          .bind_bytes(6, rows[i].metrics);
      finish_.run();
      written[i] = database_.changes() > 0;
    }
    return written;
  }

  void find(std::int64_t group, std::span<const DesignId> designs,
            const std::function<void(const TrialRow&)>& visit) override {
    for (const DesignId design : designs) {
      find_.bind(1, group).bind(2, static_cast<std::int64_t>(design));
      if (find_.step()) {
        visit({design, find_.integer(0), find_.text(1), find_.integer(2), find_.integer(3), find_.bytes(4)});
      }
      find_.reset();
    }
  }

 private:
  const Database& database_;
  Statement upsert_, finish_, find_;
};

}  // namespace

std::unique_ptr<TrialTable> SqliteDatabase::trials() const {
  return std::make_unique<SqliteTrials>(*this);
}

}  // namespace corbel
