#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace corbel {

/// A table as data: a row is a map from the columns' keys to values, so that people and programs read the same figures.
struct ResultTable {
  struct Column {
    std::string key;      ///< with its unit: "measured_ms"
    std::string heading;  ///< for people
    int decimals = -1;    ///< of numbers; −1: four significant digits
  };
  std::string key;  ///< "networks"
  std::string title;
  std::vector<Column> columns;
  std::vector<nlohmann::json> rows;
};

/// A figure that has to lie in a range.
struct Target {
  std::string name;
  double value = 0, min = 0, max = 0;  ///< NaN for the value: it could not be determined, and is not met
  bool met() const { return value >= min && value <= max; }
};

/// An SVG image in a file of its own.
struct Figure {
  std::string file;  ///< "edge_coral.svg"
  std::string svg;
};

/// What one comparison found.
struct Section {
  std::string name, title, source;
  std::vector<ResultTable> tables;
  std::vector<Target> targets;
  std::vector<std::string> notes;
  std::vector<Figure> figures = {};
};

/// Markdown, ready to be pasted.
std::string to_markdown(const Section& section);
nlohmann::json to_json(const Section& section);
bool all_met(const Section& section);

}  // namespace corbel
