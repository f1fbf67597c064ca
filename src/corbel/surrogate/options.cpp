#include <algorithm>
#include <nlohmann/json.hpp>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/search/strategy.hpp"
#include "corbel/surrogate/forest.hpp"
#include "corbel/surrogate/losses.hpp"
#include "corbel/surrogate/trainer.hpp"

namespace corbel {
namespace {

std::vector<Conservatism> grid_from_config(const Config& config) {
  std::vector<Conservatism> grid;
  for (const Config& item : config.items()) {
    item.allow_only({"alpha", "beta"});
    grid.push_back({item.at("alpha").number(0, 1e6), item.at("beta").number(0, 1e6)});
  }
  if (grid.empty() || grid.size() > 64) throw config.error("`grid` wants 1 to 64 entries {alpha: …, beta: …}");
  return grid;
}

std::string negatives_from_config(const Config& config) {
  std::vector<std::string> ids = {"gradient", "mutation"};
  for (const StrategyInfo& info : strategies()) ids.emplace_back(info.id);
  for (const std::string& id : ids) {
    if (id == config.text()) return id;
  }
  throw unknown_name("strategy for negatives", config.text(), ids, config.place());
}

}  // namespace

TrainingOptions training_options_from_config(const Config& config) {
  TrainingOptions options;
  if (config.is_null()) return options;
  config.allow_only({"network", "hidden",        "embedding",        "layers",
                     "heads",   "feed_forward",  "dropout",          "steps",
                     "batch",   "learning_rate", "ensemble",         "trees",
                     "refit",   "protocol",      "negatives",        "negatives_every",
                     "grid",    "withhold",      "checkpoint_every", "threads",
                     "seed",    "penalty",       "regression",       "ranking",
                     "minutes", "patience",      "optimizer",        "keep_negatives",
                     "experts", "device"});
  const auto integer = [&](std::string_view key, auto& value, std::int64_t min, std::int64_t max) {
    using Integer = std::remove_reference_t<decltype(value)>;
    if (const Config* found = config.find(key)) value = static_cast<Integer>(found->integer(min, max));
  };
  const auto number = [&](std::string_view key, double& value, double min, double max) {
    if (const Config* found = config.find(key)) value = found->number(min, max);
  };
  if (const Config* network = config.find("network")) options.network = network->choice({"mlp", "attention", "lstm"});
  if (const Config* hidden = config.find("hidden")) {
    options.hidden.clear();
    for (const Config& width : hidden->items()) options.hidden.push_back(width.integer(1, 4096));
    if (options.hidden.empty() || options.hidden.size() > 16) throw hidden->error("`hidden` wants 1 to 16 widths");
  }
  integer("embedding", options.embedding, 1, 1024);
  integer("experts", options.experts, 1, 16);
  integer("layers", options.layers, 0, 16);
  integer("heads", options.heads, 1, 64);
  integer("feed_forward", options.feed_forward, 1, 4096);
  number("dropout", options.dropout, 0, 0.9);
  integer("steps", options.steps, 1, 10'000'000);
  number("minutes", options.minutes, 0, 100'000);
  integer("patience", options.patience, 0, 10'000'000);
  if (const Config* optimizer = config.find("optimizer")) {
    options.optimizer = optimizer->choice({"adam", "sgd", "rmsprop"});
  }
  integer("batch", options.batch, 1, 16384);
  number("learning_rate", options.learning_rate, 0, 1);
  integer("ensemble", options.ensemble, 1, 64);
  number("trees", options.trees, 0, 1);
  if (const Config* refit = config.find("refit")) options.refit = refit->boolean();
  if (const Config* protocol = config.find("protocol")) options.protocol = protocol->choice({"corbel", "paper"});
  if (const Config* penalty = config.find("penalty")) {
    options.penalty = penalty->choice({"hinge", "softplus", "gap", "published"});
  }
  if (const Config* regression = config.find("regression"))
    options.regression = regression->choice({"squared", "none"});
  number("ranking", options.ranking, 0, 1000);
  if (options.regression == "none" && options.ranking == 0) {
    throw config.at("regression")
        .error("without a regression the objective is learnt by `ranking` alone: give it a weight above 0");
  }
  if (const Config* negatives = config.find("negatives")) options.negatives = negatives_from_config(*negatives);
  if (const Config* keep = config.find("keep_negatives")) options.keep_negatives = keep->boolean();
  integer("negatives_every", options.negatives_every, 1, 10'000'000);
  if (const Config* grid = config.find("grid")) options.grid = grid_from_config(*grid);
  number("withhold", options.withhold, 0, 0.8);
  integer("checkpoint_every", options.checkpoint_every, 1, 10'000'000);
  integer("threads", options.threads, 0, 4096);
  integer("seed", options.seed, 0, INT64_MAX);
  if (const Config* device = config.find("device")) options.device = device->choice({"cpu", "cuda"});
  if (options.network == "attention" && options.embedding % options.heads != 0) {
    const Config* place = config.find("heads") != nullptr ? config.find("heads") : config.find("embedding");
    throw place->error("`heads` must divide `embedding`");
  }
  return options;
}

double default_learning_rate(const TrainingOptions& options) {
  const double rate = options.network == "attention" ? 1e-4 : 1e-3;
  return options.optimizer == "sgd" ? 100 * rate : rate;
}

nlohmann::json to_json(const TrainingOptions& options) {
  nlohmann::json grid = nlohmann::json::array();
  for (const Conservatism& entry : options.grid) grid.push_back({{"alpha", entry.alpha}, {"beta", entry.beta}});
  nlohmann::json json = {{"network", options.network},
                         {"hidden", options.hidden},
                         {"experts", options.experts},
                         {"steps", options.steps},
                         {"minutes", options.minutes},
                         {"patience", options.patience},
                         {"optimizer", options.optimizer},
                         {"batch", options.batch},
                         {"learning_rate", options.learning_rate},
                         {"ensemble", options.ensemble},
                         {"trees", options.trees},
                         {"refit", options.refit},
                         {"protocol", options.protocol},
                         {"regression", options.regression},
                         {"ranking", options.ranking},
                         {"negatives", options.negatives},
                         {"keep_negatives", options.keep_negatives},
                         {"negatives_every", options.negatives_every},
                         {"grid", std::move(grid)},
                         {"withhold", options.withhold},
                         {"checkpoint_every", options.checkpoint_every},
                         {"seed", options.seed}};
  for (const auto& [name, penalty] : penalties) {
    if (penalty == penalty_of(options)) json["penalty"] = name;
  }
  // Where it is the usual one nothing depends on it.
  if (options.device != "cpu") json["device"] = options.device;
  if (options.network != "mlp") json["embedding"] = options.embedding;
  if (options.network == "attention") {
    json["layers"] = options.layers;
    json["heads"] = options.heads;
    json["feed_forward"] = options.feed_forward;
    json["dropout"] = options.dropout;
  }
  return json;
}

std::uint64_t most_rows_of_a_class(const TrainingOptions& options) {
  return std::max(static_cast<std::uint64_t>(options.steps) * static_cast<std::uint64_t>(options.batch),
                  std::uint64_t{most_tree_rows});
}

}  // namespace corbel
