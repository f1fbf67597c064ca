#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "corbel/scorer/dense.hpp"
#include "corbel/scorer/network_spec.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/space/design_space.hpp"

namespace corbel {

/// One network of an ensemble, ready to run. Immutable, thread-safe.
class Member {
 public:
  /// What one thread needs while it runs a member.
  class Workspace {
   public:
    virtual ~Workspace() = default;
  };

  virtual ~Member() = default;
  virtual std::unique_ptr<Workspace> workspace() const = 0;
  /// @param designs  1 … lanes designs of the space; work shared with the design before is not repeated
  /// @param gate     [gate_width] factors from the context, or empty
  /// @param out      [outputs][lanes]; lanes without a design hold something unspecified
  virtual void evaluate(std::span<const Design> designs, std::span<const float> gate, Workspace& workspace,
                        float* out) const = 0;
};

/// @param tensors  all tensors of the file, with the shapes of tensor_shapes()
/// @param prefix   of this member's names, such as "0."
std::unique_ptr<Member> make_mlp(const DesignSpace& space, const NetworkSpec& spec, const TensorMap& tensors,
                                 const std::string& prefix);
std::unique_ptr<Member> make_attention(const DesignSpace& space, const NetworkSpec& spec, const TensorMap& tensors,
                                       const std::string& prefix);

std::unique_ptr<Member> make_lstm(const DesignSpace& space, const NetworkSpec& spec, const TensorMap& tensors,
                                  const std::string& prefix);

/// What a parameter's value adds to its token or to the first layer.
class InputTable {
 public:
  InputTable(const Parameter& parameter, const StoredTensor& tensor);
  /// out[w] = base[w] + contribution[w], for the input's width
  void add(std::uint32_t index, const float* base, float* out) const;

 private:
  Parameter parameter_;
  bool is_table_;
  std::size_t width_;
  std::vector<float> rows_;
};

/// The dense layers after the input: hidden layers with activation, then the outputs. With several experts a softmax
/// over a Dense of the same input says what share each of them has in the outputs.
class Head {
 public:
  /// @param first  index of the first hidden layer that is a Dense
  Head(const NetworkSpec& spec, const TensorMap& tensors, const std::string& prefix, std::size_t first);
  std::size_t widest() const { return widest_; }
  /// Rows that `y` must have.
  std::size_t scratch_rows() const;
  /// @param x  [in][lanes], used as scratch: it must hold widest() rows
  /// @param y  [scratch_rows()][lanes], scratch
  void apply(float* x, float* y, float* out) const;

 private:
  using Layers = std::vector<Dense>;
  // From x by way of a and b, which may be x; all must hold widest() rows but x, if it is none of them.
  void run(const Layers& layers, const float* x, float* a, float* b, float* out) const;

  Activation activation_;
  std::vector<Layers> experts_;
  Dense vote_;
  std::size_t widest_ = 1;
};

/// The dense layer stored as `name`.weight and `name`.bias.
Dense dense_layer(const TensorMap& tensors, const std::string& name);

}  // namespace corbel
