#include "corbel/dataset/trial_sorter.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <queue>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

constexpr std::size_t buffer_bytes = 1 << 17;

struct Key {
  std::uint64_t design, file, number;
  auto operator<=>(const Key&) const = default;
};

/// In front of each trial's bytes.
struct Head {
  Key key;
  std::uint32_t metrics;
  std::uint16_t reason;
  std::uint8_t state;
  std::size_t body() const { return metrics * sizeof(double) + reason; }
};

/// A file that no name leads to, which goes with the process that uses it.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& folder) {
    name_ = (folder / ".corbel-sort-XXXXXX").string();
    descriptor_ = ::mkostemp(name_.data(), O_CLOEXEC);
    if (descriptor_ < 0) throw failed();
    ::unlink(name_.c_str());
  }
  ~TemporaryFile() { ::close(descriptor_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  std::uint64_t size() const { return size_; }
  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw failed();
      bytes.remove_prefix(static_cast<std::size_t>(written));
      size_ += static_cast<std::uint64_t>(written);
    }
  }
  std::size_t read(std::uint64_t offset, char* out, std::size_t capacity) const {
    for (;;) {
      const ssize_t got = ::pread(descriptor_, out, capacity, static_cast<off_t>(offset));
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) throw failed();
    }
  }

 private:
  Error failed() const {
    return Error(ErrorCode::file_access, "temporary file " + name_ + ": " + std::generic_category().message(errno),
                 "make room on the disk: sorting a log takes about as much as the log");
  }
  std::string name_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// Reads one sorted part of the temporary file.
class Run {
 public:
  Run(const TemporaryFile& file, std::uint64_t begin, std::uint64_t end) : file_(&file), offset_(begin), end_(end) {}

  bool next() {
    at_ += size_;
    size_ = 0;
    if (!available(sizeof head_)) return false;
    std::memcpy(&head_, buffer_.data() + at_, sizeof head_);
    const std::size_t size = sizeof head_ + head_.body();
    available(size);
    size_ = size;
    return true;
  }
  const Head& head() const { return head_; }
  const char* body() const { return buffer_.data() + at_ + sizeof head_; }

 private:
  bool available(std::size_t bytes) {
    if (buffer_.size() - at_ >= bytes) return true;
    buffer_.erase(0, at_);
    at_ = 0;
    while (buffer_.size() < bytes && offset_ < end_) {
      const std::size_t before = buffer_.size();
      buffer_.resize(before + static_cast<std::size_t>(std::min<std::uint64_t>(buffer_bytes, end_ - offset_)));
      const std::size_t got = file_->read(offset_, buffer_.data() + before, buffer_.size() - before);
      if (got == 0) throw Error(ErrorCode::file_access, "a temporary file was cut short", "run the same command again");
      buffer_.resize(before + got);
      offset_ += got;
    }
    return buffer_.size() >= bytes;
  }

  const TemporaryFile* file_;
  std::uint64_t offset_, end_;
  std::string buffer_;
  std::size_t at_ = 0, size_ = 0;
  Head head_{};
};

}  // namespace

struct TrialSorter::Data {
  struct Entry {
    Key key;
    std::size_t offset;
  };

  std::filesystem::path folder;
  std::size_t memory_bytes;
  std::string bytes;  ///< of the trials in memory, each a Head and its body
  std::vector<Entry> entries;
  std::unique_ptr<TemporaryFile> file;
  std::vector<std::uint64_t> run_ends;

  void sort() { std::ranges::sort(entries, {}, &Entry::key); }
  std::string_view bytes_of(const Entry& entry) const {
    Head head{};
    std::memcpy(&head, bytes.data() + entry.offset, sizeof head);
    return {bytes.data() + entry.offset, sizeof head + head.body()};
  }

  void spill() {
    if (!file) file = std::make_unique<TemporaryFile>(folder);
    sort();
    std::string out;
    for (const Entry& entry : entries) {
      out += bytes_of(entry);
      if (out.size() < buffer_bytes) continue;
      file->append(out);
      out.clear();
    }
    file->append(out);
    run_ends.push_back(file->size());
    bytes.clear();
    entries.clear();
  }

  static void visit_one(const Head& head, const char* body, Trial& trial,
                        const std::function<void(const Trial&, const RowPlace&)>& visit) {
    trial.design = head.key.design;
    trial.state = static_cast<TrialState>(head.state);
    trial.metrics.resize(head.metrics);
    const std::size_t size = head.metrics * sizeof(double);
    if (size > 0) std::memcpy(trial.metrics.data(), body, size);
    trial.reason.assign(body + size, head.reason);
    visit(trial, {static_cast<std::uint32_t>(head.key.file), head.key.number});
  }
};

TrialSorter::TrialSorter(std::filesystem::path folder, std::size_t memory_bytes)
    : data_(std::make_unique<Data>(Data{std::move(folder), memory_bytes, {}, {}, nullptr, {}})) {}
TrialSorter::~TrialSorter() = default;

void TrialSorter::add(const Trial& trial, const RowPlace& place) {
  Data& data = *data_;
  const std::string_view reason = std::string_view(trial.reason).substr(0, 0xFFFF);
  const Head head{{trial.design, place.file, place.number},
                  static_cast<std::uint32_t>(trial.metrics.size()),
                  static_cast<std::uint16_t>(reason.size()),
                  static_cast<std::uint8_t>(trial.state)};
  const std::size_t size = sizeof head + head.body();
  const bool full = data.bytes.size() + size + data.entries.size() * sizeof(Data::Entry) > data.memory_bytes;
  if (full && !data.entries.empty()) data.spill();
  // Memory that is never touched costs nothing; growing would copy, and hold both copies.
  if (data.entries.capacity() == 0) {
    data.bytes.reserve(data.memory_bytes);
    data.entries.reserve(data.memory_bytes / (sizeof(Data::Entry) + sizeof(Head)));
  }
  data.entries.push_back({head.key, data.bytes.size()});
  data.bytes.append(reinterpret_cast<const char*>(&head), sizeof head);
  data.bytes.append(reinterpret_cast<const char*>(trial.metrics.data()), trial.metrics.size() * sizeof(double));
  data.bytes += reason;
}

void TrialSorter::for_each(const std::function<void(const Trial&, const RowPlace&)>& visit) {
  Data& data = *data_;
  Trial trial;
  if (!data.file) {
    data.sort();
    for (const Data::Entry& entry : data.entries) {
      const std::string_view bytes = data.bytes_of(entry);
      Head head{};
      std::memcpy(&head, bytes.data(), sizeof head);
      Data::visit_one(head, bytes.data() + sizeof head, trial, visit);
    }
    return;
  }
  data.spill();
  data.bytes = {};
  data.entries = {};
  std::vector<Run> runs;
  std::uint64_t begin = 0;
  for (const std::uint64_t end : data.run_ends) runs.emplace_back(*data.file, std::exchange(begin, end), end);
  const auto later = [&](std::size_t a, std::size_t b) { return runs[a].head().key > runs[b].head().key; };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> first(later);
  for (std::size_t run = 0; run < runs.size(); ++run) {
    if (runs[run].next()) first.push(run);
  }
  while (!first.empty()) {
    const std::size_t run = first.top();
    first.pop();
    Data::visit_one(runs[run].head(), runs[run].body(), trial, visit);
    if (runs[run].next()) first.push(run);
  }
}

}  // namespace corbel
