#include "corbel/base/byte_sink.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <string>

#include "corbel/base/file.hpp"

namespace corbel {
namespace {

constexpr std::size_t buffer_bytes = 1 << 18;

class Packer {
 public:
  virtual ~Packer() = default;
  virtual void write(FileWriter& file, std::string_view bytes, bool is_last) = 0;
};

class Plain final : public Packer {
 public:
  void write(FileWriter& file, std::string_view bytes, bool) override { file.write(bytes); }
};

class Gzip final : public Packer {
 public:
  Gzip() {
    if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~Gzip() override { deflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  void write(FileWriter& file, std::string_view bytes, bool is_last) override {
    stream_.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      stream_.next_out = reinterpret_cast<unsigned char*>(packed_.data());
      stream_.avail_out = static_cast<uInt>(packed_.size());
      deflate(&stream_, is_last ? Z_FINISH : Z_NO_FLUSH);
      file.write(std::string_view(packed_).substr(0, packed_.size() - stream_.avail_out));
    } while (stream_.avail_out == 0);
  }

 private:
  z_stream stream_{};
  std::string packed_ = std::string(buffer_bytes, '\0');
};

class Zstd final : public Packer {
 public:
  Zstd() : stream_(ZSTD_createCStream()) {
    if (!stream_) throw std::bad_alloc();
    // So that a damaged file is found out when it is read.
    ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_checksumFlag, 1);
  }

  void write(FileWriter& file, std::string_view bytes, bool is_last) override {
    ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
    for (bool done = false; !done;) {
      ZSTD_outBuffer output{packed_.data(), packed_.size(), 0};
      const std::size_t left =
          ZSTD_compressStream2(stream_.get(), &output, &input, is_last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left) != 0) throw std::bad_alloc();
      file.write(std::string_view(packed_).substr(0, output.pos));
      done = is_last ? left == 0 : input.pos == input.size;
    }
  }

 private:
  struct Free {
    void operator()(ZSTD_CStream* stream) const { ZSTD_freeCStream(stream); }
  };
  std::unique_ptr<ZSTD_CStream, Free> stream_;
  std::string packed_ = std::string(buffer_bytes, '\0');
};

template <class Kind>
std::unique_ptr<Packer> make() {
  return std::make_unique<Kind>();
}

struct Packing {
  std::string_view ending;
  std::unique_ptr<Packer> (*make)();
};
constexpr Packing packings[] = {{".gz", make<Gzip>}, {".zst", make<Zstd>}};

const Packing* packing_of(const std::filesystem::path& path) {
  const std::string ending = path.extension().string();
  const auto* found = std::ranges::find(packings, ending, &Packing::ending);
  return found == std::end(packings) ? nullptr : found;
}

}  // namespace

struct ByteSink::Data {
  explicit Data(const std::filesystem::path& path) : file(path) {
    const Packing* packing = packing_of(path);
    packer = packing == nullptr ? std::make_unique<Plain>() : packing->make();
    buffer.reserve(buffer_bytes);
  }
  void flush(bool is_last) {
    packer->write(file, buffer, is_last);
    buffer.clear();
  }
  FileWriter file;
  std::unique_ptr<Packer> packer;
  std::string buffer;
};

ByteSink::ByteSink(const std::filesystem::path& path) : data_(std::make_unique<Data>(path)) {}
ByteSink::~ByteSink() = default;

void ByteSink::write(std::string_view bytes) {
  if (data_->buffer.size() + bytes.size() > buffer_bytes) data_->flush(false);
  data_->buffer += bytes;
}

void ByteSink::finish() {
  data_->flush(true);
  data_->file.commit();
}

std::filesystem::path without_packing(const std::filesystem::path& path) {
  if (packing_of(path) == nullptr) return path;
  std::filesystem::path bare = path;
  return bare.replace_extension();
}

}  // namespace corbel
