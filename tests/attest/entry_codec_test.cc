#include "attest/entry_codec.h"

#include <gtest/gtest.h>

#include "tests/support/must.h"

namespace lodekey::attest {
namespace {

using test::Must;

Entry FullEntry() {
  return {
      .id = "1f",
      .revision = 7,
      .spiffe_id = "spiffe://example.org/{{site}}/web",
      .scope = {.nodes = {std::string(64, 'a'), std::string(64, 'b')},
                .labels = {{"site", "berlin"}, {"tier", "web"}}},
      .selectors = {Must(ParseSelector("unix:uid:1000")), Must(ParseSelector("unix:path:/a:b"))},
      .x509_ttl = std::chrono::minutes(30),
      .jwt_ttl = std::chrono::seconds(90),
      .dns_names = {"web.example.org"},
      .common_name = "web",
      .hint = "internal",
      .jwt_audiences = {"vault", "db"},
      .owner = "team web",
      .expires = Time(std::chrono::hours(24 * 365 * 60)),
      .prefetch = true};
}

TEST(EntryCodec, KeepsEveryField) {
  EXPECT_EQ(Must(DecodeEntry(EncodeEntry(FullEntry()))), FullEntry());
  EXPECT_EQ(Must(DecodeEntry(EncodeEntry(Entry{}))), Entry{});
}

TEST(EntryCodec, RefusesWhatIsNoSelectorOrNoTime) {
  auto message = EncodeEntry(FullEntry());
  message.add_selectors("uid:1000");
  EXPECT_EQ(DecodeEntry(message).error().Name(), "selector-invalid");
  for (const int64_t value : {int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    message = EncodeEntry(FullEntry());
    message.set_x509_ttl_ms(value);
    EXPECT_EQ(DecodeEntry(message).error().Name(), "entry-invalid") << value;
    message = EncodeEntry(FullEntry());
    message.set_expires_unix_ms(value);
    EXPECT_EQ(DecodeEntry(message).error().Name(), "entry-invalid") << value;
  }
}

}  // namespace
}  // namespace lodekey::attest
