#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "corbel/dataset/store_location.hpp"

namespace corbel {
class Monitor;
}

namespace corbel::cli {

/// What `corbel worker` is told beside its store.
struct WorkerSettings {
  std::size_t jobs = 0;  ///< simulations at once; 0: as many as cores
  double lease_seconds = 60;
  std::optional<double> idle_exit_seconds;  ///< none: never
  std::filesystem::path study_folder;       ///< empty: where it was handed out
};

/// Starts workers as processes of this machine and waits for them; what asks this process to stop is passed on to them.
/// The store is told to them in the environment (CORBEL_STORE), since its URL may hold a password.
/// @return the exit code: 0 if all ended with it, 128 + the signal that asked to stop, otherwise 1
int launch_locally(const StoreLocation& store, const WorkerSettings& settings, std::size_t count, Monitor& monitor);

/// Submits them as an array job by `sbatch`. @return the job's id
/// @param options  of sbatch, separated by blanks
/// @throws Error{tool_failure} with what sbatch said; Error{unsupported} for a store that is a file
std::string launch_on_slurm(const StoreLocation& store, const WorkerSettings& settings, std::size_t count,
                            const std::string& options, Monitor& monitor);

/// The script that is given to sbatch.
std::string slurm_script(const WorkerSettings& settings, std::size_t count);

}  // namespace corbel::cli
