#include "corbel/workload/reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace corbel {
namespace {

constexpr std::string_view network_input = "input";
constexpr std::string_view stack_input = "stack_input";
constexpr std::size_t max_name_length = 64;

/// Names stand in tables and messages of one line.
void check_name(const Config& node) {
  const std::string& name = node.text();
  if (name.empty() || name.size() > max_name_length) {
    throw node.error(fmt::format("a name has 1 to {} bytes", max_name_length), "choose another name");
  }
  if (std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    throw node.error("a name has a control character", "write it in one line, without tabs");
  }
}

std::string optional_text(const Config& config, std::string_view key) {
  const Config* node = config.find(key);
  return node == nullptr ? "" : node->text();
}

}  // namespace

WorkloadReader::WorkloadReader(const Config& config, std::int64_t batch)
    : config_(config),
      builder_(batch > 0             ? batch
               : config.has("batch") ? config.at("batch").integer(1, max_layer_size)
                                     : 1) {
  if (batch < 0 || batch > max_layer_size) {
    throw Error(ErrorCode::invalid_input, fmt::format("batch size {} is not in 1..{}", batch, max_layer_size),
                "use a positive batch size");
  }
}

Network WorkloadReader::read() {
  config_.allow_only({"name", "title", "source", "domain", "batch", "input", "layers"});
  Network network;
  check_name(config_.at("name"));
  network.name = config_.at("name").text();
  network.title = optional_text(config_, "title");
  if (network.title.empty()) network.title = network.name;
  network.source = optional_text(config_, "source");
  network.domain = optional_text(config_, "domain");
  network.batch = builder_.batch();
  if (const Config* batch = config_.find("batch")) batch->integer(1, max_layer_size);

  const Tensor shape = read_shape(config_.at("input"), "input");
  current_ = builder_.input(std::string(network_input), shape.channels, shape.height, shape.width);
  known_.emplace(network_input, current_);
  const Config& list = config_.at("layers");
  collect_names(list);
  read_layers(list);
  if (builder_.layers().empty()) {
    throw list.error("the network computes nothing", "add a layer that is more than a way to read its input");
  }
  network.layers = builder_.take_layers();
  return network;
}

Tensor WorkloadReader::read_shape(const Config& node, std::string_view what) {
  const std::vector<Config>& sizes = node.items();
  if (sizes.empty() || sizes.size() > 3) {
    throw node.error(fmt::format("`{}` has {} sizes", what, sizes.size()),
                     "write [channels, height, width], [rows, features] of a sequence, or [features]");
  }
  std::vector<std::int64_t> size;
  for (const Config& item : sizes) size.push_back(item.integer(1, max_layer_size));
  if (size.size() == 1) return {size[0], 1, 1, {}};
  if (size.size() == 2) return {size[1], size[0], 1, {}};
  return {size[0], size[1], size[2], {}};
}

void WorkloadReader::read_layers(const Config& list) {
  if (list.items().empty()) throw list.error("the list of layers is empty", "list at least one layer");
  for (const Config& node : list.items()) read_entry(node);
}

void WorkloadReader::read_entry(const Config& node) {
  if (++entries_ > max_layers) {
    throw node.error(fmt::format("the network has more than {} layers", max_layers), "repeat less");
  }
  const bool bare = node.is_scalar();
  if (!bare && (!node.is_map() || node.entries().size() != 1)) {
    throw node.error("a layer is one kind with its options",
                     "write `- conv: {out: 32, kernel: 3}`, or indent the options below the kind");
  }
  const std::string& kind = bare ? node.text() : node.entries().front().first;
  const auto row = std::ranges::find(kinds(), std::string_view(kind), &Kind::name);
  if (row == kinds().end()) {
    std::vector<std::string> names;
    for (const Kind& known : kinds()) names.emplace_back(known.name);
    throw unknown_name("layer kind", kind, names, node.place());
  }

  const Config* options = bare || node.entries().front().second.is_null() ? nullptr : &node.entries().front().second;
  // `- activation: swish` is short for `- activation: {function: swish}`.
  const bool is_map = options != nullptr && options->is_map();
  if (options != nullptr && !is_map && kind != "activation") {
    throw options->error(fmt::format("the options of `{}` are not a map", kind),
                         fmt::format("write `- {}: {{KEY: VALUE, …}}`", kind));
  }
  Entry entry{node, kind, options, "", "", current_};
  const Config* name = is_map ? options->find("name") : nullptr;
  if (name != nullptr) {
    check_name(*name);
    entry.given_name = name->text();
    entry.name = prefix_ + entry.given_name;
  } else {
    entry.name = prefix_ + unique_name(kind);
  }
  if (const Config* from = is_map ? options->find("from") : nullptr) entry.input = resolve(*from);

  builder_.set_place(node.place());
  current_ = (this->*row->read)(entry);
  if (name != nullptr) make_known(entry.given_name, *name, current_);
  check_new_layers(name != nullptr ? *name : node);
}

void WorkloadReader::check_new_layers(const Config& node) {
  const std::vector<Layer>& layers = builder_.layers();
  for (; checked_layers_ < layers.size(); ++checked_layers_) {
    const std::string& name = layers[checked_layers_].name;
    if (layer_names_.insert(name).second) continue;
    throw node.error(fmt::format("two layers get the name `{}`", name),
                     "a dot joins the name of a stack or block and that of a part; choose another name");
  }
}

std::string WorkloadReader::unique_name(const std::string& kind) {
  int& counter = counters_[kind];
  std::string name;
  do {
    name = fmt::format("{}_{}", kind, ++counter);
  } while (declared_.contains(name));
  return name;
}

void WorkloadReader::collect_names(const Config& list) {
  if (!list.is_sequence()) return;
  for (const Config& node : list.items()) {
    if (!node.is_map() || node.entries().size() != 1 || !node.entries().front().second.is_map()) continue;
    const Config& options = node.entries().front().second;
    const Config* name = options.find("name");
    if (name != nullptr && name->is_scalar()) declared_.emplace(name->text(), name->place());
    if (const Config* inner = options.find("layers")) collect_names(*inner);
    const Config* paths = options.find("paths");
    if (paths == nullptr || !paths->is_sequence()) continue;
    for (const Config& path : paths->items()) collect_names(path);
  }
}

void WorkloadReader::make_known(const std::string& name, const Config& node, Tensor tensor) {
  if (known_.contains(name) || name == stack_input) {
    throw node.error(fmt::format("the name `{}` is taken", name), "give every layer another name");
  }
  known_.emplace(name, std::move(tensor));
  hidden_.emplace_back(name, std::vector<Tensor>{});
}

const Tensor& WorkloadReader::resolve(const Config& reference) const {
  const std::string& name = reference.text();
  if (const auto found = known_.find(name); found != known_.end()) return found->second;
  if (const auto later = declared_.find(name); later != declared_.end()) {
    throw reference.error(
        fmt::format("layer `{}` has not run yet at this point", name),
        fmt::format("layers run in the order of the file, so none can read itself or a later one, nor one inside a "
                    "stack; `{}` is defined at {}",
                    name, later->second));
  }
  std::vector<std::string> names;
  for (const auto& [known, tensor] : known_) names.push_back(known);
  throw unknown_name("layer", name, names, reference.place());
}

std::vector<Tensor> WorkloadReader::operands(const Entry& entry, bool needed) const {
  std::vector<Tensor> tensors{entry.input};
  const Config* with = needed ? &entry.at("with") : entry.find("with");
  if (with == nullptr) return tensors;
  if (!with->is_sequence()) {
    tensors.push_back(resolve(*with));
    return tensors;
  }
  if (with->items().empty()) throw with->error("`with` is empty", "name at least one layer");
  if (with->items().size() > max_layer_inputs) {
    throw with->error(fmt::format("`with` names more than {} layers", max_layer_inputs), "combine them in steps");
  }
  for (const Config& item : with->items()) tensors.push_back(resolve(item));
  return tensors;
}

Tensor WorkloadReader::read_branches(const Entry& entry) {
  entry.allow({"paths"});
  const Config& paths = entry.at("paths");
  if (paths.items().empty() || paths.items().size() > max_layer_inputs) {
    throw paths.error(fmt::format("{} paths", paths.items().size()),
                      fmt::format("list 1 to {} lists of layers", max_layer_inputs));
  }
  const std::string outer_prefix = prefix_;
  prefix_ = entry.name + ".";
  std::vector<Tensor> outputs;
  for (const Config& path : paths.items()) {
    current_ = entry.input;
    read_layers(path);
    outputs.push_back(current_);
  }
  prefix_ = outer_prefix;
  builder_.set_place(entry.node.place());
  return builder_.concatenate(entry.name, outputs);
}

Tensor WorkloadReader::read_stack(const Entry& entry) {
  entry.allow({"repeat", "layers"});
  const std::int64_t repetitions = entry.size("repeat", 1);
  const Config& list = entry.at("layers");
  const std::string outer_prefix = prefix_;
  current_ = entry.input;
  for (std::int64_t i = 1; i <= repetitions; ++i) {
    const std::size_t mark = hidden_.size();
    prefix_ = repetitions == 1 ? entry.name + "." : fmt::format("{}_{}.", entry.name, i);
    auto [slot, added] = known_.try_emplace(std::string(stack_input), current_);
    hidden_.emplace_back(stack_input, added ? std::vector<Tensor>{} : std::vector<Tensor>{std::move(slot->second)});
    slot->second = current_;
    read_layers(list);
    for (; hidden_.size() > mark; hidden_.pop_back()) {
      auto& [name, before] = hidden_.back();
      if (before.empty()) {
        known_.erase(name);
      } else {
        known_[name] = std::move(before.front());
      }
    }
  }
  prefix_ = outer_prefix;
  return current_;
}

Tensor WorkloadReader::repeat(
    const Entry& entry,
    const std::function<Tensor(const std::string& name, const Tensor& input, std::int64_t index)>& build) {
  const std::int64_t repetitions = entry.size("repeat", 1);
  Tensor x = entry.input;
  for (std::int64_t i = 0; i < repetitions; ++i) {
    const std::size_t first = builder_.layers().size();
    const std::string suffix = repetitions == 1 ? "" : fmt::format("_{}", i + 1);
    x = build(entry.name + suffix, x, i);
    if (entry.given_name.empty()) continue;
    // The parts of a named block can be tapped: `from: stage_2.expand`.
    for (std::size_t index = first; index < builder_.layers().size(); ++index) {
      const Layer& layer = builder_.layers()[index];
      if (layer.steps > 1) continue;
      make_known(layer.name.substr(prefix_.size()), entry.node,
                 Tensor{layer.out_channels, layer.out_height, layer.out_width, {static_cast<int>(index)}});
    }
  }
  return x;
}

}  // namespace corbel
