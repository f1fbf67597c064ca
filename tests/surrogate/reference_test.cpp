// The scorer against LibTorch's own modules, and the learner against both.
#include <fmt/format.h>
#include <torch/torch.h>

#include "base/expect_error.hpp"
#include "corbel/scorer/model.hpp"
#include "corbel/surrogate/learner.hpp"
#include "corbel/surrogate/plain_network.hpp"
#include "scorer/scorer_testing.hpp"

namespace corbel {
namespace {

using test::metadata_for;
using test::mixed_space;
using test::random_designs;
using test::random_tensors;

torch::Tensor to_torch(const StoredTensor& tensor) {
  return torch::tensor(tensor.values).view(c10::IntArrayRef(tensor.shape.data(), tensor.shape.size()));
}

void copy_into(const TensorMap& tensors, const std::string& name, torch::Tensor& weight, torch::Tensor& bias) {
  weight.set_data(to_torch(tensors.at(name + ".weight")));
  bias.set_data(to_torch(tensors.at(name + ".bias")));
}

torch::nn::Linear linear(const TensorMap& tensors, const std::string& name) {
  const auto& shape = tensors.at(name + ".weight").shape;
  torch::nn::Linear module(shape[1], shape[0]);
  copy_into(tensors, name, module->weight, module->bias);
  return module;
}

// What each parameter adds: [n, width] per parameter.
std::vector<torch::Tensor> contributions(const DesignSpace& space, const TensorMap& tensors,
                                         const std::vector<Design>& designs) {
  std::vector<torch::Tensor> parts;
  for (std::size_t p = 0; p < space.dimensions(); ++p) {
    const torch::Tensor table = to_torch(tensors.at("0.input." + std::to_string(p)));
    std::vector<torch::Tensor> rows;
    for (const Design& design : designs) {
      if (has_table(space.parameters()[p])) {
        rows.push_back(table[design[p]]);
      } else {
        float features[feature_count];
        parameter_features(space.parameters()[p], design[p], features);
        rows.push_back(torch::mv(table.t(), torch::tensor(std::vector<float>(features, features + feature_count))));
      }
    }
    parts.push_back(torch::stack(rows));
  }
  return parts;
}

torch::Tensor reference_head(const TensorMap& tensors, const NetworkSpec& spec, const torch::Tensor& features,
                             std::size_t first) {
  torch::Tensor sum;
  const torch::Tensor votes =
      spec.experts > 1 ? torch::softmax(linear(tensors, "0.vote")(features), 1) : torch::Tensor();
  for (std::int64_t e = 0; e < spec.experts; ++e) {
    const std::string name = spec.experts > 1 ? "0.expert." + std::to_string(e) + "." : "0.";
    torch::Tensor x = features;
    for (std::size_t h = first; h < spec.hidden.size(); ++h) {
      x = torch::leaky_relu(linear(tensors, name + "hidden." + std::to_string(h))(x), leaky_slope);
    }
    x = linear(tensors, name + "output")(x);
    if (spec.experts == 1) return x;
    x = x * votes.select(1, e).unsqueeze(1);
    sum = e == 0 ? x : sum + x;
  }
  return sum;
}

torch::Tensor reference_lstm(const DesignSpace& space, const TensorMap& tensors, const NetworkSpec& spec,
                             const std::vector<Design>& designs) {
  const torch::Tensor x =
      torch::stack(contributions(space, tensors, designs)) + to_torch(tensors.at("0.input.bias")).unsqueeze(1);
  torch::nn::LSTM lstm(spec.embedding, spec.embedding);
  const torch::Tensor weight = to_torch(tensors.at("0.lstm.weight"));
  const auto parameters = lstm->named_parameters();
  parameters["weight_ih_l0"].set_data(weight.narrow(1, 0, spec.embedding).contiguous());
  parameters["weight_hh_l0"].set_data(weight.narrow(1, spec.embedding, spec.embedding).contiguous());
  parameters["bias_ih_l0"].set_data(to_torch(tensors.at("0.lstm.bias")));
  parameters["bias_hh_l0"].set_data(torch::zeros({4 * spec.embedding}));
  lstm->flatten_parameters();
  const torch::Tensor states = std::get<0>(lstm(x));
  return reference_head(tensors, spec, states.transpose(0, 1).flatten(1), 0);
}

torch::Tensor reference_mlp(const DesignSpace& space, const TensorMap& tensors, const NetworkSpec& spec,
                            const std::vector<Design>& designs) {
  torch::Tensor x = to_torch(tensors.at("0.input.bias"));
  for (const torch::Tensor& part : contributions(space, tensors, designs)) x = x + part;
  return reference_head(tensors, spec, torch::leaky_relu(x, leaky_slope), 1);
}

torch::Tensor reference_attention(const DesignSpace& space, const TensorMap& tensors, const NetworkSpec& spec,
                                  const std::vector<Design>& designs) {
  // LibTorch's encoder wants [tokens, n, width].
  torch::Tensor x =
      torch::stack(contributions(space, tensors, designs)) + to_torch(tensors.at("0.input.bias")).unsqueeze(1);
  for (std::int64_t l = 0; l < spec.layers; ++l) {
    const std::string name = "0.layer." + std::to_string(l) + ".";
    torch::nn::TransformerEncoderLayer layer(torch::nn::TransformerEncoderLayerOptions(spec.embedding, spec.heads)
                                                 .dim_feedforward(spec.feed_forward)
                                                 .dropout(0.1));
    layer->eval();
    copy_into(tensors, name + "attention.in", layer->self_attn->in_proj_weight, layer->self_attn->in_proj_bias);
    copy_into(tensors, name + "attention.out", layer->self_attn->out_proj->weight, layer->self_attn->out_proj->bias);
    copy_into(tensors, name + "feed_forward.in", layer->linear1->weight, layer->linear1->bias);
    copy_into(tensors, name + "feed_forward.out", layer->linear2->weight, layer->linear2->bias);
    copy_into(tensors, name + "norm1", layer->norm1->weight, layer->norm1->bias);
    copy_into(tensors, name + "norm2", layer->norm2->weight, layer->norm2->bias);
    layer->norm1->options.eps(layer_norm_epsilon);
    layer->norm2->options.eps(layer_norm_epsilon);
    x = layer(x);
  }
  return reference_head(tensors, spec, x.transpose(0, 1).flatten(1), 0);
}

torch::Tensor reference(const DesignSpace& space, const TensorMap& tensors, const NetworkSpec& spec,
                        const std::vector<Design>& designs) {
  if (spec.kind == NetworkKind::mlp) return reference_mlp(space, tensors, spec, designs);
  if (spec.kind == NetworkKind::lstm) return reference_lstm(space, tensors, spec, designs);
  return reference_attention(space, tensors, spec, designs);
}

NetworkSpec published_spec(NetworkKind kind, std::int64_t experts = 1) {
  NetworkSpec spec;
  spec.kind = kind;
  spec.experts = experts;
  spec.hidden = {256, 256};
  spec.metrics = 2;
  return spec;
}

void expect_near(const Predictions& found, const torch::Tensor& outputs) {
  const double spread = outputs.select(1, 0).std().item<double>();
  for (std::int64_t i = 0; i < outputs.size(0); ++i) {
    for (std::int64_t k = 0; k < 2; ++k) {
      const double expected = outputs[i][k].item<double>();
      ASSERT_NEAR(found.metrics[static_cast<std::size_t>(2 * i + k)], expected,
                  1e-4 * spread + 2e-6 * std::abs(expected));
    }
    ASSERT_NEAR(found.feasibility[static_cast<std::size_t>(i)], torch::sigmoid(outputs[i][2]).item<double>(), 1e-4);
  }
}

TEST(Reference, ScorerAndPlainNetworkAgreeWithLibTorchsModules) {
  torch::NoGradGuard no_gradient;
  for (const auto& [name, kind] : network_kinds) {
    for (const std::int64_t experts : {1, 3}) {
      const DesignSpace space = experts == 1 ? DesignSpace::edge() : mixed_space();
      const NetworkSpec spec = published_spec(kind, experts);
      SCOPED_TRACE(name);
      const TensorMap tensors = random_tensors(space, spec, 1, 11);
      const std::vector<Design> designs = random_designs(space, 50, 12);
      const Model model = Model::from_tensors(metadata_for(space, spec, 1, {{}, {}}), tensors);
      const torch::Tensor expected = reference(space, tensors, spec, designs);
      expect_near(model.predict(designs), expected);
      for (const AttentionForm form : {AttentionForm::usual, AttentionForm::designs_last}) {
        const PlainNetwork plain(space, spec, tensors, "0.", 0, form);
        const torch::Tensor found = torch::tensor(plain.outputs(designs)).view_as(expected);
        EXPECT_LT((found - expected).abs().max().item<double>(), 1e-4 * expected.std().item<double>());
      }
    }
  }
}

TEST(Reference, ExportedModelIsTheLearnersNetwork) {
  const DesignSpace space = mixed_space();
  const std::vector<Design> designs = random_designs(space, 50, 13);
  const std::vector<float> context = {3, 500, 0};
  for (NetworkSpec spec : {published_spec(NetworkKind::mlp), published_spec(NetworkKind::attention),
                           published_spec(NetworkKind::lstm), published_spec(NetworkKind::mlp, 3),
                           published_spec(NetworkKind::attention, 2), published_spec(NetworkKind::lstm, 2)}) {
    spec.context_size = 3;
    Learner learner(space, spec, 0.1, {{context}}, 5);
    std::vector<float> parameters = learner.parameters();
    Rng rng(6);
    for (float& value : parameters) value += static_cast<float>(0.05 * rng.normal());
    learner.set_parameters(parameters);
    TensorMap tensors;
    learner.export_tensors("0.", 0, tensors);
    nlohmann::json metadata = metadata_for(space, spec, 1, {{}, {}});
    metadata["context_scale"] = Learner::context_scale(context);
    const std::vector<float> outputs = learner.outputs(designs);
    expect_near(Model::from_tensors(metadata, tensors).predict(designs, context), torch::tensor(outputs).view({50, 3}));
  }
}

TEST(Reference, ExportMapsTheOutputsOfExpertsAsAWhole) {
  const DesignSpace space = mixed_space();
  const NetworkSpec spec = published_spec(NetworkKind::mlp, 3);
  Learner learner(space, spec, 0, {}, 5);
  TensorMap plain, mapped;
  learner.export_tensors("0.", 0, plain);
  learner.export_tensors("0.", -1.5, mapped, {2, 0.25});
  const nlohmann::json metadata = metadata_for(space, spec, 1, {{}, {}});
  const std::vector<Design> designs = random_designs(space, 20, 2);
  const Predictions before = Model::from_tensors(metadata, plain).predict(designs);
  const Predictions after = Model::from_tensors(metadata, mapped).predict(designs);
  const auto logit = [](double p) { return std::log(p / (1 - p)); };
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(after.metrics[2 * i], 2 * before.metrics[2 * i] + 0.25, 1e-5);
    EXPECT_NEAR(after.metrics[2 * i + 1], before.metrics[2 * i + 1], 1e-6);
    EXPECT_NEAR(logit(after.feasibility[i]), logit(before.feasibility[i]) - 1.5, 1e-4);
  }
}

TEST(Reference, ExportShiftsTheFeasibilityLogit) {
  const DesignSpace space = mixed_space();
  const NetworkSpec spec = published_spec(NetworkKind::mlp);
  Learner learner(space, spec, 0, {}, 5);
  TensorMap plain, shifted;
  learner.export_tensors("", 0, plain);
  learner.export_tensors("", -1.5, shifted);
  EXPECT_FLOAT_EQ(shifted["output.bias"].values[2], plain["output.bias"].values[2] - 1.5F);
  EXPECT_EQ(shifted["output.bias"].values[0], plain["output.bias"].values[0]);
}

// A batch whose parts are no multiple of anything.
Batch uneven_batch(const DesignSpace& space, std::int64_t metrics) {
  Batch batch;
  batch.feasible = random_designs(space, 53, 1);
  batch.infeasible = random_designs(space, 41, 2);
  batch.negatives = random_designs(space, 7, 3);
  Rng rng(4);
  for (std::size_t i = 0; i < 53 * static_cast<std::size_t>(metrics); ++i) {
    batch.feasible_targets.push_back(static_cast<float>(rng.normal()));
  }
  batch.infeasible_targets.assign(41 * static_cast<std::size_t>(metrics), std::numeric_limits<float>::quiet_NaN());
  return batch;
}

TEST(Reference, GradientsAreThoseOfLibTorch) {
  for (const DesignSpace& space : {DesignSpace::edge(), mixed_space()}) {
    for (NetworkSpec spec :
         {published_spec(NetworkKind::mlp), published_spec(NetworkKind::attention), published_spec(NetworkKind::lstm),
          published_spec(NetworkKind::mlp, 3), published_spec(NetworkKind::attention, 2)}) {
      for (const Activation activation : {Activation::leaky_relu, Activation::relu, Activation::silu}) {
        spec.activation = activation;
        if (spec.experts > 1) {
          // Sizes that fill no register.
          spec.hidden = {37, 5};
          spec.embedding = 12;
          spec.heads = 3;
          spec.feed_forward = 19;
          spec.layers = 3;
        }
        SCOPED_TRACE(fmt::format("{} {}", to_json(spec).dump(), space.dimensions()));
        Learner learner(space, spec, 0.1, {}, 5);
        TensorMap tensors;
        learner.export_tensors("0.", 0, tensors);
        PlainNetwork plain(space, spec, tensors, "0.", 0.1);
        const Batch batch = uneven_batch(space, spec.metrics);
        const LossOptions options{{0.3, 0.5}, 2.0, 0.0};
        std::vector<float> gradient;
        TensorMap expected;
        const Losses found = learner.losses(batch, options, &gradient);
        EXPECT_NEAR(found.total, plain.losses(batch, options, &expected).total, 1e-5 * found.total);
        // What other devices run.
        LearnerSetup setup;
        setup.plain = true;
        Learner other(space, spec, 0.1, {}, 5, setup);
        ASSERT_EQ(other.parameters(), learner.parameters());
        std::vector<float> its_gradient;
        EXPECT_NEAR(other.losses(batch, options, &its_gradient).total, found.total, 1e-5 * found.total);
        const torch::Tensor its = torch::tensor(its_gradient), all = torch::tensor(gradient);
        EXPECT_LE((its - all).norm().item<double>(), 2e-5 * all.norm().item<double>());

        const TensorMap gradients = learner.by_name(gradient);
        ASSERT_EQ(gradients.size(), expected.size());
        for (const auto& [name, tensor] : expected) {
          const torch::Tensor of = to_torch(tensor), mine = to_torch(gradients.at(name));
          const double error = (mine - of).norm().item<double>();
          EXPECT_LE(error, 2e-5 * of.norm().item<double>() + 1e-7) << name;
        }
      }
    }
  }
}

std::unique_ptr<torch::optim::Optimizer> reference_optimizer(const std::string& name, const torch::Tensor& parameters,
                                                             double rate) {
  const std::vector<torch::Tensor> all = {parameters};
  if (name == "adam") return std::make_unique<torch::optim::Adam>(all, torch::optim::AdamOptions(rate));
  if (name == "sgd") return std::make_unique<torch::optim::SGD>(all, torch::optim::SGDOptions(rate).momentum(0.9));
  return std::make_unique<torch::optim::RMSprop>(all, torch::optim::RMSpropOptions(rate));
}

TEST(Reference, StepsAreThoseOfLibTorchsOptimizers) {
  const DesignSpace space = mixed_space();
  NetworkSpec spec;
  spec.hidden = {8};
  Batch batch;
  batch.feasible = random_designs(space, 10, 1);
  batch.infeasible = random_designs(space, 10, 2);
  for (int i = 0; i < 10; ++i) {
    batch.feasible_targets.push_back(static_cast<float>(i - 5));
    batch.infeasible_targets.push_back(std::numeric_limits<float>::quiet_NaN());
  }
  const LossOptions loss{{0, 0.5}, 2.0, 0.0};
  for (const std::string name : {"adam", "sgd", "rmsprop"}) {
    Learner learner(space, spec, 0, {}, 3, {name});
    torch::Tensor copy = torch::tensor(learner.parameters()).requires_grad_(true);
    const auto reference = reference_optimizer(name, copy, 1e-3);
    for (int step = 0; step < 5; ++step) {
      std::vector<float> gradient;
      learner.losses(batch, loss, &gradient);
      copy.mutable_grad() = torch::tensor(gradient);
      const double length = copy.grad().norm().item<double>();
      ASSERT_GT(length, 1) << "the clip of SGD is seen";
      if (name == "sgd") copy.mutable_grad() /= length;
      reference->step();
      learner.step(batch, loss, 1e-3);
      EXPECT_LT((torch::tensor(learner.parameters()) - copy.detach()).abs().max().item<double>(), 2e-6) << name;
    }
    // It goes on where it was; a state of another size changes nothing.
    Learner other(space, spec, 0, {}, 4, {name});
    const std::vector<float> before = other.parameters();
    TensorMap state = learner.save(), damaged = state;
    damaged["second_moment"].values.pop_back();
    expect_error([&] { other.load(damaged, 5); }, ErrorCode::corrupt, "second_moment");
    EXPECT_EQ(other.parameters(), before);
    other.load(state, learner.steps_done());
    learner.step(batch, loss, 1e-3);
    other.step(batch, loss, 1e-3);
    EXPECT_EQ(other.parameters(), learner.parameters()) << name;
  }
  expect_error([&] { Learner(space, spec, 0, {}, 3, {"lbfgs"}); }, ErrorCode::invalid_input, "lbfgs");
  expect_error([&] { Learner(space, spec, 0, {}, 3, {"adam", nullptr, "tpu"}); }, ErrorCode::invalid_input, "tpu");
  if (!torch::cuda::is_available()) {
    expect_error([&] { Learner(space, spec, 0, {}, 3, {"adam", nullptr, "cuda"}); }, ErrorCode::unsupported, "cuda");
  }
}

}  // namespace
}  // namespace corbel
