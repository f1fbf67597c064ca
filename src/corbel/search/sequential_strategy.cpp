#include "corbel/search/sequential_strategy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/base/units.hpp"
#include "corbel/search/saved_state.hpp"

namespace corbel {

namespace {

constexpr std::uint64_t state_version = 1;

StrategyOptions saved_options(std::string_view strategy, std::span<const StrategyOption> known,
                              const nlohmann::json& json) {
  try {
    return complete_options(strategy, known, json.get<StrategyOptions>());
  } catch (const Error& error) {
    throw damaged_state(error.what());
  }
}

}  // namespace

SequentialStrategy::SequentialStrategy(std::string_view id, std::span<const StrategyOption> known,
                                       const SearchDomain& domain, StrategyOptions options, std::uint64_t seed)
    : id_(id), known_options_(known), options_(std::move(options)), rng_(seed), unseen_(domain, rng_) {}

std::vector<Design> SequentialStrategy::ask(std::size_t n) {
  std::vector<Design> designs;
  while (designs.size() < n) {
    std::optional<Design> design = propose();
    if (!design) break;
    designs.push_back(std::move(*design));
  }
  return designs;
}

void SequentialStrategy::tell(std::span<const Evaluation> evaluations) {
  unseen_.mark(evaluations);
  for (const Evaluation& evaluation : evaluations) learn(evaluation);
}

std::string SequentialStrategy::save() const {
  return nlohmann::json{{"version", state_version}, {"strategy", id_},       {"space", space().fingerprint()},
                        {"options", options_},      {"random", rng_.save()}, {"designs", unseen_.to_json()},
                        {"state", state()}}
      .dump();
}

void SequentialStrategy::load(std::string_view text) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    if (const auto strategy = json.at("strategy").get<std::string>(); strategy != id_)
      throw Error(ErrorCode::mismatch, fmt::format("the saved search is of strategy `{}`, not `{}`", strategy, id_));
    if (const auto version = whole_from_json(json.at("version")); version != state_version)
      throw Error(ErrorCode::mismatch,
                  fmt::format("the saved search has version {}; this build reads version {}", version, state_version));
    if (const auto saved = json.at("space").get<std::string>(); saved != space().fingerprint())
      throw Error(ErrorCode::mismatch,
                  fmt::format("the saved search is of design space {}, not {}", saved, space().fingerprint()),
                  "load it with the space it was saved with, or start the search anew");
    options_ = saved_options(id_, known_options_, json.at("options"));
    rng_.load(json.at("random").get<std::string>());
    unseen_.from_json(json.at("designs"));
    set_state(json.at("state"));
  } catch (const nlohmann::json::exception& error) {
    throw damaged_state(error.what());
  }
}

StrategyOptions complete_options(std::string_view strategy, std::span<const StrategyOption> known,
                                 const StrategyOptions& given) {
  StrategyOptions options;
  std::vector<std::string> names;
  for (const StrategyOption& option : known) {
    options.emplace(option.name, option.default_value);
    names.emplace_back(option.name);
  }
  for (const auto& [name, value] : given) {
    const auto option = std::find_if(known.begin(), known.end(), [&](const auto& each) { return each.name == name; });
    if (option == known.end()) throw unknown_name(fmt::format("option of strategy `{}`", strategy), name, names);
    const bool in_range = value >= option->min && value <= option->max;
    if (!in_range || (option->whole && value != std::floor(value)))
      throw Error(ErrorCode::invalid_input,
                  fmt::format("option `{}` of strategy `{}` is {}", name, strategy, format_number(value)),
                  fmt::format("give a {}number from {} to {}", option->whole ? "whole " : "",
                              format_number(option->min), format_number(option->max)));
    options.insert_or_assign(name, value);
  }
  return options;
}

}  // namespace corbel
