#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "corbel/scorer/aligned_vector.hpp"
#include "corbel/scorer/network_spec.hpp"

namespace corbel::amx {

/// What a tile of AMX holds: 16 rows of 64 bytes. Designs lie side by side in
/// rows of 16, as in the registers of AVX-512.
inline constexpr std::size_t tile_lanes = 16;
inline constexpr std::size_t tile_floats = 256;
/// Features that one tile of weights reads; activations in bf16 are stored by
/// pairs of features, [feature / 2][design][2].
inline constexpr std::size_t tile_inputs = 32;
inline constexpr std::size_t tile_outputs = 16;

/// Whether the processor has AMX for bf16 and the AVX-512 that goes with it,
/// and the system lets this process use it.
bool available();

/// Whether the processor also has AVX-512 for half precision.
bool has_halves();

/// Between these the calling thread may use tiles.
void begin_tiles();
void end_tiles();

/// A dense layer in bf16, packed for tiles; inputs are padded to tile_inputs. Sums are in single precision.
struct Weights {
  std::size_t output_tiles = 0, input_tiles = 0;
  AlignedVector<std::uint16_t> tiles;  ///< [output_tiles][input_tiles][16 outputs][32 inputs]
  AlignedVector<float> bias;           ///< [outputs]

  Weights() = default;
  /// @param weight  [out, in], row-major
  /// @param bias    [out], or empty where something else is added
  /// @param whole   outputs are padded to a multiple: of tile_inputs where they are another layer's inputs
  Weights(std::span<const float> weight, std::span<const float> bias, std::size_t out, std::size_t whole = tile_inputs);
  std::size_t outputs() const { return output_tiles * tile_outputs; }
};

/// Activations of some groups of tile_lanes designs: [features][tile_lanes] floats, or the same in bf16 by pairs, at
/// every multiple of `distance`.
template <class Value>
struct Columns {
  Value* first;
  std::size_t distance;
  Value* of(std::size_t group) const { return first + group * distance; }
};

/// y = W x for `groups` groups; the caller adds the bias.
void multiply(const Weights& weights, Columns<const std::uint16_t> x, std::size_t groups, Columns<float> y);
/// y = activation(W x + bias) in bf16.
void multiply(const Weights& weights, Columns<const std::uint16_t> x, Activation activation, std::size_t groups,
              Columns<std::uint16_t> y);

/// y = W x + bias in half precision: [outputs / 2][2][tile_lanes], where the first eight outputs of each tile stand
/// beside the others. Outputs are a multiple of 2 · tile_outputs.
void multiply_to_halves(const Weights& weights, Columns<const std::uint16_t> x, std::size_t groups,
                        Columns<std::uint16_t> y);

/// A LayerNorm of each group's rows.
struct Norm {
  Columns<const float> gain, bias;  ///< [rows]
  bool keeps_scaled;                ///< with gain and bias in place, and to `packed` before them; or to `packed` only
  Columns<std::uint16_t> packed;    ///< in bf16
};
/// What a layer does to each token after they have been mixed. The norms' biases have those of the dense layers whose
/// outputs are added next in them.
struct LayerEnd {
  const Weights &attention_out, &feed_forward_in, &feed_forward_out;
  const float *gain, *bias;  ///< [rows] of the first norm
  Norm norm;                 ///< the last
};
/// norm(h + W₂ relu(W₁ h + bias)), where h is the first norm of W mixed + tokens. Two tokens at a time go through all
/// of it, so that what is between stays in the first cache: stores to the second one would take longer than the rest.
/// @param tokens  [rows][tile_lanes], in and out; unspecified behind a norm that does not keep them
/// @param room    [layer_room()], scratch
void finish_layer(const LayerEnd& layer, Columns<const std::uint16_t> mixed, Columns<float> tokens, std::size_t groups,
                  float* room);
std::size_t layer_room(const LayerEnd& layer);

/// out[row][lane] = table[row · table_stride(count) + index[lane]].
void look_up(const float* table, std::size_t count, std::size_t rows, const std::uint32_t* index, float* out);

/// A table of look_up() and the values of tile_lanes designs.
struct LookUp {
  const float* table;
  std::size_t count;
  const std::uint32_t* index;
};
/// A token's queries, keys and values for attend_halves(), all pairs of heads one after the other.
/// @param from  its table has [3 · heads · size] rows
void look_up_halves(const LookUp& from, std::size_t heads, std::size_t size, std::uint16_t* out);
/// The first layer of an MLP in bf16: activation(gate · (base + what is looked up)).
/// @param base  [rows], rows is even
/// @param gate  [rows], or null
void sum_rows(const float* base, std::span<const LookUp> added, std::size_t rows, const float* gate,
              Activation activation, std::uint16_t* out);

/// The last layer of a head, in single precision: out[o] = bias₂[o] + Σ weight[o][row] · activation(x[row] +
/// bias[row]).
/// @param x       [rows][tile_lanes]
/// @param weight  [outputs][rows]
/// @param out     [outputs] rows of tile_lanes floats at every multiple of `distance`
void last_layer(const float* x, std::span<const float> bias, Activation activation, std::span<const float> weight,
                std::span<const float> last_bias, float* out, std::size_t distance);

/// What each token takes from all others in some heads, in bf16.
/// @param qkv         [tokens][3 · heads · size][tile_lanes]; products of queries and keys are logarithms to base 2
/// @param query_bias  [heads · size], added to the queries in place unless null
/// @param room        [2 · tokens][tile_lanes], scratch
/// @param out         [heads · size][tile_lanes] by pairs for each token; size is even
void attend(float* qkv, std::size_t tokens, std::size_t heads, std::size_t size, const float* query_bias, float* room,
            Columns<std::uint16_t> out);

/// The same in half precision for pairs of heads, in a machine that has_halves(). No query, key or value nor the sum of
/// one over all tokens, and no product of a query and a key, may exceed 60000.
/// @param qkv    [3][size][2 heads][tile_lanes] at every multiple of `distance` for each token
/// @param size   of a head, a multiple of 8
/// @param room   [2 · tokens][2 · tile_lanes], scratch
/// @param out    [2 · size][tile_lanes] by pairs for each token
void attend_halves(Columns<const std::uint16_t> qkv, std::size_t tokens, std::size_t size, std::uint16_t* room,
                   Columns<std::uint16_t> out);

/// Queries, keys and values of some heads before tokens are mixed, by the values of the parameters.
struct FirstTables {
  std::span<const AlignedVector<float>> tables;  ///< per parameter [3 · heads · size][table_stride(count)]
  std::span<const std::size_t> counts;
  std::size_t heads, size;

  std::size_t rows() const { return heads * size; }
  std::size_t tokens() const { return tables.size(); }
};
/// Among designs that share the values of the first `prefix` parameters, attention in the first layer is a sum over
/// these, computed once, and over the few others. No logit may exceed 60: no largest one is subtracted.
inline constexpr std::size_t most_prefix = tile_lanes, most_others = 4;
/// Floats for what is computed once.
std::size_t shared_floats(const FirstTables& first, std::size_t prefix);
/// @param index   [prefix] the values shared
/// @param shared  [shared_floats()]
void share_prefix(const FirstTables& first, std::size_t prefix, const std::uint32_t* index, float* shared);
/// What each token takes from all others, as attend(), for tile_lanes designs.
/// @param index  [tokens][distance]; from `prefix` on each parameter has padded_values at most
/// @param room   [most_others · 3 · rows()][tile_lanes], scratch
void attend_shared(const FirstTables& first, std::size_t prefix, const float* shared,
                   Columns<const std::uint32_t> index, float* room, Columns<std::uint16_t> out);

/// Nothing but products of tiles, to measure the most that a core can do; returns how many multiplications and
/// additions.
std::uint64_t multiply_adds(std::uint64_t rounds);

}  // namespace corbel::amx
