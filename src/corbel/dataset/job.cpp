#include "corbel/dataset/job.hpp"

#include <nlohmann/json.hpp>

#include "corbel/base/config.hpp"
#include "corbel/base/error.hpp"
#include "corbel/dataset/trial_group.hpp"
#include "corbel/version.hpp"
#include "corbel/workload/network_json.hpp"

namespace corbel {
namespace {

using nlohmann::json;

Error differs(const std::string& what, const std::string& here, const std::string& there) {
  return Error(ErrorCode::mismatch,
               what + " of this worker is not that of the trials: here " + here + ", there " + there,
               "run the same version of Corbel and of the simulator's program here, with the same files; --study-dir "
               "says where they are");
}

}  // namespace

std::string JobSpec::to_text() const {
  json text = {{"corbel", version},
               {"simulator", json::parse(simulator)},
               {"study", study.string()},
               {"fixed", fixed},
               {"network", network ? to_json(*network) : json(nullptr)}};
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

JobSpec JobSpec::from_text(std::string_view text) {
  try {
    const json from = json::parse(text);
    JobSpec spec{from.at("simulator").dump(1), from.at("study").get<std::string>(),
                 from.at("fixed").get<std::vector<std::pair<std::string, std::string>>>(), std::nullopt};
    if (!from.at("network").is_null()) spec.network = network_from_json(from.at("network"));
    return spec;
  } catch (const json::exception& error) {
    throw Error(ErrorCode::corrupt, std::string("the description of a job cannot be read: ") + error.what(),
                "run the command that handed it out again");
  }
}

Job::Job(const TrialGroup& group, JobSpec spec, const std::filesystem::path& study_folder) : spec_(std::move(spec)) {
  const std::filesystem::path study =
      study_folder.empty() ? spec_.study : std::filesystem::absolute(study_folder) / spec_.study.filename();
  simulator_ = make_simulator(Config::parse(spec_.simulator, study.string() + " (simulator)", study), group.space);
  const Network* network = spec_.network ? &*spec_.network : nullptr;
  const TrialGroup here = trial_group(group.space, *simulator_, network, spec_.fixed);
  if (here.simulator_fingerprint != group.simulator_fingerprint) {
    throw differs("simulator `" + here.simulator + "`", here.simulator_fingerprint, group.simulator_fingerprint);
  }
  if (here.workload_fingerprint != group.workload_fingerprint) {
    throw differs("workload `" + group.workload + "`", here.workload_fingerprint, group.workload_fingerprint);
  }
  group_simulator_.emplace(group, *simulator_, HardwareBinding(*simulator_, group.space, spec_.fixed), network);
}

}  // namespace corbel
