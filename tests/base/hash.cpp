#include "corbel/base/hash.hpp"

#include <gtest/gtest.h>

namespace corbel {
namespace {

TEST(Hash, IsXxh3) {
  // The known XXH3 hashes of no bytes with seed 0.
  EXPECT_EQ(hash64(""), 0x2d06800538d394c2u);
  EXPECT_EQ(fingerprint(""), "99aa06d3014798d86001c324468d497f");
}

TEST(Hash, TellsTextsApart) {
  EXPECT_NE(hash64("a"), hash64("b"));
  EXPECT_NE(fingerprint("a"), fingerprint(std::string_view("a\0", 2)));
  EXPECT_EQ(fingerprint("corbel").size(), 32u);
}

}  // namespace
}  // namespace corbel
