#include <algorithm>
#include <array>
#include <cmath>

#include "corbel/workload/network.hpp"

namespace corbel {
namespace {

/// Sums over a network that several of its features share.
struct Totals {
  double macs = 0, vector_operations = 0, parameters = 0, weights = 0, activations = 0;
  double largest_macs = 0, largest_weights = 0, largest_activations = 0;
  double sequential_steps = 0, branches = 0;
};

Totals totals_of(const Network& network) {
  Totals totals;
  for (const Layer& layer : network.layers) {
    const auto macs = static_cast<double>(layer.macs());
    // An embedding moves a few rows of its table: only log_parameters sees the whole of it.
    const bool table = layer.kind == LayerKind::embedding;
    const auto weights = table ? 0.0 : static_cast<double>(layer.weight_elements());
    const auto inputs = static_cast<double>(layer.input_elements());
    const auto outputs = static_cast<double>(layer.output_elements());
    totals.macs += macs;
    totals.vector_operations += static_cast<double>(layer.vector_operations());
    totals.parameters += static_cast<double>(layer.parameters());
    totals.weights += weights;
    totals.activations += inputs + outputs;
    totals.largest_macs = std::max(totals.largest_macs, macs);
    totals.largest_weights = std::max(totals.largest_weights, weights);
    totals.largest_activations = std::max(totals.largest_activations, inputs + outputs);
    totals.sequential_steps += static_cast<double>(layer.steps);
    totals.branches += layer.inputs.size() > 1 ? 1 : 0;
  }
  return totals;
}

double log10_of(double value) {
  return std::log10(1 + value);
}

double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

/// Share of the network's MACs in layers for which `belongs` holds.
double mac_share(const Network& network, const Totals& totals, bool (*belongs)(const Layer&)) {
  double macs = 0;
  for (const Layer& layer : network.layers) {
    if (belongs(layer)) macs += static_cast<double>(layer.macs());
  }
  return share(macs, totals.macs);
}

/// Mean over MACs of log2 of a layer's size.
double mean_log2(const Network& network, const Totals& totals, double (*size)(const Layer&)) {
  double sum = 0;
  for (const Layer& layer : network.layers) sum += static_cast<double>(layer.macs()) * std::log2(size(layer));
  return share(sum, totals.macs);
}

bool is_spatial(const Layer& layer) {
  return layer.kernel_height > 1 || layer.kernel_width > 1;
}

bool is_conv(const Layer& layer) {
  return layer.kind == LayerKind::conv || layer.kind == LayerKind::transposed_conv;
}

bool is_plain_conv(const Layer& layer) {
  return is_conv(layer) && layer.groups == 1;
}

struct Feature {
  const char* name;
  double (*value)(const Network& network, const Totals& totals);
};

// The divisors bring each to order 1 between a keyword spotter and a large language model.
// A trained model stores these by position: append, never reorder.
constexpr std::array features{
    Feature{"log_macs", [](const Network&, const Totals& t) { return log10_of(t.macs) / 10; }},
    Feature{"log_parameters", [](const Network&, const Totals& t) { return log10_of(t.parameters) / 8; }},
    Feature{"log_vector_operations", [](const Network&, const Totals& t) { return log10_of(t.vector_operations) / 8; }},
    Feature{"log_activations", [](const Network&, const Totals& t) { return log10_of(t.activations) / 8; }},
    Feature{"log_largest_layer_macs", [](const Network&, const Totals& t) { return log10_of(t.largest_macs) / 8; }},
    Feature{"log_largest_layer_weights",
            [](const Network&, const Totals& t) { return log10_of(t.largest_weights) / 6; }},
    Feature{"log_largest_layer_activations",
            [](const Network&, const Totals& t) { return log10_of(t.largest_activations) / 6; }},
    Feature{"log_macs_per_weight",
            [](const Network&, const Totals& t) { return log10_of(share(t.macs, t.weights)) / 3; }},
    Feature{"log_macs_per_activation",
            [](const Network&, const Totals& t) { return log10_of(share(t.macs, t.activations)) / 3; }},
    Feature{"log_layers",
            [](const Network& n, const Totals&) { return log10_of(static_cast<double>(n.layers.size())) / 2; }},
    Feature{"log_steps", [](const Network&, const Totals& t) { return log10_of(t.sequential_steps) / 3; }},
    Feature{"log_batch", [](const Network& n, const Totals&) { return std::log2(static_cast<double>(n.batch)) / 8; }},
    Feature{"share_branches",
            [](const Network& n, const Totals& t) { return share(t.branches, static_cast<double>(n.layers.size())); }},
    Feature{"share_vector_operations",
            [](const Network&, const Totals& t) { return share(t.vector_operations, t.macs + t.vector_operations); }},
    Feature{"share_macs_pointwise",
            [](const Network& n, const Totals& t) {
              return mac_share(n, t, [](const Layer& l) { return is_plain_conv(l) && !is_spatial(l); });
            }},
    Feature{"share_macs_spatial",
            [](const Network& n, const Totals& t) {
              return mac_share(n, t, [](const Layer& l) { return is_plain_conv(l) && is_spatial(l); });
            }},
    Feature{"share_macs_grouped",
            [](const Network& n, const Totals& t) {
              return mac_share(n, t, [](const Layer& l) { return is_conv(l) && l.groups > 1; });
            }},
    Feature{"share_macs_depthwise",
            [](const Network& n, const Totals& t) {
              return mac_share(n, t, [](const Layer& l) { return l.kind == LayerKind::depthwise; });
            }},
    Feature{"share_macs_fully_connected",
            [](const Network& n, const Totals& t) {
              return mac_share(n, t, [](const Layer& l) { return l.kind == LayerKind::fully_connected; });
            }},
    Feature{"share_macs_matmul",
            [](const Network& n, const Totals& t) {
              return mac_share(
                  n, t, [](const Layer& l) { return l.kind == LayerKind::matmul && l.weight_operand && l.steps == 1; });
            }},
    Feature{"share_macs_attention",
            [](const Network& n, const Totals& t) {
              return mac_share(n, t, [](const Layer& l) { return l.kind == LayerKind::matmul && !l.weight_operand; });
            }},
    Feature{"share_macs_recurrent",
            [](const Network& n, const Totals& t) {
              return mac_share(
                  n, t, [](const Layer& l) { return l.kind == LayerKind::matmul && l.weight_operand && l.steps > 1; });
            }},
    Feature{"share_macs_strided",
            [](const Network& n, const Totals& t) {
              return mac_share(n, t, [](const Layer& l) { return l.stride_height > 1 || l.stride_width > 1; });
            }},
    Feature{"mean_log_in_channels",
            [](const Network& n, const Totals& t) {
              return mean_log2(n, t, [](const Layer& l) { return static_cast<double>(l.in_channels / l.groups); }) / 10;
            }},
    Feature{"mean_log_out_channels",
            [](const Network& n, const Totals& t) {
              return mean_log2(n, t, [](const Layer& l) { return static_cast<double>(l.out_channels); }) / 10;
            }},
    Feature{"mean_log_positions",
            [](const Network& n, const Totals& t) {
              return mean_log2(n, t,
                               [](const Layer& l) {
                                 return static_cast<double>(l.out_height) * static_cast<double>(l.out_width);
                               }) /
                     16;
            }},
    Feature{"mean_log_kernel",
            [](const Network& n, const Totals& t) {
              return mean_log2(n, t,
                               [](const Layer& l) {
                                 return static_cast<double>(l.kernel_height) * static_cast<double>(l.kernel_width);
                               }) /
                     4;
            }},
};

}  // namespace

std::vector<float> context_vector(const Network& network) {
  const Totals totals = totals_of(network);
  std::vector<float> context;
  for (const Feature& feature : features) context.push_back(static_cast<float>(feature.value(network, totals)));
  return context;
}

const std::vector<std::string>& context_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Feature& feature : features) list.emplace_back(feature.name);
    return list;
  }();
  return names;
}

}  // namespace corbel
