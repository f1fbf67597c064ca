#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "corbel/base/random.hpp"
#include "corbel/simulator/edge.hpp"

namespace corbel {

inline Layer conv(std::string name, std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t kernel = 1,
                  std::int64_t groups = 1) {
  Layer layer;
  layer.name = std::move(name);
  layer.in_channels = in;
  layer.out_channels = out;
  layer.in_height = layer.in_width = layer.out_height = layer.out_width = size;
  layer.kernel_height = layer.kernel_width = kernel;
  layer.groups = groups;
  if (groups == in && groups > 1) layer.kind = LayerKind::depthwise;
  layer.bias = false;
  return layer;
}

inline Layer product(std::string name, std::int64_t rows, std::int64_t in, std::int64_t out, std::int64_t steps = 1) {
  Layer layer;
  layer.name = std::move(name);
  layer.kind = LayerKind::fully_connected;
  layer.in_channels = in;
  layer.out_channels = out;
  layer.out_height = rows;
  layer.steps = steps;
  layer.bias = false;
  return layer;
}

/// Layers one after the other.
inline Network chain(std::vector<Layer> layers) {
  Network network;
  network.name = "chain";
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].inputs.empty() && i > 0) layers[i].inputs = {static_cast<int>(i) - 1};
    if (i == 0) layers[i].network_input_elements = layers[i].input_elements();
  }
  network.layers = std::move(layers);
  return network;
}

/// 17 inverted-residual blocks in the shape of MobileNetV2, so that these tests do not need the zoo.
inline Network mobile_network() {
  std::vector<Layer> layers;
  Layer first = conv("stem", 3, 32, 112, 3);
  first.in_height = first.in_width = 224;
  first.stride_height = first.stride_width = 2;
  layers.push_back(first);
  struct Stage {
    std::int64_t expansion, channels, repeats, stride;
  };
  std::int64_t channels = 32, size = 112;
  for (const Stage stage : {Stage{1, 16, 1, 1},
                            {6, 24, 2, 2},
                            {6, 32, 3, 2},
                            {6, 64, 4, 2},
                            {6, 96, 3, 1},
                            {6, 160, 3, 2},
                            {6, 320, 1, 1}}) {
    for (std::int64_t i = 0; i < stage.repeats; ++i) {
      const std::int64_t stride = i == 0 ? stage.stride : 1, wide = channels * stage.expansion;
      const int block_input = static_cast<int>(layers.size()) - 1;
      if (stage.expansion > 1) layers.push_back(conv("expand", channels, wide, size));
      Layer depthwise = conv("depthwise", wide, wide, size / stride, 3, wide);
      depthwise.in_height = depthwise.in_width = size;
      depthwise.stride_height = depthwise.stride_width = stride;
      layers.push_back(depthwise);
      size /= stride;
      layers.push_back(conv("project", wide, stage.channels, size));
      if (stride == 1 && channels == stage.channels) {
        Layer add = conv("add", channels, channels, size);
        add.kind = LayerKind::elementwise;
        add.operands = 2;
        add.inputs = {static_cast<int>(layers.size()) - 1, block_input};
        layers.push_back(add);
      }
      channels = stage.channels;
    }
  }
  layers.push_back(conv("head", 320, 1280, 7));
  Layer pool = conv("pool", 1280, 1280, 1, 7);
  pool.kind = LayerKind::pool;
  pool.in_height = pool.in_width = 7;
  layers.push_back(pool);
  layers.push_back(product("classifier", 1, 1280, 1000));
  return chain(std::move(layers));
}

/// A chain of one to six layers of any kind; sizes do not have to fit each other for the cost model.
inline Network random_network(Rng& rng) {
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  std::vector<Layer> layers;
  const std::int64_t count = pick(1, 6);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t size = pick(1, 40), kernel = pick(0, 2) * 2 + 1, in = pick(1, 300), out = pick(1, 300);
    switch (rng.below(9)) {
      case 0:
        layers.push_back(conv("conv", in, out, size, kernel));
        break;
      case 1:
        layers.push_back(conv("depthwise", in, in, size, kernel, in));
        break;
      case 2:
        layers.push_back(conv("grouped", 4 * in, 4 * out, size, kernel, 4));
        break;
      case 3:
        layers.push_back(product("product", pick(1, 64), in * 4, out * 4, pick(1, 3)));
        break;
      case 4: {
        Layer pool = conv("pool", in, in, size, kernel);
        pool.kind = LayerKind::pool;
        layers.push_back(pool);
        break;
      }
      case 5: {
        Layer up = conv("transposed", in, out, size, kernel);
        up.kind = LayerKind::transposed_conv;
        up.stride_height = up.stride_width = pick(1, 3);
        up.out_height = up.out_width =
            std::max<std::int64_t>(1, (size - 1) * up.stride_width + kernel - 2 * pick(0, 1));
        layers.push_back(up);
        continue;
      }
      case 6: {
        Layer resize = conv("resize", in, in, size);
        resize.kind = LayerKind::resize;
        resize.out_height = resize.out_width = pick(1, 3 * size);
        resize.operations = pick(0, 1) * 3 + 1;
        layers.push_back(resize);
        continue;
      }
      case 7: {
        Layer table;
        table.name = "embedding";
        table.kind = LayerKind::embedding;
        table.in_channels = pick(1, 30000);
        table.out_channels = out;
        table.out_height = pick(1, 128);
        table.bias = false;
        layers.push_back(table);
        continue;
      }
      default: {
        Layer add = conv("add", in, in, size);
        add.kind = LayerKind::elementwise;
        add.operands = pick(1, 2);
        add.operations = pick(1, 5);
        layers.push_back(add);
      }
    }
    if (rng.chance(0.3)) layers.back().stride_height = layers.back().stride_width = 2;
    if (layers.back().kind == LayerKind::fully_connected) {
      layers.back().stride_height = layers.back().stride_width = 1;
      if (rng.chance(0.3)) {
        layers.back().kind = LayerKind::matmul;
        layers.back().weight_operand = false;
        layers.back().batch = pick(1, 4);
      }
    }
  }
  return chain(std::move(layers));
}

/// The values of the edge space, in the order of the simulator's hardware parameters.
inline const std::vector<std::vector<double>>& edge_values() {
  static const std::vector<std::vector<double>> values = [] {
    const auto doubling = [](double first, int count) {
      std::vector<double> list;
      for (int i = 0; i < count; ++i, first *= 2) list.push_back(first);
      return list;
    };
    const std::vector<double> grid = {1, 2, 4, 6, 8, 10, 12, 14, 16, 32};
    return std::vector<std::vector<double>>{grid,
                                            grid,
                                            doubling(4, 7),
                                            grid,
                                            doubling(256 * 1024, 7),
                                            doubling(4 * 1024, 11),
                                            doubling(256, 7),
                                            doubling(8192, 4),
                                            doubling(2048, 5),
                                            {5, 10, 16, 20, 25, 30}};
  }();
  return values;
}

constexpr double kibi = 1024;

/// The published V1 configuration, arXiv 2102.10423.
inline const Hardware v1 = {4.0, 4.0, 64.0, 4.0, 2048 * kibi, 32 * kibi, 1024.0, 16384.0, 16384.0, 17.0};

inline Hardware random_hardware(Rng& rng) {
  Hardware hardware;
  for (const auto& values : edge_values()) hardware.emplace_back(values[rng.below(values.size())]);
  return hardware;
}

inline Outcome simulate_one(const Simulator& simulator, const Hardware& hardware, const Network& network) {
  return simulator.simulate(std::span(&hardware, 1), &network).front();
}

/// Index of a metric of the edge simulator.
enum EdgeMetric : std::size_t { latency_ms, energy_mj, power_w, area_mm2, utilisation, dram_mb, resident_share };
/// Index of a hardware parameter of the edge simulator.
enum EdgeParameter : std::size_t {
  pes_x,
  pes_y,
  compute_lanes,
  cores,
  pe_memory,
  core_memory,
  activation_memory,
  instruction_memory,
  parameter_memory,
  dram_bandwidth
};

}  // namespace corbel
