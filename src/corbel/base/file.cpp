#include "corbel/base/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <system_error>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/base/internal/descriptor.hpp"

namespace corbel {
namespace {

namespace fs = std::filesystem;

std::string reason(int error) {
  return std::generic_category().message(error);
}

Error write_error(const fs::path& path, int error) {
  std::string hint;
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      hint = "choose a folder you may write to";
      break;
    case ENOSPC:
    case EDQUOT:
      hint = "make room on the disk";
      break;
    case ENOTDIR:
      hint = "a part of the path is a file, not a folder";
      break;
    default:
      break;
  }
  return Error(ErrorCode::file_access, "cannot write " + path.string() + ": " + reason(error), std::move(hint));
}

int open_retrying(const fs::path& path, int flags, mode_t mode = 0) {
  for (;;) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (descriptor >= 0 || errno != EINTR) return descriptor;
  }
}

Descriptor open_to_read(const fs::path& path) {
  Descriptor file(open_retrying(path, O_RDONLY));
  if (!file.valid()) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) throw Error(ErrorCode::not_found, "no such file: " + path.string());
    throw Error(ErrorCode::file_access, "cannot read " + path.string() + ": " + reason(error));
  }
  return file;
}

/// Returns 0 or the error.
int write_all(int descriptor, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

/// A name beside `path` that no other process picks.
fs::path temporary_beside(const fs::path& path) {
  std::random_device device;
  fs::path name = path;
  name += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(device());
  return name;
}

}  // namespace

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const Descriptor file = open_to_read(path);
  const auto too_large = [&] {
    return Error(ErrorCode::invalid_input,
                 path.string() + " is larger than the " + std::to_string(max_bytes) + " bytes allowed here");
  };
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    throw Error(ErrorCode::file_access, "cannot read " + path.string() + ": " + reason(errno));
  }
  if (S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) > max_bytes) throw too_large();

  // The size is a hint only: the file may grow, or be a pipe.
  std::string content;
  std::size_t size = 0;
  content.resize(static_cast<std::size_t>(S_ISREG(status.st_mode) ? status.st_size : 0) + 1);
  for (;;) {
    if (size == content.size()) content.resize(2 * content.size() + 4096);
    const ssize_t got = ::read(file.get(), content.data() + size, content.size() - size);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw Error(ErrorCode::file_access, "cannot read " + path.string() + ": " + reason(errno));
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (size > max_bytes) throw too_large();
  }
  content.resize(size);
  return content;
}

struct FileWriter::Data {
  fs::path path, target, temporary;  ///< no temporary: a device, or already renamed
  Descriptor file{-1};
  bool replaces = false;
  fs::perms permissions = fs::perms::none;  ///< of what is replaced
};

FileWriter::FileWriter(const fs::path& path) : data_(std::make_unique<Data>()) {
  Data& data = *data_;
  std::error_code failure;
  data.path = data.target = path;
  // Replace what a link points to, not the link.
  if (fs::is_symlink(path, failure)) {
    const fs::path resolved = fs::weakly_canonical(path, failure);
    if (!failure) data.target = resolved;
  }
  const fs::file_status status = fs::status(data.target, failure);
  if (fs::is_directory(status)) throw write_error(path, EISDIR);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    // Renaming onto a device or a pipe would replace it.
    data.file = Descriptor(open_retrying(data.target, O_WRONLY));
    if (!data.file.valid()) throw write_error(path, errno);
    return;
  }
  data.replaces = fs::exists(status);
  data.permissions = status.permissions();
  const fs::path folder = data.target.has_parent_path() ? data.target.parent_path() : fs::path(".");
  fs::create_directories(folder, failure);
  if (failure) throw write_error(path, failure.value());
  const fs::path temporary = temporary_beside(data.target);
  data.file = Descriptor(open_retrying(temporary, O_WRONLY | O_CREAT | O_EXCL, 0666));
  if (!data.file.valid()) throw write_error(path, errno);
  data.temporary = temporary;
}

FileWriter::~FileWriter() {
  if (!data_->temporary.empty()) ::unlink(data_->temporary.c_str());
}

void FileWriter::write(std::string_view bytes) {
  if (const int error = write_all(data_->file.get(), bytes); error != 0) throw write_error(data_->path, error);
}

void FileWriter::commit() {
  Data& data = *data_;
  if (data.temporary.empty()) return;
  int error = 0;
  if (data.replaces) {
    error = ::fchmod(data.file.get(), static_cast<mode_t>(data.permissions & fs::perms::mask)) == 0 ? 0 : errno;
  }
  if (error == 0 && ::fsync(data.file.get()) != 0) error = errno;
  if (data.file.close() != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(data.temporary.c_str(), data.target.c_str()) != 0) error = errno;
  if (error != 0) throw write_error(data.path, error);
  data.temporary.clear();
  // Some file systems cannot sync a folder; the content itself is safe by now.
  const fs::path folder = data.target.has_parent_path() ? data.target.parent_path() : fs::path(".");
  const Descriptor parent(open_retrying(folder, O_RDONLY | O_DIRECTORY));
  if (parent.valid()) static_cast<void>(::fsync(parent.get()));
}

void write_file(const fs::path& path, std::string_view content) {
  FileWriter writer(path);
  writer.write(content);
  writer.commit();
}

std::string file_fingerprint(const fs::path& path) {
  const Descriptor file = open_to_read(path);
  FingerprintStream stream;
  std::string buffer(std::size_t{1} << 20, '\0');
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      throw Error(ErrorCode::file_access, "cannot read " + path.string() + ": " + reason(errno));
    }
    if (got == 0) return stream.text();
    stream.add(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
  }
}

FileLock::FileLock(const fs::path& path) {
  std::error_code failure;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), failure);
  Descriptor file(open_retrying(path, O_RDWR | O_CREAT, 0666));
  if (!file.valid()) throw write_error(path, errno);
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) throw write_error(path, errno);
    throw Error(ErrorCode::file_access, "another process is working in " + path.parent_path().string(),
                "wait until it has ended, or stop it");
  }
  descriptor_ = file.release();
}

FileLock::~FileLock() {
  ::close(descriptor_);
}

}  // namespace corbel
