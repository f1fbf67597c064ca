#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "corbel/dataset/dataset.hpp"
#include "corbel/study/question.hpp"

namespace corbel {

/// A result as a program told it.
struct ToldResult {
  std::string place;  ///< "results.json: result 3"
  Trial trial;        ///< metrics in the order of the question's
};

/// Reads what programs tell, as AskTell::tell() takes it.
/// @param question  its metrics may be told; complete designs have its objective and what its limits read
/// @throws Error{invalid_input} naming place, entry, key and value
std::vector<ToldResult> parse_told(std::string_view text, std::string_view place, const Question& question);

}  // namespace corbel
