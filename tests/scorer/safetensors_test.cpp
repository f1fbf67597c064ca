#include "corbel/scorer/safetensors.hpp"

#include <cstring>

#include "base/expect_error.hpp"
#include "corbel/base/file.hpp"
#include "scorer/scorer_testing.hpp"
#include "support/temporary_folder.hpp"

namespace corbel {
namespace {

std::string with_header(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

void expect_corrupt(const std::string& bytes, const std::string& part) {
  expect_error([&] { decode_safetensors(bytes, "x.safetensors"); }, ErrorCode::corrupt, part);
}

TEST(Safetensors, WritesTheFormatAsPublished) {
  TensorFile file;
  file.metadata["who"] = "me";
  file.tensors["a"] = {{2}, {1.0F, -2.0F}};
  const std::string bytes = encode_safetensors(file);
  const std::string header = R"({"__metadata__":{"who":"me"},"a":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}})";
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(bytes.substr(8, header.size()), header);
  EXPECT_EQ(bytes.size(), 8 + length + 8);
  float second = 0;
  std::memcpy(&second, bytes.data() + 8 + length + 4, 4);
  EXPECT_EQ(second, -2.0F);
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  TensorFile file;
  file.metadata["note"] = "naïve \"quotes\"";
  file.tensors["scalar"] = {{}, {3}};
  file.tensors["empty"] = {{0, 5}, {}};
  file.tensors["matrix"] = {{2, 3}, {1, 2, 3, 4, 5, 6}};
  const TensorFile read = decode_safetensors(encode_safetensors(file), "x");
  EXPECT_EQ(read.metadata, file.metadata);
  ASSERT_EQ(read.tensors.size(), 3U);
  EXPECT_EQ(read.tensors.at("matrix").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(read.tensors.at("matrix").values, file.tensors["matrix"].values);
  EXPECT_EQ(read.tensors.at("scalar").values, std::vector<float>{3});
}

TEST(Safetensors, SaysWhatIsWrong) {
  const std::string four(4, '\0'), eight(8, '\0');
  expect_corrupt("", "shorter than");
  expect_corrupt("abc", "x.safetensors");
  expect_corrupt(std::string("\xff\xff\xff\xff\xff\xff\xff\xff") + "{}",
                 "says its header has 18446744073709551615 bytes");
  expect_corrupt(with_header("{}", "").substr(0, 9), "truncated");
  expect_corrupt(with_header("{", ""), "not JSON");
  expect_corrupt(with_header("[]", ""), "not a JSON object");
  expect_corrupt(with_header(std::string(100000, '['), ""), "nested too deeply");
  expect_corrupt(with_header(R"({"__metadata__":{"a":1}})", ""), "metadata `a` is not a string");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[1]}})", four), "lacks dtype, shape or data_offsets");
  expect_corrupt(with_header(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", four), "not float32");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", four), "out of range");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", eight), "out of range");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", four), "not a number");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", eight),
                 "3 values in 8 bytes");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", four),
                 "larger than");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                             four),
                 "overlaps");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight), "leaves a gap");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", eight),
                 "4 bytes belong to no");
  expect_corrupt(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "\xff\xff\xff\x7f"),
                 "not finite");
}

TEST(Safetensors, SurvivesDamageOfEveryKind) {
  const DesignSpace space = test::mixed_space();
  NetworkSpec spec;
  spec.hidden = {4};
  const test::TemporaryFolder folder;
  const std::filesystem::path file = folder / "model.safetensors";
  Model::save(file, test::metadata_for(space, spec, 1, {{}}), test::random_tensors(space, spec, 1, 1));
  const std::string valid = read_file(file);
  std::uint64_t header = 0;
  std::memcpy(&header, valid.data(), 8);
  Rng rng(20240601);
  int refused = 0, accepted = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = valid;
    switch (round % 4) {
      case 0:
        bytes.resize(rng.below(valid.size()));
        break;
      case 1:  // anywhere
        for (std::uint64_t i = rng.below(4) + 1; i > 0; --i)
          bytes[rng.below(bytes.size())] = static_cast<char>(rng.next());
        break;
      case 2:  // the header, where the meaning is
        for (std::uint64_t i = rng.below(3) + 1; i > 0; --i)
          bytes[rng.below(8 + header)] = static_cast<char>(rng.below(128));
        break;
      default:  // digits and brackets only, so that the JSON often stays JSON
        for (std::uint64_t i = rng.below(3) + 1; i > 0; --i) {
          char& byte = bytes[8 + rng.below(header)];
          if (byte >= '0' && byte <= '9') byte = static_cast<char>('0' + rng.below(10));
        }
    }
    try {
      const Model model = Model::decode(bytes, "model.safetensors");
      const Predictions predictions = model.predict(test::random_designs(model.space(), 3, 1));
      for (const double value : predictions.metrics) EXPECT_TRUE(std::isfinite(value));
      ++accepted;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported) << error.what();
      EXPECT_NE(std::string(error.what()).find("model.safetensors"), std::string::npos) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000);
  EXPECT_GT(accepted, 100);  // damage to a weight's low bits is no damage a reader can see
}

TEST(Safetensors, RefusesRandomBytesAndMissingFiles) {
  const test::TemporaryFolder folder;
  Rng rng(5);
  std::string noise;
  for (int i = 0; i < 5000; ++i) noise += static_cast<char>(rng.next());
  const auto path = folder.write("noise.safetensors", noise);
  expect_error([&] { Model::load(path); }, ErrorCode::corrupt, "noise.safetensors");
  expect_error([&] { Model::load(folder / "none.safetensors"); }, ErrorCode::not_found, "none.safetensors");
  const auto other = folder.write("other.safetensors", encode_safetensors({}));
  expect_error([&] { Model::load(other); }, ErrorCode::corrupt, "not a corbel model");
}

}  // namespace
}  // namespace corbel
