#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "corbel/base/config.hpp"
#include "corbel/workload/builder.hpp"

namespace corbel {

/// Reads a workload's YAML, docs/formats/workload.md, entry by entry into a NetworkBuilder. Serves one read().
class WorkloadReader {
 public:
  /// @param batch  0: as the file says
  WorkloadReader(const Config& config, std::int64_t batch);
  Network read();

 private:
  /// One entry of `layers:`, with its options or without.
  struct Entry {
    const Config& node;
    const std::string& kind;
    const Config* options;   ///< nullptr if there are none
    std::string name;        ///< of its layers, unique
    std::string given_name;  ///< what the file calls it, "" if nothing
    Tensor input;

    /// Refuses options other than these; `name` and `from` are always fine.
    void allow(std::initializer_list<std::string_view> keys) const;
    const Config* find(std::string_view key) const { return options == nullptr ? nullptr : options->find(key); }
    const Config& at(std::string_view key) const;
    std::int64_t size(std::string_view key) const;
    std::int64_t size(std::string_view key, std::int64_t fallback) const;
    bool flag(std::string_view key, bool fallback) const;
    ActivationCost activation() const;
    /// @param stride  where there is no `stride`, 0: that of the kernel
    Window window(std::int64_t stride) const;
    Axis axis() const;
  };
  struct Kind {
    std::string_view name;
    Tensor (WorkloadReader::*read)(const Entry& entry);
  };
  static std::span<const Kind> kinds();

  void read_layers(const Config& list);
  void read_entry(const Config& node);
  Tensor read_convolution(const Entry& entry);
  Tensor read_depthwise(const Entry& entry);
  Tensor read_transposed_convolution(const Entry& entry);
  Tensor read_pool(const Entry& entry);
  Tensor read_global_pool(const Entry& entry);
  Tensor read_fully_connected(const Entry& entry);
  Tensor read_matmul(const Entry& entry);
  Tensor read_add(const Entry& entry);
  Tensor read_elementwise(const Entry& entry);
  Tensor read_normalization(const Entry& entry);
  Tensor read_activation(const Entry& entry);
  Tensor read_upsample(const Entry& entry);
  Tensor read_embedding(const Entry& entry);
  Tensor read_input(const Entry& entry);
  Tensor read_concatenate(const Entry& entry);
  Tensor read_reshape(const Entry& entry);
  Tensor read_slice(const Entry& entry);
  Tensor read_recurrent(const Entry& entry);
  Tensor read_inverted_residual(const Entry& entry);
  Tensor read_separable(const Entry& entry);
  Tensor read_basic_block(const Entry& entry);
  Tensor read_bottleneck(const Entry& entry);
  Tensor read_branches(const Entry& entry);
  Tensor read_stack(const Entry& entry);

  /// Runs `build` `repeat` times, each on what the one before put out, and makes the parts of a named block known.
  Tensor repeat(const Entry& entry,
                const std::function<Tensor(const std::string& name, const Tensor& input, std::int64_t index)>& build);

  /// Adds to `declared_` every name that the file gives, so that a forward reference can be told from a typo.
  void collect_names(const Config& list);
  std::string unique_name(const std::string& kind);
  void make_known(const std::string& name, const Config& node, Tensor tensor);
  /// Refuses a layer, among those since the last call, that is named like another.
  void check_new_layers(const Config& node);
  Tensor activate(const Entry& entry, const Tensor& x);
  /// [channels, height, width], [rows, features] of a sequence, or [features].
  static Tensor read_shape(const Config& node, std::string_view what);
  /// The tensor that a `from:` or `with:` names.
  const Tensor& resolve(const Config& reference) const;
  /// The entry's input and what `with:` lists.
  std::vector<Tensor> operands(const Entry& entry, bool needed) const;

  const Config& config_;
  NetworkBuilder builder_;
  Tensor current_;
  std::string prefix_;  ///< of layer names inside stacks: "encoder_2."
  std::map<std::string, Tensor, std::less<>> known_;
  /// What to restore at the end of a stack's repetition: the name, and the tensor that it hid or nothing.
  std::vector<std::pair<std::string, std::vector<Tensor>>> hidden_;
  std::map<std::string, std::string, std::less<>> declared_;  ///< name → place
  std::map<std::string, int, std::less<>> counters_;
  std::unordered_set<std::string> layer_names_;  ///< of the first checked_layers_
  std::size_t checked_layers_ = 0;
  std::size_t entries_ = 0;
};

}  // namespace corbel
