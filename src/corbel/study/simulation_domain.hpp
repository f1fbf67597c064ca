#pragma once

#include "corbel/search/strategy.hpp"
#include "corbel/study/question.hpp"
#include "corbel/study/study_file.hpp"

namespace corbel {

/// What a study asks of the metrics that its simulator gives of a design (StudyFile::simulated_metrics()).
Question simulated_question(const StudyFile& study);

/// Where a search looks whose every query costs a run: designs within the limits that parameters decide, or metrics
/// that the study's simulator computes from the hardware alone. Of a recorded table only the former, since reading a
/// row of it is a query.
/// @param question  of the study, by the metrics that the simulator's combined ones are among
SearchDomain simulation_domain(const StudyFile& study, const Question& question);

}  // namespace corbel
