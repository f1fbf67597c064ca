#include "corbel/scorer/lane_operations.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "corbel/base/random.hpp"
#include "corbel/scorer/dense.hpp"
#include "corbel/scorer/input_table.hpp"

namespace corbel {
namespace {

std::vector<float> random_values(std::size_t n, std::uint64_t seed, double scale = 1) {
  Rng rng(seed);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(scale * rng.normal());
  return values;
}

// Each is compared with the formula in double precision.
class EveryInstructionSet : public testing::TestWithParam<LaneOperations> {};

TEST_P(EveryInstructionSet, MultipliesAsAPlainLoop) {
  for (const std::size_t out : {1, 7, 8, 9, 33}) {
    for (const std::size_t in : {1, 2, 31}) {
      const auto weight = random_values(out * in, 1), bias = random_values(out, 2), x = random_values(in * lanes, 3);
      const std::vector<float> added = random_values(out * lanes, 4);
      std::vector<float> y(out * lanes), sum = added;
      Dense(weight, bias).apply(GetParam(), x.data(), y.data());
      Dense(weight, bias).apply(GetParam(), x.data(), sum.data(), sum.data());
      for (std::size_t o = 0; o < out; ++o) {
        for (std::size_t lane = 0; lane < lanes; ++lane) {
          double expected = bias[o];
          for (std::size_t i = 0; i < in; ++i)
            expected += static_cast<double>(weight[o * in + i]) * x[i * lanes + lane];
          const std::size_t at = o * lanes + lane;
          ASSERT_NEAR(y[at], expected, 2e-5) << out << " " << in;
          ASSERT_NEAR(sum[at], expected + added[at], 2e-5) << out << " " << in;
        }
      }
    }
  }
}

TEST_P(EveryInstructionSet, ActivatesByTheFormulas) {
  const std::vector<float> x = random_values(5 * lanes, 5, 10);
  for (const Activation activation : {Activation::leaky_relu, Activation::relu, Activation::silu}) {
    std::vector<float> y = x;
    GetParam().activate(activation, y.data(), 5);
    for (std::size_t i = 0; i < x.size(); ++i) {
      double expected = x[i];
      if (activation == Activation::leaky_relu) expected = x[i] > 0 ? x[i] : 0.1 * x[i];
      if (activation == Activation::relu) expected = std::max(x[i], 0.0F);
      if (activation == Activation::silu) expected = x[i] / (1 + std::exp(-static_cast<double>(x[i])));
      ASSERT_NEAR(y[i], expected, 2e-6 * (1 + std::abs(expected))) << x[i];
    }
  }
}

TEST_P(EveryInstructionSet, NormalisesEachLane) {
  for (const std::size_t rows : {1, 3, 64}) {
    const auto weight = random_values(rows, 6), bias = random_values(rows, 7), x = random_values(rows * lanes, 8, 3);
    std::vector<float> y = x;
    GetParam().norm(weight.data(), bias.data(), rows, y.data());
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      double mean = 0, variance = 0;
      for (std::size_t r = 0; r < rows; ++r) mean += x[r * lanes + lane] / static_cast<double>(rows);
      for (std::size_t r = 0; r < rows; ++r)
        variance += std::pow(x[r * lanes + lane] - mean, 2) / static_cast<double>(rows);
      for (std::size_t r = 0; r < rows; ++r) {
        const double expected = (x[r * lanes + lane] - mean) / std::sqrt(variance + 1e-6) * weight[r] + bias[r];
        ASSERT_NEAR(y[r * lanes + lane], expected, 2e-5) << rows;
      }
    }
  }
}

TEST_P(EveryInstructionSet, AttendsByTheFormula) {
  for (const auto& [tokens, heads, size] : {std::array<std::size_t, 3>{3, 1, 5}, {10, 8, 8}, {20, 3, 4}, {1, 1, 1}}) {
    const std::size_t width = heads * size;
    const std::vector<float> qkv = random_values(tokens * 3 * width * lanes, 9);
    std::vector<float> out(tokens * width * lanes), room(tokens * lanes);
    GetParam().attend(qkv.data(), tokens, heads, size, room.data(), out.data());
    const auto at = [&, w = width](std::size_t token, std::size_t kind, std::size_t row, std::size_t lane) {
      return static_cast<double>(qkv[((token * 3 + kind) * w + row) * lanes + lane]);
    };
    for (std::size_t lane = 0; lane < lanes; lane += 7) {
      for (std::size_t head = 0; head < heads; ++head) {
        for (std::size_t token = 0; token < tokens; ++token) {
          std::vector<double> share(tokens);
          double total = 0;
          for (std::size_t other = 0; other < tokens; ++other) {
            double dot = 0;
            for (std::size_t w = head * size; w < (head + 1) * size; ++w)
              dot += at(token, 0, w, lane) * at(other, 1, w, lane);
            total += share[other] = std::exp(dot / std::sqrt(static_cast<double>(size)));
          }
          for (std::size_t w = head * size; w < (head + 1) * size; ++w) {
            double expected = 0;
            for (std::size_t other = 0; other < tokens; ++other)
              expected += share[other] / total * at(other, 2, w, lane);
            ASSERT_NEAR(out[(token * width + w) * lanes + lane], expected, 1e-5) << tokens << " " << heads;
          }
        }
      }
    }
  }
}

TEST_P(EveryInstructionSet, SoftmaxSharesOneAmongTheRowsHoweverLarge) {
  std::vector<float> x = random_values(4 * lanes, 10, 200);
  const std::vector<float> before = x;
  GetParam().softmax(x.data(), 4);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    double largest = before[lane], total = 0;
    for (std::size_t r = 1; r < 4; ++r) largest = std::max<double>(largest, before[r * lanes + lane]);
    for (std::size_t r = 0; r < 4; ++r) total += std::exp(before[r * lanes + lane] - largest);
    for (std::size_t r = 0; r < 4; ++r) {
      ASSERT_NEAR(x[r * lanes + lane], std::exp(before[r * lanes + lane] - largest) / total, 1e-6);
    }
  }
}

TEST_P(EveryInstructionSet, LooksUpTablesOfEverySize) {
  for (const std::size_t count : {1, 2, 15, 16, 17, 300}) {
    const std::vector<float> rows = random_values(count * 3, 11);
    const auto table = look_up_table(rows, count, 3);
    Rng rng(12);
    for (const bool same : {false, true}) {
      std::uint32_t index[lanes];
      for (std::uint32_t& each : index) each = static_cast<std::uint32_t>(rng.below(count));
      if (same) std::fill(std::begin(index), std::end(index), index[0]);
      std::vector<float> y(3 * lanes, 7);
      GetParam().look_up(table.data(), count, 3, index, false, y.data());
      for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], rows[index[i % lanes] * 3 + i / lanes]) << count;
      GetParam().look_up(table.data(), count, 3, index, true, y.data());
      for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], 2 * rows[index[i % lanes] * 3 + i / lanes]) << count;
    }
  }
}

TEST_P(EveryInstructionSet, StepsAnLstmByTheFormulas) {
  const std::size_t units = 3, size = units * lanes;
  const std::vector<float> gates = random_values(4 * size, 13, 4), before = random_values(size, 14);
  std::vector<float> cell(size), hidden(size);
  GetParam().lstm_step(gates.data(), units, before.data(), cell.data(), hidden.data());
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  for (std::size_t i = 0; i < size; ++i) {
    const double state = sigmoid(gates[size + i]) * before[i] + sigmoid(gates[i]) * std::tanh(gates[2 * size + i]);
    ASSERT_NEAR(cell[i], state, 2e-6);
    ASSERT_NEAR(hidden[i], sigmoid(gates[3 * size + i]) * std::tanh(state), 2e-6);
  }
}

TEST_P(EveryInstructionSet, KeepsWhatIsNoNumber) {
  std::vector<float> x(2 * lanes, 1);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  GetParam().softmax(x.data(), 2);
  EXPECT_TRUE(std::isnan(x[3]));
  EXPECT_TRUE(std::isnan(x[lanes + 3]));
  EXPECT_EQ(x[4], 0.5F);
}

INSTANTIATE_TEST_SUITE_P(LaneOperations, EveryInstructionSet,
                         testing::ValuesIn(lane_operations().begin(), lane_operations().end()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace corbel
