#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <string>

#include "corbel/base/error.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/units.hpp"
#include "corbel/search/optimise.hpp"

namespace corbel {

namespace {

// Blocks per turn of a thread: enough to make the merge of the results cheap, few enough to stop and report promptly.
constexpr std::size_t blocks_per_turn = 16;

// Which of the designs first … first + n − 1 the domain admits.
void mark_admitted(const SearchDomain& domain, DesignId first, std::vector<char>& admitted) {
  if (!domain.admits) {
    std::fill(admitted.begin(), admitted.end(), char{1});
    return;
  }
  Design design = domain.space.design(first);
  for (char& each : admitted) {
    each = domain.admits(design);
    domain.space.advance(design);
  }
}

// What some stretch of the space holds.
struct Findings {
  explicit Findings(std::size_t keep) : top(keep) {}
  TopDesigns top;
  std::uint64_t scored = 0;
  double best = std::numeric_limits<double>::infinity();
};

void scan_block(const Objective& objective, const SearchDomain& domain, DesignId first, std::size_t n,
                Findings& findings) {
  std::vector<char> admitted(n);
  mark_admitted(domain, first, admitted);
  const auto begin = static_cast<std::size_t>(std::find(admitted.begin(), admitted.end(), 1) - admitted.begin());
  if (begin == n) return;
  std::size_t end = n;
  while (!admitted[end - 1]) --end;
  std::vector<Score> scores(end - begin);
  objective.score_range(first + begin, scores);
  Design design;
  for (std::size_t i = begin; i < end; ++i) {
    if (!admitted[i]) continue;
    ++findings.scored;
    const Score& score = scores[i - begin];
    if (!findings.top.would_enter(score)) continue;
    domain.space.design(first + i, design);
    findings.top.offer(design, first + i, score);
    if (score.feasible() && score.objective < findings.best) findings.best = score.objective;
  }
}

}  // namespace

SearchResult scan(const Objective& objective, const SearchDomain& domain, std::size_t keep, std::size_t threads,
                  Monitor& monitor) {
  if (domain.space.fingerprint() != objective.space().fingerprint())
    throw Error(ErrorCode::mismatch, "the scan's domain is of another design space than the objective's",
                "scan the space of the objective");
  const std::uint64_t size = domain.space.size();
  // The batch the objective likes, but never so small that a block's bookkeeping shows.
  const std::size_t block = std::max<std::size_t>(256, objective.preferred_batch());
  std::mutex mutex;
  Findings all(keep);
  std::uint64_t done = 0;
  parallel_for(size, threads, block * blocks_per_turn, [&](std::size_t begin, std::size_t end) {
    Findings turn(keep);
    for (std::size_t first = begin; first < end; first += block) {
      monitor.check();
      scan_block(objective, domain, first, std::min(block, end - first), turn);
    }
    const std::lock_guard lock(mutex);
    all.top.merge(turn.top);
    all.scored += turn.scored;
    all.best = std::min(all.best, turn.best);
    done += end - begin;
    monitor.progress("scan", done, size, std::isinf(all.best) ? "" : "best " + format_for_people(all.best));
  });
  return {.best = all.top.sorted(), .scored = all.scored, .exhaustive = true, .history = {}};
}

}  // namespace corbel
