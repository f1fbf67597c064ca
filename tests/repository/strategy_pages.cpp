#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "corbel/search/strategy.hpp"

namespace corbel {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// What is wrong with the folder that should hold one page per strategy: id.md, naming every option as `option`.
std::vector<std::string> breaches(std::span<const StrategyInfo> table, const std::filesystem::path& folder) {
  std::vector<std::string> found;
  std::set<std::string> expected;
  for (const StrategyInfo& row : table) {
    const std::string page = std::string(row.id) + ".md";
    expected.insert(page);
    if (!std::filesystem::exists(folder / page)) {
      found.push_back(page + " is missing");
      continue;
    }
    const std::string text = text_of(folder / page);
    for (const StrategyOption& option : row.options) {
      const std::string code = "`" + std::string(option.name) + "`";
      if (text.find(code) == std::string::npos) found.push_back(page + " does not name the option " + code);
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string page = entry.path().filename().string();
    if (page != "README.md" && !expected.contains(page)) found.push_back(page + " is of no strategy");
  }
  return found;
}

TEST(StrategyPages, EveryStrategyHasAPageThatNamesItsOptions) {
  EXPECT_THAT(breaches(strategies(), CORBEL_SOURCE_DIR "/docs/strategies"), IsEmpty());
}

TEST(StrategyPages, TheCheckSeesMissingPagesMissingOptionsAndStrayPages) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "corbel_strategy_pages";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "walk.md") << "The option `pace`; speed is not one.";
  std::ofstream(folder / "README.md") << "An overview.";
  std::ofstream(folder / "gone.md") << "A page of a strategy that is no more.";

  const StrategyOption options[] = {{"pace", 1, 0, 2, ""}, {"speed", 1, 0, 2, ""}};
  const StrategyInfo table[] = {{"walk", "", "", options, nullptr}, {"run", "", "", {}, nullptr}};
  EXPECT_THAT(breaches(table, folder), UnorderedElementsAre("walk.md does not name the option `speed`",
                                                            "run.md is missing", "gone.md is of no strategy"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace corbel
