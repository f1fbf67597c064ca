#include "corbel/scorer/member.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace corbel {

bool DesignColumns::agree(std::size_t parameter, std::size_t first, std::size_t n) const {
  const std::uint32_t* const index = of(parameter) + first;
  return std::all_of(index, index + n, [&](std::uint32_t each) { return each == *index; });
}

const std::vector<float>& MemberParts::values(const std::string& name) const {
  return tensors.find(prefix + name)->second.values;
}

Dense MemberParts::dense(const std::string& name) const {
  return Dense(values(name + ".weight"), values(name + ".bias"));
}

InputTable MemberParts::input(std::size_t p) const {
  const Parameter& parameter = space.parameters()[p];
  const StoredTensor& tensor = tensors.find(fmt::format("{}input.{}", prefix, p))->second;
  if (spec.kind == NetworkKind::mlp) return InputTable(parameter, tensor);
  const auto width = static_cast<std::size_t>(spec.embedding);
  return InputTable(parameter, tensor, std::span(values("input.bias")).subspan(p * width, width));
}

Head::Head(const MemberParts& parts, std::size_t first, const LaneOperations& operations)
    : operations_(operations), activation_(parts.spec.activation) {
  for (std::int64_t e = 0; e < parts.spec.experts; ++e) {
    const std::string name = head_prefix(parts.spec, e);
    Layers& layers = experts_.emplace_back();
    for (std::size_t h = first; h < parts.spec.hidden.size(); ++h) {
      layers.push_back(parts.dense(fmt::format("{}hidden.{}", name, h)));
      widest_ = std::max(widest_, layers.back().out());
    }
    layers.push_back(parts.dense(name + "output"));
  }
  if (parts.spec.experts > 1) vote_ = parts.dense("vote");
}

std::size_t Head::scratch_rows() const {
  const std::size_t votes = experts_.size() == 1 ? 0 : experts_.size() + experts_.front().back().out();
  return 2 * widest_ + votes;
}

void Head::run(const Layers& layers, const float* x, float* scratch, float* out) const {
  float* y = scratch;
  float* other = scratch + widest_ * lanes;
  for (std::size_t l = 0; l + 1 < layers.size(); ++l) {
    layers[l].apply(operations_, x, y);
    operations_.activate(activation_, y, layers[l].out());
    x = y;
    std::swap(y, other);
  }
  layers.back().apply(operations_, x, out);
}

void Head::apply(const float* x, float* scratch, float* out) const {
  if (experts_.size() == 1) return run(experts_.front(), x, scratch, out);
  const std::size_t size = experts_.front().back().out() * lanes;
  float* const votes = scratch + 2 * widest_ * lanes;
  float* const said = votes + experts_.size() * lanes;
  vote_.apply(operations_, x, votes);
  operations_.softmax(votes, experts_.size());
  std::fill(out, out + size, 0.0F);
  for (std::size_t e = 0; e < experts_.size(); ++e) {
    run(experts_[e], x, scratch, said);
    for (std::size_t i = 0; i < size; ++i) out[i] += votes[e * lanes + i % lanes] * said[i];
  }
}

}  // namespace corbel
