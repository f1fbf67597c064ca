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

bool has_halves() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned avx512_fp16 = 1U << 23;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & avx512_fp16);
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
// Of weights that come from the second cache: they do not drive activations out of the first.
#define CORBEL_TILE_STREAM(tile, from) \
  __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm" #tile ::"r"(from), "r"(row_bytes) : "memory")
// Of activations, from the one or the other.
#define CORBEL_TILE_LOAD_FROM(is_far, tile, from) \
  do {                                            \
    if constexpr (is_far) {                       \
      CORBEL_TILE_STREAM(tile, from);             \
    } else {                                      \
      CORBEL_TILE_LOAD(tile, from);               \
    }                                             \
  } while (false)
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
// @tparam IsFar  whether x and start come from the second cache
template <int Outputs, int Groups, bool IsFar = false, class Fill>
[[gnu::always_inline]] inline void product(const std::uint16_t* weights, std::size_t input_tiles,
                                           const std::uint16_t* x, std::size_t x_distance, const float* start,
                                           std::size_t start_distance, float* y, std::size_t y_distance, Fill&& fill) {
  const std::uint16_t* const next_weights = weights + input_tiles * weight_tile;
  if (start) {
    CORBEL_TILE_LOAD_FROM(IsFar, 0, start);
    if constexpr (Outputs > 1) CORBEL_TILE_LOAD_FROM(IsFar, 1, start + tile_floats);
    if constexpr (Groups > 1) CORBEL_TILE_LOAD_FROM(IsFar, 2, start + start_distance);
    if constexpr (Outputs > 1 && Groups > 1) CORBEL_TILE_LOAD_FROM(IsFar, 3, start + start_distance + tile_floats);
  } else {
    CORBEL_TILE_ZERO(0);
    CORBEL_TILE_ZERO(1);
    CORBEL_TILE_ZERO(2);
    CORBEL_TILE_ZERO(3);
  }
  for (std::size_t k = 0; k < input_tiles; ++k) {
    CORBEL_TILE_STREAM(4, weights + k * weight_tile);
    CORBEL_TILE_LOAD_FROM(IsFar, 6, x + k * weight_tile);
    CORBEL_TILE_MULTIPLY(0, 4, 6);
    fill();
    if constexpr (Outputs > 1) {
      CORBEL_TILE_STREAM(5, next_weights + k * weight_tile);
      CORBEL_TILE_MULTIPLY(1, 5, 6);
      fill();
    }
    if constexpr (Groups > 1) {
      CORBEL_TILE_LOAD_FROM(IsFar, 7, x + x_distance + k * weight_tile);
      CORBEL_TILE_MULTIPLY(2, 4, 7);
      fill();
    }
    if constexpr (Outputs > 1 && Groups > 1) {
      CORBEL_TILE_MULTIPLY(3, 5, 7);
      fill();
    }
  }
  CORBEL_TILE_STORE(0, y);
  if constexpr (Outputs > 1) CORBEL_TILE_STORE(1, y + tile_floats);
  if constexpr (Groups > 1) CORBEL_TILE_STORE(2, y + y_distance);
  if constexpr (Outputs > 1 && Groups > 1) CORBEL_TILE_STORE(3, y + y_distance + tile_floats);
}

inline void nothing() {}

// All outputs for `Groups` groups.
template <int Groups>
inline void products(const Weights& weights, Columns<const std::uint16_t> x, std::size_t group, Columns<float> y) {
  std::size_t m = 0;
  const auto run = [&](auto outputs) __attribute__((always_inline)) {
    const std::uint16_t* const tiles = weights.tiles.data() + m * weights.input_tiles * weight_tile;
    product<outputs, Groups>(tiles, weights.input_tiles, x.of(group), x.distance, nullptr, 0,
                             y.of(group) + m * tile_floats, y.distance, nothing);
  };
  for (; m + 1 < weights.output_tiles; m += 2) run(std::integral_constant<int, 2>());
  for (; m < weights.output_tiles; ++m) run(std::integral_constant<int, 1>());
}

#include "corbel/scorer/internal/amx_vectors.inc"

// What becomes of the rows of a tile of outputs: 8 registers, of two rows each.
template <Activation activation>
struct Pairs {  // in bf16, neighbours side by side
  static constexpr std::size_t step = 2, apart = 1;
  static __m512i joined(__m512 even, __m512 odd) {
    const __m512i pair = packed_pair(activated<activation>(even), activated<activation>(odd));
    // bf16 has its sign where an integer of 16 bits has it.
    return activation == Activation::relu ? _mm512_max_epi16(pair, _mm512_setzero_si512()) : pair;
  }
};
struct Halves {  // in half precision, the first eight rows beside the others
  static constexpr std::size_t step = 1, apart = 8;
  static __m512i joined(__m512 first, __m512 second) { return halves_of(first, second); }
};

// Sums of `Tiles` tiles of outputs for each of `Groups` groups, which wait for bias and packing.
template <class Form, int Tiles, int Groups>
struct Packing {
  static constexpr std::size_t of_tile = tile_outputs / 2, all = Groups * Tiles * of_tile;  // registers
  const float* sums = nullptr;
  const float* bias = nullptr;
  std::uint16_t* first = nullptr;  // of the one group, and of the other
  std::uint16_t* second = nullptr;
  std::size_t done = all;

  void begin(const float* its_sums, const float* its_bias, std::uint16_t* its_first, std::uint16_t* its_second) {
    sums = its_sums;
    bias = its_bias;
    first = its_first;
    second = its_second;
    done = 0;
  }
  // The next `Count` registers, if there are any left; of_tile is a multiple of it.
  template <std::size_t Count>
  [[gnu::always_inline]] void some() {
    if (done >= all) return;
    const bool is_second = Groups > 1 && done >= Tiles * of_tile;
    const std::size_t at = is_second ? done - Tiles * of_tile : done;
    const std::size_t row = at / of_tile * tile_outputs + at % of_tile * Form::step;
    std::uint16_t* const out = (is_second ? second : first) + at * 2 * tile_lanes;
    const float* const rows = sums + (is_second ? Tiles * tile_floats : 0) + row * tile_lanes;
    const float* const its_bias = bias + row;
#pragma GCC unroll 8
    for (std::size_t i = 0; i < Count; ++i) {
      const auto sum = [&](std::size_t r) __attribute__((always_inline)) {
        return _mm512_add_ps(_mm512_load_ps(rows + r * tile_lanes), _mm512_set1_ps(its_bias[r]));
      };
      const std::size_t r = i * Form::step;
      _mm512_store_si512(out + i * 2 * tile_lanes, Form::joined(sum(r), sum(r + Form::apart)));
    }
    done += Count;
  }
  void finish() {
    while (done < all) some<8>();
  }
};

// For `Groups` groups; outputs are whole pairs of tiles. `Count` registers are packed after each product.
template <int Groups, class Form, std::size_t Count>
inline void multiply_and_pack(const Weights& weights, const std::uint16_t* x, std::size_t x_distance, std::uint16_t* y,
                              std::size_t y_distance) {
  alignas(64) float sums[2][4 * tile_floats];
  Packing<Form, 2, Groups> packing;
  const std::size_t strip = weights.input_tiles * weight_tile;
  for (std::size_t m = 0; m < weights.output_tiles; m += 2) {
    float* const its_sums = sums[m / 2 % 2];
    product<2, Groups>(
        weights.tiles.data() + m * strip, weights.input_tiles, x, x_distance, nullptr, 0, its_sums,
        2 * tile_floats, [&]() __attribute__((always_inline)) { packing.template some<Count>(); });
    packing.finish();
    packing.begin(its_sums, weights.bias.data() + m * tile_outputs, y + m * tile_floats,
                  y + y_distance + m * tile_floats);
  }
  packing.finish();
}

// The same where a group has only two tiles of inputs: they stay in registers.
template <int Groups, class Form>
inline void multiply_resident(const Weights& weights, const std::uint16_t* x, std::size_t x_distance, std::uint16_t* y,
                              std::size_t y_distance) {
  alignas(64) float sums[2][2 * tile_floats];
  Packing<Form, 1, Groups> packing;
  const auto fill = [&]() __attribute__((always_inline)) {
    packing.template some<4>();
  };
  constexpr std::size_t most_kept = 8192;  // of weights in the first cache
  const bool are_kept = weights.tiles.size() <= most_kept;
  CORBEL_TILE_LOAD(4, x);
  CORBEL_TILE_LOAD(5, x + weight_tile);
  if constexpr (Groups > 1) {
    CORBEL_TILE_LOAD(6, x + x_distance);
    CORBEL_TILE_LOAD(7, x + x_distance + weight_tile);
  }
  for (std::size_t m = 0; m < weights.output_tiles; ++m) {
    const std::uint16_t* const tiles = weights.tiles.data() + m * 2 * weight_tile;
    float* const its_sums = sums[m % 2];
    CORBEL_TILE_ZERO(0);
    CORBEL_TILE_ZERO(1);
    if (are_kept) {
      CORBEL_TILE_LOAD(2, tiles);
    } else {
      CORBEL_TILE_STREAM(2, tiles);
    }
    CORBEL_TILE_MULTIPLY(0, 2, 4);
    fill();
    if constexpr (Groups > 1) {
      CORBEL_TILE_MULTIPLY(1, 2, 6);
      fill();
    }
    if (are_kept) {
      CORBEL_TILE_LOAD(3, tiles + weight_tile);
    } else {
      CORBEL_TILE_STREAM(3, tiles + weight_tile);
    }
    CORBEL_TILE_MULTIPLY(0, 3, 5);
    fill();
    if constexpr (Groups > 1) {
      CORBEL_TILE_MULTIPLY(1, 3, 7);
      fill();
    }
    CORBEL_TILE_STORE(0, its_sums);
    if constexpr (Groups > 1) CORBEL_TILE_STORE(1, its_sums + tile_floats);
    packing.begin(its_sums, weights.bias.data() + m * tile_outputs, y + m * tile_floats,
                  y + y_distance + m * tile_floats);
  }
  packing.finish();
}

template <int Groups, class Form>
void multiply_and_pack(const Weights& weights, const std::uint16_t* x, std::size_t x_distance, std::uint16_t* y,
                       std::size_t y_distance) {
  if (weights.input_tiles == 2) return multiply_resident<Groups, Form>(weights, x, x_distance, y, y_distance);
  if (weights.input_tiles >= 8) return multiply_and_pack<Groups, Form, 1>(weights, x, x_distance, y, y_distance);
  if (weights.input_tiles >= 4) return multiply_and_pack<Groups, Form, 2>(weights, x, x_distance, y, y_distance);
  return multiply_and_pack<Groups, Form, 4>(weights, x, x_distance, y, y_distance);
}

template <class Form>
void multiply_as(const Weights& weights, Columns<const std::uint16_t> x, std::size_t groups, Columns<std::uint16_t> y) {
  std::size_t g = 0;
  for (; g + 1 < groups; g += 2) multiply_and_pack<2, Form>(weights, x.of(g), x.distance, y.of(g), y.distance);
  for (; g < groups; ++g) multiply_and_pack<1, Form>(weights, x.of(g), x.distance, y.of(g), y.distance);
}

// normal = x · factor + offset
struct Scale {
  __m512 factor, offset;

  Scale(__m512 sum, __m512 squares, std::size_t rows) {
    const __m512 share = _mm512_set1_ps(1.0F / static_cast<float>(rows));
    const __m512 mean = _mm512_mul_ps(sum, share);
    __m512 variance = _mm512_fmsub_ps(squares, share, _mm512_mul_ps(mean, mean));
    variance = _mm512_add_ps(_mm512_max_ps(variance, _mm512_setzero_ps()), _mm512_set1_ps(layer_norm_epsilon));
    const __m512 near = _mm512_rsqrt14_ps(variance);  // to 2^-14, and once more by Newton's method
    const __m512 error = _mm512_fnmadd_ps(_mm512_mul_ps(variance, near), near, _mm512_set1_ps(1));
    factor = _mm512_fmadd_ps(_mm512_mul_ps(near, error), _mm512_set1_ps(0.5F), near);
    offset = _mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(mean, factor));
  }
};

// The norm of a group: with gain and bias to `scaled` and before them to `packed`; or, where `scaled` is null, to
// `packed` only.
template <bool keeps_scaled>
inline void normalise(const float* x, std::size_t rows, const float* gain, const float* bias, float* scaled,
                      std::uint16_t* packed) {
  __m512 sum[2] = {}, squares[2] = {};
#pragma GCC unroll 4
  for (std::size_t r = 0; r < rows; r += 2) {
    const __m512 a = _mm512_load_ps(x + r * tile_lanes), b = _mm512_load_ps(x + r * tile_lanes + tile_lanes);
    sum[0] = _mm512_add_ps(sum[0], a);
    sum[1] = _mm512_add_ps(sum[1], b);
    squares[0] = _mm512_fmadd_ps(a, a, squares[0]);
    squares[1] = _mm512_fmadd_ps(b, b, squares[1]);
  }
  const Scale scale(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(squares[0], squares[1]), rows);
#pragma GCC unroll 4
  for (std::size_t r = 0; r < rows; r += 2) {
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
}

// start + W x for `Groups` groups.
template <int Groups, bool IsFar>
inline void add_products(const Weights& weights, const std::uint16_t* x, std::size_t x_distance, const float* start,
                         std::size_t start_distance, float* y, std::size_t y_distance) {
  for (std::size_t m = 0; m < weights.output_tiles; m += 2) {
    product<2, Groups, IsFar>(weights.tiles.data() + m * weights.input_tiles * weight_tile, weights.input_tiles, x,
                              x_distance, start + m * tile_floats, start_distance, y + m * tile_floats, y_distance,
                              nothing);
  }
}

template <int Groups>
void finish_layer_for(const LayerEnd& layer, Columns<const std::uint16_t> mixed, Columns<float> tokens,
                      std::size_t group, float* room) {
  const std::size_t rows = layer.attention_out.outputs(), size = rows * tile_lanes;
  const std::size_t inner_size = layer.feed_forward_in.outputs() * tile_lanes;
  float* const sums = room;
  auto* const packed = reinterpret_cast<std::uint16_t*>(sums + 2 * size);
  std::uint16_t* const inner = packed + 2 * size;
  add_products<Groups, true>(layer.attention_out, mixed.of(group), mixed.distance, tokens.of(group), tokens.distance,
                             sums, size);
  for (std::size_t g = 0; g < Groups; ++g) {
    normalise<true>(sums + g * size, rows, layer.gain, layer.bias, sums + g * size, packed + g * size);
  }
  multiply_and_pack<Groups, Pairs<Activation::relu>>(layer.feed_forward_in, packed, size, inner, inner_size);
  add_products<Groups, false>(layer.feed_forward_out, inner, inner_size, sums, size, sums, size);
  for (std::size_t g = 0; g < Groups; ++g) {
    const Norm& norm = layer.norm;
    const float *const gain = norm.gain.of(group + g), *const bias = norm.bias.of(group + g);
    std::uint16_t* const out = norm.packed.of(group + g);
    if (norm.keeps_scaled) {
      normalise<true>(sums + g * size, rows, gain, bias, tokens.of(group + g), out);
    } else {
      normalise<false>(sums + g * size, rows, gain, bias, nullptr, out);
    }
  }
}

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
  std::size_t g = 0;
  for (; g + 1 < groups; g += 2) products<2>(weights, x, g, y);
  for (; g < groups; ++g) products<1>(weights, x, g, y);
}

void multiply(const Weights& weights, Columns<const std::uint16_t> x, Activation activation, std::size_t groups,
              Columns<std::uint16_t> y) {
  switch (activation) {
    case Activation::leaky_relu:
      return multiply_as<Pairs<Activation::leaky_relu>>(weights, x, groups, y);
    case Activation::relu:
      return multiply_as<Pairs<Activation::relu>>(weights, x, groups, y);
    case Activation::silu:
      return multiply_as<Pairs<Activation::silu>>(weights, x, groups, y);
  }
}

void multiply_to_halves(const Weights& weights, Columns<const std::uint16_t> x, std::size_t groups,
                        Columns<std::uint16_t> y) {
  multiply_as<Halves>(weights, x, groups, y);
}

std::size_t layer_room(const LayerEnd& layer) {
  return (3 * layer.attention_out.outputs() + layer.feed_forward_in.outputs()) * tile_lanes;
}

void finish_layer(const LayerEnd& layer, Columns<const std::uint16_t> mixed, Columns<float> tokens, std::size_t groups,
                  float* room) {
  std::size_t g = 0;
  for (; g + 1 < groups; g += 2) finish_layer_for<2>(layer, mixed, tokens, g, room);
  for (; g < groups; ++g) finish_layer_for<1>(layer, mixed, tokens, g, room);
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
#undef CORBEL_TILE_STREAM
#undef CORBEL_TILE_LOAD_FROM
#undef CORBEL_TILE_ZERO
#undef CORBEL_TILE_STORE
#undef CORBEL_TILE_MULTIPLY

}  // namespace corbel::amx

#pragma GCC pop_options
#pragma GCC diagnostic pop

#endif
