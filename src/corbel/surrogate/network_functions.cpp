#include "corbel/surrogate/internal/network_functions.hpp"

#include <algorithm>

namespace corbel {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

// What a forward pass leaves to the backward pass.
template <typename Value>
struct Kept : torch::CustomClassHolder {
  explicit Kept(Value its_value) : value(std::move(its_value)) {}
  Value value;
};

template <typename Value>
void keep(AutogradContext* context, Value value) {
  context->saved_data["kept"] = c10::IValue::make_capsule(c10::make_intrusive<Kept<Value>>(std::move(value)));
}

template <typename Value>
Value& kept(AutogradContext* context) {
  const auto capsule = context->saved_data["kept"].toCapsule();
  return static_cast<Kept<Value>&>(*capsule).value;
}

bool needs_gradients(const Tensor& x, const std::vector<Tensor>& weights) {
  if (!torch::GradMode::is_enabled()) return false;
  return x.requires_grad() ||
         std::any_of(weights.begin(), weights.end(), [](const Tensor& weight) { return weight.requires_grad(); });
}

// Uninitialised, of the shape of each.
tensor_list gradients_like(const std::vector<Tensor>& weights, std::vector<float*>& values) {
  tensor_list gradients;
  for (const Tensor& weight : weights) {
    gradients.push_back(torch::empty_like(weight, at::MemoryFormat::Contiguous));
    values.push_back(gradients.back().data_ptr<float>());
  }
  return gradients;
}

template <typename Value, typename Make>
std::shared_ptr<Value> reuse(std::vector<std::shared_ptr<Value>>& all, const Make& make) {
  for (const auto& one : all) {
    if (one.use_count() == 1) return one;
  }
  all.push_back(make());
  return all.back();
}

struct Lookup {
  TableRows rows;
  std::shared_ptr<Team> team;
  TrainingOperations use;
};

class LookupFunction : public torch::autograd::Function<LookupFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& table, const Tensor& bias,
                        const std::shared_ptr<Lookup>& lookup) {
    context->save_for_backward({table, bias});
    keep(context, lookup);
    const TableRows& rows = lookup->rows;
    const auto width = static_cast<std::size_t>(table.size(1));
    const auto biases = static_cast<std::size_t>(bias.numel()) / width;
    Tensor out = torch::empty({static_cast<std::int64_t>(rows.ends.size()), table.size(1)});
    const float* const from = table.data_ptr<float>();
    const float* const base = bias.data_ptr<float>();
    float* const to = out.data_ptr<float>();
    constexpr std::size_t sums_at_once = 256;
    lookup->team->run((rows.ends.size() + sums_at_once - 1) / sums_at_once, [&](std::size_t piece) {
      const std::size_t end = std::min(rows.ends.size(), (piece + 1) * sums_at_once);
      for (std::size_t i = piece * sums_at_once; i < end; ++i) {
        std::copy_n(base + i % biases * width, width, to + i * width);
        for (std::size_t entry = i == 0 ? 0 : rows.ends[i - 1]; entry < rows.ends[i]; ++entry) {
          lookup->use.add_scaled(from + rows.rows[entry] * width, rows.factors[entry], width, to + i * width);
        }
      }
    });
    return out;
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const Lookup& lookup = *kept<std::shared_ptr<Lookup>>(context);
    const TableRows& rows = lookup.rows;
    const Tensor gradient = gradients[0].contiguous();
    Tensor of_table = torch::zeros_like(saved[0]), of_bias = torch::zeros_like(saved[1]);
    const auto width = static_cast<std::size_t>(saved[0].size(1));
    const auto biases = static_cast<std::size_t>(saved[1].numel()) / width;
    const float* const from = gradient.data_ptr<float>();
    float* const table = of_table.data_ptr<float>();
    float* const bias = of_bias.data_ptr<float>();
    // Side by side in columns, so that nothing has to be summed over threads.
    constexpr std::size_t columns_at_once = 128;
    lookup.team->run((width + columns_at_once - 1) / columns_at_once, [&](std::size_t piece) {
      const std::size_t first = piece * columns_at_once, count = std::min(columns_at_once, width - first);
      for (std::size_t i = 0; i < rows.ends.size(); ++i) {
        const float* const its = from + i * width + first;
        lookup.use.add_scaled(its, 1, count, bias + i % biases * width + first);
        for (std::size_t entry = i == 0 ? 0 : rows.ends[i - 1]; entry < rows.ends[i]; ++entry) {
          lookup.use.add_scaled(its, rows.factors[entry], count, table + rows.rows[entry] * width + first);
        }
      }
    });
    return {of_table, of_bias, Tensor()};
  }
};

class LayersFunction : public torch::autograd::Function<LayersFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, at::TensorList weights,
                        const std::shared_ptr<DenseStack>& stack, Activation activation, bool for_gradients) {
    tensor_list saved = weights.vec();
    saved.push_back(x);
    context->save_for_backward(saved);
    keep(context, stack);
    std::vector<DenseStack::Layer> layers;
    for (std::size_t l = 0; l + 1 < weights.size(); l += 2) {
      layers.push_back({static_cast<std::size_t>(weights[l].size(1)), static_cast<std::size_t>(weights[l].size(0)),
                        weights[l].data_ptr<float>(), weights[l + 1].data_ptr<float>()});
    }
    const Tensor in = x.contiguous();
    Tensor out = torch::empty({x.size(0), static_cast<std::int64_t>(layers.back().out)});
    stack->forward(layers, activation, in.data_ptr<float>(), static_cast<std::size_t>(x.size(0)), for_gradients,
                   out.data_ptr<float>());
    return out;
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    tensor_list weights = context->get_saved_variables();
    const Tensor x = weights.back();
    weights.pop_back();
    const Tensor gradient = gradients[0].contiguous();
    std::vector<float*> values;
    tensor_list all = gradients_like(weights, values);
    Tensor of_x;
    if (x.requires_grad()) of_x = torch::empty(x.sizes());
    kept<std::shared_ptr<DenseStack>>(context)->backward(gradient.data_ptr<float>(),
                                                         of_x.defined() ? of_x.data_ptr<float>() : nullptr, values);
    all.insert(all.begin(), of_x);
    all.resize(all.size() + 3);
    return all;
  }
};

class EncoderFunction : public torch::autograd::Function<EncoderFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& tokens, at::TensorList weights,
                        const std::shared_ptr<Encoder>& encoder, const Encoder::Dropping& dropping,
                        bool for_gradients) {
    context->save_for_backward(weights.vec());
    keep(context, encoder);
    std::vector<const float*> values;
    for (const Tensor& weight : weights) values.push_back(weight.data_ptr<float>());
    const Tensor in = tokens.contiguous();
    Tensor out = torch::empty(tokens.sizes());
    encoder->forward(values, in.data_ptr<float>(), static_cast<std::size_t>(tokens.size(0)), dropping, for_gradients,
                     out.data_ptr<float>());
    return out;
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const tensor_list weights = context->get_saved_variables();
    const Tensor gradient = gradients[0].contiguous();
    std::vector<float*> values;
    tensor_list all = gradients_like(weights, values);
    const Tensor of_tokens = torch::empty(gradient.sizes());
    kept<std::shared_ptr<Encoder>>(context)->backward(gradient.data_ptr<float>(), of_tokens.data_ptr<float>(), values);
    all.insert(all.begin(), of_tokens);
    all.resize(all.size() + 3);
    return all;
  }
};

class FastFunctions : public NetworkFunctions {
 public:
  FastFunctions(std::shared_ptr<Team> team, const TrainingOperations& operations)
      : team_(std::move(team)), operations_(operations) {}

  Tensor look_up(const Tensor& table, const Tensor& bias, TableRows rows) override {
    const auto lookup = std::make_shared<Lookup>(Lookup{std::move(rows), team_, operations_});
    return LookupFunction::apply(table, bias, lookup);
  }

  Tensor layers(const Tensor& x, const std::vector<Tensor>& weights, Activation activation) override {
    const auto stack = reuse(stacks_, [&] { return std::make_shared<DenseStack>(team_, operations_); });
    return LayersFunction::apply(x, at::TensorList(weights), stack, activation, needs_gradients(x, weights));
  }

  Tensor encode(const Tensor& tokens, const std::vector<Tensor>& weights, std::int64_t heads,
                const Encoder::Dropping& dropping) override {
    const std::size_t layers = weights.size() / Encoder::tensors_per_layer;
    if (layers == 0) return tokens;
    const EncoderShape shape{static_cast<std::size_t>(tokens.size(1)), static_cast<std::size_t>(tokens.size(2)),
                             static_cast<std::size_t>(heads), static_cast<std::size_t>(weights[6].size(0)), layers};
    if (shape != encoder_shape_) encoders_.clear();
    encoder_shape_ = shape;
    const auto encoder = reuse(encoders_, [&] { return std::make_shared<Encoder>(shape, team_, operations_); });
    return EncoderFunction::apply(tokens, at::TensorList(weights), encoder, dropping, needs_gradients(tokens, weights));
  }

 private:
  std::shared_ptr<Team> team_;
  TrainingOperations operations_;
  // What functions work on; one that nobody holds any more is used again.
  std::vector<std::shared_ptr<DenseStack>> stacks_;
  std::vector<std::shared_ptr<Encoder>> encoders_;
  EncoderShape encoder_shape_ = {};
};

}  // namespace

std::unique_ptr<NetworkFunctions> make_fast_functions(std::shared_ptr<Team> team,
                                                      const TrainingOperations& operations) {
  return std::make_unique<FastFunctions>(std::move(team), operations);
}

}  // namespace corbel
