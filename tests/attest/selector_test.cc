#include "attest/selector.h"

#include <gtest/gtest.h>

namespace lodekey::attest {
namespace {

TEST(Selector, IsTheSameAfterARoundTrip) {
  for (const std::string text :
       {"unix:uid:0", "unix:gid:4294967295", "unix:user:www-data", "unix:group:tss",
        "unix:supplementary_gid:27", "unix:supplementary_group:adm", "unix:path:/usr/bin/a:b c",
        "unix:sha256:0000000000000000000000000000000000000000000000000000000000000000"}) {
    const auto selector = ParseSelector(text);
    ASSERT_TRUE(selector) << text;
    EXPECT_EQ(FormatSelector(*selector), text);
  }
}

TEST(Selector, RefusesWhatNoAttestorWouldGive) {
  for (const std::string text :
       {"", "unix", "unix:uid", "unix:uid:", "unix:uid:-1", "unix:uid:007", "unix:uid:1 ",
        "unix:uid:4294967296", "unix:uid:root", "unix:user:", "unix:user:a b", "unix:user:a:b",
        "unix:path:bin/true", "unix:path:/a\nb", "unix:sha256:00", "unix:uuid:1", "Unix:uid:1",
        "docker:label:x",
        "unix:sha256:0000000000000000000000000000000000000000000000000000000000000"
        "F00"}) {
    const auto selector = ParseSelector(text);
    ASSERT_FALSE(selector) << text;
    EXPECT_EQ(selector.error().Name(), "selector-invalid") << text;
  }
  EXPECT_FALSE(ParseSelector("unix:path:/" + std::string(kMaxSelectorSize, 'a')));
}

TEST(Selector, OfTheExecutableDoesNotSeparate) {
  EXPECT_TRUE(Separates(*ParseSelector("unix:uid:1000")));
  EXPECT_TRUE(Separates(*ParseSelector("unix:supplementary_group:adm")));
  EXPECT_FALSE(Separates(*ParseSelector("unix:path:/usr/bin/true")));
  EXPECT_FALSE(Separates(*ParseSelector("unix:sha256:" + std::string(64, '0'))));
  EXPECT_FALSE(Separates({"future", "thing", "x"})) << "what is not known separates nothing";
}

}  // namespace
}  // namespace lodekey::attest
