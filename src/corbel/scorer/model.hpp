#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "corbel/scorer/ensemble.hpp"
#include "corbel/scorer/kernels.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/search/direction.hpp"
#include "corbel/space/design_space.hpp"

namespace corbel {

/// Version of the model file's layout (docs/formats/model.md).
inline constexpr int model_version = 1;

/// A trained surrogate, read from a safetensors file (docs/formats/model.md): any network that `surrogate` can train.
/// Immutable, thread-safe, deterministic. Needs no LibTorch.
class Model {
 public:
  /// @throws Error{not_found, file_access}; Error{corrupt} for a truncated, damaged or hostile file, naming what is
  ///         wrong; Error{unsupported} for a newer version or an unknown network
  static Model load(const std::filesystem::path& file);
  /// The same from the bytes of a file; `name` stands for it in messages.
  static Model decode(std::string_view bytes, std::string_view name);

  /// A model from what its file holds; nothing is read or written.
  /// @param metadata  docs/formats/model.md
  /// @param name      stands for the file in messages
  /// @throws as load()
  static Model from_tensors(nlohmann::json metadata, TensorMap tensors, std::string_view name = "model");
  /// Writes a model file atomically, after checking that it can be loaded. @throws Error{file_access}
  static void save(const std::filesystem::path& file, const nlohmann::json& metadata, TensorMap tensors);

  const DesignSpace& space() const;
  const std::vector<std::string>& metrics() const;  ///< those it predicts; the first is the objective
  Direction direction() const;                      ///< of the objective
  /// How each metric's unit and the scale of its output are converted.
  const std::vector<MetricTransform>& transforms() const;
  /// The whole metadata: network, options, dataset fingerprint, normalisation, code version, history, selection.
  const nlohmann::json& metadata() const;
  /// Length of the context vector it wants; 0 if it was trained for one workload only.
  std::size_t context_size() const;
  /// @throws Error{mismatch} naming both sides, if the space differs
  void require_space(const DesignSpace& space, std::string_view what) const;

  /// The same model, computed by one kernel whatever the arithmetic asked for, but for a fast one, which leaves exact
  /// arithmetic to the others; where that kernel does not cover the network, by the portable one.
  /// @throws Error{invalid_input} naming the kernels there are
  Model with_kernel(std::string_view kernel) const;
  /// The same by a kernel that is none of scorer_kernels() and outlives the model.
  Model with_kernel(const ScorerKernel& kernel) const;
  /// Name of the kernel that computes it.
  std::string_view kernel(Arithmetic arithmetic) const;

  /// @param designs  [n] designs of space()
  /// @param context  [context_size()]
  /// @throws Error{mismatch} if the context has another size
  Predictions predict(std::span<const Design> designs, std::span<const float> context = {},
                      Arithmetic arithmetic = Arithmetic::exact) const;
  /// The same for designs first … first + n − 1 of the enumeration, sharing work between neighbours; to the bit in
  /// exact arithmetic.
  Predictions predict_range(DesignId first, std::size_t n, std::span<const float> context = {},
                            Arithmetic arithmetic = Arithmetic::exact) const;
  /// The same before it is put into units.
  Outputs outputs(std::span<const Design> designs, std::span<const float> context, Arithmetic arithmetic) const;
  Outputs outputs_range(DesignId first, std::size_t n, std::span<const float> context, Arithmetic arithmetic) const;

 private:
  struct Data;
  struct Engine;
  const Engine& engine(Arithmetic arithmetic) const;

  std::shared_ptr<const Data> data_;
  std::shared_ptr<const Engine> forced_;
};

}  // namespace corbel
