#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "zoo_counts.hpp"

namespace corbel {
namespace {

/// As the page writes counts: four digits and a unit of thousands.
std::string four_digits(std::uint64_t number) {
  auto value = static_cast<double>(number);
  std::string_view unit;
  for (const std::string_view next : {"k", "M", "G"}) {
    if (value < 999.95) break;
    value /= 1000;
    unit = next;
  }
  const int decimals = value < 9.9995 ? 3 : value < 99.995 ? 2 : 1;
  return fmt::format("{:.{}f} {}", value, decimals, unit);
}

std::vector<std::string> cells(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream text(row.substr(1));
  for (std::string cell; std::getline(text, cell, '|');) {
    const std::size_t first = cell.find_first_not_of(' ');
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
  }
  return cells;
}

class ZooPage : public ZooCounts {
 protected:
  /// The rows of docs/zoo.md whose first cell is a network's name in backquotes.
  static std::map<std::string, std::vector<std::string>> rows() {
    std::map<std::string, std::vector<std::string>> rows;
    std::ifstream page(CORBEL_SOURCE_DIR "/docs/zoo.md");
    for (std::string line; std::getline(page, line);) {
      if (!line.starts_with("| `")) continue;
      const std::vector<std::string> row = cells(line);
      EXPECT_TRUE(rows.emplace(row[0].substr(1, row[0].size() - 2), row).second) << line;
    }
    return rows;
  }
};

TEST_F(ZooPage, ListsEveryNetworkAndNoOther) {
  std::vector<std::string> listed;
  for (const auto& [name, row] : rows()) listed.push_back(name);
  EXPECT_EQ(listed, zoo_names());
}

TEST_F(ZooPage, TellsTheCountsOfToday) {
  for (const auto& [name, row] : rows()) {
    const Network network = load_network(name);
    ASSERT_GE(row.size(), 6u) << name;
    EXPECT_EQ(row[1], network.title);
    EXPECT_EQ(row[2], four_digits(network.total_macs())) << name;
    EXPECT_EQ(row[3], four_digits(network.total_parameters())) << name;
    EXPECT_FALSE(row[4].empty()) << name;
  }
}

TEST(FourDigits, AreAsOnePrintsThem) {
  EXPECT_EQ(four_digits(430'055), "430.1 k");
  EXPECT_EQ(four_digits(300'774'272), "300.8 M");
  EXPECT_EQ(four_digits(999'960), "1.000 M");
  EXPECT_EQ(four_digits(1'253'683'200), "1.254 G");
  EXPECT_EQ(four_digits(12'253'974'624), "12.25 G");
}

}  // namespace
}  // namespace corbel
