#include "network_options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "corbel/base/error.hpp"

namespace corbel::cli {
namespace {

void set_dimension(const std::string& text, NetworkOptions& options) {
  const std::size_t equals = text.rfind('=');
  std::int64_t size = 0;
  if (equals != std::string::npos && equals > 0) {
    const char* last = text.data() + text.size();
    const auto [end, failure] = std::from_chars(text.data() + equals + 1, last, size);
    if (failure == std::errc{} && end == last) {
      options.dimensions[text.substr(0, equals)] = size;
      return;
    }
  }
  throw Error(ErrorCode::usage, fmt::format("--dimension: {} is not NAME=SIZE", in_quotes(text)),
              "such as --dimension sequence=128");
}

}  // namespace

void add_network_options(CLI::App& command, NetworkOptions& options) {
  command.add_option("--batch", options.batch, "Inference batch size instead of the workload's")
      ->check(CLI::Range(1, 1 << 20));
  command
      .add_option_function<std::vector<std::string>>(
          "--dimension",
          [&options](const std::vector<std::string>& dimensions) {
            for (const std::string& each : dimensions) set_dimension(each, options);
          },
          "The size of an ONNX file's open dimension, such as sequence=128")
      ->allow_extra_args(false);
}

}  // namespace corbel::cli
