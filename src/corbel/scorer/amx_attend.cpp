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

#pragma GCC push_options
#pragma GCC target("avx512fp16")

namespace {

inline __m512h half_at(const std::uint16_t* from) {
  return _mm512_castsi512_ph(_mm512_loadu_si512(from));
}

inline __m512h spread_half(float value) {
  return _mm512_set1_ph(static_cast<_Float16>(value));
}

// As for single precision.
inline __m512h power_of_two(__m512h x) {
  const __m512h fraction = _mm512_reduce_ph(x, 0x01);
  __m512h sum = spread_half(0.0790209F);
  sum = _mm512_fmadd_ph(sum, fraction, spread_half(0.2241263F));
  sum = _mm512_fmadd_ph(sum, fraction, spread_half(0.6968528F));
  sum = _mm512_fmadd_ph(sum, fraction, spread_half(1.0F));
  return _mm512_scalef_ph(sum, x);
}

// Of `Queries` tokens for a pair of heads; `size` is `Part` where that is all of a head.
template <std::size_t Part, std::size_t Queries>
[[gnu::always_inline]] inline void attend_halves_as(Columns<const std::uint16_t> qkv, std::size_t tokens,
                                                    std::size_t size, std::size_t token, std::uint16_t* room,
                                                    Columns<std::uint16_t> out) {
  constexpr std::size_t wide = 2 * tile_lanes;
  const std::uint16_t* const keys = qkv.first + size * wide;
  const std::uint16_t* const values = keys + size * wide;
  __m512h largest[Queries];
  for (std::size_t q = 0; q < Queries; ++q) largest[q] = spread_half(-65504.0F);
  for (std::size_t other = 0; other < tokens; ++other) {
    __m512h even[Queries], odd[Queries];
    for (std::size_t q = 0; q < Queries; ++q) even[q] = odd[q] = _mm512_setzero_ph();
    for (std::size_t first = 0; first < size; first += Part) {
      const std::uint16_t* const key = keys + other * qkv.distance + first * wide;
#pragma GCC unroll 4
      for (std::size_t w = 0; w < Part * wide; w += 2 * wide) {
        const __m512h a = half_at(key + w), b = half_at(key + w + wide);
#pragma GCC unroll 2
        for (std::size_t q = 0; q < Queries; ++q) {
          const std::uint16_t* const query = qkv.of(token + q) + first * wide + w;
          even[q] = _mm512_fmadd_ph(half_at(query), a, even[q]);
          odd[q] = _mm512_fmadd_ph(half_at(query + wide), b, odd[q]);
        }
      }
    }
#pragma GCC unroll 2
    for (std::size_t q = 0; q < Queries; ++q) {
      const __m512h logit = _mm512_add_ph(even[q], odd[q]);
      largest[q] = _mm512_max_ph(largest[q], logit);
      _mm512_storeu_ph(room + (other * Queries + q) * wide, logit);
    }
  }
  __m512h factor[Queries];
#pragma GCC unroll 2
  for (std::size_t q = 0; q < Queries; ++q) {
    __m512h total = _mm512_setzero_ph();
    for (std::size_t other = 0; other < tokens; ++other) {
      std::uint16_t* const at = room + (other * Queries + q) * wide;
      const __m512h share = power_of_two(_mm512_sub_ph(half_at(at), largest[q]));
      _mm512_storeu_ph(at, share);
      total = _mm512_add_ph(total, share);
    }
    factor[q] = _mm512_rcp_ph(total);
  }
  for (std::size_t first = 0; first < size; first += Part) {
    __m512h sum[Queries][Part];
#pragma GCC unroll 2
    for (std::size_t q = 0; q < Queries; ++q) {
#pragma GCC unroll 8
      for (std::size_t w = 0; w < Part; ++w) sum[q][w] = _mm512_setzero_ph();
    }
    for (std::size_t other = 0; other < tokens; ++other) {
      __m512h share[Queries];
#pragma GCC unroll 2
      for (std::size_t q = 0; q < Queries; ++q) share[q] = half_at(room + (other * Queries + q) * wide);
#pragma GCC unroll 8
      for (std::size_t w = 0; w < Part; ++w) {
        const __m512h value = half_at(values + other * qkv.distance + (first + w) * wide);
#pragma GCC unroll 2
        for (std::size_t q = 0; q < Queries; ++q) sum[q][w] = _mm512_fmadd_ph(share[q], value, sum[q][w]);
      }
    }
#pragma GCC unroll 2
    for (std::size_t q = 0; q < Queries; ++q) {
      std::uint16_t* const mixed = out.of(token + q) + first * tile_lanes;
#pragma GCC unroll 4
      for (std::size_t w = 0; w < Part; w += 2) {
        const __m512i even = _mm512_castph_si512(_mm512_mul_ph(sum[q][w], factor[q]));
        const __m512i odd = _mm512_castph_si512(_mm512_mul_ph(sum[q][w + 1], factor[q]));
#pragma GCC unroll 2
        for (std::size_t head = 0; head < 2; ++head) {
          const auto of_head = [&](__m512i both) __attribute__((always_inline)) {
            const __m256i its = head == 0 ? _mm512_castsi512_si256(both) : _mm512_extracti64x4_epi64(both, 1);
            return _mm512_cvtxph_ps(_mm256_castsi256_ph(its));
          };
          _mm512_storeu_si512(mixed + (head * size + w) * tile_lanes, packed_pair(of_head(even), of_head(odd)));
        }
      }
    }
  }
}

template <std::size_t Part>
[[gnu::always_inline]] inline void attend_all_halves(Columns<const std::uint16_t> qkv, std::size_t tokens,
                                                     std::size_t size, std::uint16_t* room,
                                                     Columns<std::uint16_t> out) {
  std::size_t token = 0;
  for (; token + 1 < tokens; token += 2) attend_halves_as<Part, 2>(qkv, tokens, size, token, room, out);
  for (; token < tokens; ++token) attend_halves_as<Part, 1>(qkv, tokens, size, token, room, out);
}

}  // namespace

void attend_halves(Columns<const std::uint16_t> qkv, std::size_t tokens, std::size_t size, std::uint16_t* room,
                   Columns<std::uint16_t> out) {
  // The usual size as a constant: queries stay in registers.
  if (size == usual_size) return attend_all_halves<usual_size>(qkv, tokens, usual_size, room, out);
  return attend_all_halves<usual_size>(qkv, tokens, size, room, out);
}

#pragma GCC pop_options

}  // namespace corbel::amx

#pragma GCC pop_options
#pragma GCC diagnostic pop

#endif
