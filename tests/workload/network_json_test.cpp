#include "corbel/workload/network_json.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"

namespace corbel {
namespace {

TEST(NetworkJson, EveryNetworkOfTheZooComesBackWhole) {
  for (const std::string& name : zoo_names()) {
    const Network network = load_network(name);
    const nlohmann::json json = nlohmann::json::parse(to_json(network).dump());
    const Network back = network_from_json(json);
    EXPECT_EQ(back.fingerprint(), network.fingerprint()) << name;
    EXPECT_EQ(back.name, network.name);
    EXPECT_EQ(to_json(back), json) << name;
  }
}

TEST(NetworkJson, ANetworkWithoutLayersIsRefused) {
  nlohmann::json json = to_json(load_network("mobilenet_v2"));
  json["layers"].clear();
  EXPECT_THROW(network_from_json(json), Error);
}

}  // namespace
}  // namespace corbel
