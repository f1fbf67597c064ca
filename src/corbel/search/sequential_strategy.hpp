#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/base/random.hpp"
#include "corbel/search/strategy.hpp"
#include "corbel/search/unseen.hpp"

namespace corbel {

/// What strategies that propose one design after another share: the designs seen, the random numbers, the options, and
/// the file format of a saved search (docs/strategies/README.md). A strategy adds propose(), learn() and its own state.
class SequentialStrategy : public StrategyImplementation {
 public:
  std::vector<Design> ask(std::size_t n) final;
  void tell(std::span<const Evaluation> evaluations) final;
  std::string save() const final;
  void load(std::string_view state) final;
  std::uint64_t seen() const final { return unseen_.count(); }
  bool exhausted() const final { return unseen_.exhausted(); }

 protected:
  /// @param known    the options of this strategy's row
  /// @param options  a value for each
  SequentialStrategy(std::string_view id, std::span<const StrategyOption> known, const SearchDomain& domain,
                     StrategyOptions options, std::uint64_t seed);

  /// A design claimed or drawn from unseen(); nothing if there is none left.
  virtual std::optional<Design> propose() = 0;
  /// One told design of the space, already marked as seen.
  virtual void learn(const Evaluation& evaluation) = 0;
  /// What propose() depends on beside designs seen, random numbers and options.
  virtual nlohmann::json state() const = 0;
  /// @throws Error{corrupt} or a JSON exception for anything state() cannot have written
  virtual void set_state(const nlohmann::json& json) = 0;

  double option(std::string_view name) const { return options_.find(name)->second; }
  std::size_t count_option(std::string_view name) const { return static_cast<std::size_t>(option(name)); }
  const DesignSpace& space() const { return unseen_.space(); }
  UnseenDesigns& unseen() { return unseen_; }
  Rng& rng() { return rng_; }

 private:
  std::string_view id_;
  std::span<const StrategyOption> known_options_;
  StrategyOptions options_;
  Rng rng_;
  UnseenDesigns unseen_;
};

/// The options with defaults filled in.
/// @throws Error{invalid_input} for an unknown option (with the near miss) or a value outside its range
StrategyOptions complete_options(std::string_view strategy, std::span<const StrategyOption> known,
                                 const StrategyOptions& given);

}  // namespace corbel
