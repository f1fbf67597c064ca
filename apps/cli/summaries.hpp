#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>

#include "commands.hpp"

namespace corbel {
class Pipeline;
struct ScanShard;
struct ShardOutcome;
struct StudyFile;
}  // namespace corbel

namespace corbel::cli {

/// On standard output; bytes that are not UTF-8 are replaced.
void print_json(const nlohmann::json& value);

/// What a step found, from results.json, as a table for people or as JSON, on standard output.
void print_dataset(const nlohmann::json& results, const Common& common);
void print_training(const nlohmann::json& results, const Common& common);
/// Whether there is a design to build, and what it rests on supports it.
bool has_answer(const nlohmann::json& results);
void print_proposals(const nlohmann::json& results, const Common& common);
/// Of a shard while others are missing.
void print_shard(const ScanShard& shard, const ShardOutcome& outcome, const Common& common);
void print_rounds(const nlohmann::json& results, const Common& common);
void print_online(const nlohmann::json& results, const Common& common);
void print_front(const nlohmann::json& results, const Common& common);
void print_study(const nlohmann::json& results, const StudyFile& study, const Common& common);

/// @throws Error{not_found} if no step of the study has run yet
void require_results(const Pipeline& pipeline);
/// Makes the proposal of this rank the chosen design. @throws Error{invalid_input} if there is none
void choose_rank(nlohmann::json& results, std::size_t rank);

}  // namespace corbel::cli
