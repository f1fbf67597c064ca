#include "corbel/scorer/amx_operations.hpp"

#include "corbel/scorer/lane_operations.hpp"

#if defined(__x86_64__) && defined(__linux__)

#include <asm/prctl.h>
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <type_traits>

namespace corbel::amx {
namespace {

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

bool ask_for_tiles() {
  constexpr long request_permission = 0x1023,
                 tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

bool has_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned amx_bf16 = 1U << 22, amx_tile = 1U << 24;
  const bool has_tiles = (d & amx_bf16) && (d & amx_tile);
  if (!has_tiles || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return false;
  constexpr unsigned avx512_bf16 = 1U << 5;
  return (a & avx512_bf16) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");
}

}  // namespace

bool available() {
  static const bool found = has_instructions() && ask_for_tiles();
  return found;
}

Weights::Weights(std::span<const float> weight, std::span<const float> its_bias, std::size_t out, std::size_t whole) {
  const std::size_t in = weight.size() / out;
  output_tiles = (out + whole - 1) / whole * whole / tile_outputs;
  input_tiles = (in + tile_inputs - 1) / tile_inputs;
  tiles.resize(output_tiles * input_tiles * tile_outputs * tile_inputs);
  bias.resize(output_tiles * tile_outputs);
  for (std::size_t o = 0; o < out; ++o) {
    for (std::size_t i = 0; i < in; ++i) {
      const std::size_t tile = o / tile_outputs * input_tiles + i / tile_inputs;
      tiles[(tile * tile_outputs + o % tile_outputs) * tile_inputs + i % tile_inputs] = to_bf16(weight[o * in + i]);
    }
    if (!its_bias.empty()) bias[o] = its_bias[o];
  }
}

// Intrinsics of GCC 12 seem to it to use registers that they do not (its bug
// 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,fma,amx-tile,amx-bf16")

namespace {

// As volatile assembly with memory clobbered, since the intrinsics of GCC 12 do
// not say that they read memory.
#define CORBEL_TILE_LOAD(tile, from) \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"(row_bytes) : "memory")
#define CORBEL_TILE_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile ::: "memory")
#define CORBEL_TILE_STORE(tile, to) \
  __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"(row_bytes) : "memory")
#define CORBEL_TILE_MULTIPLY(sum, weights, x) \
  __asm__ volatile("tdpbf16ps %%tmm" #x ", %%tmm" #weights ", %%tmm" #sum ::: "memory")

constexpr long row_bytes = 64;
constexpr std::size_t weight_tile = tile_outputs * tile_inputs;  // in bf16; as large as a tile of activations

// `Outputs` tiles of outputs for `Groups` groups of designs, each 1 or 2, at x, x + x_distance and so on. Vector work
// is put between the products of tiles by `fill`, which is called after each: the processor looks ahead far enough to
// do both at once only if they stand side by side.
template <int Outputs, int Groups, class Fill>
[[gnu::always_inline]] inline void product(const std::uint16_t* weights, std::size_t input_tiles,
                                           const std::uint16_t* x, std::size_t x_distance, const float* start,
                                           std::size_t start_distance, float* y, std::size_t y_distance, Fill&& fill) {
  const std::uint16_t* const next_weights = weights + input_tiles * weight_tile;
  if (start) {
    CORBEL_TILE_LOAD(0, start);
    if constexpr (Outputs > 1) CORBEL_TILE_LOAD(1, start + tile_floats);
    if constexpr (Groups > 1) CORBEL_TILE_LOAD(2, start + start_distance);
    if constexpr (Outputs > 1 && Groups > 1) CORBEL_TILE_LOAD(3, start + start_distance + tile_floats);
  } else {
    CORBEL_TILE_ZERO(0);
    CORBEL_TILE_ZERO(1);
    CORBEL_TILE_ZERO(2);
    CORBEL_TILE_ZERO(3);
  }
  for (std::size_t k = 0; k < input_tiles; ++k) {
    CORBEL_TILE_LOAD(4, weights + k * weight_tile);
    CORBEL_TILE_LOAD(6, x + k * weight_tile);
    CORBEL_TILE_MULTIPLY(0, 4, 6);
    fill(std::bool_constant < Outputs == 1 && Groups == 1 > ());
    if constexpr (Outputs > 1) {
      CORBEL_TILE_LOAD(5, next_weights + k * weight_tile);
      CORBEL_TILE_MULTIPLY(1, 5, 6);
      fill(std::bool_constant<Groups == 1>());
    }
    if constexpr (Groups > 1) {
      CORBEL_TILE_LOAD(7, x + x_distance + k * weight_tile);
      CORBEL_TILE_MULTIPLY(2, 4, 7);
      fill(std::bool_constant<Outputs == 1>());
    }
    if constexpr (Outputs > 1 && Groups > 1) {
      CORBEL_TILE_MULTIPLY(3, 5, 7);
      fill(std::true_type());
    }
  }
  CORBEL_TILE_STORE(0, y);
  if constexpr (Outputs > 1) CORBEL_TILE_STORE(1, y + tile_floats);
  if constexpr (Groups > 1) CORBEL_TILE_STORE(2, y + y_distance);
  if constexpr (Outputs > 1 && Groups > 1) CORBEL_TILE_STORE(3, y + y_distance + tile_floats);
}

// All outputs for `Groups` groups.
template <int Groups, class Fill>
[[gnu::always_inline]] inline void products(const Weights& weights, Columns<const std::uint16_t> x, std::size_t group,
                                            Columns<const float> start, Columns<float> y, Fill&& fill) {
  const std::size_t strip = weights.input_tiles * weight_tile;
  std::size_t m = 0;
  for (; m + 1 < weights.output_tiles; m += 2) {
    product<2, Groups>(weights.tiles.data() + m * strip, weights.input_tiles, x.of(group), x.distance,
                       start.first ? start.of(group) + m * tile_floats : nullptr, start.distance,
                       y.of(group) + m * tile_floats, y.distance, fill);
  }
  for (; m < weights.output_tiles; ++m) {
    product<1, Groups>(weights.tiles.data() + m * strip, weights.input_tiles, x.of(group), x.distance,
                       start.first ? start.of(group) + m * tile_floats : nullptr, start.distance,
                       y.of(group) + m * tile_floats, y.distance, fill);
  }
}

struct Nothing {
  template <class IsLast>
  void operator()(IsLast) const {}
};

// 2^x to about 1e-4 of itself: the fraction by a polynomial that is exact at 0
// and 1.
inline __m512 power_of_two(__m512 x) {
  const __m512 fraction = _mm512_reduce_ps(x, 0x01);  // x − ⌊x⌋
  __m512 sum = _mm512_set1_ps(0.0790209F);
  sum = _mm512_fmadd_ps(sum, fraction, _mm512_set1_ps(0.2241263F));
  sum = _mm512_fmadd_ps(sum, fraction, _mm512_set1_ps(0.6968528F));
  sum = _mm512_fmadd_ps(sum, fraction, _mm512_set1_ps(1.0F));
  return _mm512_scalef_ps(sum, x);
}

template <Activation activation>
inline __m512 activated(__m512 x) {
  if constexpr (activation == Activation::leaky_relu)
    return _mm512_max_ps(x, _mm512_mul_ps(x, _mm512_set1_ps(leaky_slope)));
  if constexpr (activation == Activation::silu) {
    const __m512 power = power_of_two(_mm512_mul_ps(x, _mm512_set1_ps(-1.44269504F)));
    return _mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1), power));
  }
  return x;  // ReLU acts on the packed values
}

// Two rows of features side by side in bf16, rounded to the nearest.
inline __m512i packed_pair(__m512 even, __m512 odd) {
  const __m512i half = _mm512_set1_epi32(0x8000), upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000));
  const __m512i low = _mm512_srli_epi32(_mm512_add_epi32((__m512i)even, half), 16);
  const __m512i high = _mm512_add_epi32((__m512i)odd, half);
  constexpr int choose = 0xF8;  // low | (high & upper)
  return _mm512_ternarylogic_epi32(low, high, upper, choose);
}

// Sums of two tiles of outputs for `Groups` groups, which wait for bias, activation and packing.
template <Activation activation, int Groups>
struct Packing {
  static constexpr std::size_t pairs = tile_outputs;  // of a group
  const float* sums = nullptr;
  const float* bias = nullptr;
  std::uint16_t* first = nullptr;  // of the one group, and of the other
  std::uint16_t* second = nullptr;
  std::size_t done = Groups * pairs;

  void begin(const float* its_sums, const float* its_bias, std::uint16_t* its_first, std::uint16_t* its_second) {
    sums = its_sums;
    bias = its_bias;
    first = its_first;
    second = its_second;
    done = 0;
  }
  // The next `Count` pairs of rows, if there are any left; `pairs` is a multiple of it.
  template <std::size_t Count>
  [[gnu::always_inline]] void some() {
    if (done >= Groups * pairs) return;
    const std::size_t at = Groups > 1 && done >= pairs ? done - pairs : done;
    std::uint16_t* const out = (Groups > 1 && done >= pairs ? second : first) + at * 2 * tile_lanes;
    const float* const rows = sums + done * 2 * tile_lanes;
    const float* const its_bias = bias + at * 2;
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) {
      const float* const row = rows + i * 2 * tile_lanes;
      const __m512 even = activated<activation>(_mm512_add_ps(_mm512_load_ps(row), _mm512_set1_ps(its_bias[2 * i])));
      const __m512 odd =
          activated<activation>(_mm512_add_ps(_mm512_load_ps(row + tile_lanes), _mm512_set1_ps(its_bias[2 * i + 1])));
      __m512i pair = packed_pair(even, odd);
      // bf16 has its sign where an integer of 16 bits has it.
      if constexpr (activation == Activation::relu) pair = _mm512_max_epi16(pair, _mm512_setzero_si512());
      _mm512_store_si512(out + i * 2 * tile_lanes, pair);
    }
    done += Count;
  }
  void finish() {
    while (done < Groups * pairs) some<8>();
  }
};

// For `Groups` groups; outputs are whole pairs of tiles. `Count` pairs of rows are packed after each product.
template <int Groups, Activation activation, std::size_t Count>
inline void multiply_and_pack(const Weights& weights, Columns<const std::uint16_t> x, std::size_t group,
                              std::uint16_t* y, std::size_t y_distance, float* sums) {
  Packing<activation, Groups> packing;
  const std::size_t strip = weights.input_tiles * weight_tile;
  for (std::size_t m = 0; m < weights.output_tiles; m += 2) {
    float* const its_sums = sums + m / 2 % 2 * (4 * tile_floats);
    product<2, Groups>(
        weights.tiles.data() + m * strip, weights.input_tiles, x.of(group), x.distance, nullptr, 0, its_sums,
        2 * tile_floats, [&](auto) __attribute__((always_inline)) { packing.template some<Count>(); });
    packing.finish();
    packing.begin(its_sums, weights.bias.data() + m * tile_outputs, y + m * tile_floats,
                  y + y_distance + m * tile_floats);
  }
  packing.finish();
}

template <int Groups, Activation activation>
void multiply_and_pack(const Weights& weights, Columns<const std::uint16_t> x, std::size_t group, std::uint16_t* y,
                       std::size_t y_distance, float* sums) {
  if (weights.input_tiles >= 8) return multiply_and_pack<Groups, activation, 1>(weights, x, group, y, y_distance, sums);
  if (weights.input_tiles >= 4) return multiply_and_pack<Groups, activation, 2>(weights, x, group, y, y_distance, sums);
  return multiply_and_pack<Groups, activation, 4>(weights, x, group, y, y_distance, sums);
}

// The same for all groups where a pair of output tiles has only four tiles of weights: they stay in registers.
template <Activation activation>
void multiply_resident(const Weights& weights, Columns<const std::uint16_t> x, std::size_t groups,
                       Columns<std::uint16_t> y) {
  alignas(64) float sums[2][2 * tile_floats];
  Packing<activation, 1> packing;
  const auto fill = [&]() __attribute__((always_inline)) {
    packing.template some<4>();
  };
  std::size_t turn = 0;
  for (std::size_t m = 0; m < weights.output_tiles; m += 2) {
    const std::uint16_t* const tiles = weights.tiles.data() + m * 2 * weight_tile;
    CORBEL_TILE_LOAD(4, tiles);
    CORBEL_TILE_LOAD(5, tiles + weight_tile);
    CORBEL_TILE_LOAD(6, tiles + 2 * weight_tile);
    CORBEL_TILE_LOAD(7, tiles + 3 * weight_tile);
    for (std::size_t g = 0; g < groups; ++g, turn ^= 1) {
      const std::uint16_t* const read = x.of(g);
      CORBEL_TILE_ZERO(0);
      CORBEL_TILE_ZERO(1);
      CORBEL_TILE_LOAD(2, read);
      CORBEL_TILE_MULTIPLY(0, 4, 2);
      fill();
      CORBEL_TILE_MULTIPLY(1, 6, 2);
      fill();
      CORBEL_TILE_LOAD(3, read + weight_tile);
      CORBEL_TILE_MULTIPLY(0, 5, 3);
      fill();
      CORBEL_TILE_MULTIPLY(1, 7, 3);
      fill();
      CORBEL_TILE_STORE(0, sums[turn]);
      CORBEL_TILE_STORE(1, sums[turn] + tile_floats);
      packing.begin(sums[turn], weights.bias.data() + m * tile_outputs, y.of(g) + m * tile_floats, nullptr);
    }
  }
  packing.finish();
}

template <Activation activation>
void multiply_as(const Weights& weights, Columns<const std::uint16_t> x, std::size_t groups, Columns<std::uint16_t> y) {
  if (weights.input_tiles == 2) return multiply_resident<activation>(weights, x, groups, y);
  alignas(64) float sums[8 * tile_floats];
  std::size_t g = 0;
  for (; g + 1 < groups; g += 2) multiply_and_pack<2, activation>(weights, x, g, y.of(g), y.distance, sums);
  for (; g < groups; ++g) multiply_and_pack<1, activation>(weights, x, g, y.of(g), y.distance, sums);
}

struct Moments {
  __m512 sum[2], squares[2];

  Moments() { sum[0] = sum[1] = squares[0] = squares[1] = _mm512_setzero_ps(); }
  [[gnu::always_inline]] void add(const float* two_rows) {
    const __m512 a = _mm512_load_ps(two_rows), b = _mm512_load_ps(two_rows + tile_lanes);
    sum[0] = _mm512_add_ps(sum[0], a);
    sum[1] = _mm512_add_ps(sum[1], b);
    squares[0] = _mm512_fmadd_ps(a, a, squares[0]);
    squares[1] = _mm512_fmadd_ps(b, b, squares[1]);
  }
};

// normal = x · factor + offset
struct Scale {
  __m512 factor, offset;

  Scale(const Moments& moments, std::size_t rows) {
    const __m512 share = _mm512_set1_ps(1.0F / static_cast<float>(rows));
    const __m512 mean = _mm512_mul_ps(_mm512_add_ps(moments.sum[0], moments.sum[1]), share);
    __m512 variance =
        _mm512_fmsub_ps(_mm512_add_ps(moments.squares[0], moments.squares[1]), share, _mm512_mul_ps(mean, mean));
    variance = _mm512_add_ps(_mm512_max_ps(variance, _mm512_setzero_ps()), _mm512_set1_ps(layer_norm_epsilon));
    factor = _mm512_div_ps(_mm512_set1_ps(1), _mm512_sqrt_ps(variance));
    offset = _mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(mean, factor));
  }
};

// Where a group's norm goes.
template <bool keeps_scaled>
struct NormOut {
  const float *gain, *bias;
  float* scaled;
  std::uint16_t* packed;

  NormOut(const Norm& norm, std::size_t group)
      : gain(norm.gain.of(group)),
        bias(norm.bias.of(group)),
        scaled(keeps_scaled ? norm.scaled.of(group) : nullptr),
        packed(norm.packed.of(group)) {}
  // Rows r and r + 1.
  [[gnu::always_inline]] void write(const float* x, std::size_t r, const Scale& scale) const {
    const std::size_t place = r * tile_lanes;
    const __m512 a = _mm512_fmadd_ps(_mm512_load_ps(x + place), scale.factor, scale.offset);
    const __m512 b = _mm512_fmadd_ps(_mm512_load_ps(x + place + tile_lanes), scale.factor, scale.offset);
    const __m512 scaled_a = _mm512_fmadd_ps(a, _mm512_set1_ps(gain[r]), _mm512_set1_ps(bias[r]));
    const __m512 scaled_b = _mm512_fmadd_ps(b, _mm512_set1_ps(gain[r + 1]), _mm512_set1_ps(bias[r + 1]));
    if constexpr (keeps_scaled) {
      _mm512_store_ps(scaled + place, scaled_a);
      _mm512_store_ps(scaled + place + tile_lanes, scaled_b);
      _mm512_store_si512(packed + place, packed_pair(a, b));
    } else {
      _mm512_store_si512(packed + place, packed_pair(scaled_a, scaled_b));
    }
  }
};

template <bool keeps_scaled>
void normalise(const float* x, std::size_t rows, const Norm& norm, std::size_t group) {
  Moments moments;
  for (std::size_t r = 0; r < rows; r += 2) moments.add(x + r * tile_lanes);
  const Scale scale(moments, rows);
  const NormOut<keeps_scaled> out(norm, group);
  for (std::size_t r = 0; r < rows; r += 2) out.write(x, r, scale);
}

// Of two groups, `sums` of which lie one behind the other, while the products for the next two go on: half of these for
// the moments, half for the rest.
template <bool keeps_scaled>
void products_and_norms(const Weights& weights, Columns<const std::uint16_t> x, std::size_t group,
                        Columns<const float> added, Columns<float> y, const float* sums, const Norm& norm,
                        std::size_t before) {
  const std::size_t rows = weights.outputs(), half = weights.output_tiles / 4 * 2;
  const std::size_t strip = weights.input_tiles * weight_tile;
  const float *const first = sums, *const second = sums + rows * tile_lanes;
  const auto at_once = [&](std::size_t tiles) {
    const std::size_t steps = tiles / 2 * weights.input_tiles;
    return (rows + 2 * steps - 1) / (2 * steps) * 2;
  };
  const auto products_of = [&](std::size_t m, auto&& fill) __attribute__((always_inline)) {
    product<2, 2>(weights.tiles.data() + m * strip, weights.input_tiles, x.of(group), x.distance,
                  added.of(group) + m * tile_floats, added.distance, y.of(group) + m * tile_floats, y.distance, fill);
  };
  Moments moments[2];
  std::size_t r = 0;
  for (std::size_t m = 0; m < half; m += 2) {
    products_of(
        m, [&, n = at_once(half) ](auto is_last) __attribute__((always_inline)) {
          if constexpr (is_last) {
            for (const std::size_t end = std::min(r + n, rows); r < end; r += 2) {
              moments[0].add(first + r * tile_lanes);
              moments[1].add(second + r * tile_lanes);
            }
          }
        });
  }
  const Scale scale0(moments[0], rows), scale1(moments[1], rows);
  const NormOut<keeps_scaled> out0(norm, before), out1(norm, before + 1);
  r = 0;
  for (std::size_t m = half; m < weights.output_tiles; m += 2) {
    products_of(
        m, [&, n = at_once(weights.output_tiles - half) ](auto is_last) __attribute__((always_inline)) {
          if constexpr (is_last) {
            for (const std::size_t end = std::min(r + n, rows); r < end; r += 2) {
              out0.write(first, r, scale0);
              out1.write(second, r, scale1);
            }
          }
        });
  }
}

template <bool keeps_scaled>
void multiply_and_norm_as(const Weights& weights, Columns<const std::uint16_t> x, Columns<const float> added,
                          const Norm& norm, std::size_t groups, float* room) {
  const std::size_t rows = weights.outputs(), size = rows * tile_lanes;
  const auto sums_of = [&](std::size_t g) { return room + g % 4 * size; };
  for (std::size_t g = 0; g < groups + 2; g += 2) {
    const Columns<float> y{sums_of(g) - g * size, size};
    if (g >= 2 && g + 1 < groups && weights.output_tiles >= 4) {
      products_and_norms<keeps_scaled>(weights, x, g, added, y, sums_of(g - 2), norm, g - 2);
      continue;
    }
    if (g + 1 < groups) products<2>(weights, x, g, added, y, Nothing());
    if (g + 1 == groups) products<1>(weights, x, g, added, y, Nothing());
    for (std::size_t before = g < 2 ? groups : g - 2; before < std::min(g, groups); ++before) {
      normalise<keeps_scaled>(sums_of(before), rows, norm, before);
    }
  }
}

// Of `Queries` tokens for one head, whose size is a multiple of `Part`.
template <std::size_t Part, std::size_t Queries>
inline void attend_as(const float* qkv, std::size_t tokens, std::size_t heads, std::size_t size, std::size_t head,
                      std::size_t token, float* room, Columns<std::uint16_t> out) {
  const std::size_t width = heads * size, token_floats = 3 * width * tile_lanes;
  const float* const queries = qkv + token * token_floats + head * size * tile_lanes;
  const float* const keys = qkv + (width + head * size) * tile_lanes;
  const float* const values = keys + width * tile_lanes;
  __m512 largest[Queries];
  for (std::size_t q = 0; q < Queries; ++q) largest[q] = _mm512_set1_ps(-3e38F);
  for (std::size_t other = 0; other < tokens; ++other) {
    __m512 even[Queries], odd[Queries];
    for (std::size_t q = 0; q < Queries; ++q) even[q] = odd[q] = _mm512_setzero_ps();
    for (std::size_t first = 0; first < size; first += Part) {
      const float* const key = keys + other * token_floats + first * tile_lanes;
#pragma GCC unroll 4
      for (std::size_t w = 0; w < Part * tile_lanes; w += 2 * tile_lanes) {
        const __m512 a = _mm512_loadu_ps(key + w), b = _mm512_loadu_ps(key + w + tile_lanes);
#pragma GCC unroll 2
        for (std::size_t q = 0; q < Queries; ++q) {
          const float* const query = queries + q * token_floats + first * tile_lanes + w;
          even[q] = _mm512_fmadd_ps(_mm512_loadu_ps(query), a, even[q]);
          odd[q] = _mm512_fmadd_ps(_mm512_loadu_ps(query + tile_lanes), b, odd[q]);
        }
      }
    }
#pragma GCC unroll 2
    for (std::size_t q = 0; q < Queries; ++q) {
      const __m512 logit = _mm512_add_ps(even[q], odd[q]);
      largest[q] = _mm512_max_ps(largest[q], logit);
      _mm512_storeu_ps(room + (other * Queries + q) * tile_lanes, logit);
    }
  }
  __m512 factor[Queries];
#pragma GCC unroll 2
  for (std::size_t q = 0; q < Queries; ++q) {
    __m512 total = _mm512_setzero_ps();
    for (std::size_t other = 0; other < tokens; ++other) {
      float* const at = room + (other * Queries + q) * tile_lanes;
      const __m512 share = power_of_two(_mm512_sub_ps(_mm512_loadu_ps(at), largest[q]));
      _mm512_storeu_ps(at, share);
      total = _mm512_add_ps(total, share);
    }
    factor[q] = _mm512_rcp14_ps(total);
  }
  for (std::size_t first = 0; first < size; first += Part) {
    __m512 sum[Queries][Part];
#pragma GCC unroll 2
    for (std::size_t q = 0; q < Queries; ++q) {
#pragma GCC unroll 8
      for (std::size_t w = 0; w < Part; ++w) sum[q][w] = _mm512_setzero_ps();
    }
    for (std::size_t other = 0; other < tokens; ++other) {
      __m512 share[Queries];
#pragma GCC unroll 2
      for (std::size_t q = 0; q < Queries; ++q) share[q] = _mm512_loadu_ps(room + (other * Queries + q) * tile_lanes);
#pragma GCC unroll 8
      for (std::size_t w = 0; w < Part; ++w) {
        const __m512 value = _mm512_loadu_ps(values + other * token_floats + (first + w) * tile_lanes);
#pragma GCC unroll 2
        for (std::size_t q = 0; q < Queries; ++q) sum[q][w] = _mm512_fmadd_ps(share[q], value, sum[q][w]);
      }
    }
#pragma GCC unroll 2
    for (std::size_t q = 0; q < Queries; ++q) {
      std::uint16_t* const mixed = out.of(token + q) + (head * size + first) * tile_lanes;
#pragma GCC unroll 4
      for (std::size_t w = 0; w < Part; w += 2) {
        const __m512 even = _mm512_mul_ps(sum[q][w], factor[q]), odd = _mm512_mul_ps(sum[q][w + 1], factor[q]);
        _mm512_storeu_si512(mixed + w * tile_lanes, packed_pair(even, odd));
      }
    }
  }
}
constexpr std::size_t usual_size = 8;

}  // namespace

void begin_tiles() {
  struct alignas(64) {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t columns[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  __asm__ volatile("ldtilecfg %0" ::"m"(config) : "memory");
}

void end_tiles() {
  __asm__ volatile("tilerelease" ::: "memory");
}

void multiply(const Weights& weights, Columns<const std::uint16_t> x, std::size_t groups, Columns<float> y) {
  const Columns<const float> zero{nullptr, 0};
  std::size_t g = 0;
  for (; g + 1 < groups; g += 2) products<2>(weights, x, g, zero, y, Nothing());
  for (; g < groups; ++g) products<1>(weights, x, g, zero, y, Nothing());
}

void multiply(const Weights& weights, Columns<const std::uint16_t> x, Activation activation, std::size_t groups,
              Columns<std::uint16_t> y) {
  switch (activation) {
    case Activation::leaky_relu:
      return multiply_as<Activation::leaky_relu>(weights, x, groups, y);
    case Activation::relu:
      return multiply_as<Activation::relu>(weights, x, groups, y);
    case Activation::silu:
      return multiply_as<Activation::silu>(weights, x, groups, y);
  }
}

void multiply_and_norm(const Weights& weights, Columns<const std::uint16_t> x, Columns<const float> added,
                       const Norm& norm, std::size_t groups, float* room) {
  if (norm.scaled.first) return multiply_and_norm_as<true>(weights, x, added, norm, groups, room);
  multiply_and_norm_as<false>(weights, x, added, norm, groups, room);
}

void feed_forward(const Weights& in, const Weights& out, Columns<const std::uint16_t> x, Columns<const float> added,
                  const Norm& norm, std::size_t groups, float* room, std::uint16_t* inner) {
  const Columns<std::uint16_t> between{inner, in.outputs() * tile_lanes};
  multiply_as<Activation::relu>(in, x, groups, between);
  multiply_and_norm(out, {between.first, between.distance}, added, norm, groups, room);
}

void look_up(const float* table, std::size_t count, std::size_t rows, const std::uint32_t* index, float* out) {
  const std::size_t stride = table_stride(count);
  const __m512i chosen = _mm512_loadu_si512(index);
  if (_mm512_cmpeq_epi32_mask(chosen, _mm512_set1_epi32(static_cast<int>(*index))) == 0xFFFF) {
    for (std::size_t r = 0; r < rows; ++r) {
      _mm512_storeu_ps(out + r * tile_lanes, _mm512_set1_ps(table[r * stride + *index]));
    }
  } else if (stride == padded_values) {
    for (std::size_t r = 0; r < rows; ++r) {
      _mm512_storeu_ps(out + r * tile_lanes, _mm512_permutexvar_ps(chosen, _mm512_loadu_ps(table + r * stride)));
    }
  } else {
    for (std::size_t r = 0; r < rows; ++r) {
      _mm512_storeu_ps(out + r * tile_lanes, _mm512_i32gather_ps(chosen, table + r * stride, sizeof(float)));
    }
  }
}

namespace {

inline __m512 looked_up(const LookUp& from, std::size_t row) {
  const __m512i chosen = _mm512_loadu_si512(from.index);
  if (from.count > padded_values) {
    return _mm512_i32gather_ps(chosen, from.table + row * from.count, sizeof(float));
  }
  return _mm512_permutexvar_ps(chosen, _mm512_load_ps(from.table + row * padded_values));
}

template <Activation activation>
void sum_rows_as(const float* base, std::span<const LookUp> added, std::size_t rows, const float* gate,
                 std::uint16_t* out) {
  for (std::size_t r = 0; r < rows; r += 2) {
    __m512 even = _mm512_set1_ps(base[r]), odd = _mm512_set1_ps(base[r + 1]);
    for (const LookUp& each : added) {
      even = _mm512_add_ps(even, looked_up(each, r));
      odd = _mm512_add_ps(odd, looked_up(each, r + 1));
    }
    if (gate) {
      even = _mm512_mul_ps(even, _mm512_set1_ps(gate[r]));
      odd = _mm512_mul_ps(odd, _mm512_set1_ps(gate[r + 1]));
    }
    __m512i pair = packed_pair(activated<activation>(even), activated<activation>(odd));
    if constexpr (activation == Activation::relu) pair = _mm512_max_epi16(pair, _mm512_setzero_si512());
    _mm512_store_si512(out + r * tile_lanes, pair);
  }
}

}  // namespace

void sum_rows(const float* base, std::span<const LookUp> added, std::size_t rows, const float* gate,
              Activation activation, std::uint16_t* out) {
  switch (activation) {
    case Activation::leaky_relu:
      return sum_rows_as<Activation::leaky_relu>(base, added, rows, gate, out);
    case Activation::relu:
      return sum_rows_as<Activation::relu>(base, added, rows, gate, out);
    case Activation::silu:
      return sum_rows_as<Activation::silu>(base, added, rows, gate, out);
  }
}

void attend(float* qkv, std::size_t tokens, std::size_t heads, std::size_t size, const float* query_bias, float* room,
            Columns<std::uint16_t> out) {
  const std::size_t width = heads * size;
  for (std::size_t token = 0; token < tokens && query_bias; ++token) {
    float* const query = qkv + token * 3 * width * tile_lanes;
    for (std::size_t w = 0; w < width; ++w) {
      _mm512_store_ps(query + w * tile_lanes,
                      _mm512_add_ps(_mm512_load_ps(query + w * tile_lanes), _mm512_set1_ps(query_bias[w])));
    }
  }
  for (std::size_t head = 0; head < heads; ++head) {
    std::size_t token = 0;
    if (size == usual_size) {
      for (; token + 1 < tokens; token += 2) attend_as<usual_size, 2>(qkv, tokens, heads, size, head, token, room, out);
      for (; token < tokens; ++token) attend_as<usual_size, 1>(qkv, tokens, heads, size, head, token, room, out);
    }
    for (; token < tokens; ++token) attend_as<2, 1>(qkv, tokens, heads, size, head, token, room, out);
  }
}

std::size_t shared_floats(const FirstTables& first, std::size_t prefix) {
  const std::size_t others = first.tokens() - prefix;
  return (3 * first.rows() + (1 + others) * (first.heads + first.rows()) + prefix * first.heads * others) * tile_lanes;
}

namespace {

// How share_prefix() lays out what it computes, in rows of tile_lanes.
struct Shared {
  const float* prefix_rows;  // [3 · rows]: queries, keys, values, with the tokens of the prefix as lanes
  const float* totals;       // [1 + others][heads]: of the prefix as lanes, then of the values of each other token
  const float* sums;         // [1 + others][rows]
  const float* shares;       // [prefix][heads][others]: by the value of the other

  Shared(const FirstTables& first, std::size_t prefix, const float* all) {
    const std::size_t others = first.tokens() - prefix;
    prefix_rows = all;
    totals = prefix_rows + 3 * first.rows() * tile_lanes;
    sums = totals + (1 + others) * first.heads * tile_lanes;
    shares = sums + (1 + others) * first.rows() * tile_lanes;
  }
};

}  // namespace

void share_prefix(const FirstTables& first, std::size_t prefix, const std::uint32_t* index, float* shared) {
  const std::size_t rows = first.rows(), others = first.tokens() - prefix;
  const Shared its(first, prefix, shared);
  for (std::size_t r = 0; r < 3 * rows; ++r) {
    for (std::size_t p = 0; p < tile_lanes; ++p) {
      shared[r * tile_lanes + p] = p < prefix ? first.tables[p][r * table_stride(first.counts[p]) + index[p]] : 0.0F;
    }
  }
  float* const totals = const_cast<float*>(its.totals);
  float* const sums = const_cast<float*>(its.sums);
  float* const shares = const_cast<float*>(its.shares);
  for (std::size_t of = 0; of <= others; ++of) {
    const float* const queries = of == 0 ? shared : first.tables[prefix + of - 1].data();
    for (std::size_t head = 0; head < first.heads; ++head) {
      __m512 share[most_prefix];
      __m512 total = _mm512_setzero_ps();
      for (std::size_t p = 0; p < prefix; ++p) {
        __m512 logit = _mm512_setzero_ps();
        for (std::size_t r = head * first.size; r < (head + 1) * first.size; ++r) {
          logit = _mm512_fmadd_ps(_mm512_load_ps(queries + r * tile_lanes),
                                  _mm512_set1_ps(shared[(rows + r) * tile_lanes + p]), logit);
        }
        share[p] = power_of_two(logit);
        total = _mm512_add_ps(total, share[p]);
      }
      _mm512_store_ps(totals + (of * first.heads + head) * tile_lanes, total);
      for (std::size_t r = head * first.size; r < (head + 1) * first.size; ++r) {
        __m512 sum = _mm512_setzero_ps();
        for (std::size_t p = 0; p < prefix; ++p) {
          sum = _mm512_fmadd_ps(share[p], _mm512_set1_ps(shared[(2 * rows + r) * tile_lanes + p]), sum);
        }
        _mm512_store_ps(sums + (of * rows + r) * tile_lanes, sum);
      }
    }
  }
  for (std::size_t p = 0; p < prefix; ++p) {
    for (std::size_t head = 0; head < first.heads; ++head) {
      for (std::size_t other = 0; other < others; ++other) {
        const float* const keys = first.tables[prefix + other].data() + rows * tile_lanes;
        __m512 logit = _mm512_setzero_ps();
        for (std::size_t r = head * first.size; r < (head + 1) * first.size; ++r) {
          logit =
              _mm512_fmadd_ps(_mm512_set1_ps(shared[r * tile_lanes + p]), _mm512_load_ps(keys + r * tile_lanes), logit);
        }
        _mm512_store_ps(shares + ((p * first.heads + head) * others + other) * tile_lanes, power_of_two(logit));
      }
    }
  }
}

void attend_shared(const FirstTables& first, std::size_t prefix, const float* shared,
                   Columns<const std::uint32_t> index, float* room, Columns<std::uint16_t> out) {
  const std::size_t rows = first.rows(), others = first.tokens() - prefix;
  const Shared its(first, prefix, shared);
  __m512i chosen[most_others];
  for (std::size_t other = 0; other < others; ++other) {
    chosen[other] = _mm512_loadu_si512(index.of(prefix + other));
    const float* const table = first.tables[prefix + other].data();
    for (std::size_t r = 0; r < 3 * rows; ++r) {
      _mm512_store_ps(room + (other * 3 * rows + r) * tile_lanes,
                      _mm512_permutexvar_ps(chosen[other], _mm512_load_ps(table + r * tile_lanes)));
    }
  }
  const float* const values = room + 2 * rows * tile_lanes;
  const std::size_t distance = 3 * rows * tile_lanes;  // between the others
  for (std::size_t token = 0; token < first.tokens(); ++token) {
    const bool is_known = token < prefix;
    const std::size_t self = is_known ? 0 : token - prefix;
    const auto begun = [&](const float* table) __attribute__((always_inline)) {
      if (is_known) return _mm512_set1_ps(table[token]);
      return _mm512_permutexvar_ps(chosen[self], _mm512_load_ps(table));
    };
    const std::size_t of = is_known ? 0 : 1 + self;
    for (std::size_t head = 0; head < first.heads; ++head) {
      __m512 share[most_others];
      __m512 total = begun(its.totals + (of * first.heads + head) * tile_lanes);
      for (std::size_t other = 0; other < others; ++other) {
        if (is_known) {
          const float* const by_value = its.shares + ((token * first.heads + head) * others + other) * tile_lanes;
          share[other] = _mm512_permutexvar_ps(chosen[other], _mm512_load_ps(by_value));
        } else {
          __m512 logit = _mm512_setzero_ps();
          for (std::size_t r = head * first.size; r < (head + 1) * first.size; ++r) {
            logit = _mm512_fmadd_ps(_mm512_load_ps(room + self * distance + r * tile_lanes),
                                    _mm512_load_ps(room + other * distance + (rows + r) * tile_lanes), logit);
          }
          share[other] = power_of_two(logit);
        }
        total = _mm512_add_ps(total, share[other]);
      }
      const __m512 factor = _mm512_rcp14_ps(total);
      for (std::size_t r = head * first.size; r < (head + 1) * first.size; r += 2) {
        const float* const sums = its.sums + (of * rows + r) * tile_lanes;
        __m512 even = begun(sums), odd = begun(sums + tile_lanes);
        for (std::size_t other = 0; other < others; ++other) {
          const float* const value = values + other * distance + r * tile_lanes;
          even = _mm512_fmadd_ps(share[other], _mm512_load_ps(value), even);
          odd = _mm512_fmadd_ps(share[other], _mm512_load_ps(value + tile_lanes), odd);
        }
        _mm512_store_si512(out.of(token) + r * tile_lanes,
                           packed_pair(_mm512_mul_ps(even, factor), _mm512_mul_ps(odd, factor)));
      }
    }
  }
}

std::uint64_t multiply_adds(std::uint64_t rounds) {
  // Values such as activations have: with zeros the processor runs faster.
  alignas(64) std::uint16_t values[4 * weight_tile];
  for (std::size_t i = 0; i < 4 * weight_tile; ++i) values[i] = static_cast<std::uint16_t>(0x3C00 + i * 7919 % 0x200);
  begin_tiles();
  CORBEL_TILE_LOAD(4, values);
  CORBEL_TILE_LOAD(5, values + weight_tile);
  CORBEL_TILE_LOAD(6, values + 2 * weight_tile);
  CORBEL_TILE_LOAD(7, values + 3 * weight_tile);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CORBEL_TILE_MULTIPLY(0, 4, 6);
    CORBEL_TILE_MULTIPLY(1, 5, 6);
    CORBEL_TILE_MULTIPLY(2, 4, 7);
    CORBEL_TILE_MULTIPLY(3, 5, 7);
  }
  end_tiles();
  return rounds * 4 * tile_outputs * tile_inputs * tile_lanes;
}

#undef CORBEL_TILE_LOAD
#undef CORBEL_TILE_ZERO
#undef CORBEL_TILE_STORE
#undef CORBEL_TILE_MULTIPLY

}  // namespace corbel::amx

#pragma GCC pop_options
#pragma GCC diagnostic pop

#endif
