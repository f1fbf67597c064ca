#include "corbel/surrogate/internal/relaxation.hpp"

#include <algorithm>
#include <cmath>

namespace corbel {
namespace {

constexpr double noise_deviation = 0.5;

}  // namespace

Relaxation::Relaxation(const DesignSpace& space) {
  for (std::size_t p = 0; p < space.dimensions(); ++p) {
    first_.push_back(values_.size());
    const std::uint64_t count = space.parameters()[p].count();
    const std::uint64_t offered = count > most_values ? offered_values : count;
    for (std::uint64_t i = 0; i < offered; ++i) {
      const std::uint64_t index = offered == count ? i : i * (count - 1) / (offered - 1);
      values_.push_back({p, static_cast<std::uint32_t>(index)});
    }
  }
  first_.push_back(values_.size());
}

torch::Tensor Relaxation::around(std::span<const Design> designs, Rng& noise) const {
  torch::Tensor logits =
      torch::zeros({static_cast<std::int64_t>(designs.size()), static_cast<std::int64_t>(values_.size())});
  float* row = logits.data_ptr<float>();
  for (const Design& design : designs) {
    for (std::size_t v = 0; v < values_.size(); ++v) row[v] = static_cast<float>(noise_deviation * noise.normal());
    for (std::size_t p = 0; p + 1 < first_.size(); ++p) {
      const auto begin = values_.begin() + static_cast<std::ptrdiff_t>(first_[p]);
      const auto end = values_.begin() + static_cast<std::ptrdiff_t>(first_[p + 1]);
      auto nearest = std::lower_bound(begin, end, design[p],
                                      [](const Value& value, std::uint32_t index) { return value.index < index; });
      if (nearest == end) --nearest;
      if (nearest != begin && design[p] - (nearest - 1)->index < nearest->index - design[p]) --nearest;
      const std::size_t others = first_[p + 1] - first_[p] - 1;
      if (others > 0) row[nearest - values_.begin()] += static_cast<float>(std::log(static_cast<double>(others)));
    }
    row += values_.size();
  }
  return logits;
}

torch::Tensor Relaxation::probabilities(const torch::Tensor& logits) const {
  std::vector<torch::Tensor> parts;
  for (std::size_t p = 0; p + 1 < first_.size(); ++p) {
    const auto first = static_cast<std::int64_t>(first_[p]), last = static_cast<std::int64_t>(first_[p + 1]);
    parts.push_back(torch::softmax(logits.narrow(1, first, last - first), 1));
  }
  return torch::cat(parts, 1);
}

std::vector<Design> Relaxation::round(const torch::Tensor& logits) const {
  const torch::Tensor plain = logits.detach().contiguous();
  const float* row = plain.data_ptr<float>();
  std::vector<Design> designs(static_cast<std::size_t>(plain.size(0)));
  for (Design& design : designs) {
    for (std::size_t p = 0; p + 1 < first_.size(); ++p) {
      design.push_back(
          values_[static_cast<std::size_t>(std::max_element(row + first_[p], row + first_[p + 1]) - row)].index);
    }
    row += values_.size();
  }
  return designs;
}

}  // namespace corbel
