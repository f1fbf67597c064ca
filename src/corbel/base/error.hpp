#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace corbel {

/// What kind of thing went wrong; `apps/` turns it into an exit code.
enum class ErrorCode {
  usage,            ///< a command line that cannot be understood
  invalid_input,    ///< a file or value that says something impossible
  not_found,        ///< a file, parameter, workload, … that is not there
  file_access,      ///< reading or writing failed
  corrupt,          ///< a file that is damaged or not of its format
  mismatch,         ///< two things that do not belong together, such as a model and another design space
  unsupported,      ///< understood, but this build or version cannot do it
  too_little_data,  ///< a log that cannot answer the question
  tool_failure,     ///< a program we called misbehaved
  interrupted,      ///< the user asked to stop
};

/// The name of a code as written in JSON, such as "invalid_input".
std::string_view to_string(ErrorCode code);

/// Anything that input, files, databases or tools can cause. The message is one line that names the file, line,
/// column or value at fault; the hint says what to do. Bugs are assertions, never this. Whatever bytes they quote,
/// message and hint become valid UTF-8 without control characters, as by printable().
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string hint = "");
  ErrorCode code() const { return code_; }
  const std::string& hint() const { return hint_; }

 private:
  ErrorCode code_;
  std::string hint_;
};

/// `text` fit for a message: control characters and bytes that are not UTF-8 written as \xNN, cut with "…" after
/// `max_bytes`.
std::string printable(std::string_view text, std::size_t max_bytes = 80);

/// The same in backquotes, as messages name things: "`pe_x`".
std::string in_quotes(std::string_view text);

/// Whether the bytes are UTF-8 (RFC 3629) without control characters other than `\t`, `\n` and `\r`.
bool is_text(std::string_view bytes);

/// The candidate that `name` most likely meant (edit distance, ignoring case), or "" if none is near.
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

/// An Error{code} "PLACE: unknown KIND `NAME`" whose hint is "did you mean `X`?" or the list of candidates.
/// @param place  where the name stands ("study.yaml:12:3"), or "" if there is no such place
Error unknown_name(std::string_view kind, std::string_view name, std::span<const std::string> candidates,
                   std::string_view place = "", ErrorCode code = ErrorCode::invalid_input);

}  // namespace corbel
