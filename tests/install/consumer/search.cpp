// Searches a space of its own with an installed Corbel, without LibTorch.
#include <cstdio>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/scorer/model.hpp"
#include "corbel/search/scan.hpp"

int main() {
  const corbel::DesignSpace space({corbel::Parameter::ordinal("pes", {1, 2, 4, 8, 16, 32}),
                                   corbel::Parameter::categorical("dataflow", {"ws", "os"})});
  const auto objective = corbel::make_objective(space, [&](const corbel::Design& design) {
    const double pes = space.parameters()[0].number(design[0]);
    return corbel::Score{(pes - 8) * (pes - 8) + design[1], 0};
  });
  const corbel::ScanResult result = corbel::scan(*objective, {space, {}}, {.keep = 1}, corbel::silent_monitor());
  std::printf("%s\n", space.design_text(result.best.front().design).c_str());
  try {
    corbel::Model::load("nowhere.safetensors");
  } catch (const corbel::Error& error) {
    std::printf("%s\n", std::string(corbel::to_string(error.code())).c_str());
  }
}
