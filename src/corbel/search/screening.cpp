#include "corbel/search/screening.hpp"

#include <algorithm>
#include <set>
#include <span>
#include <unordered_set>

#include "corbel/base/monitor.hpp"
#include "corbel/base/random.hpp"
#include "corbel/search/optimise.hpp"

namespace corbel {
namespace {

constexpr std::uint64_t most_random = 4096, least_random = 64;
// Of a small space most would be scored, which is what the screen is to save.
constexpr std::uint64_t random_share = 32;
// Where the limits leave few designs, so many are drawn for each that is to be scored.
constexpr std::uint64_t draws_per_design = 16;
constexpr int rounds = 12;
constexpr std::size_t designs_per_round = 48;  // whose neighbours are scored
constexpr std::size_t batch = 512;

// Errors that were not met are larger than those that were: of normally distributed ones, the largest of 10⁴ is
// exceeded twofold once in 10¹⁴.
constexpr double safety = 2;
// Rounding of what a screen compares, in single precision.
constexpr double least_tolerance = 1e-5;

class Calibrator {
 public:
  Calibrator(const Screen& screen, const SearchDomain& domain, std::size_t keep, Monitor& monitor)
      : screen_(screen), domain_(domain), keep_(keep), monitor_(monitor), top_(std::max(keep, designs_per_round)) {}

  Calibration run() {
    draw();
    std::set<DesignId> expanded;
    for (int round = 0; round < rounds; ++round) {
      std::vector<Design> around;
      std::size_t centres = 0;
      for (const Evaluation& each : top_.sorted()) {
        if (centres == designs_per_round) break;
        if (!expanded.insert(domain_.space.id(each.design)).second) continue;
        ++centres;
        for (Design& neighbour : domain_.space.neighbours(each.design)) {
          if (admits(neighbour)) add(std::move(neighbour), around);
        }
      }
      if (around.empty() || scored_ > domain_.space.size() / 4) break;
      score(around, true);
    }
    Calibration found{tolerance_for(error_), top_.sorted(), scored_};
    if (found.best.size() > keep_) found.best.resize(keep_);
    return found;
  }

 private:
  bool admits(const Design& design) const { return !domain_.admits || domain_.admits(design); }

  void add(Design design, std::vector<Design>& designs) {
    if (seen_.insert(domain_.space.id(design)).second) designs.push_back(std::move(design));
  }

  /// Random designs. Errors are looked for everywhere, good designs where they are admitted: half of the designs are.
  void draw() {
    const std::uint64_t wanted = std::clamp(domain_.space.size() / random_share, least_random, most_random);
    Rng rng(0);
    std::vector<Design> any, admitted;
    for (std::uint64_t i = 0; i < wanted / 2; ++i) add(domain_.space.random(rng), any);
    for (std::uint64_t i = 0; i < wanted / 2 * draws_per_design && admitted.size() < wanted / 2; ++i) {
      Design design = domain_.space.random(rng);
      if (admits(design)) add(std::move(design), admitted);
    }
    for (auto each = any.begin(); domain_.admits && each != any.end();) {
      if (admits(*each))
        admitted.push_back(*each), each = any.erase(each);
      else
        ++each;
    }
    score(any, !domain_.admits);
    score(admitted, true);
  }

  void score(std::span<const Design> designs, bool admitted) {
    std::vector<Score> scores(batch);
    for (std::size_t first = 0; first < designs.size(); first += batch) {
      monitor_.check();
      const std::span<const Design> part = designs.subspan(first, std::min(batch, designs.size() - first));
      error_ = std::max(error_, screen_.rescore(part, std::span(scores).first(part.size())));
      scored_ += part.size();
      for (std::size_t i = 0; admitted && i < part.size(); ++i) {
        top_.offer(part[i], domain_.space.id(part[i]), scores[i]);
      }
    }
  }

  const Screen& screen_;
  const SearchDomain& domain_;
  std::size_t keep_;
  Monitor& monitor_;
  TopDesigns top_;
  std::unordered_set<DesignId> seen_;
  double error_ = 0;
  std::uint64_t scored_ = 0;
};

}  // namespace

double tolerance_for(double error) {
  return std::max(safety * error, least_tolerance);
}

Calibration calibrate(const Screen& screen, const SearchDomain& domain, std::size_t keep, Monitor& monitor) {
  return Calibrator(screen, domain, keep, monitor).run();
}

}  // namespace corbel
