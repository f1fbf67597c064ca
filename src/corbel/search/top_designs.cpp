#include <algorithm>
#include <utility>

#include "corbel/search/optimise.hpp"

namespace corbel {

// A total order on different designs, so that the K first are the same set in whatever order they come.
bool TopDesigns::before(const Entry& a, const Entry& b) {
  if (better(a.score, b.score)) return true;
  return !better(b.score, a.score) && a.id < b.id;
}

bool TopDesigns::would_enter(const Score& score) const {
  return heap_.size() < capacity_ || (capacity_ > 0 && !better(heap_.front().score, score));
}

void TopDesigns::offer(const Design& design, DesignId id, const Score& score) {
  if (!would_enter(score)) return;
  if (ids_.contains(id)) {
    const auto known = std::find_if(heap_.begin(), heap_.end(), [id](const Entry& entry) { return entry.id == id; });
    if (better(score, known->score)) {
      known->score = score;
      std::make_heap(heap_.begin(), heap_.end(), before);
    }
    return;
  }
  if (heap_.size() == capacity_) {
    const Entry& worst = heap_.front();
    if (!better(score, worst.score) && worst.id < id) return;
    ids_.erase(worst.id);
    std::pop_heap(heap_.begin(), heap_.end(), before);
    heap_.pop_back();
  }
  heap_.push_back({score, id, design});
  std::push_heap(heap_.begin(), heap_.end(), before);
  ids_.insert(id);
}

std::optional<Score> TopDesigns::bar() const {
  if (heap_.empty() || heap_.size() < capacity_) return std::nullopt;
  return heap_.front().score;
}

void TopDesigns::merge(const TopDesigns& other) {
  for (const Entry& entry : other.heap_) offer(entry.design, entry.id, entry.score);
}

std::vector<Evaluation> TopDesigns::sorted() const {
  std::vector<Entry> entries = heap_;
  std::sort(entries.begin(), entries.end(), before);
  std::vector<Evaluation> evaluations;
  evaluations.reserve(entries.size());
  for (Entry& entry : entries) evaluations.push_back({std::move(entry.design), entry.score});
  return evaluations;
}

}  // namespace corbel
