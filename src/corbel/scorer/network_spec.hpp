#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "corbel/space/design_space.hpp"

namespace corbel {

enum class NetworkKind { mlp, attention, lstm };
inline constexpr std::pair<const char*, NetworkKind> network_kinds[] = {
    {"mlp", NetworkKind::mlp}, {"attention", NetworkKind::attention}, {"lstm", NetworkKind::lstm}};
enum class Activation { leaky_relu, relu, silu };

/// Slope of LeakyReLU below zero in every network (PRIME's published code).
inline constexpr float leaky_slope = 0.1F;
/// LayerNorm's epsilon in the attention network (PRIME's published code).
inline constexpr float layer_norm_epsilon = 1e-6F;

/// The shape of a network: with a design space, everything that decides which tensors a model file must hold.
/// docs/formats/model.md
struct NetworkSpec {
  NetworkKind kind = NetworkKind::mlp;
  Activation activation = Activation::leaky_relu;
  std::vector<std::int64_t> hidden = {256, 256};           ///< of the MLP, or of the others' head
  std::int64_t embedding = 64;                             ///< attention and LSTM: width of a token, and of the state
  std::int64_t layers = 2, heads = 8, feed_forward = 256;  ///< attention only
  std::int64_t experts = 1;                                ///< heads of the same shape, whose outputs a vote combines
  std::int64_t metrics = 1;                                ///< outputs, the objective first
  bool feasibility = true;                                 ///< one more output: the logit of being feasible
  std::int64_t context_size = 0;

  std::int64_t outputs() const { return metrics + (feasibility ? 1 : 0); }
  /// Width of what each parameter's table adds to: the first hidden layer, or the tokens.
  std::int64_t input_width() const { return kind == NetworkKind::mlp ? hidden.front() : embedding; }
  /// Width of what the context gates: the first hidden layer before its activation, or the flattened tokens or states.
  std::int64_t gate_width(std::size_t parameters) const {
    return kind == NetworkKind::mlp ? hidden.front() : embedding * static_cast<std::int64_t>(parameters);
  }
};
/// What stands before the names of a head's tensors: nothing where there is one head only.
std::string head_prefix(const NetworkSpec& spec, std::int64_t expert);
nlohmann::json to_json(const NetworkSpec& spec);
/// @throws nlohmann::json::exception, or Error{corrupt, unsupported} for sizes out of range or an unknown network
NetworkSpec network_spec_from_json(const nlohmann::json& json);

/// The whole number from `min` to `max` under `key`; JSON's own conversion would cut off fractions and wrap what is too
/// large. @throws nlohmann::json::exception, or Error{corrupt} naming the key
std::int64_t whole_number_in(const nlohmann::json& json, const char* key, std::int64_t min, std::int64_t max);

/// Parameters with more values than this enter by `parameter_features` instead of a row per value.
inline constexpr std::uint32_t max_table_rows = 1024;
/// Whether the network learns a row per value of the parameter.
bool has_table(const Parameter& parameter);
/// Rows of the parameter's input tensor.
std::int64_t input_rows(const Parameter& parameter);

/// Numbers that describe a value's place in its parameter: rank and log-rank in [−1, 1], the rank's square, and sine
/// and cosine of π, 2π and 4π times the rank. The log-rank is the rank again where values are not all positive.
inline constexpr std::size_t feature_count = 9;
/// The first of them, which ordered parameters add to their table.
inline constexpr std::size_t ordinal_feature_count = 2;
/// @param out  [feature_count]
void parameter_features(const Parameter& parameter, std::uint32_t index, float* out);

/// Names (without the member's number) and shapes of the tensors of one member, in a fixed order.
std::vector<std::pair<std::string, std::vector<std::int64_t>>> tensor_shapes(const NetworkSpec& spec,
                                                                             const DesignSpace& space);

}  // namespace corbel
