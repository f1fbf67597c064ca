#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "corbel/base/config.hpp"
#include "corbel/base/config_source.hpp"
#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"

namespace corbel {
namespace {

constexpr std::size_t max_file_bytes = 16 << 20;
constexpr std::size_t max_depth = 64;
constexpr std::size_t max_nodes = 200'000;
constexpr std::size_t max_text_bytes = 16 << 20;

}  // namespace

/// Builds the tree from yaml-cpp's events. Aliases are copied in, and counted, so that a few lines cannot grow into
/// gigabytes; an anchored value is counted a second time for the copy kept of it.
class ConfigBuilder final : public YAML::EventHandler {
 public:
  explicit ConfigBuilder(std::shared_ptr<const Config::Source> source) : source_(std::move(source)) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) throw error(mark, "a second document starts here", "keep one document per file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(mark, node(mark), anchor); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    Config scalar = node(mark);
    scalar.kind_ = Config::Kind::scalar;
    scalar.scalar_ = value;
    add(mark, std::move(scalar), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) throw error(mark, "the alias stands inside the value it names");
    Config copy = found->second;
    count(mark, copy, stack_.size());
    move_to(copy, mark);
    place(mark, std::move(copy));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Config::Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Config::Kind::map);
  }
  void OnMapEnd() override { close(); }

  Config take(bool any) {
    if (any && !root_.is_null()) return std::move(root_);
    Config empty;
    empty.source_ = source_;
    empty.line_ = empty.column_ = 1;
    return empty;
  }

 private:
  struct Frame {
    Config node;
    YAML::anchor_t anchor;
    bool has_key = false;
    std::string key;
    YAML::Mark key_mark;
    std::unordered_set<std::string> keys;
  };

  Error error(const YAML::Mark& mark, const std::string& message, std::string hint = "") const {
    return node(mark).error(message, std::move(hint));
  }

  Error too_deep(const YAML::Mark& mark) const {
    return error(mark, "nesting deeper than " + std::to_string(max_depth) + " levels, its aliases expanded");
  }

  Config node(const YAML::Mark& mark) const {
    Config config;
    config.source_ = source_;
    config.line_ = mark.line + 1;
    config.column_ = mark.column + 1;
    return config;
  }

  /// Plain scalars are tagged "?" and quoted ones "!" by the parser itself.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw error(mark, "the tag " + in_quotes(tag) + " is not understood", "write the value without a tag");
  }

  /// @param depth  levels around `config`
  void count(const YAML::Mark& mark, const Config& config, std::size_t depth) {
    if (depth >= max_depth && (config.is_sequence() || config.is_map())) throw too_deep(mark);
    text_bytes_ += config.scalar_.size();
    if (++nodes_ > max_nodes) {
      throw error(mark, "the document has over " + std::to_string(max_nodes) + " values, its aliases expanded");
    }
    if (text_bytes_ > max_text_bytes) throw error(mark, "the document has over 16 MB of text, its aliases expanded");
    for (const Config& item : config.items_) count(mark, item, depth + 1);
    for (const auto& [key, value] : config.entries_) {
      text_bytes_ += key.size();
      count(mark, value, depth + 1);
    }
  }

  /// What an alias brings in stands where the alias does; what lies inside keeps its own place.
  static void move_to(Config& config, const YAML::Mark& mark) {
    config.line_ = mark.line + 1;
    config.column_ = mark.column + 1;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Config::Kind kind) {
    refuse_tag(mark, tag);
    if (stack_.size() >= max_depth) throw too_deep(mark);
    refuse_compound_key(mark);
    Config config = node(mark);
    config.kind_ = kind;
    stack_.push_back({std::move(config), anchor, false, {}, {}, {}});
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    const YAML::Mark mark = mark_of(frame.node);
    add(mark, std::move(frame.node), frame.anchor);
  }

  static YAML::Mark mark_of(const Config& config) {
    YAML::Mark mark;
    mark.line = config.line_ - 1;
    mark.column = config.column_ - 1;
    return mark;
  }

  /// A finished node that the document itself holds; its children were counted when they were finished.
  void add(const YAML::Mark& mark, Config config, YAML::anchor_t anchor) {
    ++nodes_;
    if (nodes_ > max_nodes) throw error(mark, "the document has over " + std::to_string(max_nodes) + " values");
    if (anchor != YAML::NullAnchor) {
      count(mark, config, stack_.size());
      anchored_[anchor] = config;
    }
    place(mark, std::move(config));
  }

  void refuse_compound_key(const YAML::Mark& mark) const {
    if (!stack_.empty() && stack_.back().node.is_map() && !stack_.back().has_key) {
      throw error(mark, "a key must be a single word");
    }
  }

  void place(const YAML::Mark& mark, Config config) {
    if (stack_.empty()) {
      root_ = std::move(config);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.is_sequence()) {
      frame.node.items_.push_back(std::move(config));
    } else if (frame.has_key) {
      config.key_line_ = frame.key_mark.line + 1;
      config.key_column_ = frame.key_mark.column + 1;
      frame.node.entries_.emplace_back(std::move(frame.key), std::move(config));
      frame.has_key = false;
    } else {
      if (!config.is_scalar()) throw error(mark, "a key must be a single word");
      if (!frame.keys.insert(config.scalar_).second) {
        throw error(mark, "the key " + in_quotes(config.scalar_) + " is given twice");
      }
      frame.key = std::move(config.scalar_);
      frame.key_mark = mark;
      frame.has_key = true;
    }
  }

  std::shared_ptr<const Config::Source> source_;
  std::vector<Frame> stack_;
  std::unordered_map<YAML::anchor_t, Config> anchored_;
  Config root_;
  std::size_t nodes_ = 0;
  std::size_t text_bytes_ = 0;
  int documents_ = 0;
};

Config Config::load(const std::filesystem::path& file) {
  const std::string text = read_file(file, max_file_bytes);
  return parse(text, std::make_shared<const Source>(Source{file.string(), file.string()}));
}

Config Config::parse(std::string_view text, std::string_view name) {
  return parse(text, name, {});
}

Config Config::parse(std::string_view text, std::string_view name, const std::filesystem::path& file) {
  return parse(text, std::make_shared<const Source>(Source{std::string(name), file.string()}));
}

Config Config::parse(std::string_view text, std::shared_ptr<const Source> source) {
  if (text.size() > max_file_bytes) {
    throw corbel::Error(ErrorCode::invalid_input, source->name + " is larger than the 16 MB allowed here");
  }
  if (!is_text(text)) {
    // The longest prefix that is text ends in the line at fault.
    std::size_t line = 1;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      if (!is_text(text.substr(0, end))) break;
      text.remove_prefix(std::min(end + 1, text.size()));
      ++line;
    }
    throw corbel::Error(ErrorCode::invalid_input,
                        source->name + ":" + std::to_string(line) + ":1: not a text file in UTF-8");
  }
  ConfigBuilder builder(source);
  try {
    // yaml-cpp takes a quote that the file's last line leaves open as closed; inside a document that ends by a marker
    // it does not.
    std::istringstream stream(std::string(text) + (text.ends_with('\n') ? "...\n" : "\n...\n"));
    YAML::Parser parser(stream);
    const bool any = parser.HandleNextDocument(builder);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take(any);
  } catch (const YAML::Exception& error) {
    std::string place = source->name;
    if (!error.mark.is_null()) {
      place += ":" + std::to_string(error.mark.line + 1) + ":" + std::to_string(error.mark.column + 1);
    }
    throw corbel::Error(ErrorCode::invalid_input, place + ": " + error.msg,
                        "check the indentation, quotes and brackets here");
  }
}

}  // namespace corbel
