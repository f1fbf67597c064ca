#include "corbel/surrogate/device_kernel.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "base/expect_error.hpp"
#include "corbel/scorer/model.hpp"
#include "scorer/scorer_testing.hpp"

namespace corbel::test {
namespace {

std::vector<std::string> devices() {
  if (torch::cuda::is_available()) return {"cpu", "cuda"};
  return {"cpu"};
}

TEST(DeviceKernel, PredictsWhatThePortableKernelDoes) {
  const DesignSpace space = mixed_space();
  const std::vector<float> context = {3, 500, 0};
  for (const auto& [name, kind] : network_kinds) {
    for (const std::int64_t experts : {1, 2}) {
      SCOPED_TRACE(name);
      NetworkSpec spec;
      spec.kind = kind;
      spec.experts = experts;
      spec.hidden = {24, 16};
      spec.metrics = 2;
      spec.context_size = 3;
      const Model model = random_model(space, spec, 2, 11);
      for (const std::string& device : devices()) {
        const Model its = model.with_kernel(device_kernel(device));
        EXPECT_EQ(its.kernel(Arithmetic::fast), device == "cpu" ? "libtorch" : "cuda");
        EXPECT_NE(its.kernel(Arithmetic::exact), its.kernel(Arithmetic::fast));
        // One alone, some that fill no group, several blocks.
        for (const std::size_t n : {1, 45, 700}) {
          const std::vector<Design> designs = random_designs(space, n, 12);
          const Outputs expected = model.with_kernel("portable").outputs(designs, context, Arithmetic::exact);
          const Outputs found = its.outputs(designs, context, Arithmetic::fast);
          ASSERT_EQ(found.metrics.size(), expected.metrics.size());
          for (std::size_t i = 0; i < found.metrics.size(); ++i) {
            ASSERT_NEAR(found.metrics[i], expected.metrics[i], 2e-4 * (1 + std::abs(expected.metrics[i])));
          }
          for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(found.feasibility(i), expected.feasibility(i), 1e-4);
        }
        const Outputs in_order = its.outputs_range(3, 300, context, Arithmetic::fast);
        const Outputs expected = model.with_kernel("portable").outputs_range(3, 300, context, Arithmetic::exact);
        for (std::size_t i = 0; i < in_order.metrics.size(); ++i) {
          ASSERT_NEAR(in_order.metrics[i], expected.metrics[i], 2e-4 * (1 + std::abs(expected.metrics[i])));
        }
      }
    }
  }
}

TEST(DeviceKernel, AnswersForADeviceThatIsNotThere) {
  expect_error([] { device_kernel("abacus"); }, ErrorCode::invalid_input, "unknown device `abacus`");
  if (torch::cuda::is_available()) return;
  expect_error([] { device_kernel("cuda"); }, ErrorCode::unsupported, "no device `cuda`");
}

}  // namespace
}  // namespace corbel::test
