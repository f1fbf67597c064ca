#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "corbel/workload/builder.hpp"
#include "corbel/workload/internal/onnx_model.hpp"

namespace corbel {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

/// What exporters and people call the batch.
bool is_batch_name(std::string_view name) {
  const std::string text = lower(name);
  return text.find("batch") != std::string::npos || text == "n" || text == "b" || text == "bs";
}

/// A dimension without a name, or with one that an exporter made up for want of one.
bool is_nameless(std::string_view name) {
  const std::string text = lower(name);
  return text.empty() || text == "?" || text == "none" || text == "-1" || text.starts_with("unk__") ||
         text.find("_dynamic_axes_") != std::string::npos;
}

class InputSizes {
 public:
  InputSizes(OnnxModel& model, std::int64_t batch, const std::map<std::string, std::int64_t>& dimensions)
      : model_(model), batch_(batch), dimensions_(dimensions) {}

  void set() {
    check_options();
    find_batch();
    for (const OnnxInput& input : model_.inputs) {
      OnnxShape& shape = model_.tensor(input.tensor).shape;
      for (std::size_t i = 0; i < input.dimensions.size(); ++i) shape.push_back(size_of(input, i));
    }
    report_unknown_dimensions();
    if (!open_.empty()) {
      throw model_.error(open_, fmt::format("set it with `dimensions: {{{}: SIZE}}` in the study's workload or "
                                            "`--dimension {}=SIZE`; `batch` is for the batch alone",
                                            printable(first_open_), printable(first_open_)));
    }
  }

 private:
  void check_options() const {
    if (batch_ < 0 || batch_ > max_layer_size) {
      throw model_.error(fmt::format("a batch of {}", batch_), fmt::format("write 1 to {}", max_layer_size));
    }
    for (const auto& [name, size] : dimensions_) {
      if (size >= 1 && size <= max_layer_size) continue;
      throw model_.error(fmt::format("dimension {} is set to {}", in_quotes(name), size),
                         fmt::format("write 1 to {}", max_layer_size));
    }
  }

  std::string key(const OnnxInput& input, std::size_t index) const {
    return fmt::format("{}.{}", model_.tensor(input.tensor).name, index);
  }

  /// The batch is what is called so; else the first dimension of the inputs, as far as it is nameless or a number.
  void find_batch() {
    for (const OnnxInput& input : model_.inputs) {
      for (const OnnxDimension& dimension : input.dimensions) {
        named_batch_ = named_batch_ || (!dimension.size && is_batch_name(dimension.name));
      }
    }
    for (const OnnxInput& input : model_.inputs) {
      for (std::size_t i = 0; i < input.dimensions.size(); ++i) {
        if (!is_batch(input, i)) continue;
        found_batch_ = true;
        const std::string name = chosen_name(input, i);
        if (name.empty()) continue;
        const std::int64_t size = dimensions_.at(name);
        if (batch_ != 0 && batch_ != size) {
          throw model_.error(
              fmt::format("dimension {} is the batch: {} and batch {} are both given", in_quotes(name), size, batch_),
              "leave one of them out");
        }
        batch_ = size;
      }
    }
    model_.batch = std::max<std::int64_t>(batch_, 1);
    if (found_batch_) return;
    for (const OnnxInput& input : model_.inputs) {
      if (input.dimensions.size() < 2 || !input.dimensions[0].size || *input.dimensions[0].size < 1) continue;
      const std::int64_t written = *input.dimensions[0].size;
      if (batch_ == 0) {
        model_.batch = written;
      } else if (written != batch_) {
        model_.written_batch = written;
      }
      return;
    }
    if (batch_ > 1) {
      throw model_.error(fmt::format("a batch of {} is asked for, but no input has a batch dimension", batch_),
                         "leave out `batch`");
    }
  }

  bool is_batch(const OnnxInput& input, std::size_t index) const {
    const OnnxDimension& dimension = input.dimensions[index];
    if (dimension.size && *dimension.size >= 0) return false;
    if (is_batch_name(dimension.name)) return true;
    return !named_batch_ && index == 0 && is_nameless(dimension.name);
  }

  /// How `dimensions` names it, "" if it does not.
  std::string chosen_name(const OnnxInput& input, std::size_t index) const {
    std::string by_place = key(input, index);
    if (dimensions_.contains(by_place)) return by_place;
    const std::string& name = input.dimensions[index].name;
    return !name.empty() && dimensions_.contains(name) ? name : "";
  }

  std::int64_t size_of(const OnnxInput& input, std::size_t index) {
    const OnnxDimension& dimension = input.dimensions[index];
    const std::string& name = model_.tensor(input.tensor).name;
    known_.insert(key(input, index));
    if (!dimension.name.empty()) known_.insert(dimension.name);
    const std::string chosen = chosen_name(input, index);
    if (dimension.size && *dimension.size >= 0) return written_size(input, index, chosen);
    if (!chosen.empty()) return dimensions_.at(chosen);
    if (is_batch(input, index)) return model_.batch;
    if (open_.empty()) {
      first_open_ = dimension.name.empty() ? key(input, index) : dimension.name;
      open_ = fmt::format("input {} leaves dimension {} open{}", in_quotes(name), index,
                          dimension.name.empty() ? "" : ": " + in_quotes(dimension.name));
    }
    return 1;
  }

  std::int64_t written_size(const OnnxInput& input, std::size_t index, const std::string& chosen) const {
    const std::int64_t size = *input.dimensions[index].size;
    const std::string place =
        fmt::format("dimension {} of input {}", index, in_quotes(model_.tensor(input.tensor).name));
    if (size == 0 || size > max_layer_size) {
      throw model_.error(fmt::format("{} is {}; sizes are 1 to {}", place, size, max_layer_size),
                         "export the network with the sizes of its inputs");
    }
    if (!chosen.empty() && dimensions_.at(chosen) != size) {
      throw model_.error(fmt::format("{} is {} in the file, not {}", place, size, dimensions_.at(chosen)),
                         "only open dimensions can be set; export the network with another size");
    }
    const bool batch = index == 0 && input.dimensions.size() > 1 && size == model_.written_batch;
    return batch ? model_.batch : size;
  }

  void report_unknown_dimensions() const {
    for (const auto& [name, size] : dimensions_) {
      if (known_.contains(name)) continue;
      std::vector<std::string> names;
      for (const OnnxInput& input : model_.inputs) {
        for (std::size_t i = 0; i < input.dimensions.size(); ++i) {
          const OnnxDimension& dimension = input.dimensions[i];
          if (dimension.size && *dimension.size >= 0) continue;
          names.push_back(dimension.name.empty() ? key(input, i) : dimension.name);
        }
      }
      std::ranges::sort(names);
      names.erase(std::ranges::unique(names).begin(), names.end());
      if (!names.empty()) throw unknown_name("dimension", name, names, model_.file);
      throw model_.error(fmt::format("unknown dimension {}: all sizes are given in the file", in_quotes(name)),
                         "leave out `dimensions`");
    }
  }

  OnnxModel& model_;
  std::int64_t batch_;
  const std::map<std::string, std::int64_t>& dimensions_;
  bool named_batch_ = false, found_batch_ = false;
  std::set<std::string> known_;
  std::string open_, first_open_;
};

}  // namespace

void set_onnx_inputs(OnnxModel& model, std::int64_t batch, const std::map<std::string, std::int64_t>& dimensions) {
  InputSizes(model, batch, dimensions).set();
}

}  // namespace corbel
