#pragma once

#include <string>
#include <vector>

namespace corbel {

struct ReportView;

// The parts of the page that are words and tables, each as HTML. Whatever is not known is said in words.

std::string headline_section(const ReportView& view);       ///< what to build, and what was not known
std::vector<std::string> unknowns(const ReportView& view);  ///< the latter, one sentence each
std::string facts_strip(const ReportView& view);
std::string ranking_section(const ReportView& view);     ///< ranked table
std::string online_section(const ReportView& view);      ///< search on the simulator; "" if there was none
std::string rounds_section(const ReportView& view);      ///< rounds of learning and simulating; "" if there were none
std::string trade_off_section(const ReportView& view);   ///< Pareto front; "" if none was searched for
std::string selection_section(const ReportView& view);   ///< candidates of the training
std::string failures_section(const ReportView& view);    ///< what failed and why, data warnings
std::string provenance_section(const ReportView& view);  ///< how it was made

}  // namespace corbel
