#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "corbel/scorer/network_spec.hpp"

namespace corbel {

/// Designs that are evaluated together, side by side in vector registers: every activation is stored feature-major,
/// [feature][lane], so that all arithmetic is vertical.
inline constexpr std::size_t lanes = 32;

/// Outputs of a dense layer whose sums stay in registers together; weights are packed in groups of them.
inline constexpr std::size_t dense_tile = 8;

/// Values of a parameter for which a table of what they stand for is padded, so that a row of it fits a register.
inline constexpr std::size_t padded_values = 16;
/// Distance of two features in a look-up table of `count` values.
constexpr std::size_t table_stride(std::size_t count) {
  return count < padded_values ? padded_values : count;
}

/// Everything that networks spend time on, compiled for one instruction set. All are the same code
/// (internal/lane_code.hpp): the portable one is the definition, and the others differ from it by the rounding of fused
/// multiply-add at most. Matrices of activations are [rows][lanes].
struct LaneOperations {
  const char* name;  ///< "avx512", "avx2", "portable"

  /// y = W x + b, and + added unless that is null. Neither x nor `added` overlaps y, but `added` may be y.
  /// @param packed  [out / dense_tile][in][dense_tile], zero-padded
  /// @param bias    [out], padded to a multiple of dense_tile
  void (*dense)(const float* packed, const float* bias, std::size_t in, std::size_t out, const float* x,
                const float* added, float* y);
  /// In place over rows · lanes values.
  void (*activate)(Activation activation, float* values, std::size_t rows);
  /// LayerNorm of each lane, in place.
  void (*norm)(const float* weight, const float* bias, std::size_t rows, float* x);
  /// Softmax of each lane over the rows, in place.
  void (*softmax)(float* x, std::size_t rows);
  /// What each token takes from all others.
  /// @param qkv   [tokens][3 · heads · size][lanes]: queries, keys, values
  /// @param out   [tokens][heads · size][lanes]
  /// @param room  [tokens][lanes], scratch
  void (*attend)(const float* qkv, std::size_t tokens, std::size_t heads, std::size_t size, float* room, float* out);
  /// out[row][lane] = table[row · table_stride(count) + index[lane]], or += where `add`.
  void (*look_up)(const float* table, std::size_t count, std::size_t rows, const std::uint32_t* index, bool add,
                  float* out);
  /// One step of an LSTM.
  /// @param gates   [4 · units][lanes]: in, forget, change, out before their functions
  /// @param cell    [units][lanes], in and out; before and after may be the same
  void (*lstm_step)(const float* gates, std::size_t units, const float* cell_before, float* cell, float* hidden);
  /// Nothing but multiplications and additions, to measure the most that a core can do; returns how many of each.
  std::uint64_t (*multiply_adds)(std::uint64_t rounds);
};

/// Those that this machine can run, the fastest first; the portable ones are the last.
std::span<const LaneOperations> lane_operations();

/// Those of each instruction set; to be run where the machine has it only.
LaneOperations portable_lane_operations();
#if defined(__x86_64__)
LaneOperations avx2_lane_operations();
LaneOperations avx512_lane_operations();
#endif

}  // namespace corbel
