#include "corbel/base/byte_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "corbel/base/error.hpp"
#include "corbel/base/internal/descriptor.hpp"

namespace corbel {
namespace {

/// The bytes of the file as they lie there, through a buffer.
class RawFile {
 public:
  explicit RawFile(const std::filesystem::path& path) : name_(path.string()), buffer_(1 << 16) {
    file_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file_.valid()) {
      if (errno == ENOENT || errno == ENOTDIR) throw Error(ErrorCode::not_found, "no such file: " + name_);
      throw read_error();
    }
    struct stat status {};
    if (::fstat(file_.get(), &status) == 0 && S_ISREG(status.st_mode)) {
      size_ = static_cast<std::uint64_t>(status.st_size);
    }
  }

  /// What is not yet used, after reading until there are `wanted` bytes or the file ends.
  std::string_view peek(std::size_t wanted) {
    if (begin_ == end_) begin_ = end_ = 0;
    while (end_ - begin_ < wanted && !at_end_) {
      const std::size_t got = read_some(buffer_.data() + end_, buffer_.size() - end_);
      at_end_ = got == 0;
      end_ += got;
    }
    return {buffer_.data() + begin_, end_ - begin_};
  }
  void skip(std::size_t bytes) { begin_ += bytes; }
  std::size_t read(char* out, std::size_t capacity) {
    if (begin_ == end_) return read_some(out, capacity);
    const std::size_t count = std::min(capacity, end_ - begin_);
    std::copy_n(buffer_.data() + begin_, count, out);
    begin_ += count;
    return count;
  }
  double progress() const {
    return size_ == 0 ? 0 : std::min(1.0, static_cast<double>(consumed_) / static_cast<double>(size_));
  }
  const std::string& name() const { return name_; }

 private:
  Error read_error() const {
    const char* hint = errno == EACCES ? "ask for permission to read it, or copy it" : "";
    return Error(ErrorCode::file_access, "cannot read " + name_ + ": " + std::generic_category().message(errno), hint);
  }
  std::size_t read_some(char* out, std::size_t capacity) {
    for (;;) {
      const ssize_t got = ::read(file_.get(), out, capacity);
      if (got >= 0) {
        consumed_ += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
      }
      if (errno != EINTR) throw read_error();
    }
  }

  std::string name_;
  Descriptor file_;
  std::uint64_t size_ = 0;  // 0: not known
  std::uint64_t consumed_ = 0;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  bool at_end_ = false;
};

class Unpacker {
 public:
  virtual ~Unpacker() = default;
  virtual std::size_t read(RawFile& file, char* out, std::size_t capacity) = 0;
};

class Plain final : public Unpacker {
 public:
  std::size_t read(RawFile& file, char* out, std::size_t capacity) override { return file.read(out, capacity); }
};

Error damaged(const RawFile& file, const char* packing, const std::string& how) {
  return Error(ErrorCode::corrupt, file.name() + ": the " + packing + " stream is " + how,
               "copy or pack the file again");
}

class Gzip final : public Unpacker {
 public:
  Gzip() {
    // 16: a gzip header and nothing else.
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  std::size_t read(RawFile& file, char* out, std::size_t capacity) override {
    stream_.next_out = reinterpret_cast<unsigned char*>(out);
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(capacity, 1 << 30));
    const uInt asked = stream_.avail_out;
    while (stream_.avail_out == asked && !finished_) {
      if (!in_member_) {
        next_member(file);
        continue;
      }
      const std::string_view input = file.peek(1);
      if (input.empty()) throw damaged(file, "gzip", "truncated");
      // zlib does not write to its input, but for the sake of C does not say so.
      stream_.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(input.data()));
      stream_.avail_in = static_cast<uInt>(input.size());
      const int result = inflate(&stream_, Z_NO_FLUSH);
      file.skip(input.size() - stream_.avail_in);
      if (result == Z_STREAM_END) {
        in_member_ = false;
      } else if (result != Z_OK) {
        throw damaged(file, "gzip",
                      std::string("damaged") + (stream_.msg == nullptr ? "" : std::string(": ") + stream_.msg));
      }
    }
    return asked - stream_.avail_out;
  }

 private:
  /// Another may follow, or padding of zeros.
  void next_member(RawFile& file) {
    std::string_view input = file.peek(1);
    for (; !input.empty() && input.front() == '\0'; input = file.peek(1)) file.skip(1);
    finished_ = input.empty();
    if (finished_) return;
    if (input.front() != '\x1F') throw damaged(file, "gzip", "followed by something else");
    inflateReset(&stream_);
    in_member_ = true;
  }

  z_stream stream_{};
  bool in_member_ = true, finished_ = false;
};

class Zstd final : public Unpacker {
 public:
  Zstd() : stream_(ZSTD_createDStream()) {
    if (!stream_) throw std::bad_alloc();
  }

  std::size_t read(RawFile& file, char* out, std::size_t capacity) override {
    ZSTD_outBuffer output{out, capacity, 0};
    while (output.pos == 0) {
      const std::string_view bytes = file.peek(1);
      // What is left inside may still be flushed without further input.
      if (bytes.empty() && !in_frame_) break;
      ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
      const std::size_t left = ZSTD_decompressStream(stream_.get(), &output, &input);
      file.skip(input.pos);
      if (ZSTD_isError(left) != 0) {
        throw damaged(file, "zstd", std::string("damaged: ") + ZSTD_getErrorName(left));
      }
      in_frame_ = left != 0;
      if (bytes.empty() && output.pos == 0 && in_frame_) throw damaged(file, "zstd", "truncated");
    }
    return output.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool in_frame_ = true;
};

template <class Kind>
std::unique_ptr<Unpacker> make() {
  return std::make_unique<Kind>();
}

struct Packing {
  std::string_view magic;
  std::unique_ptr<Unpacker> (*make)();
};
constexpr Packing packings[] = {{"\x1F\x8B", make<Gzip>}, {"\x28\xB5\x2F\xFD", make<Zstd>}, {"", make<Plain>}};

}  // namespace

struct ByteSource::Data {
  explicit Data(const std::filesystem::path& path) : file(path) {}
  RawFile file;
  std::unique_ptr<Unpacker> unpacker;
};

ByteSource::ByteSource(const std::filesystem::path& path) : data_(std::make_unique<Data>(path)) {}

ByteSource::~ByteSource() = default;

std::size_t ByteSource::read(char* out, std::size_t capacity) {
  Data& data = *data_;
  if (!data.unpacker) {
    const std::string_view first = data.file.peek(4);
    const auto* packing = std::ranges::find_if(packings, [&](const Packing& p) { return first.starts_with(p.magic); });
    data.unpacker = packing->make();
  }
  return data.unpacker->read(data.file, out, capacity);
}

double ByteSource::progress() const {
  return data_->file.progress();
}

}  // namespace corbel
