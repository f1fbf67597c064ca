#include "corbel/scorer/dense.hpp"

#include <algorithm>
#include <cmath>

namespace corbel {
namespace {

constexpr std::size_t tile = 8;  // outputs whose sums stay in registers together

// `Vectors` registers of `Width` floats each hold one tile of outputs for Width * Vectors columns.
template <std::size_t Width, std::size_t Vectors>
[[gnu::always_inline]] inline void multiply(const float* packed, const float* bias, std::size_t in, std::size_t out,
                                            const float* x, float* y, std::size_t columns) {
  typedef float Vector __attribute__((vector_size(Width * sizeof(float)), aligned(4), may_alias));
  for (std::size_t first = 0; first < out; first += tile) {
    const float* weights = packed + first * in;
    const std::size_t rows = std::min(tile, out - first);
    for (std::size_t column = 0; column < columns; column += Width * Vectors) {
      Vector sum[tile][Vectors];
      for (std::size_t r = 0; r < tile; ++r) {
        for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = Vector{} + bias[first + r];
      }
      const float* source = x + column;
      for (std::size_t i = 0; i < in; ++i, source += columns) {
        Vector value[Vectors];
        for (std::size_t v = 0; v < Vectors; ++v) value[v] = *reinterpret_cast<const Vector*>(source + v * Width);
        for (std::size_t r = 0; r < tile; ++r) {
          for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] += weights[i * tile + r] * value[v];
        }
      }
      for (std::size_t r = 0; r < rows; ++r) {
        float* target = y + (first + r) * columns + column;
        for (std::size_t v = 0; v < Vectors; ++v) *reinterpret_cast<Vector*>(target + v * Width) = sum[r][v];
      }
    }
  }
}

void multiply_portable(const float* packed, const float* bias, std::size_t in, std::size_t out, const float* x,
                       float* y, std::size_t columns) {
  multiply<4, 1>(packed, bias, in, out, x, y, columns);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void multiply_avx2(const float* packed, const float* bias, std::size_t in, std::size_t out,
                                               const float* x, float* y, std::size_t columns) {
  multiply<8, 1>(packed, bias, in, out, x, y, columns);
}

[[gnu::target("avx512f,avx512vl,avx512dq,avx512bw,fma")]] void multiply_avx512(const float* packed, const float* bias,
                                                                               std::size_t in, std::size_t out,
                                                                               const float* x, float* y,
                                                                               std::size_t columns) {
  multiply<16, 2>(packed, bias, in, out, x, y, columns);
}
#endif

std::vector<DenseKernel> runnable() {
  std::vector<DenseKernel> kernels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw")) {
    kernels.push_back({"avx512", multiply_avx512});
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) kernels.push_back({"avx2", multiply_avx2});
#endif
  kernels.push_back({"portable", multiply_portable});
  return kernels;
}

}  // namespace

std::span<const DenseKernel> dense_kernels() {
  static const std::vector<DenseKernel> kernels = runnable();
  return kernels;
}

Dense::Dense(std::span<const float> weight, std::span<const float> bias)
    : in_(bias.empty() ? 0 : weight.size() / bias.size()), out_(bias.size()) {
  const std::size_t padded = (out_ + tile - 1) / tile * tile;
  packed_.resize(padded * in_);
  bias_.assign(padded, 0);
  std::copy(bias.begin(), bias.end(), bias_.begin());
  for (std::size_t o = 0; o < out_; ++o) {
    for (std::size_t i = 0; i < in_; ++i) {
      packed_[o / tile * tile * in_ + i * tile + o % tile] = weight[o * in_ + i];
    }
  }
}

void activate(Activation activation, float* values, std::size_t n) {
  switch (activation) {
    case Activation::leaky_relu:
      for (std::size_t i = 0; i < n; ++i) values[i] = std::max(values[i], leaky_slope * values[i]);
      break;
    case Activation::relu:
      for (std::size_t i = 0; i < n; ++i) values[i] = std::max(values[i], 0.0F);
      break;
    case Activation::silu:
      for (std::size_t i = 0; i < n; ++i) values[i] = values[i] / (1.0F + std::exp(-values[i]));
      break;
  }
}

}  // namespace corbel
