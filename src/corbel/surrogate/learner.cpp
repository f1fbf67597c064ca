#include "corbel/surrogate/learner.hpp"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>
#include <numbers>
#include <optional>

#include "corbel/base/error.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/random.hpp"
#include "corbel/surrogate/internal/loss_terms.hpp"
#include "corbel/surrogate/internal/network_functions.hpp"
#include "corbel/surrogate/internal/optimizer.hpp"
#include "corbel/surrogate/internal/relaxation.hpp"
#include "corbel/surrogate/internal/stored_tensor.hpp"
#include "corbel/surrogate/internal/torch_device.hpp"

namespace corbel {
namespace {

using torch::Tensor;

// Where a parameter's columns stand in the input: a column per value, then its features.
struct InputColumns {
  std::int64_t first = 0, values = 0, features = 0;
  std::vector<float> known = {};  // [values][features]
};

struct Slot {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t first = 0, size = 0;
};

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

// [n]
Tensor numbers_of(std::span<const std::uint32_t> workloads, std::size_t n) {
  if (workloads.empty()) return torch::zeros({static_cast<std::int64_t>(n)}, torch::kLong);
  return torch::tensor(std::vector<std::int64_t>(workloads.begin(), workloads.end()));
}

constexpr std::uint64_t weights_stream = 1;
constexpr std::uint64_t dropout_stream = 2;

}  // namespace

struct Learner::Data {
  DesignSpace space;
  NetworkSpec spec;
  double dropout;
  std::uint64_t seed;
  torch::Device device;
  std::unique_ptr<NetworkFunctions> functions;
  std::uint64_t steps = 0;
  Tensor context;   // [context_size], scaled; of one workload
  Tensor contexts;  // [workloads, context_size], inputs of the gate; of several, and then `context` is not there
  std::vector<InputColumns> columns;
  std::int64_t input_width = 0;
  std::vector<Slot> slots;
  Tensor flat, flat_gradient;
  std::optional<Optimizer> optimizer;
  DualVariable dual;
  std::map<std::string, Tensor, std::less<>> weights;  // views of flat
  Tensor positions;                                    // [parameters, embedding], attention only

  Data(DesignSpace its_space, NetworkSpec its_spec, double its_dropout, std::uint64_t its_seed,
       const LearnerSetup& setup)
      : space(std::move(its_space)),
        spec(std::move(its_spec)),
        dropout(its_dropout),
        seed(its_seed),
        device(torch_device(setup.device)),
        functions(device.is_cpu() && !setup.plain
                      ? make_fast_functions(setup.team ? setup.team : std::make_shared<Team>(1))
                      : make_plain_functions()) {}

  void start(std::string_view optimizer_name);
  void lay_out();
  void initialise();
  void write_input(std::size_t parameter, std::uint32_t index, float* row) const;
  // What enters the network: the first layer before gate and activation, or the tokens.
  Tensor embedded(std::span<const Design> designs);
  Tensor embedded(const Tensor& relaxed);
  Tensor forward(const Tensor& embedded, const Tensor& workloads, bool training);
  Tensor encoded(const Tensor& tokens, bool training);
  Tensor states(const Tensor& tokens);
  Tensor head(const Tensor& x, std::int64_t expert);
  Tensor gated(const Tensor& x, const Tensor& workloads) const;
  Tensor token_bias() const;
  Tensor loss(const Batch& batch, const LossOptions& options, bool training, Losses& values);
  const Tensor& weight(std::string_view name) const { return weights.find(name)->second; }
};

void Learner::Data::start(std::string_view optimizer_name) {
  lay_out();
  optimizer.emplace(optimizer_name, flat);
  initialise();
}

void Learner::Data::lay_out() {
  for (const Parameter& parameter : space.parameters()) {
    InputColumns entry;
    entry.first = input_width;
    entry.values = has_table(parameter) ? static_cast<std::int64_t>(parameter.count()) : 0;
    if (!has_table(parameter)) {
      entry.features = feature_count;
    } else if (spec.kind == NetworkKind::mlp && parameter.is_ordered()) {
      entry.features = ordinal_feature_count;
    }
    input_width += entry.values + entry.features;
    for (std::int64_t v = 0; v < entry.values; ++v) {
      float features[feature_count];
      parameter_features(parameter, static_cast<std::uint32_t>(v), features);
      entry.known.insert(entry.known.end(), features, features + entry.features);
    }
    columns.push_back(std::move(entry));
  }
  std::int64_t total = 0;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    const std::int64_t size = elements(shape);
    slots.push_back({name, std::move(shape), total, size});
    total += size;
  };
  const std::int64_t width = spec.input_width();
  add("input.weight", {input_width, width});
  for (const auto& [name, shape] : tensor_shapes(spec, space)) {
    if (!name.starts_with("input.") || name == "input.bias") add(name, shape);
  }
  flat = torch::zeros({total}, device);
  flat_gradient = torch::zeros({total}, device);
  for (const Slot& slot : slots) {
    // Detached views of one vector: optimizer and checkpoints then handle all parameters at once.
    Tensor view = flat.narrow(0, slot.first, slot.size).view(slot.shape).detach();
    view.requires_grad_(true);
    view.mutable_grad() = flat_gradient.narrow(0, slot.first, slot.size).view(slot.shape);
    weights[slot.name] = view;
  }
}

void Learner::Data::initialise() {
  Rng rng(seed, weights_stream);
  const Tensor initial = torch::zeros({flat.numel()});
  float* const values = initial.data_ptr<float>();
  const auto fill = [&](const Slot& slot, double limit) {
    for (std::int64_t i = 0; i < slot.size; ++i) {
      values[slot.first + i] = static_cast<float>((2 * rng.uniform() - 1) * limit);
    }
  };
  for (const Slot& slot : slots) {
    if (slot.name == "input.weight") {
      const std::int64_t width = spec.input_width();
      for (std::size_t p = 0; p < columns.size(); ++p) {
        const InputColumns& entry = columns[p];
        for (std::int64_t c = 0; c < entry.values + entry.features; ++c) {
          double limit = std::sqrt(6.0 / static_cast<double>(entry.values + entry.features + width));  // Glorot
          if (spec.kind == NetworkKind::mlp) {
            // A value that was never logged must fall back on its neighbours: rows of ordered values start at zero and
            // their features carry the signal.
            const bool is_row = c < entry.values;
            limit = is_row && entry.features > 0 ? 0 : std::sqrt(3.0 / static_cast<double>(columns.size()));
          }
          for (std::int64_t w = 0; w < width; ++w) {
            values[slot.first + (entry.first + c) * width + w] = static_cast<float>((2 * rng.uniform() - 1) * limit);
          }
        }
      }
    } else if (slot.name == "gate" && contexts.defined()) {
      // Zero: every factor starts as 1, on every workload.
    } else if (slot.name == "gate") {
      // Starts as the identity for this context: every factor is 1.
      const double squares = context.dot(context).item<double>();
      const Tensor its = context.cpu();
      const float* source = its.data_ptr<float>();
      for (std::int64_t i = 0; i < slot.size; ++i) {
        values[slot.first + i] = static_cast<float>(source[i % spec.context_size] / squares);
      }
    } else if (slot.name.find("norm") != std::string::npos) {
      const float start = slot.name.ends_with(".weight") ? 1.0F : 0.0F;
      std::fill_n(values + slot.first, slot.size, start);
    } else if (slot.name.ends_with(".weight")) {
      const bool is_last = slot.name.ends_with("output.weight") || slot.name == "vote.weight";
      fill(slot, std::sqrt((is_last ? 1.0 : 3.0) / static_cast<double>(slot.shape[1])));
    } else if (slot.name == "lstm.bias") {
      // Remembers at first (Jozefowicz et al. 2015).
      std::fill_n(values + slot.first + spec.embedding, spec.embedding, 1.0F);
    }
  }
  flat.copy_(initial);
  if (spec.kind == NetworkKind::attention) {
    positions = torch::zeros({static_cast<std::int64_t>(columns.size()), spec.embedding});
    auto place = positions.accessor<float, 2>();
    for (std::int64_t p = 0; p < place.size(0); ++p) {
      for (std::int64_t w = 0; w < place.size(1); ++w) {
        const double angle = static_cast<double>(p) /
                             std::pow(10000.0, static_cast<double>(w / 2 * 2) / static_cast<double>(spec.embedding));
        place[p][w] = static_cast<float>(w % 2 == 0 ? std::sin(angle) : std::cos(angle));
      }
    }
    positions = positions.to(device);
  }
}

// Sets the parameter's columns, which must be zero, of a row of the input.
void Learner::Data::write_input(std::size_t parameter, std::uint32_t index, float* row) const {
  const InputColumns& entry = columns[parameter];
  if (entry.values > 0) row[entry.first + index] = 1;
  if (entry.features == 0) return;
  float features[feature_count];
  parameter_features(space.parameters()[parameter], index, features);
  std::copy(features, features + entry.features, row + entry.first + entry.values);
}

// What is added to each token; the first layer's bias for the MLP.
Tensor Learner::Data::token_bias() const {
  return positions.defined() ? weight("input.bias") + positions : weight("input.bias");
}

Tensor Learner::Data::embedded(std::span<const Design> designs) {
  const bool is_mlp = spec.kind == NetworkKind::mlp;
  TableRows table;
  for (const Design& design : designs) {
    for (std::size_t p = 0; p < columns.size(); ++p) {
      const InputColumns& entry = columns[p];
      if (entry.values > 0) {
        table.rows.push_back(static_cast<std::uint32_t>(entry.first + design[p]));
        table.factors.push_back(1);
      }
      float computed[feature_count];
      if (entry.values == 0) parameter_features(space.parameters()[p], design[p], computed);
      const float* const features =
          entry.values == 0 ? computed : entry.known.data() + static_cast<std::int64_t>(design[p]) * entry.features;
      for (std::int64_t f = 0; f < entry.features; ++f) {
        table.rows.push_back(static_cast<std::uint32_t>(entry.first + entry.values + f));
        table.factors.push_back(features[f]);
      }
      if (!is_mlp) table.ends.push_back(table.rows.size());
    }
    if (is_mlp) table.ends.push_back(table.rows.size());
  }
  const Tensor sums = functions->look_up(weight("input.weight"), token_bias(), std::move(table));
  if (is_mlp) return sums;
  return sums.view({static_cast<std::int64_t>(designs.size()), static_cast<std::int64_t>(columns.size()), -1});
}

// @param relaxed  [n, input_width]
Tensor Learner::Data::embedded(const Tensor& relaxed) {
  const Tensor& table = weight("input.weight");
  if (spec.kind == NetworkKind::mlp) return functions->dense(relaxed, table.t().contiguous(), token_bias());
  std::vector<Tensor> tokens;
  for (const InputColumns& entry : columns) {
    const std::int64_t count = entry.values + entry.features;
    tokens.push_back(at::matmul(relaxed.narrow(1, entry.first, count), table.narrow(0, entry.first, count)));
  }
  return torch::stack(tokens, 1) + token_bias();
}

// [n, parameters, embedding] after the transformer layers.
Tensor Learner::Data::encoded(const Tensor& tokens, bool training) {
  std::vector<Tensor> all;
  for (std::int64_t l = 0; l < spec.layers; ++l) {
    for (const char* part :
         {"attention.in", "attention.out", "norm1", "feed_forward.in", "feed_forward.out", "norm2"}) {
      for (const char* tensor : {"weight", "bias"})
        all.push_back(weight(fmt::format("layer.{}.{}.{}", l, part, tensor)));
    }
  }
  const std::uint64_t its_seed = Rng(seed, dropout_stream + (steps << 8)).next();
  return functions->encode(tokens, all, spec.heads, {training ? dropout : 0, its_seed});
}

// [n, parameters, embedding]: the LSTM's hidden state after each token.
Tensor Learner::Data::states(const Tensor& tokens) {
  Tensor hidden = torch::zeros({tokens.size(0), spec.embedding}, tokens.options()), cell = hidden;
  std::vector<Tensor> all;
  for (std::int64_t p = 0; p < tokens.size(1); ++p) {
    const Tensor in = torch::cat({tokens.select(1, p), hidden}, 1);
    const auto gates = functions->dense(in, weight("lstm.weight"), weight("lstm.bias")).chunk(4, 1);
    cell = torch::sigmoid(gates[1]) * cell + torch::sigmoid(gates[0]) * torch::tanh(gates[2]);
    hidden = torch::sigmoid(gates[3]) * torch::tanh(cell);
    all.push_back(hidden);
  }
  return torch::stack(all, 1);
}

// The dense layers from the gated features to the outputs.
Tensor Learner::Data::head(const Tensor& x, std::int64_t expert) {
  const std::string prefix = head_prefix(spec, expert);
  std::vector<Tensor> all;
  const auto add = [&](const std::string& name) {
    all.push_back(weight(prefix + name + ".weight"));
    all.push_back(weight(prefix + name + ".bias"));
  };
  for (std::size_t h = spec.kind == NetworkKind::mlp ? 1 : 0; h < spec.hidden.size(); ++h) {
    add(fmt::format("hidden.{}", h));
  }
  add("output");
  return functions->layers(x, all, spec.activation);
}

Tensor Learner::Data::gated(const Tensor& x, const Tensor& workloads) const {
  if (spec.context_size == 0) return x;
  if (!contexts.defined()) return x * (weight("gate") * context).sum(1);
  return x * (1 + at::matmul(contexts, weight("gate").t())).index_select(0, workloads);
}

// @param workloads  [n]
Tensor Learner::Data::forward(const Tensor& embedded, const Tensor& workloads, bool training) {
  Tensor x = embedded;
  if (spec.kind == NetworkKind::attention) x = encoded(x, training);
  if (spec.kind == NetworkKind::lstm) x = states(x);
  x = gated(x.flatten(1), workloads);
  if (spec.kind == NetworkKind::mlp) x = activated(spec.activation, x);
  if (spec.experts == 1) return head(x, 0);
  const Tensor votes = torch::softmax(functions->dense(x, weight("vote.weight"), weight("vote.bias")), 1);
  Tensor out;
  for (std::int64_t e = 0; e < spec.experts; ++e) {
    const Tensor said = votes.narrow(1, e, 1) * head(x, e);
    out = e == 0 ? said : out + said;
  }
  return out;
}

Tensor Learner::Data::loss(const Batch& batch, const LossOptions& options, bool training, Losses& values) {
  std::vector<Design> all = batch.feasible;
  all.insert(all.end(), batch.infeasible.begin(), batch.infeasible.end());
  all.insert(all.end(), batch.negatives.begin(), batch.negatives.end());
  const Tensor workloads = torch::cat({numbers_of(batch.feasible_workloads, batch.feasible.size()),
                                       numbers_of(batch.infeasible_workloads, batch.infeasible.size()),
                                       numbers_of(batch.negative_workloads, batch.negatives.size())})
                               .to(device);
  return total_loss(forward(embedded(all), workloads, training), batch, spec, options, dual.value(), values);
}

Learner::SingleThread::SingleThread() {
  at::set_num_threads(1);
  at::globalContext().setFlushDenormal(true);
}
Learner::SingleThread::~SingleThread() {
  at::globalContext().setFlushDenormal(false);
}

Learner::Learner(DesignSpace space, NetworkSpec spec, double dropout, const WorkloadContexts& contexts,
                 std::uint64_t seed, const LearnerSetup& setup)
    : data_(std::make_unique<Data>(std::move(space), std::move(spec), dropout, seed, setup)) {
  torch::NoGradGuard no_gradient;
  if (contexts.range) {
    std::vector<Tensor> inputs;
    for (const std::vector<float>& context : contexts.of)
      inputs.push_back(torch::tensor(contexts.range->inputs(context)));
    data_->contexts = torch::stack(inputs).to(data_->device);
  } else if (!contexts.of.empty()) {
    const auto scale = static_cast<float>(context_scale(contexts.of.front()));
    std::vector<float> scaled;
    for (const float value : contexts.of.front()) scaled.push_back(std::asinh(value) * scale);
    data_->context = torch::tensor(scaled).to(data_->device);
  }
  data_->start(setup.optimizer);
}
Learner::~Learner() = default;
Learner::Learner(Learner&&) noexcept = default;

Losses Learner::losses(const Batch& batch, const LossOptions& options, std::vector<float>* gradient) {
  Losses values;
  const Tensor total = data_->loss(batch, options, false, values);
  if (gradient != nullptr) {
    data_->flat_gradient.zero_();
    if (total.requires_grad()) total.backward();
    *gradient = to_stored(data_->flat_gradient).values;
  }
  return values;
}

Losses Learner::step(const Batch& batch, const LossOptions& options, double learning_rate) {
  Losses values;
  data_->flat_gradient.zero_();
  const Tensor total = data_->loss(batch, options, true, values);
  if (total.requires_grad()) total.backward();
  if (options.penalty == Penalty::gap && options.weights.alpha > 0 && !batch.negatives.empty()) {
    data_->dual.ascend(values.negatives);
  }
  torch::NoGradGuard no_gradient;
  data_->optimizer->step(data_->flat, data_->flat_gradient, learning_rate, ++data_->steps);
  return values;
}

std::vector<float> Learner::outputs(std::span<const Design> designs, std::span<const std::uint32_t> workloads) {
  torch::NoGradGuard no_gradient;
  return to_stored(
             data_->forward(data_->embedded(designs), numbers_of(workloads, designs.size()).to(data_->device), false))
      .values;
}

std::vector<Design> Learner::descend(std::span<const Design> starts, std::uint64_t seed, std::uint32_t workload) {
  // Enough to leave the start: a logit moves by the rate per step where it matters as much as the others.
  constexpr int steps = 20;
  constexpr double rate = 0.5;
  if (starts.empty()) return {};
  const Relaxation relaxation(data_->space);
  const auto count = static_cast<std::int64_t>(relaxation.values().size());
  Tensor inputs = torch::zeros({count, data_->input_width});  // of each value alone
  for (std::size_t v = 0; v < relaxation.values().size(); ++v) {
    const auto [parameter, index] = relaxation.values()[v];
    data_->write_input(parameter, index, inputs.data_ptr<float>() + static_cast<std::int64_t>(v) * data_->input_width);
  }
  inputs = inputs.t().contiguous().to(data_->device);
  const Tensor no_bias = torch::zeros({data_->input_width}, data_->device);
  const Tensor workloads =
      torch::full({static_cast<std::int64_t>(starts.size())}, std::int64_t{workload}, torch::kLong).to(data_->device);
  Rng noise(seed);
  Tensor logits = relaxation.around(starts, noise).to(data_->device);
  for (int step = 0; step < steps; ++step) {
    logits = logits.detach().requires_grad_(true);
    const Tensor input = data_->functions->dense(relaxation.probabilities(logits), inputs, no_bias);
    const Tensor f = data_->forward(data_->embedded(input), workloads, false).select(1, 0);
    // Rows do not meet in the sum, so that each has its own gradient.
    const Tensor gradient = torch::nan_to_num(torch::autograd::grad({f.sum()}, {logits})[0]);
    const Tensor size = gradient.square().mean(1, true).sqrt().clamp_min(1e-12);
    logits = logits.detach() - rate * gradient / size;
  }
  return relaxation.round(logits.cpu());
}

const DualVariable& Learner::dual() const {
  return data_->dual;
}

std::uint64_t Learner::steps_done() const {
  return data_->steps;
}

std::vector<float> Learner::parameters() const {
  return to_stored(data_->flat).values;
}

TensorMap Learner::by_name(std::span<const float> values) const {
  TensorMap parts;
  for (const Slot& slot : data_->slots) {
    if (slot.name == "input.weight") continue;
    const float* const first = values.data() + slot.first;
    parts[slot.name] = {slot.shape, std::vector<float>(first, first + slot.size)};
  }
  // A table's row is its own row of the parameters, plus what features add: the gradient is that of the former.
  const std::int64_t width = data_->spec.input_width();
  for (std::size_t p = 0; p < data_->columns.size(); ++p) {
    const std::int64_t rows = input_rows(data_->space.parameters()[p]);
    const float* const first = values.data() + data_->columns[p].first * width;
    parts[fmt::format("input.{}", p)] = {{rows, width}, std::vector<float>(first, first + rows * width)};
  }
  return parts;
}

void Learner::set_parameters(std::span<const float> values) {
  if (values.size() != static_cast<std::size_t>(data_->flat.numel())) {
    throw Error(ErrorCode::corrupt,
                fmt::format("{} parameters for a network of {}", values.size(), data_->flat.numel()));
  }
  data_->flat.copy_(torch::tensor(std::vector<float>(values.begin(), values.end())));
}

bool Learner::is_finite() const {
  return torch::isfinite(data_->flat).all().item<bool>();
}

TensorMap Learner::save() const {
  TensorMap state = {{"parameters", to_stored(data_->flat)}, {"dual", {{4}, data_->dual.save()}}};
  data_->optimizer->save(state);
  return state;
}

void Learner::load(const TensorMap& state, std::uint64_t steps_done) {
  const std::vector<float>& values = stored_values(state, "parameters", data_->flat.numel());
  DualVariable dual;
  dual.load(stored_values(state, "dual", 4));
  data_->optimizer->load(state);
  set_parameters(values);
  data_->dual = dual;
  data_->steps = steps_done;
}

void Learner::export_tensors(const std::string& prefix, double feasibility_shift, TensorMap& out,
                             const AffineMap& objective) const {
  const std::int64_t width = data_->spec.input_width();
  const StoredTensor weights = to_stored(data_->weight("input.weight"));
  const auto weight = [&](std::int64_t column, std::int64_t w) {
    return weights.values[static_cast<std::size_t>(column * width + w)];
  };
  for (std::size_t p = 0; p < data_->columns.size(); ++p) {
    const InputColumns& entry = data_->columns[p];
    const Parameter& parameter = data_->space.parameters()[p];
    StoredTensor table;
    table.shape = {input_rows(parameter), width};
    float features[feature_count] = {};
    for (std::int64_t row = 0; row < table.shape[0]; ++row) {
      if (entry.values > 0) parameter_features(parameter, static_cast<std::uint32_t>(row), features);
      for (std::int64_t w = 0; w < width; ++w) {
        float value = weight(entry.first + row, w);
        for (std::int64_t f = 0; entry.values > 0 && f < entry.features; ++f) {
          value += features[f] * weight(entry.first + entry.values + f, w);
        }
        table.values.push_back(value);
      }
    }
    out[fmt::format("{}input.{}", prefix, p)] = std::move(table);
  }
  for (const Slot& slot : data_->slots) {
    if (slot.name == "input.weight") continue;
    torch::Tensor value = data_->weight(slot.name).detach();
    if (slot.name == "input.bias" && data_->spec.kind == NetworkKind::attention) value = value + data_->positions;
    out[prefix + slot.name] = to_stored(value);
  }
  // The votes of experts sum to 1, so that what holds for one head may be done to each.
  for (std::int64_t e = 0; e < data_->spec.experts; ++e) {
    const std::string name = prefix + head_prefix(data_->spec, e);
    StoredTensor& bias = out[name + "output.bias"];
    if (data_->spec.feasibility) bias.values.back() += static_cast<float>(feasibility_shift);
    StoredTensor& last = out[name + "output.weight"];
    for (std::int64_t i = 0; i < last.shape[1]; ++i) {
      float& value = last.values[static_cast<std::size_t>(i)];
      value = static_cast<float>(value * objective.slope);
    }
    bias.values[0] = static_cast<float>(bias.values[0] * objective.slope + objective.offset);
  }
}

double Learner::context_scale(std::span<const float> context) {
  double squares = 0;
  for (const float value : context) squares += std::pow(std::asinh(static_cast<double>(value)), 2);
  if (context.empty()) return 1;
  if (!(squares > 0) || !std::isfinite(squares)) {
    throw Error(ErrorCode::invalid_input, "the workload's context vector is all zero or not finite",
                "give a context that tells workloads apart, or none");
  }
  return 1 / std::sqrt(squares);
}

}  // namespace corbel
