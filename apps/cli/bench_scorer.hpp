#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "spread.hpp"

namespace corbel {
class Monitor;
}

namespace corbel::cli {

struct ScorerBenchOptions {
  std::vector<std::string> networks = {"attention", "mlp"};
  std::string model;                 ///< a model file in place of networks with random weights
  std::vector<std::string> kernels;  ///< those alone, if any
  std::size_t threads = 0;           ///< the most; 0: all cores
  double seconds = 1;                ///< of each row: what is measured in
  std::uint64_t seed = 1;
};

/// Designs per second that LibTorch predicts on one thread, in single precision.
struct TorchRate {
  double rate = 0;
  std::size_t batch = 0;  ///< at which it is fastest
  std::string linear;     ///< its function for the dense layers, the fastest of them
};

/// Rates are designs per second; of one thread by its processor time, so that other work on the machine does not count,
/// of several by the clock on the wall. Medians of at least five rounds, in each of which everything takes its turn.
struct ScorerBenchRow {
  std::string network, kernel, mode;  ///< mode: "enumeration" of the space in order, or "batch" of random designs
  std::size_t threads = 1;
  std::size_t rounds = 0;
  Spread rate;
  double flops = 0;                ///< of a design, as the network is written down
  double peak = 0;                 ///< floating-point operations per second of the kernel's instructions, all threads
  std::optional<TorchRate> torch;  ///< the same network as a user of LibTorch writes it
  std::optional<TorchRate> rewritten;  ///< of the attention network: in the form that is fastest there
  // Differences from the portable kernel, relative to the deviation of what that predicts.
  double max_error = 0, rms_error = 0;
  double spearman = 1;
};

/// Every kernel that this machine runs and that covers the network, on the space `edge`. Before anything is timed, what
/// each predicts is compared with the portable kernel, and that with LibTorch.
/// @throws Error{mismatch} if they differ by more than their arithmetic explains; Error{interrupted}
std::vector<ScorerBenchRow> bench_scorer(const ScorerBenchOptions& options, Monitor& monitor);

/// Adds `bench scorer`.
void add_scorer_bench(CLI::App& group, Common& common);

}  // namespace corbel::cli
