#include "corbel/search/generative.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "corbel/base/error.hpp"
#include "corbel/search/observations.hpp"
#include "corbel/search/saved_state.hpp"
#include "corbel/search/sequential_strategy.hpp"

namespace corbel {

namespace {

// A parameter of more values is modelled by this many ranges of values, so that tables of pairs stay small.
constexpr std::uint32_t most_cells = 32;
// Designs that a model is learned from: fewer do not show a dependency, more add nothing to its tables.
constexpr double fewest_good = 10, most_good = 100;
// Rounds of samples, all of them seen or refused, after which a random design is proposed.
constexpr int sampling_rounds = 16;
// Designs that are out; with more, the oldest count as lost.
constexpr std::size_t most_pending = 1024;

// A table over the cells of two parameters, row by row.
using Table = std::vector<double>;
// Cells of a design, one per axis.
using Cells = const std::uint8_t*;

// How smoothing spreads a count over the cells of a parameter; rows sum to 1.
struct Kernel {
  std::uint32_t cells;
  Table table;
  const double* row(std::uint32_t cell) const { return table.data() + std::size_t{cell} * cells; }
  double stays(std::uint32_t cell) const { return row(cell)[cell]; }
};

// A parameter as the model sees it: its values in cells, and the kernels to choose from.
class Axis {
 public:
  Axis(std::uint32_t count, bool ordered) : count_(count), cells_(std::min(count, most_cells)) {
    if (ordered) {
      for (const double decay : {0.1, 0.2, 0.4, 0.6, 0.8, 0.95})
        add_kernel(
            [&](std::uint32_t from, std::uint32_t to) { return std::pow(decay, from < to ? to - from : from - to); });
    } else {
      for (const double change : {0.05, 0.1, 0.2, 0.4, 0.8})
        add_kernel([&](std::uint32_t from, std::uint32_t to) {
          return from == to ? 1 : std::min(1.0, change / (1 - change) / cells_);
        });
    }
  }

  std::uint32_t cells() const { return cells_; }
  std::uint32_t cell(std::uint32_t value) const {
    return static_cast<std::uint32_t>(std::uint64_t{value} * cells_ / count_);
  }
  /// The first value of a cell; that of cells() is the number of values.
  std::uint32_t first(std::uint32_t cell) const {
    return static_cast<std::uint32_t>((std::uint64_t{cell} * count_ + cells_ - 1) / cells_);
  }
  const std::vector<Kernel>& kernels() const { return kernels_; }

 private:
  template <class Weight>
  void add_kernel(Weight weight) {
    Kernel kernel{cells_, {}};
    for (std::uint32_t from = 0; from < cells_; ++from) {
      double sum = 0;
      for (std::uint32_t to = 0; to < cells_; ++to) sum += weight(from, to);
      for (std::uint32_t to = 0; to < cells_; ++to) kernel.table.push_back(weight(from, to) / sum);
    }
    kernels_.push_back(std::move(kernel));
  }

  std::uint32_t count_, cells_;
  std::vector<Kernel> kernels_;
};

// Two distributions over designs, of the good ones and of others, that share the tree of dependencies of the good
// ones. The last axis is a constant: the root, and the parent of every parameter that depends on no other.
class DependencyTree {
 public:
  DependencyTree(const std::vector<Axis>& axes, const std::vector<Cells>& good, const std::vector<Cells>& others,
                 double exploration)
      : axes_(axes), root_(axes.size() - 1), kernels_(axes.size()), marginals_(axes.size()) {
    for (std::size_t i = 0; i < axes.size(); ++i) choose_kernel(i, good);
    // Prim's algorithm for the spanning tree of the largest sum of information.
    std::vector<Edge> edges;
    for (std::size_t i = 0; i < axes.size(); ++i) edges.push_back({root_, kernels_[root_], kernels_[i], 0});
    std::vector<std::size_t> rest(root_);
    std::iota(rest.begin(), rest.end(), std::size_t{0});
    while (!rest.empty()) {
      const auto next = std::max_element(rest.begin(), rest.end(), [&](std::size_t a, std::size_t b) {
        return edges[a].information < edges[b].information;
      });
      const std::size_t axis = *next;
      rest.erase(next);
      const Edge& edge = edges[axis];
      nodes_.push_back({axis, edge.parent, conditional(edge, axis, good, exploration),
                        conditional(edge, axis, others, exploration)});
      for (const std::size_t other : rest) {
        const Edge edge_to_other = dependence(axis, other, good);
        if (edge_to_other.information > edges[other].information) edges[other] = edge_to_other;
      }
    }
  }

  /// Draws a design's cells from the good designs' distribution.
  /// @param cells  [axes]
  /// @return log of its probability among the good designs over that among the others
  double sample(Rng& rng, std::vector<std::uint32_t>& cells) const {
    double log_ratio = 0;
    cells[root_] = 0;
    for (const Node& node : nodes_) {
      const std::uint32_t count = axes_[node.axis].cells();
      const std::size_t row = std::size_t{cells[node.parent]} * count;
      std::uint32_t cell = 0;
      for (double u = rng.uniform(); cell + 1 < count && (u -= node.good[row + cell]) >= 0;) ++cell;
      cells[node.axis] = cell;
      log_ratio += std::log(node.good[row + cell] / node.others[row + cell]);
    }
    return log_ratio;
  }

 private:
  struct Edge {
    std::size_t parent;
    const Kernel *parent_kernel, *kernel;
    double information;  // mutual information over the good designs, times their number
  };
  struct Node {
    std::size_t axis, parent;
    Table good, others;  // probability of the axis's cell given the parent's
  };

  Table counts(std::size_t a, std::size_t b, const std::vector<Cells>& designs) const {
    const std::uint32_t columns = axes_[b].cells();
    Table table(std::size_t{axes_[a].cells()} * columns);
    for (const Cells design : designs) table[std::size_t{design[a]} * columns + design[b]] += 1;
    return table;
  }

  static Table smoothed(const Table& table, const Kernel& of_rows, const Kernel& of_columns) {
    const std::uint32_t rows = of_rows.cells, columns = of_columns.cells;
    Table along(table.size()), both(table.size());
    for (std::uint32_t i = 0; i < rows; ++i) {
      double* to = along.data() + std::size_t{i} * columns;
      for (std::uint32_t j = 0; j < columns; ++j) {
        const double count = table[std::size_t{i} * columns + j];
        if (count == 0) continue;
        const double* spread = of_columns.row(j);
        for (std::uint32_t k = 0; k < columns; ++k) to[k] += count * spread[k];
      }
    }
    for (std::uint32_t i = 0; i < rows; ++i) {
      const double *spread = of_rows.row(i), *from = along.data() + std::size_t{i} * columns;
      for (std::uint32_t k = 0; k < rows; ++k) {
        double* to = both.data() + std::size_t{k} * columns;
        for (std::uint32_t j = 0; j < columns; ++j) to[j] += spread[k] * from[j];
      }
    }
    return both;
  }

  // The kernel under which each good design is likeliest given the others and one uniform count: narrow once they
  // agree.
  void choose_kernel(std::size_t axis, const std::vector<Cells>& good) {
    const std::uint32_t cells = axes_[axis].cells();
    const Table count = counts(root_, axis, good);
    double best = -std::numeric_limits<double>::infinity();
    Table sum, left_out;
    for (const Kernel& kernel : axes_[axis].kernels()) {
      sum.assign(cells, 1.0 / cells);
      left_out.assign(cells, 0);
      for (std::uint32_t from = 0; from < cells; ++from) {
        if (count[from] == 0) continue;
        for (std::uint32_t to = 0; to < cells; ++to) sum[to] += count[from] * kernel.row(from)[to];
      }
      double log_likelihood = 0;
      for (std::uint32_t cell = 0; cell < cells; ++cell) {
        if (count[cell] == 0) continue;
        left_out[cell] = (sum[cell] - kernel.stays(cell)) / static_cast<double>(good.size());
        log_likelihood += count[cell] * std::log(left_out[cell]);
      }
      if (log_likelihood <= best) continue;
      best = log_likelihood;
      kernels_[axis] = &kernel;
      marginals_[axis] = left_out;
    }
  }

  // Each good design is left out of its own estimate, so that independent parameters of many values do not seem to
  // depend on each other. Values that are equally common alone, which asks for wide kernels, may be tied to each other,
  // which asks for the narrowest: the likelier of both is taken.
  Edge dependence(std::size_t parent, std::size_t axis, const std::vector<Cells>& good) const {
    const Table count = counts(parent, axis, good);
    Edge best{parent, nullptr, nullptr, -std::numeric_limits<double>::infinity()};
    for (const auto& [a, b] : {std::pair{kernels_[parent], kernels_[axis]},
                               std::pair{&axes_[parent].kernels().front(), &axes_[axis].kernels().front()}}) {
      const Table sum = smoothed(count, *a, *b);
      const double uniform = 1.0 / a->cells / b->cells;
      double information = 0;
      for (std::uint32_t i = 0; i < a->cells; ++i) {
        for (std::uint32_t j = 0; j < b->cells; ++j) {
          const std::size_t k = std::size_t{i} * b->cells + j;
          if (count[k] == 0) continue;
          const double left_out = (sum[k] + uniform - a->stays(i) * b->stays(j)) / static_cast<double>(good.size());
          information += count[k] * std::log(left_out / (marginals_[parent][i] * marginals_[axis][j]));
        }
      }
      if (information > best.information) best = {parent, a, b, information};
    }
    return best;
  }

  Table conditional(const Edge& edge, std::size_t axis, const std::vector<Cells>& designs, double exploration) const {
    const std::uint32_t rows = edge.parent_kernel->cells, columns = edge.kernel->cells;
    Table table = smoothed(counts(edge.parent, axis, designs), *edge.parent_kernel, *edge.kernel);
    for (std::uint32_t i = 0; i < rows; ++i) {
      double* row = table.data() + std::size_t{i} * columns;
      double sum = 0;
      for (std::uint32_t j = 0; j < columns; ++j) sum += row[j] += 1.0 / rows / columns;
      for (std::uint32_t j = 0; j < columns; ++j) row[j] = (1 - exploration) * row[j] / sum + exploration / columns;
    }
    return table;
  }

  const std::vector<Axis>& axes_;
  std::size_t root_;
  std::vector<const Kernel*> kernels_;
  std::vector<Table> marginals_;  // of the good designs, each left out of its own
  std::vector<Node> nodes_;       // parents first
};

class Generative final : public SequentialStrategy {
 public:
  Generative(const SearchDomain& domain, const StrategyOptions& options, std::uint64_t seed)
      : SequentialStrategy("generative", generative_options, domain, options, seed), told_(space()) {
    for (const Parameter& parameter : space().parameters())
      axes_.emplace_back(parameter.count(), parameter.is_ordered());
    axes_.emplace_back(1, false);
  }
  std::unique_ptr<StrategyImplementation> clone() const override { return std::make_unique<Generative>(*this); }

 private:
  std::optional<Design> propose() override {
    // Not while results are told: the rest of a batch may hold the progress.
    if (stagnant_ >= count_option("patience")) restart();
    if (ranked_.empty() || std::max<std::uint64_t>(newcomers_, ranked_.size()) < count_option("starts")) {
      ++newcomers_;
      return sent(unseen().draw());
    }
    // Learned anew for every proposal, so that a batch spreads and a saved search need not hold the model.
    const std::vector<Cells> good = good_designs();
    std::vector<std::uint8_t> pending;
    const DependencyTree tree(axes_, good, recent_designs(pending), option("exploration"));
    std::vector<std::pair<double, Design>> candidates(count_option("candidates"));
    std::vector<std::uint32_t> cells(axes_.size());
    for (int round = 0; round < sampling_rounds; ++round) {
      for (auto& [log_ratio, design] : candidates) {
        log_ratio = tree.sample(rng(), cells);
        design = inside(cells);
      }
      std::stable_sort(candidates.begin(), candidates.end(),
                       [](const auto& a, const auto& b) { return a.first > b.first; });
      for (const auto& [log_ratio, design] : candidates)
        if (unseen().claim(design)) return sent(design);
    }
    return sent(unseen().draw());
  }

  std::optional<Design> sent(std::optional<Design> design) {
    if (design) pending_.push_back(space().id(*design));
    if (pending_.size() > most_pending) forget(pending_.begin());
    return design;
  }

  // One that is out no longer counts; true if it was proposed by a model that knew the best, or a later one.
  bool forget(std::deque<DesignId>::iterator pending) {
    const bool informed = static_cast<std::size_t>(pending - pending_.begin()) >= uninformed_;
    if (!informed) --uninformed_;
    pending_.erase(pending);
    return informed;
  }

  // A quantile drawn for every model: over many, a design of rank r weighs in about as log(most / r), and no single
  // threshold has to be right.
  std::vector<Cells> good_designs() {
    const auto n = static_cast<double>(ranked_.size());
    const double least = std::min(n, fewest_good), most = std::clamp(option("quantile") * n, least, most_good);
    const double size = std::round(least * std::pow(most / least, rng().uniform()));
    std::vector<Cells> good;
    for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) good.push_back(cells_of(ranked_[i]));
    return good;
  }

  // The latest designs, good or not, and those that are out.
  std::vector<Cells> recent_designs(std::vector<std::uint8_t>& pending) const {
    std::vector<Cells> recent;
    for (std::size_t i = told_.size() - std::min(told_.size(), count_option("memory")); i < told_.size(); ++i)
      recent.push_back(cells_of(i));
    for (const DesignId id : pending_) write_cells(space().design(id), pending);
    for (std::size_t i = 0; i < pending_.size(); ++i) recent.push_back(pending.data() + i * axes_.size());
    return recent;
  }

  Cells cells_of(std::size_t observation) const { return cells_.data() + observation * axes_.size(); }
  void write_cells(const Design& design, std::vector<std::uint8_t>& out) const {
    for (std::size_t i = 0; i < design.size(); ++i) out.push_back(static_cast<std::uint8_t>(axes_[i].cell(design[i])));
    out.push_back(0);
  }

  // A design in the given cells. Where a cell holds many values, one near that of the best design in the cell, at a
  // distance of any order of magnitude.
  Design inside(const std::vector<std::uint32_t>& cells) {
    Design design(space().dimensions());
    for (std::size_t i = 0; i < design.size(); ++i) {
      const std::uint32_t first = axes_[i].first(cells[i]), width = axes_[i].first(cells[i] + 1) - first;
      design[i] = width == 1 ? first : near_best(i, cells[i], first, width);
    }
    return design;
  }
  std::uint32_t near_best(std::size_t axis, std::uint32_t cell, std::uint32_t first, std::uint32_t width) {
    const auto anywhere = first + static_cast<std::uint32_t>(rng().below(width));
    const std::size_t good = std::min(ranked_.size(), static_cast<std::size_t>(fewest_good));
    const auto best = std::find_if(ranked_.begin(), ranked_.begin() + static_cast<std::ptrdiff_t>(good),
                                   [&](std::size_t observation) { return cells_of(observation)[axis] == cell; });
    if (best == ranked_.begin() + static_cast<std::ptrdiff_t>(good)) return anywhere;
    const std::uint32_t value = told_.all()[*best].design[axis];
    if (!space().parameters()[axis].is_ordered()) return rng().chance(0.5) ? value : anywhere;
    const double distance = std::floor(std::pow(width, rng().uniform())) - 1;
    const double moved = rng().chance(0.5) ? value + distance : value - distance;
    return static_cast<std::uint32_t>(std::clamp<double>(moved, first, first + (width - 1)));
  }

  void learn(const Evaluation& evaluation) override {
    const DesignId id = space().id(evaluation.design);
    const auto pending = std::find(pending_.begin(), pending_.end(), id);
    const bool informed = pending != pending_.end() && forget(pending);
    // What was proposed before a restart would lead back to what the search left.
    const auto left = std::find(left_.begin(), left_.end(), id);
    const bool stale = left != left_.end();
    if (stale) left_.erase(left);
    if (!told_.add(evaluation)) return;
    write_cells(evaluation.design, cells_);
    if (stale) return;
    if (rank(told_.size() - 1)) {
      stagnant_ = 0;
      uninformed_ = pending_.size();
    } else if (informed) {
      ++stagnant_;
    }
  }

  // True if it is the best since the last restart.
  bool rank(std::size_t observation) {
    const auto before = [this](std::size_t a, std::size_t b) {
      return better(told_.all()[a].score, told_.all()[b].score);
    };
    const auto place = std::upper_bound(ranked_.begin(), ranked_.end(), observation, before);
    const bool best = place == ranked_.begin();
    ranked_.insert(place, observation);
    return best;
  }

  void restart() {
    ranked_.clear();
    left_.insert(left_.end(), pending_.begin(), pending_.end());
    pending_.clear();
    uninformed_ = 0;
    while (left_.size() > most_pending) left_.pop_front();
    newcomers_ = 0;
    stagnant_ = 0;
  }

  nlohmann::json state() const override {
    return {{"told", told_.to_json()}, {"ranked", ranked_},       {"pending", pending_},  {"uninformed", uninformed_},
            {"left", left_},           {"newcomers", newcomers_}, {"stagnant", stagnant_}};
  }

  void set_state(const nlohmann::json& json) override {
    told_.from_json(json.at("told"));
    cells_.clear();
    for (const Evaluation& evaluation : told_.all()) write_cells(evaluation.design, cells_);
    std::vector<std::size_t> ranked;
    for (const nlohmann::json& each : json.at("ranked")) ranked.push_back(whole_from_json(each));
    std::sort(ranked.begin(), ranked.end());
    if (std::adjacent_find(ranked.begin(), ranked.end()) != ranked.end() ||
        (!ranked.empty() && ranked.back() >= told_.size()))
      throw damaged_state("its ranks cannot be");
    ranked_.clear();
    for (const std::size_t observation : ranked) rank(observation);
    const auto ids = [&](const char* name) {
      std::deque<DesignId> designs;
      for (const nlohmann::json& each : json.at(name)) designs.push_back(design_id_from_json(space(), each));
      return designs;
    };
    pending_ = ids("pending");
    uninformed_ = whole_from_json(json.at("uninformed"));
    if (uninformed_ > pending_.size()) throw damaged_state("more designs are old than are out");
    left_ = ids("left");
    newcomers_ = whole_from_json(json.at("newcomers"));
    stagnant_ = whole_from_json(json.at("stagnant"));
  }

  std::vector<Axis> axes_;  // of the parameters, and the constant one
  Observations told_;
  std::vector<std::uint8_t> cells_;  // of told_, [size][axes]
  std::vector<std::size_t> ranked_;  // observations since the last restart, best first
  std::deque<DesignId> pending_;     // proposed since the last restart and not yet told, oldest first
  std::size_t uninformed_ = 0;       // of these, the first so many were proposed before the best was told
  std::deque<DesignId> left_;        // proposed before, and not yet told
  std::uint64_t newcomers_ = 0;      // random designs proposed since the last restart
  std::uint64_t stagnant_ = 0;       // evaluations of designs proposed since the best was told
};

}  // namespace

std::unique_ptr<StrategyImplementation> make_generative(const SearchDomain& domain, const StrategyOptions& options,
                                                        std::uint64_t seed) {
  return std::make_unique<Generative>(domain, options, seed);
}

}  // namespace corbel
