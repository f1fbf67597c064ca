#include "corbel/search/scan_state.hpp"

#include <nlohmann/json.hpp>

#include "corbel/base/error.hpp"
#include "corbel/base/file.hpp"
#include "corbel/base/hash.hpp"
#include "corbel/search/saved_state.hpp"

namespace corbel {
namespace {

using nlohmann::json;

constexpr int state_version = 1;

json best_to_json(const DesignSpace& space, const std::vector<Evaluation>& best) {
  json list = json::array();
  for (const Evaluation& evaluation : best) list.push_back(evaluation_to_json(space, evaluation));
  return list;
}

}  // namespace

void write_scan_state(const std::filesystem::path& file, const std::string& key, const DesignSpace& space,
                      const ScanState& state) {
  const ScanResult& result = state.result;
  json content = {
      {"scan", state_version},      {"key", key},
      {"complete", state.complete}, {"next", {{"stretch", state.next_stretch}, {"design", state.next_design}}},
      {"finished", state.finished}, {"covered", state.covered},
      {"scored", result.scored},    {"failed", result.failed},
      {"pruned", result.pruned},    {"in_boxes", result.in_boxes},
      {"seconds", result.seconds},  {"best", best_to_json(space, result.best)}};
  if (result.tolerance) {
    content["screen"] = {
        {"name", result.ranked_by}, {"tolerance", number_to_json(*result.tolerance)}, {"rescored", result.rescored}};
  }
  content["checksum"] = fingerprint(content.dump());
  write_file(file, content.dump() + "\n");
}

ScanStateFile read_scan_state(const std::filesystem::path& file, const std::string& key, const DesignSpace& space,
                              ScanState& state) {
  if (!std::filesystem::exists(file)) return ScanStateFile::none;
  json content = json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  try {
    const std::string checksum = content.at("checksum").get<std::string>();
    content.erase("checksum");
    if (checksum != fingerprint(content.dump())) return ScanStateFile::damaged;
    // Behind the checksum, what does not fit was written for something else.
    if (content.at("scan") != state_version || content.at("key") != key) {
      state.complete = content.value("complete", false);
      return ScanStateFile::other_key;
    }
    ScanState found;
    found.complete = content.at("complete").get<bool>();
    found.next_stretch = whole_from_json(content.at("next").at("stretch"));
    found.next_design = whole_from_json(content.at("next").at("design"));
    found.finished = content.at("finished").get<std::set<std::uint64_t>>();
    found.covered = whole_from_json(content.at("covered"));
    found.result.scored = whole_from_json(content.at("scored"));
    found.result.failed = whole_from_json(content.at("failed"));
    found.result.pruned = whole_from_json(content.at("pruned"));
    found.result.in_boxes = whole_from_json(content.at("in_boxes"));
    found.result.seconds = content.at("seconds").get<double>();
    for (const json& each : content.at("best")) found.result.best.push_back(evaluation_from_json(space, each));
    if (content.contains("screen")) {
      const json& screen = content.at("screen");
      found.result.ranked_by = screen.at("name").get<std::string>();
      found.result.tolerance = number_from_json(screen.at("tolerance"));
      found.result.rescored = whole_from_json(screen.at("rescored"));
    }
    if (found.next_design > space.size()) return ScanStateFile::damaged;
    state = std::move(found);
    return ScanStateFile::usable;
  } catch (const json::exception&) {
  } catch (const Error&) {
  }
  return ScanStateFile::damaged;
}

}  // namespace corbel
