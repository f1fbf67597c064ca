#include "corbel/simulator/internal/run_folders.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <vector>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

namespace fs = std::filesystem;

Error cannot_make(const fs::path& folder, const std::string& why) {
  return {ErrorCode::file_access, "cannot make the folder of a run, " + folder.string() + ": " + why,
          "name another with `run_dir:`, or make room there"};
}

/// In a folder that everybody may write to, another user could have made it first.
void make_own(const fs::path& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    throw cannot_make(folder, std::generic_category().message(errno));
  }
  struct stat is {};
  if (lstat(folder.c_str(), &is) != 0 || !S_ISDIR(is.st_mode) || is.st_uid != geteuid()) {
    throw cannot_make(folder, "it belongs to another user");
  }
}

fs::path make_unique(const fs::path& beginning) {
  std::string name = beginning.string() + "-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw cannot_make(name, std::generic_category().message(errno));
  return name;
}

std::vector<fs::directory_entry> entries_of(const fs::path& folder, const std::string& beginning) {
  std::vector<fs::directory_entry> entries;
  std::error_code failure;
  for (fs::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    if (at->path().filename().string().starts_with(beginning)) entries.push_back(*at);
  }
  return entries;
}

fs::file_time_type written(const fs::directory_entry& entry) {
  std::error_code failure;
  const fs::file_time_type time = entry.last_write_time(failure);
  return failure ? fs::file_time_type::max() : time;
}

/// Folders of processes that were killed: nobody holds their lock.
void remove_left(const fs::path& root) {
  const fs::file_time_type lately = fs::file_time_type::clock::now() - std::chrono::minutes(1);
  for (const fs::directory_entry& entry : entries_of(root, "running-")) {
    if (written(entry) > lately) continue;  // made, and perhaps not yet locked
    try {
      const FileLock lock(entry.path() / "lock");
      std::error_code ignored;
      fs::remove_all(entry.path(), ignored);
    } catch (const Error&) {
      // In use, or not ours to remove.
    }
  }
}

}  // namespace

RunFolders::RunFolders(fs::path root, std::string name, std::size_t keep)
    : root_(std::move(root)), name_(std::move(name)), keep_(keep) {
  const auto is_plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; };
  for (char& c : name_) c = is_plain(c) ? c : '_';
}

RunFolders::~RunFolders() {
  std::error_code ignored;
  if (lock_) fs::remove_all(session_, ignored);
}

void RunFolders::open() {
  if (root_.empty()) {
    root_ = fs::temp_directory_path() / ("corbel-runs-" + std::to_string(geteuid()));
    make_own(root_);
  } else {
    std::error_code failure;
    fs::create_directories(root_, failure);
    if (failure) throw cannot_make(root_, failure.message());
    root_ = fs::absolute(root_);
  }
  remove_left(root_);
  session_ = make_unique(root_ / "running");
  lock_ = std::make_unique<FileLock>(session_ / "lock");
}

fs::path RunFolders::make() {
  const std::lock_guard lock(mutex_);
  if (!lock_) open();
  const fs::path folder = session_ / ("run-" + std::to_string(++made_));
  if (mkdir(folder.c_str(), 0700) != 0) throw cannot_make(folder, std::generic_category().message(errno));
  return folder;
}

void RunFolders::remove(const fs::path& folder) const {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

fs::path RunFolders::keep(const fs::path& folder) {
  if (keep_ == 0) {
    remove(folder);
    return {};
  }
  const std::lock_guard lock(mutex_);
  std::error_code failure;
  const fs::path kept = make_unique(root_ / ("failed-" + name_));
  fs::rename(folder, kept, failure);
  if (failure) return folder;
  std::vector<fs::directory_entry> all = entries_of(root_, "failed-" + name_ + "-");
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return written(a) < written(b); });
  for (std::size_t i = 0; i + keep_ < all.size(); ++i) fs::remove_all(all[i].path(), failure);
  return kept;
}

}  // namespace corbel
