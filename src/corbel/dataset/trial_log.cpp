#include "corbel/dataset/trial_log.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "corbel/base/monitor.hpp"
#include "corbel/dataset/log_fingerprint.hpp"

namespace corbel {
namespace {

struct Counted {
  std::uint64_t rows = 0, feasible = 0;
  std::string fingerprint;
};

class DatasetCursor final : public TrialCursor {
 public:
  explicit DatasetCursor(std::shared_ptr<const Dataset> rows) : rows_(std::move(rows)) {}
  bool next(TrialView& trial) override {
    if (row_ == rows_->rows()) return false;
    trial = rows_->row(row_++);
    return true;
  }

 private:
  std::shared_ptr<const Dataset> rows_;
  std::size_t row_ = 0;
};

/// Rows with further metrics, which nobody has measured.
class WiderCursor final : public TrialCursor {
 public:
  WiderCursor(std::unique_ptr<TrialCursor> rows, std::size_t metrics)
      : rows_(std::move(rows)), metrics_(metrics, std::numeric_limits<double>::quiet_NaN()) {}
  bool next(TrialView& trial) override {
    if (!rows_->next(trial)) return false;
    std::ranges::copy(trial.metrics, metrics_.begin());
    trial.metrics = metrics_;
    return true;
  }

 private:
  std::unique_ptr<TrialCursor> rows_;
  std::vector<double> metrics_;
};

class WithoutCursor final : public TrialCursor {
 public:
  /// @param left_out  ascending
  WithoutCursor(std::unique_ptr<TrialCursor> rows, std::shared_ptr<const std::vector<DesignId>> left_out)
      : rows_(std::move(rows)), left_out_(std::move(left_out)) {}
  bool next(TrialView& trial) override {
    while (rows_->next(trial)) {
      if (!std::ranges::binary_search(*left_out_, trial.design)) return true;
    }
    return false;
  }

 private:
  std::unique_ptr<TrialCursor> rows_;
  std::shared_ptr<const std::vector<DesignId>> left_out_;
};

}  // namespace

struct TrialLog::Data {
  TrialGroup group;
  Open open;
  std::uint64_t duplicates = 0;
  std::function<std::string(int version)> statistics{};
  Monitor* monitor = nullptr;
  std::optional<Counted> counted{};
};

TrialLog::TrialLog(TrialGroup group, Open open, std::uint64_t duplicates)
    : data_(std::make_shared<Data>(Data{std::move(group), std::move(open), duplicates})) {}

TrialLog::TrialLog(Dataset dataset) {
  const auto rows = std::make_shared<const Dataset>(std::move(dataset));
  *this = TrialLog(
      rows->group, [rows] { return std::make_unique<DatasetCursor>(rows); }, rows->duplicates);
}

TrialLog::TrialLog(const Store& store, Store::GroupId group)
    : TrialLog(std::shared_ptr<const Store>(std::shared_ptr<const Store>(), &store), group) {}

TrialLog::TrialLog(std::shared_ptr<const Store> store, Store::GroupId group, const std::vector<std::string>& further) {
  TrialGroup description = store->describe(group);
  const std::uint64_t duplicates = store->repeated(group);
  const std::size_t before = description.metrics.size();
  for (const std::string& name : further) {
    if (std::ranges::find(description.metrics, name) == description.metrics.end()) description.metrics.push_back(name);
  }
  const std::size_t all = description.metrics.size();
  const auto open = [store, group, before, all]() -> std::unique_ptr<TrialCursor> {
    std::unique_ptr<TrialCursor> rows = store->open(group);
    if (all > before) rows = std::make_unique<WiderCursor>(std::move(rows), all);
    return rows;
  };
  *this = TrialLog(std::move(description), open, duplicates);
  if (all == before) {
    data_->statistics = [store, group](int version) { return store->statistics(group, version); };
  }
}

TrialLog TrialLog::watched_by(Monitor& monitor) const {
  TrialLog watched = *this;
  watched.data_ = std::make_shared<Data>(*data_);
  watched.data_->monitor = &monitor;
  return watched;
}

TrialLog TrialLog::without(std::vector<DesignId> left_out) const {
  if (left_out.empty()) return *this;
  std::ranges::sort(left_out);
  const auto shared = std::make_shared<const std::vector<DesignId>>(std::move(left_out));
  TrialLog rest(
      group(), [open = data_->open, shared] { return std::make_unique<WithoutCursor>(open(), shared); }, duplicates());
  rest.data_->monitor = data_->monitor;
  return rest;
}

const TrialGroup& TrialLog::group() const {
  return data_->group;
}

std::unique_ptr<TrialCursor> TrialLog::open() const {
  return data_->open();
}

void TrialLog::each(const std::function<void(const TrialView&)>& visit) const {
  TrialView trial;
  std::uint64_t read = 0;
  for (const std::unique_ptr<TrialCursor> trials = open(); trials->next(trial);) {
    if (data_->monitor != nullptr && ++read % 16'384 == 0) data_->monitor->check();
    visit(trial);
  }
}

std::uint64_t TrialLog::duplicates() const {
  return data_->duplicates;
}

std::string TrialLog::statistics(int version) const {
  return data_->statistics ? data_->statistics(version) : "";
}

void TrialLog::count() const {
  if (data_->counted) return;
  Counted counted;
  LogFingerprint all(group());
  each([&](const TrialView& trial) {
    ++counted.rows;
    counted.feasible += trial.is_complete() ? 1 : 0;
    all.add(trial);
  });
  counted.fingerprint = all.finish();
  data_->counted = std::move(counted);
}

bool TrialLog::has_rows() const {
  TrialView trial;
  return data_->counted ? data_->counted->rows > 0 : open()->next(trial);
}

std::uint64_t TrialLog::rows() const {
  count();
  return data_->counted->rows;
}

std::uint64_t TrialLog::feasible() const {
  count();
  return data_->counted->feasible;
}

const std::string& TrialLog::fingerprint() const {
  count();
  return data_->counted->fingerprint;
}

Dataset TrialLog::read() const {
  Dataset dataset{group(), {}, {}, {}, {""}, {}, duplicates()};
  ReasonNumbers reasons(dataset.reason_names);
  each([&](const TrialView& trial) { dataset.append(trial, reasons); });
  return dataset;
}

}  // namespace corbel
