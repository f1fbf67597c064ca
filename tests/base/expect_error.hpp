#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "corbel/base/error.hpp"

namespace corbel {

/// Runs `work`, which must throw an Error of this code, with these parts in its message and hint.
template <class Work>
void expect_error(Work work, ErrorCode code, const std::string& message_part, const std::string& hint_part = "") {
  try {
    std::forward<Work>(work)();
    ADD_FAILURE() << "nothing was thrown; wanted: " << message_part;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_THAT(error.what(), testing::HasSubstr(message_part));
    EXPECT_THAT(error.hint(), testing::HasSubstr(hint_part));
  }
}

}  // namespace corbel
