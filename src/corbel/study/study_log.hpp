#pragma once

#include <optional>

#include "corbel/dataset/store.hpp"
#include "corbel/dataset/trial_log.hpp"
#include "corbel/study/study_file.hpp"
#include "corbel/study/study_keys.hpp"

namespace corbel {

class Monitor;

/// The trials of a study as they are when they are first read, however often they are read then, wherever they come
/// from: a sweep, the log it imports, what it was told.
/// @return nothing if none were ever collected; without a row where nothing was told to a study that learns from others
/// @param monitor  may stop the reading of them; must outlive the log
std::optional<TrialLog> read_log(const StudyFile& study, const StudyKeys& keys, Monitor& monitor);

/// Sweeps or imports until the trials are as the study asks, which does not live on what it is told.
void collect_log(const StudyFile& study, const StudyKeys& keys, Store& store, Monitor& monitor);

}  // namespace corbel
