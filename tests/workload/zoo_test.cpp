#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "workload_testing.hpp"

namespace corbel {
namespace {

/// Sets an environment variable for a scope.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~ScopedVariable() { unsetenv(name_); }

 private:
  const char* name_;
};

class Zoo : public testing::Test {
 protected:
  ScopedVariable zoo_{"CORBEL_ZOO", CORBEL_SOURCE_DIR "/zoo"};
};

std::uint64_t weights(const Network& network) {
  std::uint64_t sum = 0;
  for (const Layer& layer : network.layers) sum += layer.weight_elements();
  return sum;
}

TEST_F(Zoo, MobileNetV2HasThePublishedSize) {
  const Network network = load_network("mobilenet_v2");
  // github.com/tensorflow/models, research/slim/nets/mobilenet/README.md: 300 M MACs, 3.47 M weights.
  EXPECT_NEAR(static_cast<double>(network.total_macs()), 300e6, 0.01 * 300e6);
  EXPECT_NEAR(static_cast<double>(weights(network)), 3.47e6, 0.01 * 3.47e6);
  // torchvision's mobilenet_v2: 3,504,872 parameters, of which 17,056 scales of batch normalisation fold away.
  EXPECT_EQ(network.total_parameters(), 3'504'872u - 17'056u);
  EXPECT_EQ(network.total_macs(), 300'774'272u);
  // Stem, 1 + 16 blocks of 2 and 3 convolutions, 10 of them with an addition, head, pool, classifier.
  EXPECT_EQ(network.layers.size(), 1u + 2u + 16u * 3u + 10u + 3u);
}

TEST_F(Zoo, MobileNetEdgeTpuHasThePublishedSize) {
  const Network network = load_network("mobilenet_edgetpu");
  // github.com/tensorflow/models, research/slim/nets/mobilenet/README.md: 990 M MACs, 4.0 M parameters.
  EXPECT_NEAR(static_cast<double>(network.total_macs()), 990e6, 0.01 * 990e6);
  // Rounded to two digits there, so 1 % of it and half a unit of its last digit.
  EXPECT_NEAR(static_cast<double>(weights(network)), 4.0e6, 0.01 * 4.0e6 + 0.05e6);
  // arXiv 2110.11346, applications: 3.87 MB of parameters, in units of 2^20 bytes.
  EXPECT_NEAR(static_cast<double>(network.total_parameters()), 3.87 * 1048576, 0.01 * 3.87 * 1048576);
  // V3_EDGETPU, worked out by hand: 4,052,832 weights, 19,440 biases of convolutions and 1,001 of the classifier.
  EXPECT_EQ(weights(network), 4'052'832u);
  EXPECT_EQ(network.total_macs(), 990'670'464u);
}

TEST_F(Zoo, ResNet50HasThePublishedSize) {
  const Network network = load_network("resnet50");
  // torchvision's resnet50 (v1.5): 4.089 G MACs, 25,557,032 parameters, of which 26,560 scales fold away.
  EXPECT_NEAR(static_cast<double>(network.total_macs()), 4.089e9, 0.01 * 4.089e9);
  EXPECT_EQ(network.total_parameters(), 25'557'032u - 26'560u);
  // Stem, pool, 16 blocks of 3 convolutions and an addition, 4 shortcuts, pool, classifier.
  EXPECT_EQ(network.layers.size(), 2u + 16u * 4u + 4u + 2u);
}

TEST_F(Zoo, EveryWorkloadLoadsAndSaysWhereItComesFrom) {
  const std::vector<std::string> names = zoo_names();
  EXPECT_THAT(names, testing::IsSupersetOf({"mobilenet_edgetpu", "mobilenet_v2", "resnet50"}));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  std::set<std::string> fingerprints;
  for (const std::string& name : names) {
    const Network network = load_network(name);
    EXPECT_EQ(network.name, name);
    EXPECT_NE(network.title, name);
    EXPECT_FALSE(network.source.empty()) << name;
    EXPECT_FALSE(network.domain.empty()) << name;
    EXPECT_EQ(network.batch, 1) << name;
    fingerprints.insert(network.fingerprint());
  }
  EXPECT_EQ(fingerprints.size(), names.size());
}

TEST_F(Zoo, BatchMultipliesOperationsNotParameters) {
  const Network one = load_network("mobilenet_v2");
  const Network eight = load_network("mobilenet_v2", {}, 8);
  EXPECT_EQ(eight.batch, 8);
  EXPECT_EQ(eight.total_macs(), 8 * one.total_macs());
  EXPECT_EQ(eight.total_vector_operations(), 8 * one.total_vector_operations());
  EXPECT_EQ(eight.total_parameters(), one.total_parameters());
}

TEST_F(Zoo, UnknownNameGetsTheNearMiss) {
  try {
    load_network("resnet500");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_THAT(error.what(), testing::HasSubstr("unknown workload `resnet500`"));
    EXPECT_THAT(error.hint(), testing::HasSubstr("did you mean `resnet50`?"));
  }
}

TEST(ZooFolder, NamesAnUnusableVariable) {
  const ScopedVariable zoo("CORBEL_ZOO", "/nowhere/zoo");
  try {
    zoo_names();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_THAT(error.what(), testing::HasSubstr("CORBEL_ZOO names `/nowhere/zoo`"));
  }
}

TEST(ZooFolder, IsTheSourceTreesWithoutInstallation) {
  unsetenv("CORBEL_ZOO");
  EXPECT_TRUE(std::filesystem::equivalent(zoo_folder(), CORBEL_SOURCE_DIR "/zoo"));
}

TEST(LoadNetwork, TakesPathsRelativeToAFolder) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "corbel_load_network";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "tiny.yaml") << "name: tiny\ninput: [8]\nlayers: [{fully_connected: {out: 4}}]\n";
  EXPECT_EQ(load_network("tiny.yaml", folder).total_parameters(), 36u);
  EXPECT_EQ(load_network((folder / "tiny.yaml").string(), "/elsewhere").total_macs(), 32u);
  try {
    load_network("./small.yaml", folder);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_THAT(error.what(), testing::HasSubstr("small.yaml"));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace corbel
