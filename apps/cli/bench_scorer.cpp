#include "bench_scorer.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/monitor.hpp"
#include "corbel/base/parallel.hpp"
#include "corbel/base/random.hpp"
#include "corbel/base/statistics.hpp"
#include "corbel/base/stopwatch.hpp"
#include "corbel/base/units.hpp"
#include "corbel/regression/cross_validation.hpp"
#include "corbel/scorer/kernels.hpp"
#include "corbel/scorer/model.hpp"
#include "corbel/scorer/network_spec.hpp"
#include "corbel/scorer/transform.hpp"
#include "processor_time.hpp"
#include "summaries.hpp"
#include "terminal.hpp"
#ifdef CORBEL_WITH_TORCH
#include "corbel/surrogate/learner.hpp"
#include "corbel/surrogate/plain_network.hpp"
#endif

namespace corbel::cli {
namespace {

using nlohmann::json;

constexpr std::size_t batch = 4096;  // designs per call
constexpr std::size_t rounds = 5;

/// One network of what is measured: its objective is its first output as it comes.
struct Subject {
  std::string name;
  DesignSpace space;
  NetworkSpec spec;
  TensorMap tensors;
};

/// Weights as they are before training: every layer's outputs are about as large as its inputs.
TensorMap random_tensors(const DesignSpace& space, const NetworkSpec& spec, std::uint64_t seed) {
  Rng rng(seed);
  TensorMap tensors;
  for (const auto& [name, shape] : tensor_shapes(spec, space)) {
    StoredTensor tensor;
    tensor.shape = shape;
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    const bool is_norm = name.find("norm") != std::string::npos, is_input = name.starts_with("input");
    const double fan_in = is_input ? 1 : static_cast<double>(shape.back());
    for (std::int64_t i = 0; i < count; ++i) {
      const double drawn = rng.normal() / std::sqrt(fan_in);
      tensor.values.push_back(is_norm ? (name.ends_with(".weight") ? 1.0F : 0.0F) : static_cast<float>(drawn));
    }
    tensors["0." + name] = std::move(tensor);
  }
  return tensors;
}

Subject subject_named(const std::string& name, std::uint64_t seed) {
  NetworkSpec spec;
  std::vector<std::string> known;
  bool found = false;
  for (const auto& [each, kind] : network_kinds) {
    known.emplace_back(each);
    if (each != name) continue;
    spec.kind = kind;
    found = true;
  }
  if (!found) throw unknown_name("network", name, known, "--network", ErrorCode::usage);
  const DesignSpace space = DesignSpace::edge();
  return {name, space, spec, random_tensors(space, spec, seed)};
}

/// The first network of a model file.
Subject subject_of(const std::string& file) {
  const Model model = Model::load(file);
  if (model.context_size() > 0) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: a model of several workloads", file),
                "measure one of a single workload");
  }
  Subject subject{file, model.space(), network_spec_from_json(model.metadata().at("network")), {}};
  for (auto& [name, tensor] : decode_safetensors(read_file(file), file).tensors) {
    if (name.starts_with("0.")) subject.tensors[name] = tensor;
  }
  return subject;
}

Model model_of(const Subject& subject) {
  json metadata = {{"version", model_version},
                   {"space", subject.space.to_json()},
                   {"space_fingerprint", subject.space.fingerprint()},
                   {"network", to_json(subject.spec)},
                   {"context_scale", 1},
                   {"members", 1}};
  for (std::int64_t k = 0; k < subject.spec.metrics; ++k) {
    metadata["metrics"].push_back(fmt::format("metric_{}", k));
    metadata["transforms"].push_back(to_json(MetricTransform{}));
  }
  return Model::from_tensors(std::move(metadata), subject.tensors, subject.name);
}

/// Floating-point operations of a design in dense layers and between tokens, a multiplication and an addition being
/// two.
double flops_of(const Subject& subject) {
  const auto tokens = static_cast<double>(subject.space.dimensions());
  double flops = 0;
  for (const auto& [name, shape] : tensor_shapes(subject.spec, subject.space)) {
    if (shape.size() != 2 || !name.ends_with(".weight")) continue;
    const bool per_token = name.starts_with("layer.") || name.starts_with("lstm");
    flops += 2 * static_cast<double>(shape[0] * shape[1]) * (per_token ? tokens : 1);
  }
  if (subject.spec.kind == NetworkKind::attention) {
    flops += static_cast<double>(subject.spec.layers * subject.spec.embedding) * 4 * tokens * tokens;
  }
  return flops;
}

std::vector<double> objectives(const Predictions& predictions) {
  const std::size_t n = predictions.feasibility.size(), metrics = predictions.metrics.size() / n;
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) values.push_back(predictions.metrics[i * metrics]);
  return values;
}

/// Designs to predict: some drawn at random, and places of the enumeration to begin at.
struct Designs {
  std::vector<Design> random;
  std::vector<DesignId> starts;
  static constexpr std::size_t per_start = 128;

  Designs(const DesignSpace& space, std::uint64_t seed) {
    Rng rng(seed);
    for (std::size_t i = 0; i < batch; ++i) random.push_back(space.random(rng));
    for (std::size_t i = 0; i < batch / per_start; ++i) {
      starts.push_back(rng.below(space.size() > per_start ? space.size() - per_start : 1));
    }
  }
  std::vector<double> predict(const Model& model, bool in_order, Arithmetic arithmetic) const {
    if (!in_order) return objectives(model.predict(random, {}, arithmetic));
    std::vector<double> all;
    for (const DesignId start : starts) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(per_start, model.space().size()));
      for (const double value : objectives(model.predict_range(start, n, {}, arithmetic))) all.push_back(value);
    }
    return all;
  }
};

double deviation_of(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean) / static_cast<double>(values.size());
  return std::sqrt(squares);
}

void compare(const std::vector<double>& found, const std::vector<double>& expected, ScorerBenchRow& row) {
  const double deviation = deviation_of(expected);
  double squares = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(found[i] - expected[i]) / deviation;
    row.max_error = std::max(row.max_error, difference);
    squares += difference * difference / static_cast<double>(expected.size());
  }
  row.rms_error = std::sqrt(squares);
  row.spearman = rank_correlation(found, expected);
}

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Calls `work`, which says how much it has done, for a while; returns how much it does per second.
double rate_of(const std::function<double()>& work, double seconds) {
  const Stopwatch watch;
  const double start = thread_seconds();
  double done = 0;
  do {
    done += work();
  } while (watch.seconds() < seconds);
  return done / (thread_seconds() - start);
}

/// The same on several threads, each with a place to begin at, by the clock on the wall.
double rate_of(const std::function<double(std::size_t)>& work, std::size_t threads, double seconds) {
  if (threads == 1) return rate_of([&] { return work(0); }, seconds);
  const Stopwatch watch;
  std::atomic<std::uint64_t> done = 0;
  {
    std::vector<std::jthread> all;
    for (std::size_t t = 0; t < threads; ++t) {
      all.emplace_back([&, t] {
        do {
          done += static_cast<std::uint64_t>(work(t));
        } while (watch.seconds() < seconds);
      });
    }
  }
  return static_cast<double>(done) / watch.seconds();
}

/// Something that takes its turn in every round.
struct Contender {
  ScorerBenchRow row;
  std::function<double(std::size_t thread)> work;
  std::vector<double> rates, peaks;
  const ScorerKernel* kernel = nullptr;
};

#ifdef CORBEL_WITH_TORCH
/// The network in LibTorch on one thread, at the batch where it is fastest.
class Torch {
 public:
  Torch(const Subject& subject, AttentionForm form, const std::vector<Design>& designs)
      : network_(subject.space, subject.spec, subject.tensors, "0.", 0, form), designs_(designs) {
    double best = 0;
    for (const std::size_t size : {64, 128, 256, 512, 1024, 2048, 4096}) {
      for (int run = 0; run < 3; ++run) {
        const double rate = rate_of([&] { return work(size); }, 0.02);
        if (rate <= best) continue;
        best = rate;
        size_ = size;
      }
    }
  }
  /// How far its objective is from what is expected of its designs, at most and relative to their deviation.
  double error(const std::vector<double>& expected) const {
    const std::vector<float> found = network_.outputs(designs_);
    const std::size_t outputs = found.size() / designs_.size();
    const double deviation = deviation_of(expected);
    double most = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      most = std::max(most, std::abs(static_cast<double>(found[i * outputs]) - expected[i]) / deviation);
    }
    return most;
  }
  void measure(double seconds) {
    rates_.push_back(rate_of([&] { return work(size_); }, seconds));
  }
  TorchRate result() const { return {median(rates_), size_, std::string(network_.linear_function())}; }

 private:
  double work(std::size_t size) const {
    network_.outputs(std::span(designs_).first(size));
    return static_cast<double>(size);
  }

  Learner::SingleThread single_;
  PlainNetwork network_;
  const std::vector<Design>& designs_;
  std::size_t size_ = 64;
  std::vector<double> rates_;
};
#endif

[[noreturn]] void refuse(const std::string& what, double error) {
  throw Error(ErrorCode::mismatch, fmt::format("{} is off by {:.2g} of the deviation", what, error),
              "this is a fault of the scorer: please report it");
}

std::vector<Contender> contenders(const Model& model, const Subject& subject, const Designs& designs,
                                  const ScorerBenchOptions& options) {
  const std::size_t most = options.threads > 0 ? options.threads : available_cores();
  const Model portable = model.with_kernel("portable");
  std::vector<Contender> all;
  bool had_exact = false;
  for (const ScorerKernel& kernel : scorer_kernels()) {
    const auto& chosen = options.kernels;
    const bool is_chosen = chosen.empty() || std::find(chosen.begin(), chosen.end(), kernel.name) != chosen.end();
    if (!is_chosen || !kernel.covers(subject.spec, subject.space)) continue;
    const Model its = model.with_kernel(kernel.name);
    // On several threads only what would be used.
    const bool is_best = kernel.arithmetic == Arithmetic::fast || !had_exact;
    had_exact = had_exact || kernel.arithmetic == Arithmetic::exact;
    for (const bool in_order : {true, false}) {
      ScorerBenchRow row;
      row.network = subject.name;
      row.kernel = kernel.name;
      row.mode = in_order ? "enumeration" : "batch";
      row.flops = flops_of(subject);
      compare(designs.predict(its, in_order, kernel.arithmetic), designs.predict(portable, in_order, Arithmetic::exact),
              row);
      const double allowed = kernel.arithmetic == Arithmetic::exact ? 1e-3 : 0.05;
      if (!(row.rms_error < allowed)) refuse(fmt::format("{} by kernel {}", row.network, row.kernel), row.rms_error);
      for (std::size_t threads = 1; threads <= (is_best ? most : 1); threads = std::max(threads + 1, most)) {
        row.threads = threads;
        Contender& made = all.emplace_back(Contender{row, {}, {}, {}, &kernel});
        if (in_order) {
          auto places = std::make_shared<std::vector<DesignId>>();
          for (std::size_t t = 0; t < threads; ++t) places->push_back(designs.starts[t % designs.starts.size()]);
          made.work = [its, places, &kernel](std::size_t thread) {
            DesignId& place = (*places)[thread];
            if (place + batch > its.space().size()) place = 0;
            const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(batch, its.space().size()));
            its.predict_range(place, n, {}, kernel.arithmetic);
            place += n;
            return static_cast<double>(n);
          };
        } else {
          made.work = [its, &designs, &kernel](std::size_t) {
            its.predict(designs.random, {}, kernel.arithmetic);
            return static_cast<double>(batch);
          };
        }
      }
    }
  }
  return all;
}

}  // namespace

std::vector<ScorerBenchRow> bench_scorer(const ScorerBenchOptions& options, Monitor& monitor) {
  std::vector<Subject> subjects;
  if (!options.model.empty()) {
    subjects.push_back(subject_of(options.model));
  } else {
    for (const std::string& name : options.networks) subjects.push_back(subject_named(name, options.seed));
  }
  std::vector<ScorerBenchRow> rows;
  const double slice = options.seconds / rounds;
  for (std::size_t s = 0; s < subjects.size(); ++s) {
    const Subject& subject = subjects[s];
    const Model model = model_of(subject);
    const Designs designs(subject.space, options.seed + 1);
    std::vector<Contender> all = contenders(model, subject, designs, options);
#ifdef CORBEL_WITH_TORCH
    const std::vector<double> expected = designs.predict(model.with_kernel("portable"), false, Arithmetic::exact);
    std::vector<std::unique_ptr<Torch>> torches;  // in its usual form, then rewritten
    for (const AttentionForm form : {AttentionForm::usual, AttentionForm::designs_last}) {
      if (form != AttentionForm::usual && subject.spec.kind != NetworkKind::attention) continue;
      torches.push_back(std::make_unique<Torch>(subject, form, designs.random));
      const double error = torches.back()->error(expected);
      if (!(error < 1e-3)) refuse(subject.name + " in LibTorch", error);
    }
#endif
    for (std::size_t round = 0; round < rounds; ++round) {
      for (Contender& each : all) {
        monitor.check();
        monitor.progress("bench scorer", s * rounds + round, subjects.size() * rounds, each.row.kernel);
        each.rates.push_back(rate_of(each.work, each.row.threads, slice));
        const auto multiply = [&](std::size_t) { return 2.0 * static_cast<double>(each.kernel->multiply_adds(20000)); };
        each.peaks.push_back(rate_of(multiply, each.row.threads, std::min(slice, 0.02)));
      }
#ifdef CORBEL_WITH_TORCH
      for (const auto& torch : torches) torch->measure(slice);
#endif
    }
    for (Contender& each : all) {
      ScorerBenchRow& row = each.row;
      row.rounds = rounds;
      row.rate = Spread::of(each.rates);
      row.peak = median(each.peaks);
#ifdef CORBEL_WITH_TORCH
      row.torch = torches.front()->result();
      if (torches.size() > 1) row.rewritten = torches.back()->result();
#endif
      rows.push_back(row);
    }
  }
  return rows;
}

namespace {

json to_json(const ScorerBenchRow& row) {
  const bool has_torch = row.torch.has_value(), is_rewritten = row.rewritten.has_value();
  json object = {{"network", row.network},
                 {"kernel", row.kernel},
                 {"mode", row.mode},
                 {"threads", row.threads},
                 {"rounds", row.rounds},
                 {"libtorch_designs_per_second", has_torch ? json(row.torch->rate) : json(nullptr)},
                 {"libtorch_batch", has_torch ? json(row.torch->batch) : json(nullptr)},
                 {"libtorch_linear", has_torch ? json(row.torch->linear) : json(nullptr)},
                 {"ratio", has_torch ? json(row.rate.median / row.torch->rate) : json(nullptr)},
                 {"libtorch_rewritten_designs_per_second", is_rewritten ? json(row.rewritten->rate) : json(nullptr)},
                 {"libtorch_rewritten_batch", is_rewritten ? json(row.rewritten->batch) : json(nullptr)},
                 {"rewritten_ratio", is_rewritten ? json(row.rate.median / row.rewritten->rate) : json(nullptr)},
                 {"flops_per_design", row.flops},
                 {"peak_flops_per_second", row.peak},
                 {"share_of_peak", row.rate.median * row.flops / row.peak},
                 {"max_error", row.max_error},
                 {"rms_error", row.rms_error},
                 {"spearman", row.spearman}};
  row.rate.add_to(object, "designs_per_second");
  return object;
}

void print(const ScorerBenchOptions& options, const Common& common) {
  TerminalMonitor monitor(common.quiet);
  const std::vector<ScorerBenchRow> rows = bench_scorer(options, monitor);
  if (common.json()) {
    json list = json::array();
    for (const ScorerBenchRow& row : rows) list.push_back(to_json(row));
    return print_json({{"seed", options.seed}, {"results", list}});
  }
  Table table({"network", "kernel", "mode", "threads", "designs/s", "slowest to fastest", "over LibTorch",
               "over it rewritten", "share of peak", "max error", "rms error", "Spearman"});
  for (const ScorerBenchRow& row : rows) {
    table.row({row.network, row.kernel, row.mode, std::to_string(row.threads), format_for_people(row.rate.median, 3),
               row.rate.rising(), row.torch ? fmt::format("{:.1f}x", row.rate.median / row.torch->rate) : "-",
               row.rewritten ? fmt::format("{:.1f}x", row.rate.median / row.rewritten->rate) : "-",
               fmt::format("{:.0f} %", 100 * row.rate.median * row.flops / row.peak),
               fmt::format("{:.2g}", row.max_error), fmt::format("{:.2g}", row.rms_error),
               fmt::format("{:.5f}", row.spearman)});
  }
  table.print();
  std::string torch;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ScorerBenchRow& row = rows[i];
    if (!row.torch || (i > 0 && rows[i - 1].network == row.network)) continue;
    const auto add = [&](const TorchRate& its, const char* form) {
      torch += fmt::format("LibTorch{}, {}: {} designs/s on one thread in batches of {}, dense layers by {}\n", form,
                           row.network, format_for_people(its.rate, 3), its.batch, its.linear);
    };
    add(*row.torch, "");
    if (row.rewritten) add(*row.rewritten, " rewritten with designs last");
  }
  fmt::print(
      "\n{}Medians of {} rounds; one thread by its processor time, several by the clock. Errors are relative to the\n"
      "deviation of what the portable kernel predicts. Peak: nothing but the kernel's multiplications and additions.\n",
      torch, rounds);
}

}  // namespace

void add_scorer_bench(CLI::App& group, Common& common) {
  const auto options = std::make_shared<ScorerBenchOptions>();
  CLI::App* command = group.add_subcommand("scorer", "Designs per second of each scorer kernel, beside LibTorch");
  command->add_option("--network", options->networks, "Of default shape with random weights: mlp, attention, lstm")
      ->capture_default_str();
  command->add_option("--model", options->model, "A model file, whose first network is measured instead")
      ->check(CLI::ExistingFile);
  command->add_option("--kernel", options->kernels, "Only these: corbel describe machine");
  command->add_option("--seconds", options->seconds, "That each kernel is measured in each mode")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "The most threads; all cores by default")
      ->check(CLI::Range(1, 1024));
  command->add_option("--seed", common.seed, "Of weights and designs")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62));
  add_common(*command, common);
  command->callback([options, &common] {
    for (const std::string& kernel : options->kernels) scorer_kernel(kernel);
    ScorerBenchOptions its = *options;
    if (common.seed) its.seed = *common.seed;
    print(its, common);
  });
}

}  // namespace corbel::cli
