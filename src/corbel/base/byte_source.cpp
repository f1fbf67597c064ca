#include "corbel/base/byte_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "corbel/base/error.hpp"

namespace corbel {

struct ByteSource::Data {
  std::string name;
  int descriptor = -1;
  std::uint64_t size = 0;  // 0: not known
  std::uint64_t consumed = 0;
  std::vector<unsigned char> input;
  std::size_t begin = 0, end = 0;  // what of `input` is not yet used
  bool at_end = false;
  enum class Mode { unknown, plain, gzip, finished } mode = Mode::unknown;
  bool in_member = false;
  bool inflating = false;
  z_stream stream{};

  ~Data() {
    if (inflating) inflateEnd(&stream);
    if (descriptor >= 0) ::close(descriptor);
  }

  Error read_error() const {
    return Error(ErrorCode::file_access, "cannot read " + name + ": " + std::generic_category().message(errno));
  }

  Error damaged(const std::string& how) const {
    return Error(ErrorCode::corrupt, name + ": the gzip stream is " + how, "copy or pack the file again");
  }

  std::size_t read_raw(unsigned char* out, std::size_t capacity) {
    for (;;) {
      const ssize_t got = ::read(descriptor, out, capacity);
      if (got >= 0) {
        consumed += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
      }
      if (errno != EINTR) throw read_error();
    }
  }

  /// Until `wanted` bytes are in `input`, or the file ends.
  void fill(std::size_t wanted) {
    if (begin == end) begin = end = 0;
    while (end - begin < wanted && !at_end) {
      const std::size_t got = read_raw(input.data() + end, input.size() - end);
      at_end = got == 0;
      end += got;
    }
  }

  void detect() {
    fill(2);
    const bool gzip = end - begin >= 2 && input[begin] == 0x1F && input[begin + 1] == 0x8B;
    if (gzip) {
      // 16: a gzip header and nothing else.
      if (inflateInit2(&stream, 15 + 16) != Z_OK) throw Error(ErrorCode::file_access, name + ": no memory to unpack");
      inflating = in_member = true;
    }
    mode = gzip ? Mode::gzip : Mode::plain;
  }

  std::size_t read_plain(char* out, std::size_t capacity) {
    if (begin == end) return read_raw(reinterpret_cast<unsigned char*>(out), capacity);
    const std::size_t count = std::min(capacity, end - begin);
    std::copy_n(input.data() + begin, count, out);
    begin += count;
    return count;
  }

  /// After a member: another may follow, or padding of zeros.
  void next_member() {
    while (true) {
      fill(1);
      if (begin == end) {
        mode = Mode::finished;
        return;
      }
      if (input[begin] != 0) break;
      ++begin;
    }
    if (input[begin] != 0x1F) throw damaged("followed by something else");
    inflateReset(&stream);
    in_member = true;
  }

  std::size_t read_gzip(char* out, std::size_t capacity) {
    stream.next_out = reinterpret_cast<unsigned char*>(out);
    stream.avail_out = static_cast<uInt>(std::min<std::size_t>(capacity, 1 << 30));
    const uInt asked = stream.avail_out;
    while (stream.avail_out == asked && mode == Mode::gzip) {
      if (!in_member) {
        next_member();
        continue;
      }
      fill(1);
      if (begin == end) throw damaged("truncated");
      stream.next_in = input.data() + begin;
      stream.avail_in = static_cast<uInt>(end - begin);
      const int result = inflate(&stream, Z_NO_FLUSH);
      begin = end - stream.avail_in;
      if (result == Z_STREAM_END) {
        in_member = false;
      } else if (result != Z_OK) {
        throw damaged(std::string("damaged") + (stream.msg == nullptr ? "" : std::string(": ") + stream.msg));
      }
    }
    return asked - stream.avail_out;
  }
};

ByteSource::ByteSource(const std::filesystem::path& path) : data_(std::make_unique<Data>()) {
  Data& data = *data_;
  data.name = path.string();
  data.descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (data.descriptor < 0) {
    if (errno == ENOENT || errno == ENOTDIR) throw Error(ErrorCode::not_found, "no such file: " + data.name);
    throw data.read_error();
  }
  struct stat status {};
  if (::fstat(data.descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
    data.size = static_cast<std::uint64_t>(status.st_size);
  }
  data.input.resize(1 << 16);
}

ByteSource::~ByteSource() = default;

std::size_t ByteSource::read(char* out, std::size_t capacity) {
  Data& data = *data_;
  if (data.mode == Data::Mode::unknown) data.detect();
  if (data.mode == Data::Mode::plain) return data.read_plain(out, capacity);
  if (data.mode == Data::Mode::gzip) return data.read_gzip(out, capacity);
  return 0;
}

double ByteSource::progress() const {
  if (data_->size == 0) return 0;
  const std::uint64_t used = data_->consumed - (data_->end - data_->begin);
  return std::min(1.0, static_cast<double>(used) / static_cast<double>(data_->size));
}

}  // namespace corbel
