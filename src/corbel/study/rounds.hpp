#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "corbel/dataset/store.hpp"
#include "corbel/simulator/simulator.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

class Question;
class SimulatorQueries;
class SurrogateObjective;
struct SurrogateFindings;

/// A design that a round simulates, with what its model said of it.
struct RoundDesign {
  DesignId id = 0;
  double predicted = 0;    ///< objective
  double feasibility = 0;  ///< probability
  bool within = false;     ///< predicted to be feasible and within every limit
};

/// One round of learning and simulating.
struct Round {
  std::uint64_t rows = 0;  ///< learnt from
  double kendall = 0;      ///< of its model, on the withheld rows; NaN if there was none
  double seconds = 0;      ///< of training
  std::vector<RoundDesign> designs;
};

/// What a search in rounds has decided so far: kept in the store before each round's designs are simulated, so that
/// going on after a kill repeats no decision and no simulation (docs/rounds.md).
struct RoundRecord {
  std::string start;               ///< fingerprint of the log that the first round learnt from
  std::uint64_t start_rows = 0;    ///< of that log
  std::uint64_t start_within = 0;  ///< of these, feasible within every limit
  double start_best = 0;           ///< the best objective of these; NaN if there are none
  std::vector<Round> rounds;

  /// Of the search of this key; with neither start nor rounds if it never began, or what is kept of it is damaged.
  static RoundRecord read(const Store& store, const std::string& key);
  void write(Store& store, const std::string& key) const;
  std::unordered_set<DesignId> designs() const;
};

/// @throws Error{unsupported} if a study cannot simulate designs that its model then learns from;
///         Error{invalid_input} for a budget on the surrogate below what a round simulates
void require_rounds_possible(const StudyFile& study);

/// How many of the best predicted designs a round chooses from, per design that it simulates.
inline constexpr std::size_t round_candidates = 8;

/// Places of `count` designs (or of all, if there are fewer) that are good and differ: the first, then in their order
/// each that is at a distance (DesignSpace::distance) of at least 1/2 from all chosen before; then of at least 1/4, and
/// so on, until there are enough. In the order they were chosen. O(count · designs).
/// @param designs  best first, all different
std::vector<std::size_t> choose_diverse(const DesignSpace& space, std::span<const Design> designs, std::size_t count);

/// What the next round simulates: a diverse choice among the best found that are predicted to be feasible within every
/// limit, at most round_candidates · study.search.simulate of them; where they are too few, those nearest to it.
/// Designs that a formula rules out are never among them. Fewer, or none, where no more were found.
/// @param tried  by earlier rounds: not again
std::vector<RoundDesign> choose_round(const StudyFile& study, const SurrogateObjective& objective,
                                      const SurrogateFindings& found, const std::unordered_set<DesignId>& tried);

/// `rounds` of docs/formats/results.md.
/// @param outcomes  of each round's designs, [rounds][designs]
/// @param planned   rounds in all, as far as there are designs left
/// @param exhausted  whether there are none
nlohmann::json rounds_section(const StudyFile& study, const RoundRecord& record, std::size_t planned, bool exhausted,
                              const std::vector<std::vector<Outcome>>& outcomes, const SimulatorQueries& queries,
                              double seconds);

}  // namespace corbel
