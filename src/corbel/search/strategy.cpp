#include "corbel/search/strategy.hpp"

#include <utility>

namespace corbel {

Strategy::Strategy(std::string id, std::unique_ptr<StrategyImplementation> implementation)
    : id_(std::move(id)), implementation_(std::move(implementation)) {}

Strategy::Strategy(const Strategy& other) : id_(other.id_), implementation_(other.implementation_->clone()) {}

Strategy& Strategy::operator=(const Strategy& other) {
  return *this = Strategy(other);
}

Strategy::Strategy(Strategy&&) noexcept = default;
Strategy& Strategy::operator=(Strategy&&) noexcept = default;
Strategy::~Strategy() = default;

std::vector<Design> Strategy::ask(std::size_t n) {
  return implementation_->ask(n);
}

void Strategy::tell(std::span<const Evaluation> evaluations) {
  implementation_->tell(evaluations);
}

std::uint64_t Strategy::seen() const {
  return implementation_->seen();
}

bool Strategy::exhausted() const {
  return implementation_->exhausted();
}

std::string Strategy::save() const {
  return implementation_->save();
}

void Strategy::load(std::string_view state) {
  // Into a copy, so that a damaged state leaves the strategy as it was.
  std::unique_ptr<StrategyImplementation> loaded = implementation_->clone();
  loaded->load(state);
  implementation_ = std::move(loaded);
}

}  // namespace corbel
