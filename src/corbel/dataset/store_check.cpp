#include "corbel/dataset/store_check.hpp"

#include <chrono>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/dataset/database.hpp"
#include "corbel/dataset/dataset.hpp"
#include "corbel/dataset/store_file.hpp"

namespace corbel {
namespace {

constexpr std::size_t most_listed = 100;

class Checker {
 public:
  Checker(const Database& database, Monitor& monitor) : database_(database), monitor_(monitor) {}

  StoreCheck run() {
    integrity();
    part("groups", [&] { groups(); });
    part("imports", [&] { imports(); });
    part("trials", [&] { trials(); });
    if (!unreadable_) {
      imported_rows();
      if (database_.version() >= first_version_with_statistics) {
        part("statistics", [&] { statistics(); });
      }
    }
    return std::move(result_);
  }

 private:
  struct Group {
    std::uint64_t designs = 0;
    std::size_t metrics = 0;
    bool readable = false;
    std::uint64_t complete = 0, infeasible = 0;
  };
  struct Import {
    std::int64_t group = 0, added = 0, found = 0;
  };

  void fault(const std::string& what) {
    ++result_.faults;
    if (result_.listed.size() < most_listed) result_.listed.push_back(what);
  }

  /// What the database cannot read on the way is a fault, too.
  template <class Work>
  void part(const char* table, const Work& work) {
    try {
      work();
    } catch (const DatabaseError& error) {
      if (error.failure() == DatabaseError::Failure::lost) throw;
      unreadable_ = true;
      fault(std::string("table ") + table + ": " + error.what());
    }
  }

  void integrity() {
    monitor_.progress("check", 0, 0, "");
    part("schema", [&] { database_.check_integrity([this](const std::string& what) { fault(what); }); });
  }

  void groups() {
    Statement statement(database_, "SELECT id, space, space_fingerprint, metrics FROM groups ORDER BY id");
    while (statement.step()) {
      const std::int64_t id = statement.integer(0);
      const std::string name = "group " + std::to_string(id);
      Group& group = groups_[id];
      ++result_.groups;
      try {
        const DesignSpace space = DesignSpace::from_json(nlohmann::json::parse(statement.text(1)));
        const auto names = nlohmann::json::parse(statement.text(3)).get<std::vector<std::string>>();
        group = {space.size(), names.size(), true, 0, 0};
        if (space.fingerprint() != statement.text(2)) fault(name + ": its design space is not that of its fingerprint");
        if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) {
          fault(name + ": two metrics have one name");
        }
      } catch (const nlohmann::json::exception&) {
        fault(name + ": its description is not JSON");
      } catch (const DatabaseError&) {
        throw;
      } catch (const Error& error) {
        fault(name + ": its design space makes no sense: " + error.what());
      }
    }
  }

  void imports() {
    Statement statement(database_, "SELECT id, group_id, rows, added, repeated FROM imports ORDER BY id");
    while (statement.step()) {
      const std::string name = "import " + std::to_string(statement.integer(0));
      const std::int64_t rows = statement.integer(2), added = statement.integer(3), repeated = statement.integer(4);
      imports_[statement.integer(0)] = {statement.integer(1), added, 0};
      if (!groups_.contains(statement.integer(1))) fault(name + ": is of a group that is not there");
      if (added < 1 || repeated < 0 || added + repeated > rows) fault(name + ": its counts contradict one another");
    }
  }

  void trials() {
    Statement statement(database_,
                        "SELECT group_id, design, state, reason, attempt, import_id, metrics FROM trials "
                        "ORDER BY group_id, design",
                        Rows::many);
    while (statement.step()) {
      if ((result_.trials & 0xffff) == 0) {
        monitor_.check();
        monitor_.progress("check", result_.trials, 0, "");
      }
      ++result_.trials;
      trial(statement);
    }
  }

  void trial(const Statement& row) {
    const auto wrong = [&](const std::string& what) {
      fault("group " + std::to_string(row.integer(0)) + ", design " + std::to_string(row.integer(1)) + ": " + what);
    };
    const auto found = groups_.find(row.integer(0));
    if (found == groups_.end()) return wrong("is of a group that is not there");
    count_imported(row, wrong);
    Group& group = found->second;
    if (!group.readable) return;
    if (static_cast<std::uint64_t>(row.integer(1)) >= group.designs) wrong("lies outside its design space");
    const std::int64_t state = row.integer(2);
    if (state < 0 || state > static_cast<int>(TrialState::abandoned)) {
      return wrong("has the unknown state " + std::to_string(state));
    }
    const bool complete = state == static_cast<int>(TrialState::complete);
    group.complete += complete ? 1 : 0;
    group.infeasible += state == static_cast<int>(TrialState::infeasible) ? 1 : 0;
    if (row.integer(4) < 1) wrong("was tried " + std::to_string(row.integer(4)) + " times");
    if (complete && !row.text(3).empty()) wrong("is complete, and has a reason why not");
    if (!is_text(row.text(3))) wrong("has a reason that is no text");
    check_metrics(row.bytes(6), group.metrics, complete, wrong);
  }

  template <class Wrong>
  void count_imported(const Statement& row, const Wrong& wrong) {
    const std::int64_t import = row.integer(5);
    if (import == 0) return;
    const auto of = imports_.find(import);
    if (of == imports_.end() || of->second.group != row.integer(0)) {
      return wrong("is of import " + std::to_string(import) + ", which is not there or of another group");
    }
    ++of->second.found;
  }

  template <class Wrong>
  static void check_metrics(std::string_view bytes, std::size_t count, bool complete, const Wrong& wrong) {
    if (bytes.size() != count * sizeof(double)) {
      return wrong("has " + std::to_string(bytes.size()) + " bytes of metrics where its group has " +
                   std::to_string(count * sizeof(double)));
    }
    bool any = false;
    for (std::size_t i = 0; i < count; ++i) {
      double value = 0;
      std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
      if (std::isinf(value)) wrong("has an infinite metric");
      any = any || !std::isnan(value);
    }
    if (complete && !any && count > 0) wrong("is complete, and has no metric");
  }

  void imported_rows() {
    for (const auto& [id, import] : imports_) {
      if (import.found == import.added) continue;
      fault("import " + std::to_string(id) + ": added " + std::to_string(import.added) + " rows, of which " +
            std::to_string(import.found) + " are there");
    }
  }

  void statistics() {
    Statement statement(database_, "SELECT group_id, text FROM statistics ORDER BY group_id");
    while (statement.step()) {
      const std::string name = "statistics of group " + std::to_string(statement.integer(0));
      const auto group = groups_.find(statement.integer(0));
      if (group == groups_.end()) {
        fault(name + ": there is no such group");
        continue;
      }
      const nlohmann::json text = nlohmann::json::parse(statement.text(1), nullptr, false);
      const auto count = [&](const char* key) {
        const bool has = text.is_object() && text.contains(key) && text[key].is_number_unsigned();
        return has ? text[key].get<std::uint64_t>() : ~std::uint64_t{0};
      };
      const bool same = count("feasible") == group->second.complete && count("infeasible") == group->second.infeasible;
      if (!same && group->second.readable) fault(name + ": count other rows than there are");
    }
  }

  const Database& database_;
  Monitor& monitor_;
  StoreCheck result_;
  std::map<std::int64_t, Group> groups_;
  std::map<std::int64_t, Import> imports_;
  bool unreadable_ = false;
};

}  // namespace

StoreCheck check_store(const StoreLocation& location, Monitor& monitor) {
  const std::unique_ptr<Database> database = open_database(location, false, std::chrono::minutes(1));
  const Transaction one_state(*database, Transaction::Kind::snapshot);
  return Checker(*database, monitor).run();
}

}  // namespace corbel
