#include "cli/entry_json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/cli/sample_entry.h"

namespace lodekey::cli {
namespace {

using attest::Entry;

// What is wrong with a line; empty: nothing.
std::string Problem(const std::string& line) {
  const auto entry = ParseEntryJson(line);
  if (entry) return "";
  EXPECT_EQ(entry.error().Name(), "entry-malformed") << line;
  return entry.error().text;
}

TEST(EntryJson, PrintsEveryField) {
  EXPECT_EQ(EntryJson(SampleEntry()).dump(),
            R"({"id":"0190b2c4-0000-7000-8000-000000000001","revision":3,)"
            R"("spiffe_id":"spiffe://fleet.example/{{site}}/web","nodes":[")" +
                std::string(64, 'a') +
                R"("],"node_labels":{"site":"fra1"},)"
                R"("selectors":["unix:uid:1000","unix:path:/usr/bin/web"],)"
                R"("x509_svid_ttl":"30m","jwt_svid_ttl":"90s",)"
                R"("dns_names":["web","web-1.fleet.example"],"common_name":"web",)"
                R"("hint":"internal","jwt_audiences":["db","*"],"owner":"web team",)"
                R"("expires":"2026-09-21T14:13:20.000Z","prefetch":true})");
}

TEST(EntryJson, IsReadBackAsItWasPrintedButForTheRevision) {
  Entry wanted = SampleEntry();
  const std::string printed = EntryJson(wanted).dump();
  wanted.revision = 0;
  EXPECT_EQ(*ParseEntryJson(printed), wanted);
  const Entry plain = {.spiffe_id = "spiffe://fleet.example/web"};
  EXPECT_EQ(*ParseEntryJson(EntryJson(plain).dump()), plain) << "null is what is not there";
}

TEST(EntryJson, HasTheDefaultsOfANewEntry) {
  const Entry entry = ParseEntryJson(R"({"spiffe_id":"spiffe://fleet.example/web"})").value();
  EXPECT_EQ(entry.x509_ttl, std::chrono::hours(1));
  EXPECT_EQ(entry.jwt_ttl, std::chrono::minutes(5));
  EXPECT_FALSE(entry.prefetch);
}

TEST(EntryJson, RefusesUnknownAndRepeatedKeys) {
  EXPECT_EQ(Problem(R"({"selector":["unix:uid:1"]})"),
            "unknown key 'selector' (did you mean 'selectors'?)");
  EXPECT_EQ(Problem(R"({"zzzzzzzz":null})"), "unknown key 'zzzzzzzz'");
  EXPECT_EQ(Problem(R"({"a\nb":1})"), "unknown key 'a\\nb'");
  EXPECT_EQ(Problem(R"({"owner":"a","owner":"b"})"), "'owner' stands twice");
  EXPECT_EQ(Problem(R"({"owner":"a","\u006fwner":"b"})"), "'owner' stands twice");
  EXPECT_EQ(Problem(R"({"node_labels":{"site":"a","site":"b"}})"), "'site' stands twice");
  EXPECT_EQ(Problem(R"({"hint":"site","node_labels":{"hint":"a","owner":"b"},"owner":"c"})"), "")
      << "in another object it is another key";
}

TEST(EntryJson, RefusesValuesOfAnotherKind) {
  EXPECT_EQ(Problem(R"({"owner":7})"), "owner: must be a string");
  EXPECT_EQ(Problem(R"({"nodes":"a"})"), "nodes: must be an array of strings");
  EXPECT_EQ(Problem(R"({"nodes":[null]})"), "nodes: must be an array of strings");
  EXPECT_EQ(Problem(R"({"node_labels":["site=a"]})"), "node_labels: must be an object of strings");
  EXPECT_EQ(Problem(R"({"node_labels":{"site":1}})"), "node_labels: must be an object of strings");
  EXPECT_EQ(Problem(R"({"x509_svid_ttl":3600})"),
            "x509_svid_ttl: must be a duration such as \"1h\"");
  EXPECT_EQ(Problem(R"({"jwt_svid_ttl":"soon"})"),
            "jwt_svid_ttl: must be a duration such as \"1h\"");
  EXPECT_EQ(Problem(R"({"expires":"30d"})"),
            "expires: must be a time such as \"2026-01-31T09:30:00Z\"");
  EXPECT_EQ(Problem(R"({"prefetch":"yes"})"), "prefetch: must be true or false");
  EXPECT_EQ(Problem(R"({"revision":-1})"), "revision: must be a number");
  EXPECT_TRUE(Problem(R"({"selectors":["unix:uid:x"]})").starts_with("selectors: has 'unix:uid:x'"))
      << Problem(R"({"selectors":["unix:uid:x"]})");
}

TEST(EntryJson, RefusesWhatIsNoJsonObject) {
  EXPECT_EQ(Problem(R"({"owner":"a")"), "no JSON from byte 13 on");
  EXPECT_EQ(Problem(""), "no JSON from byte 1 on");
  EXPECT_EQ(Problem(R"({} {})"), "no JSON from byte 4 on");
  EXPECT_EQ(Problem("{\"owner\":\"\xff\"}"), "no JSON from byte 11 on");
  EXPECT_EQ(Problem(R"({"revision":1e999})"), "no JSON: a number is too large");
  for (const char* text : {"[]", "null", "7", R"("a")"}) EXPECT_EQ(Problem(text), "no JSON object");
}

TEST(EntryJson, IsBounded) {
  EXPECT_EQ(Problem(R"({"nodes":[["a"]]})"), "values are nested too deep");
  const std::string deep(kMaxEntryLine / 2 - 10, '[');
  EXPECT_TRUE(Problem("{\"nodes\":" + deep + "}").starts_with("no JSON from byte "));
  EXPECT_EQ(Problem("{\"nodes\":" + deep + std::string(deep.size(), ']') + "}"),
            "values are nested too deep");
  EXPECT_EQ(Problem(std::string(kMaxEntryLine + 1, ' ')),
            fmt::format("longer than {} bytes", kMaxEntryLine));
}

}  // namespace
}  // namespace lodekey::cli
