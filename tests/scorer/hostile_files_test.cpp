// Model files that were truncated, damaged, or written to do harm: an error, or a model that predicts.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "base/expect_error.hpp"
#include "corbel/base/error.hpp"
#include "corbel/scorer/predictor.hpp"
#include "corbel/scorer/trees.hpp"
#include "scorer_testing.hpp"

namespace corbel::test {
namespace {

using Json = nlohmann::json;

/// What a model file is made of, before it is written.
struct Parts {
  Json metadata;
  TensorMap tensors;

  std::string bytes() const {
    TensorFile file;
    file.metadata = {{"format", "corbel"}, {"corbel", metadata.dump()}};
    file.tensors = tensors;
    return encode_safetensors(file);
  }
};

/// One of each network, with everything that a file may hold.
std::vector<Parts> all_parts() {
  std::vector<Parts> all;
  const DesignSpace space = mixed_space();
  for (const NetworkKind kind : {NetworkKind::mlp, NetworkKind::attention, NetworkKind::lstm}) {
    NetworkSpec spec;
    spec.kind = kind;
    spec.hidden = {5, 3};
    spec.embedding = 4;
    spec.layers = 1;
    spec.heads = 2;
    spec.feed_forward = 6;
    spec.metrics = 2;
    spec.context_size = kind == NetworkKind::mlp ? 2 : 0;
    spec.experts = kind == NetworkKind::attention ? 2 : 1;
    const std::vector<MetricTransform> transforms = {{true, 1, 0.5}, {false, 3, -2}};
    Parts parts{metadata_for(space, spec, 2, transforms), random_tensors(space, spec, 2, 7)};
    if (kind == NetworkKind::mlp) {
      parts.metadata["context_range"] = {{0, 1}, {0.5, 2}};
      parts.metadata["workloads"] = {{{"name", "a"}, {"context", {1, 2}}, {"rows", 10}},
                                     {{"name", "b"}, {"context", {3, 4}}, {"rows", 20}}};
    }
    parts.metadata["trees"] = {{"share", 0.3}};
    // Two trees: a leaf, and one of three leaves.
    parts.tensors[std::string(Trees::nodes_name)] = {
        {6, 4}, {-1, 0, 0, 0.5F, 0, 2, 2, 0, -1, 0, 0, 1, 1, 1, 4, 0, -1, 0, 0, 2, -1, 0, 0, 3}};
    parts.tensors[std::string(Trees::roots_name)] = {{2}, {0, 1}};
    all.push_back(std::move(parts));
  }
  return all;
}

/// Loads and uses it in every way. @return whether it was accepted
bool survives(const std::string& bytes) {
  try {
    const Model model = Model::decode(bytes, "m.safetensors");
    const ModelPredictor predictor(model, std::vector<float>(model.context_size(), 1));
    const std::vector<Design> designs = random_designs(model.space(), 3, 1);
    for (const Arithmetic arithmetic : {Arithmetic::exact, Arithmetic::fast}) {
      for (const double value : predictor.predict(designs, arithmetic).metrics) EXPECT_TRUE(std::isfinite(value));
      const std::size_t n = std::min<std::size_t>(5, model.space().size());
      for (const float value : predictor.outputs_range(0, n, arithmetic).metrics) EXPECT_TRUE(std::isfinite(value));
    }
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported) << error.what();
    return false;
  }
}

TEST(HostileFiles, EndInAnErrorWhereverTheyAreCut) {
  for (const Parts& parts : all_parts()) {
    const std::string valid = parts.bytes();
    ASSERT_TRUE(survives(valid));
    for (std::size_t size = 0; size < valid.size(); size += size < 200 ? 1 : 37) {
      EXPECT_FALSE(survives(valid.substr(0, size))) << size;
    }
    EXPECT_FALSE(survives(valid + '\0'));
  }
}

TEST(HostileFiles, WithBytesChangedDoNoHarm) {
  Rng rng(611);
  int accepted = 0, rounds = 0;
  for (const Parts& parts : all_parts()) {
    const std::string valid = parts.bytes();
    std::uint64_t header = 0;
    std::memcpy(&header, valid.data(), 8);
    for (int round = 0; round < 900; ++round, ++rounds) {
      std::string bytes = valid;
      const auto spot = [&] { return round % 3 == 0 ? rng.below(bytes.size()) : rng.below(8 + header); };
      for (std::uint64_t i = rng.below(4) + 1; i > 0; --i) {
        char& byte = bytes[spot()];
        switch (round % 3) {
          case 0:
            byte = static_cast<char>(rng.next());
            break;
          case 1:
            byte = static_cast<char>(byte ^ (1 << rng.below(8)));
            break;
          default:  // the file keeps its form, and says something else
            if (byte >= '0' && byte <= '9') byte = static_cast<char>('0' + rng.below(10));
        }
      }
      accepted += survives(bytes) ? 1 : 0;
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_LT(accepted, rounds / 2);
}

TEST(HostileFiles, WithShapesOfTheirOwnDoNoHarm) {
  Rng rng(612);
  for (const Parts& parts : all_parts()) {
    for (int round = 0; round < 400; ++round) {
      Parts other = parts;
      auto tensor = other.tensors.begin();
      std::advance(tensor, static_cast<std::ptrdiff_t>(rng.below(other.tensors.size())));
      std::vector<std::int64_t>& shape = tensor->second.shape;
      std::vector<float>& values = tensor->second.values;
      switch (rng.below(5)) {
        case 0:
          shape.insert(shape.begin(), 1);
          break;
        case 1:
          std::reverse(shape.begin(), shape.end());
          break;
        case 2:
          shape = {0};
          values.clear();
          break;
        case 3:
          values.push_back(1);
          shape = {static_cast<std::int64_t>(values.size())};
          break;
        default:
          other.tensors["9.output.bias"] = tensor->second;
      }
      std::string bytes;
      try {
        bytes = other.bytes();
      } catch (const Error&) {
        continue;
      }
      const bool same = other.tensors.size() == parts.tensors.size() && shape == parts.tensors.at(tensor->first).shape;
      const bool accepted = survives(bytes);
      // Trees may be of any number.
      if (!tensor->first.starts_with("trees.")) {
        EXPECT_EQ(accepted, same) << tensor->first;
      }
    }
  }
}

TEST(HostileFiles, WithSizesOfTheirOwnDoNoHarm) {
  for (const Parts& parts : all_parts()) {
    const Json& valid = parts.metadata;
    for (const char* field :
         {"/network/embedding", "/network/layers", "/network/heads", "/network/feed_forward", "/network/experts",
          "/network/metrics", "/network/context_size", "/network/hidden/0", "/network/hidden/1", "/members"}) {
      const Json::json_pointer pointer(field);
      if (!valid.contains(pointer)) continue;
      for (const std::int64_t value : {0, 1, 2, 3, 64, 1024, 4096, 8192, 1 << 20, INT32_MAX}) {
        if (valid.at(pointer) == value) continue;
        Parts other = parts;
        other.metadata[pointer] = value;
        const bool accepted = survives(other.bytes());
        // No tensor's shape tells how many heads share an embedding of 4.
        const bool may_be = std::string(field) == "/network/heads" && (value == 1 || value == 2);
        EXPECT_EQ(accepted, may_be) << field << " " << value;
      }
    }
    // Spaces that bring their fingerprint along, of vast sizes and of names that are none.
    for (const Json& parameter : std::initializer_list<Json>{
             {{"name", "n"}, {"kind", "integer"}, {"first", 0}, {"last", INT64_MAX}, {"step", 1}},
             {{"name", "n"}, {"kind", "integer"}, {"first", 0}, {"last", 4294967294}, {"step", 1}},
             {{"name", "n"}, {"kind", "integer"}, {"first", 5}, {"last", 4}, {"step", 0}},
             {{"name", "../x"}, {"kind", "ordinal"}, {"values", {1, 2}}},
             {{"name", "n"}, {"kind", "ordinal"}, {"values", Json::array()}}}) {
      Parts other = parts;
      other.metadata["space"]["parameters"][0] = parameter;
      try {
        other.metadata["space_fingerprint"] = DesignSpace::from_json(other.metadata["space"]).fingerprint();
      } catch (const std::exception&) {
      }
      survives(other.bytes());
    }
  }
}

TEST(HostileFiles, WithTreesOfTheirOwnDoNoHarm) {
  Rng rng(613);
  int accepted = 0;
  const Parts parts = all_parts().front();
  for (int round = 0; round < 1500; ++round) {
    Parts other = parts;
    std::vector<float>& nodes = other.tensors.at(std::string(Trees::nodes_name)).values;
    std::vector<float>& roots = other.tensors.at(std::string(Trees::roots_name)).values;
    for (std::uint64_t i = rng.below(3) + 1; i > 0; --i) {
      float& value = rng.chance(0.1) ? roots[rng.below(roots.size())] : nodes[rng.below(nodes.size())];
      switch (rng.below(4)) {
        case 0:
          value = static_cast<float>(rng.below(8)) - 1;
          break;
        case 1:
          value = static_cast<float>(rng.normal() * 1e38);
          break;
        case 2:
          value = static_cast<float>(rng.uniform() * 4.3e9);
          break;
        default:
          value += 0.5F;
      }
    }
    bool finite = true;
    for (const auto* values : {&nodes, &roots}) {
      for (const float value : *values) finite = finite && std::isfinite(value);
    }
    accepted += finite && survives(other.bytes()) ? 1 : 0;
  }
  EXPECT_GT(accepted, 100);
}

TEST(HostileFiles, TakeNoMoreMemoryThanTheyAreWorth) {
  // Trees whose masks, blocks and ways would be large: 40,000 stumps, each with a threshold of its own.
  const DesignSpace space({Parameter::integer("a", 0, 1), Parameter::integer("b", 0, 1000000)});
  NetworkSpec spec;
  spec.hidden = {2};
  Parts parts{metadata_for(space, spec, 1, {{}}), random_tensors(space, spec, 1, 1)};
  parts.metadata["trees"] = {{"share", 0.5}};
  StoredTensor nodes, roots;
  constexpr int stumps = 40000;
  for (int i = 0; i < stumps; ++i) {
    const float at = static_cast<float>(3 * i);
    roots.values.push_back(at);
    nodes.values.insert(nodes.values.end(), {1, static_cast<float>(20 * i), at + 1, 0});
    nodes.values.insert(nodes.values.end(), {-1, 0, 0, 1, -1, 0, 0, 2});
  }
  nodes.shape = {3 * stumps, 4};
  roots.shape = {stumps};
  parts.tensors[std::string(Trees::nodes_name)] = std::move(nodes);
  parts.tensors[std::string(Trees::roots_name)] = std::move(roots);
  const std::string bytes = parts.bytes();
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  EXPECT_TRUE(survives(bytes));
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 100 * 1024) << "KiB, for a file of " << bytes.size() / 1024;
}

TEST(HostileFiles, OfAnotherSpaceAreRefusedByName) {
  const Parts parts = all_parts().front();
  const Model model = Model::decode(parts.bytes(), "m");
  expect_error([&] { model.require_space(DesignSpace::edge(), "the study"); }, ErrorCode::mismatch, "pes_x");
}

}  // namespace
}  // namespace corbel::test
