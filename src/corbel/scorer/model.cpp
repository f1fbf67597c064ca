#include "corbel/scorer/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/scorer/context_range.hpp"
#include "corbel/scorer/member.hpp"
#include "corbel/scorer/network_spec.hpp"
#include "corbel/scorer/trees.hpp"

namespace corbel {
namespace {

constexpr const char* metadata_key = "corbel";
constexpr int max_metadata_depth = 32;

std::string joined(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

nlohmann::json parse_metadata(const std::string& text, std::string_view name) {
  const auto limit_depth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > max_metadata_depth) {
      throw Error(ErrorCode::corrupt, fmt::format("{}: the metadata is nested too deeply", name));
    }
    return true;
  };
  return nlohmann::json::parse(text, limit_depth);
}

// Tensors cannot claim more than the file holds, but what attention and LSTM need beside them grows with tokens times
// widths.
void require_workspace(const NetworkSpec& spec, const DesignSpace& space) {
  constexpr std::int64_t most = std::int64_t{1} << 22;  // 512 MB of floats for `lanes` designs
  if (spec.kind == NetworkKind::mlp) return;
  const bool is_lstm = spec.kind == NetworkKind::lstm;
  const std::int64_t widest = is_lstm ? spec.embedding : std::max(3 * spec.embedding, spec.feed_forward);
  if (static_cast<std::int64_t>(space.dimensions()) > most / widest) {
    throw Error(ErrorCode::corrupt,
                fmt::format("{} parameters with tokens of width {} need too much memory", space.dimensions(), widest));
  }
}

std::string describe(const DesignSpace& space) {
  std::string names;
  for (const Parameter& parameter : space.parameters()) {
    if (!names.empty()) names += ", ";
    if (names.size() > 120) return names + "…";
    names += parameter.name();
  }
  return names;
}

}  // namespace

// The members of the ensemble, as one kernel computes them.
struct Model::Engine {
  const ScorerKernel* kernel;
  std::vector<std::unique_ptr<Member>> members;
  std::size_t block = lanes;  // designs that they take at once
};

struct Model::Data {
  explicit Data(DesignSpace its_space) : space(std::move(its_space)) {}

  DesignSpace space;
  nlohmann::json metadata;
  NetworkSpec spec;
  TensorMap tensors;
  std::vector<std::string> metrics;
  Ensemble ensemble;
  float context_scale = 1;
  std::optional<ContextRange> context_range;  // of a model of several workloads
  std::optional<Trees> trees;
  mutable std::once_flag engine_made[2];
  mutable Engine engines[2];  // for exact and fast arithmetic, made when they are first needed

  Engine engine(const ScorerKernel& kernel) const;
  std::vector<float> gate(std::size_t member, std::span<const float> context) const;
  /// @param tree_outputs  [n] of the trees, if there are any
  template <class Result, class NextDesigns>
  void run(const Engine& engine, std::size_t n, std::span<const float> context, const std::vector<float>& tree_outputs,
           NextDesigns&& next, Result& result) const;
  template <class Result>
  void run(const Engine& engine, std::span<const Design> designs, std::span<const float> context, Result& result) const;
  template <class Result>
  void run_range(const Engine& engine, DesignId first, std::size_t n, std::span<const float> context,
                 Result& result) const;
  Predictions room_for_predictions(std::size_t n) const;
  Outputs room_for_outputs(std::size_t n) const;
};

Model Model::load(const std::filesystem::path& file) {
  return decode(read_file(file), file.string());
}

Model Model::decode(std::string_view bytes, std::string_view name) {
  TensorFile content = decode_safetensors(bytes, name);
  const auto found = content.metadata.find(metadata_key);
  if (found == content.metadata.end()) {
    throw Error(ErrorCode::corrupt, fmt::format("{}: a safetensors file, but not a corbel model", name),
                "train one: `corbel train STUDY`");
  }
  nlohmann::json metadata;
  try {
    metadata = parse_metadata(found->second, name);
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::corrupt, fmt::format("{}: the metadata is not JSON", name), "train again");
  }
  return from_tensors(std::move(metadata), std::move(content.tensors), name);
}

void Model::save(const std::filesystem::path& file, const nlohmann::json& metadata, TensorMap tensors) {
  TensorFile content;
  content.metadata["format"] = "corbel";
  try {
    content.metadata[metadata_key] = metadata.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::invalid_input, fmt::format("{}: a name in the model is not UTF-8", file.string()),
                "rename the metric or parameter");
  }
  content.tensors = std::move(tensors);
  const std::string bytes = encode_safetensors(content);
  decode(bytes, file.string());
  write_file(file, bytes);
}

Model Model::from_tensors(nlohmann::json metadata, TensorMap tensors, std::string_view name) {
  try {
    const std::int64_t version = whole_number_in(metadata, "version", 0, INT64_MAX);
    if (version != model_version) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("version {} of the model format; this corbel reads version {}", version, model_version),
                  "train again, or use the corbel that wrote it");
    }
    auto data = std::make_shared<Data>(DesignSpace::from_json(metadata.at("space")));
    if (metadata.at("space_fingerprint").get<std::string>() != data->space.fingerprint()) {
      throw Error(ErrorCode::corrupt, "the design space does not match its fingerprint");
    }
    data->spec = network_spec_from_json(metadata.at("network"));
    data->metrics = metadata.at("metrics").get<std::vector<std::string>>();
    for (const nlohmann::json& transform : metadata.at("transforms")) {
      data->ensemble.transforms.push_back(metric_transform_from_json(transform));
    }
    const auto outputs = static_cast<std::size_t>(data->spec.metrics);
    if (data->metrics.size() != outputs || data->ensemble.transforms.size() != outputs) {
      throw Error(ErrorCode::corrupt, fmt::format("{} metrics and {} normalisations for {} outputs",
                                                  data->metrics.size(), data->ensemble.transforms.size(), outputs));
    }
    data->context_scale = metadata.at("context_scale").get<float>();
    if (!std::isfinite(data->context_scale)) throw Error(ErrorCode::corrupt, "the context's scale is not finite");
    if (metadata.contains("context_range")) {
      data->context_range = ContextRange::from_json(metadata.at("context_range"));
      if (data->context_range->size() != static_cast<std::size_t>(data->spec.context_size)) {
        throw Error(ErrorCode::corrupt, fmt::format("the range of {} numbers for a context of {}",
                                                    data->context_range->size(), data->spec.context_size));
      }
    }
    const std::int64_t members = whole_number_in(metadata, "members", 1, 64);
    data->ensemble.members = static_cast<std::size_t>(members);
    data->ensemble.has_feasibility = data->spec.feasibility;
    require_workspace(data->spec, data->space);

    const auto shapes = tensor_shapes(data->spec, data->space);
    for (std::int64_t m = 0; m < members; ++m) {
      const std::string prefix = fmt::format("{}.", m);
      for (const auto& [tensor, shape] : shapes) {
        const auto found = tensors.find(prefix + tensor);
        if (found == tensors.end())
          throw Error(ErrorCode::corrupt, fmt::format("tensor `{}{}` is missing", prefix, tensor));
        if (found->second.shape != shape) {
          throw Error(ErrorCode::corrupt, fmt::format("tensor `{}{}` has shape {}, not {}", prefix, tensor,
                                                      joined(found->second.shape), joined(shape)));
        }
      }
    }
    std::size_t wanted = shapes.size() * static_cast<std::size_t>(members);
    if (metadata.contains("trees")) {
      data->ensemble.tree_share = metadata.at("trees").at("share").get<double>();
      const double share = data->ensemble.tree_share;
      if (!(share >= 0 && share <= 1))
        throw Error(ErrorCode::corrupt, fmt::format("the share of the trees is {}, not from 0 to 1", share));
      data->ensemble.has_trees = true;
      data->trees.emplace(data->space, tensors);
      wanted += 2;
    }
    if (tensors.size() != wanted) {
      throw Error(ErrorCode::corrupt, fmt::format("{} tensors, the model has {}", tensors.size(), wanted));
    }
    data->metadata = std::move(metadata);
    data->tensors = std::move(tensors);
    Model model;
    model.data_ = std::move(data);
    return model;
  } catch (const Error& error) {
    const ErrorCode code = error.code() == ErrorCode::unsupported ? ErrorCode::unsupported : ErrorCode::corrupt;
    throw Error(code, fmt::format("{}: {}", name, error.what()), error.hint());
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::corrupt, fmt::format("{}: the metadata lacks a field or has one of the wrong kind", name),
                "the file is damaged: copy it again or train again");
  }
}

const DesignSpace& Model::space() const {
  return data_->space;
}
const std::vector<std::string>& Model::metrics() const {
  return data_->metrics;
}
Direction Model::direction() const {
  return data_->ensemble.transforms.front().direction();
}
const std::vector<MetricTransform>& Model::transforms() const {
  return data_->ensemble.transforms;
}
const nlohmann::json& Model::metadata() const {
  return data_->metadata;
}
std::size_t Model::context_size() const {
  return static_cast<std::size_t>(data_->spec.context_size);
}

void Model::require_space(const DesignSpace& space, std::string_view what) const {
  if (space.fingerprint() == data_->space.fingerprint()) return;
  throw Error(
      ErrorCode::mismatch,
      fmt::format("the model is of the design space {} ({}), {} of {} ({})", data_->space.fingerprint().substr(0, 8),
                  describe(data_->space), what, space.fingerprint().substr(0, 8), describe(space)),
      "train a model on this space: `corbel train STUDY`");
}

std::vector<float> Model::Data::gate(std::size_t member, std::span<const float> context) const {
  if (context.empty()) return {};
  const std::vector<float>& weights = tensors.find(fmt::format("{}.gate", member))->second.values;
  std::vector<float> factors(weights.size() / context.size());
  if (context_range) {
    const std::vector<float> inputs = context_range->inputs(context);
    for (std::size_t w = 0; w < factors.size(); ++w) {
      const float* row = weights.data() + w * inputs.size();
      factors[w] = std::inner_product(inputs.begin(), inputs.end(), row, 1.0F);
    }
    return factors;
  }
  for (std::size_t w = 0; w < factors.size(); ++w) {
    float sum = 0;
    for (std::size_t c = 0; c < context.size(); ++c) {
      sum += weights[w * context.size() + c] * std::asinh(context[c]) * context_scale;
    }
    factors[w] = sum;
  }
  return factors;
}

Predictions Model::Data::room_for_predictions(std::size_t n) const {
  Predictions predictions;
  predictions.metrics.resize(n * metrics.size());
  predictions.feasibility.resize(n);
  predictions.spread.resize(n, 0);
  return predictions;
}

Outputs Model::Data::room_for_outputs(std::size_t n) const {
  Outputs outputs;
  outputs.designs = n;
  outputs.metrics.resize(n * metrics.size());
  if (ensemble.has_feasibility) outputs.logits.emplace_back(n * ensemble.members);
  return outputs;
}

Model::Engine Model::Data::engine(const ScorerKernel& kernel) const {
  Engine made{&kernel, {}, lanes};
  for (std::size_t m = 0; m < ensemble.members; ++m) {
    made.members.push_back(kernel.make({space, spec, tensors, fmt::format("{}.", m)}));
    made.block = made.members.back()->block();
  }
  return made;
}

template <class Result, class NextDesigns>
void Model::Data::run(const Engine& engine, std::size_t n, std::span<const float> context,
                      const std::vector<float>& tree_outputs, NextDesigns&& next, Result& result) const {
  if (context.size() != static_cast<std::size_t>(spec.context_size)) {
    throw Error(
        ErrorCode::mismatch,
        fmt::format("the model wants a context of {} numbers, {} were given", spec.context_size, context.size()),
        "give the workload's context vector, or train again for this workload");
  }
  std::vector<std::unique_ptr<Member::Workspace>> workspaces;
  std::vector<std::vector<float>> factors;
  for (std::size_t m = 0; m < ensemble.members; ++m) {
    workspaces.push_back(engine.members[m]->workspace());
    factors.push_back(gate(m, context));
  }
  const std::size_t members = ensemble.members;
  const std::size_t size = ensemble.width() * lanes;  // of a member's outputs for `lanes` designs
  const std::size_t stride = std::min(engine.block, (n + lanes - 1) / lanes * lanes);
  std::vector<std::uint32_t> indices(space.dimensions() * stride);
  AlignedVector<float> outputs(stride / lanes * members * size);
  for (std::size_t first = 0; first < n; first += stride) {
    const std::size_t count = std::min(stride, n - first);
    const std::span<const Design> block = next(first, count);
    for (std::size_t p = 0; p < space.dimensions(); ++p) {
      std::uint32_t* const column = indices.data() + p * stride;
      for (std::size_t i = 0; i < stride; ++i) column[i] = block[std::min(i, count - 1)][p];
    }
    for (std::size_t m = 0; m < ensemble.members; ++m) {
      engine.members[m]->evaluate({indices.data(), stride, count}, factors[m], *workspaces[m],
                                  outputs.data() + m * size, members * size);
    }
    for (std::size_t part = 0; part < count; part += lanes) {
      ensemble.combine(outputs.data() + part / lanes * members * size, lanes,
                       trees ? tree_outputs.data() + first + part : nullptr, first + part,
                       std::min(lanes, count - part), result);
    }
  }
}

template <class Result>
void Model::Data::run(const Engine& engine, std::span<const Design> designs, std::span<const float> context,
                      Result& result) const {
  std::vector<float> tree_outputs(trees ? designs.size() : 0);
  if (trees) trees->evaluate(designs, tree_outputs.data());
  const auto next = [&](std::size_t first, std::size_t count) { return designs.subspan(first, count); };
  run(engine, designs.size(), context, tree_outputs, next, result);
}

template <class Result>
void Model::Data::run_range(const Engine& engine, DesignId first, std::size_t n, std::span<const float> context,
                            Result& result) const {
  std::vector<float> tree_outputs(trees ? n : 0);
  if (trees) trees->evaluate_range(first, n, tree_outputs.data());
  std::vector<Design> block(std::min(n, engine.block));
  Design current = space.design(first);
  const auto next = [&](std::size_t, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      block[i] = current;
      space.advance(current);
    }
    return std::span<const Design>(block).first(count);
  };
  run(engine, n, context, tree_outputs, next, result);
}

Model Model::with_kernel(std::string_view name) const {
  return with_kernel(scorer_kernel(name));
}

Model Model::with_kernel(const ScorerKernel& wanted) const {
  const bool covers = wanted.covers(data_->spec, data_->space);
  Model forced = *this;
  forced.forced_ = std::make_shared<Engine>(data_->engine(covers ? wanted : scorer_kernels().back()));
  return forced;
}

const Model::Engine& Model::engine(Arithmetic arithmetic) const {
  if (forced_ && (arithmetic == Arithmetic::fast || forced_->kernel->arithmetic == Arithmetic::exact)) return *forced_;
  const ScorerKernel& kernel = fastest_kernel(data_->spec, data_->space, arithmetic);
  const auto which = static_cast<std::size_t>(kernel.arithmetic);
  std::call_once(data_->engine_made[which], [&] { data_->engines[which] = data_->engine(kernel); });
  return data_->engines[which];
}

std::string_view Model::kernel(Arithmetic arithmetic) const {
  return engine(arithmetic).kernel->name;
}

Predictions Model::predict(std::span<const Design> designs, std::span<const float> context,
                           Arithmetic arithmetic) const {
  Predictions predictions = data_->room_for_predictions(designs.size());
  data_->run(engine(arithmetic), designs, context, predictions);
  return predictions;
}

Predictions Model::predict_range(DesignId first, std::size_t n, std::span<const float> context,
                                 Arithmetic arithmetic) const {
  Predictions predictions = data_->room_for_predictions(n);
  data_->run_range(engine(arithmetic), first, n, context, predictions);
  return predictions;
}

Outputs Model::outputs(std::span<const Design> designs, std::span<const float> context, Arithmetic arithmetic) const {
  Outputs outputs = data_->room_for_outputs(designs.size());
  data_->run(engine(arithmetic), designs, context, outputs);
  return outputs;
}

Outputs Model::outputs_range(DesignId first, std::size_t n, std::span<const float> context,
                             Arithmetic arithmetic) const {
  Outputs outputs = data_->room_for_outputs(n);
  data_->run_range(engine(arithmetic), first, n, context, outputs);
  return outputs;
}

}  // namespace corbel
