#include "corbel/scorer/amx_operations.hpp"
#include "corbel/scorer/lane_operations.hpp"

#if defined(__x86_64__) && defined(__linux__)

#include <immintrin.h>

namespace corbel::amx {

// Intrinsics of GCC 12 seem to it to use registers that they do not (its bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,fma")

namespace {

#include "corbel/scorer/internal/amx_vectors.inc"

namespace single {

struct Lanes {
  using Value = float;
  using Vector = __m512;
  static constexpr std::size_t count = tile_lanes;
  static constexpr float lowest = -3e38F;
  static Vector at(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Vector x) { _mm512_storeu_ps(to, x); }
  static Vector spread(float value) { return _mm512_set1_ps(value); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static Vector larger(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static Vector inverse(Vector x) { return _mm512_rcp14_ps(x); }
};

#include "corbel/scorer/internal/amx_attend.inc"

}  // namespace single

// The usual size of a head, as a constant: queries stay in registers.
constexpr std::size_t usual_size = 8;

}  // namespace

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

void look_up_halves(const LookUp& from, std::size_t heads, std::size_t size, std::uint16_t* out) {
  for (std::size_t head = 0; head < heads; head += 2) {
    for (std::size_t kind = 0; kind < 3; ++kind) {
      const std::size_t first = (kind * heads + head) * size;
      for (std::size_t row = first; row < first + size; ++row, out += 2 * tile_lanes) {
        _mm512_storeu_si512(out, halves_of(looked_up(from, row), looked_up(from, row + size)));
      }
    }
  }
}

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

namespace {

template <Activation activation>
void last_layer_as(const float* x, std::span<const float> bias, std::span<const float> weight,
                   std::span<const float> last_bias, float* out, std::size_t distance) {
  for (std::size_t o = 0; o < last_bias.size(); ++o) {
    const float* const its = weight.data() + o * bias.size();
    __m512 sum[2] = {_mm512_set1_ps(last_bias[o]), _mm512_setzero_ps()};
    const auto add = [&](std::size_t r, __m512 & to) __attribute__((always_inline)) {
      __m512 value = _mm512_add_ps(_mm512_load_ps(x + r * tile_lanes), _mm512_set1_ps(bias[r]));
      value = activated<activation>(value);
      if constexpr (activation == Activation::relu) value = _mm512_max_ps(value, _mm512_setzero_ps());
      to = _mm512_fmadd_ps(value, _mm512_set1_ps(its[r]), to);
    };
    std::size_t r = 0;
    for (; r + 1 < bias.size(); r += 2) {
      add(r, sum[0]);
      add(r + 1, sum[1]);
    }
    for (; r < bias.size(); ++r) add(r, sum[0]);
    _mm512_storeu_ps(out + o * distance, _mm512_add_ps(sum[0], sum[1]));
  }
}

}  // namespace

void last_layer(const float* x, std::span<const float> bias, Activation activation, std::span<const float> weight,
                std::span<const float> last_bias, float* out, std::size_t distance) {
  switch (activation) {
    case Activation::leaky_relu:
      return last_layer_as<Activation::leaky_relu>(x, bias, weight, last_bias, out, distance);
    case Activation::relu:
      return last_layer_as<Activation::relu>(x, bias, weight, last_bias, out, distance);
    case Activation::silu:
      return last_layer_as<Activation::silu>(x, bias, weight, last_bias, out, distance);
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
    const float* const queries = qkv + head * size * tile_lanes;
    const float* const keys = queries + width * tile_lanes;
    single::Heads its{queries, keys, keys + width * tile_lanes, 3 * width * tile_lanes, tokens, size};
    const auto write = [&](std::size_t token, std::size_t row, __m512 even, __m512 odd) __attribute__((always_inline)) {
      _mm512_storeu_si512(out.of(token) + (head * size + row) * tile_lanes, packed_pair(even, odd));
    };
    if (size == usual_size) {
      its.size = usual_size;
      single::attend_all<usual_size>(its, room, write);
    } else if (size % usual_size == 0) {
      single::attend_all<usual_size>(its, room, write);
    } else {
      single::attend_all<2>(its, room, write);
    }
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

#pragma GCC push_options
#pragma GCC target("avx512fp16")

namespace {

namespace half {

struct Lanes {
  using Value = std::uint16_t;
  using Vector = __m512h;
  static constexpr std::size_t count = 2 * tile_lanes;
  static constexpr float lowest = -65504.0F;
  static Vector at(const std::uint16_t* from) { return _mm512_castsi512_ph(_mm512_loadu_si512(from)); }
  static void store(std::uint16_t* to, Vector x) { _mm512_storeu_ph(to, x); }
  static Vector spread(float value) { return _mm512_set1_ph(static_cast<_Float16>(value)); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ph(a, b, c); }
  static Vector larger(Vector a, Vector b) { return _mm512_max_ph(a, b); }
  static Vector inverse(Vector x) { return _mm512_rcp_ph(x); }
};

// As for single precision.
inline __m512h power_of_two(__m512h x) {
  const __m512h fraction = _mm512_reduce_ph(x, 0x01);
  __m512h sum = Lanes::spread(0.0790209F);
  sum = _mm512_fmadd_ph(sum, fraction, Lanes::spread(0.2241263F));
  sum = _mm512_fmadd_ph(sum, fraction, Lanes::spread(0.6968528F));
  sum = _mm512_fmadd_ph(sum, fraction, Lanes::spread(1.0F));
  return _mm512_scalef_ph(sum, x);
}

#include "corbel/scorer/internal/amx_attend.inc"

// Of a pair of heads.
inline __m512 of_head(__m512h both, std::size_t head) {
  const __m512i bits = _mm512_castph_si512(both);
  const __m256i its = head == 0 ? _mm512_castsi512_si256(bits) : _mm512_extracti64x4_epi64(bits, 1);
  return _mm512_cvtxph_ps(_mm256_castsi256_ph(its));
}

}  // namespace half
}  // namespace

void attend_halves(Columns<const std::uint16_t> qkv, std::size_t tokens, std::size_t size, std::uint16_t* room,
                   Columns<std::uint16_t> out) {
  const std::size_t third = size * half::Lanes::count;
  half::Heads pair{qkv.first, qkv.first + third, qkv.first + 2 * third, qkv.distance, tokens, size};
  const auto write = [&](std::size_t token, std::size_t row, __m512h even, __m512h odd) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (std::size_t head = 0; head < 2; ++head) {
      _mm512_storeu_si512(out.of(token) + (head * size + row) * tile_lanes,
                          packed_pair(half::of_head(even, head), half::of_head(odd, head)));
    }
  };
  if (size == usual_size) {
    pair.size = usual_size;
    half::attend_all<usual_size>(pair, room, write);
  } else {
    half::attend_all<usual_size>(pair, room, write);
  }
}

#pragma GCC pop_options

}  // namespace corbel::amx

#pragma GCC pop_options
#pragma GCC diagnostic pop

#endif
