#include "corbel/search/random.hpp"

#include <nlohmann/json.hpp>

#include "corbel/search/sequential_strategy.hpp"

namespace corbel {

namespace {

class RandomStrategy final : public SequentialStrategy {
 public:
  RandomStrategy(const SearchDomain& domain, const StrategyOptions& options, std::uint64_t seed)
      : SequentialStrategy("random", {}, domain, options, seed) {}
  std::unique_ptr<StrategyImplementation> clone() const override { return std::make_unique<RandomStrategy>(*this); }

 private:
  std::optional<Design> propose() override { return unseen().draw(); }
  void learn(const Evaluation&) override {}
  nlohmann::json state() const override { return nlohmann::json::object(); }
  void set_state(const nlohmann::json&) override {}
};

}  // namespace

std::unique_ptr<StrategyImplementation> make_random(const SearchDomain& domain, const StrategyOptions& options,
                                                    std::uint64_t seed) {
  return std::make_unique<RandomStrategy>(domain, options, seed);
}

}  // namespace corbel
