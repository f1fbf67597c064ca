#include "corbel/surrogate/internal/stored_tensor.hpp"

#include <fmt/format.h>

#include "corbel/base/error.hpp"

namespace corbel {

StoredTensor to_stored(const torch::Tensor& tensor) {
  const torch::Tensor source = tensor.detach().cpu().contiguous();
  StoredTensor stored;
  stored.shape = source.sizes().vec();
  stored.values.assign(source.data_ptr<float>(), source.data_ptr<float>() + source.numel());
  return stored;
}

const std::vector<float>& stored_values(const TensorMap& tensors, std::string_view name, std::int64_t count) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.values.size() != static_cast<std::size_t>(count)) {
    throw Error(ErrorCode::corrupt, fmt::format("`{}` is missing or of another size", name));
  }
  return found->second.values;
}

}  // namespace corbel
