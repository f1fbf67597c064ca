#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "corbel/scorer/aligned_vector.hpp"
#include "corbel/scorer/dense.hpp"
#include "corbel/scorer/input_table.hpp"
#include "corbel/scorer/network_spec.hpp"
#include "corbel/scorer/safetensors.hpp"
#include "corbel/space/design_space.hpp"

namespace corbel {

/// Some designs, side by side.
struct DesignColumns {
  const std::uint32_t* indices;  ///< [parameters][stride]: index of each parameter's value in each design
  std::size_t stride;            ///< a multiple of `lanes`; behind the last design it is repeated up to there
  std::size_t count;

  const std::uint32_t* of(std::size_t parameter) const { return indices + parameter * stride; }
  /// Whether designs first … first + n − 1 share the parameter's value.
  bool agree(std::size_t parameter, std::size_t first, std::size_t n) const;
};

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
  /// How many designs it takes at once, a multiple of `lanes`.
  virtual std::size_t block() const { return lanes; }
  /// @param designs  1 … block() designs of the space, with that stride; work that they share, or share with the
  /// designs
  ///                 before, is done once
  /// @param gate     [gate_width] factors from the context, or empty; the same in all calls with a workspace
  /// @param out      [outputs][lanes] at every multiple of `distance`, for `lanes` designs each; where there is no
  /// design,
  ///                 something unspecified
  virtual void evaluate(const DesignColumns& designs, std::span<const float> gate, Workspace& workspace, float* out,
                        std::size_t distance) const = 0;
};

/// What a network is made of.
struct MemberParts {
  const DesignSpace& space;
  const NetworkSpec& spec;
  const TensorMap& tensors;   ///< of the file, with the shapes of tensor_shapes()
  const std::string& prefix;  ///< of this member's names, such as "0."

  const std::vector<float>& values(const std::string& name) const;
  /// The dense layer stored as `name`.weight and `name`.bias.
  Dense dense(const std::string& name) const;
  /// Rows of parameter p's values, with `input.bias` in them where each token has its own.
  InputTable input(std::size_t p) const;
};

/// Each network in single precision. `operations` must outlive it.
std::unique_ptr<Member> make_mlp(const MemberParts& parts, const LaneOperations& operations);
std::unique_ptr<Member> make_attention(const MemberParts& parts, const LaneOperations& operations);
std::unique_ptr<Member> make_lstm(const MemberParts& parts, const LaneOperations& operations);

/// Networks in bf16 on AMX, where amx::available(); of shapes that they cover.
namespace amx {
bool covers_attention(const NetworkSpec& spec, const DesignSpace& space);
std::unique_ptr<Member> make_attention(const MemberParts& parts);
bool covers_mlp(const NetworkSpec& spec, const DesignSpace& space);
std::unique_ptr<Member> make_mlp(const MemberParts& parts);
}  // namespace amx

/// The dense layers after the input: hidden layers with activation, then the outputs. With several experts a softmax
/// over a Dense of the same input says what share each of them has in the outputs.
class Head {
 public:
  /// @param first  index of the first hidden layer that is a Dense
  Head(const MemberParts& parts, std::size_t first, const LaneOperations& operations);
  std::size_t scratch_rows() const;
  /// @param x        [in][lanes]
  /// @param scratch  [scratch_rows()][lanes]
  void apply(const float* x, float* scratch, float* out) const;

 private:
  using Layers = std::vector<Dense>;
  void run(const Layers& layers, const float* x, float* scratch, float* out) const;

  const LaneOperations& operations_;
  Activation activation_;
  std::vector<Layers> experts_;
  Dense vote_;
  std::size_t widest_ = 1;
};

}  // namespace corbel
