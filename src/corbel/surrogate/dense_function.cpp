#include "corbel/surrogate/internal/dense_function.hpp"

namespace corbel {
namespace {

using torch::Tensor;

// a bᵀ (+ bias) through oneDNN: ATen's own matrix product calls whatever BLAS is installed, and with Debian's default,
// the reference BLAS, that is 20 times slower.
Tensor product(const Tensor& a, const Tensor& b, const Tensor& bias = {}) {
  if (!at::hasMKLDNN()) return at::linear(a, b, bias);
  return at::mkldnn_linear(a.to_mkldnn(), b, bias).to_dense();
}

// x Wᵀ + b with x [n, in], W [out, in], b [out].
class DenseFunction : public torch::autograd::Function<DenseFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const Tensor& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["x_needs_gradient"] = x.requires_grad();
    return product(x, weight, bias);
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               torch::autograd::tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor gradient = gradients[0].contiguous();
    Tensor x_gradient;
    if (context->saved_data["x_needs_gradient"].toBool()) x_gradient = product(gradient, saved[1].t().contiguous());
    return {x_gradient, product(gradient.t().contiguous(), saved[0].t().contiguous()), gradient.sum(0)};
  }
};

}  // namespace

Tensor dense(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (x.dim() == 2) return DenseFunction::apply(x, weight, bias);
  auto shape = x.sizes().vec();
  const Tensor y = DenseFunction::apply(x.reshape({-1, x.size(-1)}), weight, bias);
  shape.back() = weight.size(0);
  return y.reshape(shape);
}

}  // namespace corbel
