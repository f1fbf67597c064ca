// Calls the learner of an installed Corbel, which links LibTorch, with a log it must refuse.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/surrogate/trainer.hpp"

int main() {
  const corbel::DesignSpace space({corbel::Parameter::boolean("fast")});
  const corbel::Dataset empty{.group = {.space = space, .metrics = {"latency_ms"}}};
  try {
    corbel::train(empty, {.objective = "latency_ms"}, {}, "model.safetensors", "work", corbel::silent_monitor());
  } catch (const corbel::Error& error) {
    std::printf("%s\n", std::string(corbel::to_string(error.code())).c_str());
  }
}
