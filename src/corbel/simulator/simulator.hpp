#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/space/design_space.hpp"
#include "corbel/workload/network.hpp"

namespace corbel {

class Config;
class Monitor;

/// What a simulation came to. Infeasible is data, not an error; failed is a third thing (a crash, unreadable output):
/// retryable, never learnt from. Abandoned is failed, and not to be tried again.
enum class OutcomeState : std::uint8_t { complete, infeasible, failed, abandoned };
std::string_view to_string(OutcomeState state);
/// Whether nothing became known of the design: failed or abandoned.
constexpr bool has_failed(OutcomeState state) {
  return state == OutcomeState::failed || state == OutcomeState::abandoned;
}

struct Outcome {
  OutcomeState state = OutcomeState::failed;
  /// Why not complete, as a short stable word: "core_memory_overflow".
  std::string reason;
  /// One line for people with the place and by how much: "layer 17 needs 48 KiB of core memory, there are 32 KiB".
  std::string detail;
  /// In the order of `Simulator::metrics()`; NaN where there is none (all that need a workload, if not complete).
  std::vector<double> metrics;
};

struct MetricInfo {
  std::string name;     ///< with its unit: "latency_ms"
  std::string help;     ///< one line
  bool needs_workload;  ///< false for what the hardware alone decides: area
  /// Of what the hardware alone decides: never falls where a hardware value rises, as computed, to the last bit. Its
  /// bounds for a box of designs are then those of two corners.
  bool grows = false;
};

/// What a simulator needs to know of the hardware: values in the order of `Simulator::hardware_parameters()`.
/// Not a design: it may lie outside any design space.
using Hardware = std::vector<Value>;

struct HardwareParameter {
  std::string name;
  std::string unit;
  std::string help;
};

/// Where a layer's time and energy go.
struct LayerCost {
  std::string name, kind;
  std::string bound;  ///< "compute", "dram", "on_chip", "instructions", …
  double latency_ms = 0, compute_ms = 0, dram_ms = 0, on_chip_ms = 0;
  double energy_mj = 0, utilisation = 0;  ///< utilisation: share of peak MACs while the layer runs
  double dram_bytes = 0, weight_bytes = 0, resident_weight_bytes = 0;
  std::string mapping;  ///< tiling in words
};

/// What `corbel describe simulator` tells beyond parameters and metrics; any part may be empty.
struct SimulatorDescription {
  struct Line {
    std::string name, text;
  };
  std::string diagram;                               ///< the hardware template, at most 100 columns wide
  std::vector<Line> settings;                        ///< what each of settings() means
  std::vector<Line> reasons;                         ///< every reason of an infeasible outcome, and what it means
  std::vector<Line> equations;                       ///< in short
  std::vector<std::vector<std::string>> technology;  ///< a table; its header first
  std::string documentation;                         ///< where the whole stands: "docs/simulator.md"
};

/// Evaluates hardware on a network. Thread-safe, deterministic for any number of threads.
class Simulator {
 public:
  virtual ~Simulator() = default;
  virtual const std::string& name() const = 0;
  /// Of name, version and every setting that changes results; stored with every row.
  virtual const std::string& fingerprint() const = 0;
  virtual std::span<const HardwareParameter> hardware_parameters() const = 0;
  virtual std::span<const MetricInfo> metrics() const = 0;
  /// Whether simulate() needs a network: recorded tables do not.
  virtual bool needs_workload() const { return true; }
  /// Settings as name, value (with unit), help; for `corbel describe simulator`.
  virtual std::vector<std::pair<std::string, std::string>> settings() const { return {}; }

  /// [n] outcomes, in order. @throws Error{invalid_input} for values the simulator cannot understand at all
  /// @param network  ignored, and may be null, unless needs_workload()
  virtual std::vector<Outcome> simulate(std::span<const Hardware> hardware, const Network* network) const = 0;
  /// The same, of a simulator whose runs may take long: they end, and nothing is returned, once the monitor asks to
  /// stop.
  /// @throws Error{interrupted} then
  virtual std::vector<Outcome> simulate_until_stopped(std::span<const Hardware> hardware, const Network* network,
                                                      const Monitor& monitor) const;
  /// Calls to simulate() that are made side by side; 0: as many as there are threads.
  virtual std::size_t jobs() const { return 0; }
  /// The metrics that need no workload, in the order of metrics(), NaN for the others: for pruning.
  virtual std::vector<double> static_metrics(const Hardware& hardware) const = 0;
  /// Per layer, and what lies outside layers as rows of their own ("host"), so that the times add up to the latency;
  /// empty if the simulator has no such thing, or the design is infeasible.
  virtual std::vector<LayerCost> layer_costs(const Hardware& hardware, const Network& network) const;
  virtual SimulatorDescription description() const { return {}; }
  /// Mappings of a layer that simulate() weighs for these designs, for benchmarks; 0 if it maps nothing.
  virtual std::uint64_t layer_mappings(std::span<const Hardware> hardware, const Network& network) const;
};

/// Turns designs of a space into a simulator's hardware. Immutable, cheap to copy, thread-safe.
class HardwareBinding {
 public:
  /// @param fixed  values for hardware parameters that the space does not vary ("dram_bandwidth", "32")
  /// @throws Error{mismatch} if the simulator needs a parameter that neither gives, if the space has a parameter the
  ///         simulator does not know, or if units differ in kind
  HardwareBinding(const Simulator& simulator, const DesignSpace& space,
                  const std::vector<std::pair<std::string, std::string>>& fixed = {});
  Hardware hardware(const Design& design) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

/// Hardware from written values ("pes_x=4,…"), one for every hardware parameter.
/// @throws Error{invalid_input} for an unknown (near miss), missing or unreadable one
Hardware parse_hardware(const Simulator& simulator, const std::vector<std::pair<std::string, std::string>>& values,
                        std::string_view place = "");

/// One row of the table of simulators.
struct SimulatorInfo {
  std::string_view id, summary, source;
  /// @param settings  the map under `simulator:`, or a null config for none; unknown keys are errors
  std::unique_ptr<Simulator> (*make)(const Config& settings, const DesignSpace& space);
  /// What can be told of it before there is one; null where its name alone makes one.
  SimulatorDescription (*describe)() = nullptr;
};
std::span<const SimulatorInfo> simulators();
/// A simulator from a study's `simulator:` node: a name, or a map with `name` and its settings. Relative paths are
/// taken from the config's file.
std::unique_ptr<Simulator> make_simulator(const Config& config, const DesignSpace& space);

}  // namespace corbel
