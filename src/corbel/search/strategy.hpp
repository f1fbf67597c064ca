#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "corbel/search/objective.hpp"
#include "corbel/space/constraint.hpp"
#include "corbel/space/design_space.hpp"

namespace corbel {

/// A design and what became of it.
struct Evaluation {
  Design design;
  Score score;
};

/// Where a strategy may look.
struct SearchDomain {
  DesignSpace space;
  /// Whether a design meets the constraints that parameters alone decide; empty: every design does.
  /// Must be thread-safe and pure.
  std::function<bool(const Design&)> admits;
  /// What admits() says of all designs of a box, where that can be told without asking for each; empty: not known.
  /// Looked at only beside admits(), which it must not contradict. Thread-safe and pure.
  std::function<Coverage(const DesignBox&)> admits_box = {};
};

/// The designs of a space that meet those of some constraints that parameters alone decide, and that are not left out.
SearchDomain make_domain(DesignSpace space, std::span<const BoundConstraint> constraints,
                         std::vector<DesignId> left_out = {});

/// What a strategy implements. Use `Strategy`, the value.
class StrategyImplementation {
 public:
  virtual ~StrategyImplementation() = default;
  virtual std::unique_ptr<StrategyImplementation> clone() const = 0;
  virtual std::vector<Design> ask(std::size_t n) = 0;
  virtual void tell(std::span<const Evaluation> evaluations) = 0;
  virtual std::string save() const = 0;
  virtual void load(std::string_view state) = 0;
  virtual std::uint64_t seen() const = 0;
  virtual bool exhausted() const = 0;
};

/// A way to search, as a copyable value: ask for designs, tell what became of them. The caller owns the loop, the
/// budget and the threads. Deterministic: the same seed and the same calls give the same designs; a copy continues
/// identically. No design is proposed twice, nor one that was told; when the admitted space is exhausted, ask returns
/// fewer than n. Designs told without being asked for are accepted. Not thread-safe.
class Strategy {
 public:
  Strategy(std::string id, std::unique_ptr<StrategyImplementation> implementation);
  Strategy(const Strategy& other);
  Strategy& operator=(const Strategy& other);
  Strategy(Strategy&&) noexcept;
  Strategy& operator=(Strategy&&) noexcept;
  ~Strategy();

  /// The row of `strategies()` it came from.
  const std::string& id() const { return id_; }
  /// At most n new designs, all in the domain.
  std::vector<Design> ask(std::size_t n);
  /// @throws Error{mismatch} if a design lies outside the space; then nothing was told
  void tell(std::span<const Evaluation> evaluations);

  /// Distinct designs proposed or told so far.
  std::uint64_t seen() const;
  /// True once every design of the domain is known to have been proposed or told. ask() also returns fewer than n when
  /// millions of designs in a row are refused by the domain; then this stays false.
  bool exhausted() const;

  /// The whole state as one line of JSON with a version; load() of the same id and domain continues identically.
  std::string save() const;
  /// @throws Error{corrupt} or Error{mismatch} for a state of another strategy, version or space
  void load(std::string_view state);

 private:
  std::string id_;
  std::unique_ptr<StrategyImplementation> implementation_;
};

/// A setting of a strategy: described once, for the parser, the help and the docs.
struct StrategyOption {
  std::string_view name;
  double default_value;
  double min, max;
  std::string_view help;
  bool whole = false;  ///< only whole numbers
};
using StrategyOptions = std::map<std::string, double, std::less<>>;

/// One row of the table of strategies.
struct StrategyInfo {
  std::string_view id;       ///< "firefly"
  std::string_view summary;  ///< one line
  std::string_view source;   ///< paper, section
  std::span<const StrategyOption> options;
  std::unique_ptr<StrategyImplementation> (*make)(const SearchDomain&, const StrategyOptions&, std::uint64_t seed);
};

/// Every strategy there is, in the order help shows them.
std::span<const StrategyInfo> strategies();

/// @param options  those not given take their defaults
/// @throws Error{invalid_input} for an unknown id or option (with the near miss) or a value outside its range
Strategy make_strategy(std::string_view id, const SearchDomain& domain, const StrategyOptions& options = {},
                       std::uint64_t seed = 0);

}  // namespace corbel
