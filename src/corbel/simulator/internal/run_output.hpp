#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "corbel/base/process.hpp"
#include "corbel/simulator/internal/pattern.hpp"
#include "corbel/simulator/internal/run_text.hpp"

namespace corbel {

/// Where a metric stands in what a program leaves.
struct MetricSource {
  enum class Kind : std::uint8_t { json, pattern, column };
  /// Of several values; `only`: there may be no more than one.
  enum class Take : std::uint8_t { only, first, last, sum, minimum, maximum, mean };

  std::string metric;
  std::string unit;  ///< of the metric; "" if its name has none
  Kind kind = Kind::json;
  std::string key;  ///< JSON pointer, or name of the column
  std::optional<Pattern> pattern;
  RunText file;            ///< "stdout", "stderr", or a file in the run's folder
  std::string given_unit;  ///< of what is read; "": the metric's
  double scale = 1;
  Take take = Take::only;
  std::optional<RunText> count;  ///< how many values there must be
};

/// What was found of a metric.
struct Reading {
  enum class State : std::uint8_t {
    value,
    missing,     ///< the output could be read, and does not have it
    unreadable,  ///< the output could not be read: a part of it may be all there is
  };
  State state = State::unreadable;
  double value = 0;
  std::string reason;  ///< of a failure, as a short stable word: "no_output"
  std::string detail;
};

/// What one run left: its standard output and error, and the files in its folder. Reads each file once.
class RunOutput {
 public:
  /// @param run  must outlive this
  /// @param most_bytes  of a file
  RunOutput(const RunResult& run, std::filesystem::path folder, const RunValues& values, std::uint64_t most_bytes);
  ~RunOutput();

  Reading read(const MetricSource& source);
  /// A file's content, or of "stdout" or "stderr"; null with a reason in `why` if there is none.
  const std::string* text(const std::string& file, Reading& why);

 private:
  struct Content;
  Content& content(const std::string& file);
  Reading read_json(const MetricSource& source, Content& content);
  Reading read_pattern(const MetricSource& source, Content& content);
  Reading read_column(const MetricSource& source, Content& content);
  Reading combined(const MetricSource& source, const std::vector<std::string>& texts);

  const RunResult& run_;
  std::filesystem::path folder_;
  const RunValues& values_;
  std::uint64_t most_bytes_;
  std::map<std::string, std::unique_ptr<Content>> contents_;
};

/// The last lines with anything in them, in one line: "loading `…` / out of tiles".
std::string last_lines(std::string_view text, std::size_t lines = 3);

}  // namespace corbel
