#include "issuer/policy_bundle.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using attest::BundleDigest;
using issuer::CheckBundle;
using issuer::DecodeBundle;
using issuer::EncodeBundle;
using issuer::PolicyBundle;
using issuer::ShippedPolicy;

PolicyBundle Small() { return {.files = {{"a.rego", "package a\n"}}, .data = "{}"}; }

PolicyBundle WithFile(const std::string& name, const std::string& text) {
  PolicyBundle bundle = Small();
  bundle.files[name] = text;
  return bundle;
}

PolicyBundle WithData(std::string data) {
  PolicyBundle bundle = Small();
  bundle.data = std::move(data);
  return bundle;
}

std::string Refusal(const Result<void>& checked) {
  return checked ? "good" : std::string(checked.error().Name());
}

std::string ReadSource(const std::string& path) {
  std::ifstream file(std::string(std::getenv("LODEKEY_SOURCE")) + "/" + path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(PolicyBundle, ShippedIsWhatAPersonReads) {
  const PolicyBundle& shipped = ShippedPolicy();
  EXPECT_EQ(Refusal(CheckBundle(shipped)), "good");
  EXPECT_EQ(shipped.files.size(), 6U);
  for (const auto& [name, text] : shipped.files)
    EXPECT_EQ(text, ReadSource("issuer/policy/" + name)) << name;
  EXPECT_EQ(shipped.data, ReadSource("issuer/policy/data.json"));
  EXPECT_TRUE(shipped.files.contains("issuance_test.rego"));
}

TEST(PolicyBundle, NeedsAFileThatDecides) {
  EXPECT_EQ(Refusal(CheckBundle(Small())), "good");
  EXPECT_EQ(Refusal(CheckBundle({})), "policy-invalid");
  EXPECT_EQ(Refusal(CheckBundle({.files = {{"a_test.rego", "package a\n"}}})), "policy-invalid");
}

TEST(PolicyBundle, NamesAreThoseOfRegoFiles) {
  for (const std::string name : {"b-2_x.rego", "b_test.rego"})
    EXPECT_EQ(Refusal(CheckBundle(WithFile(name, "package b\n"))), "good") << name;
  const std::string longest(attest::kMaxPolicyFileName - 5, 'a');
  EXPECT_EQ(Refusal(CheckBundle(WithFile(longest + ".rego", "package b\n"))), "good");
  for (const std::string& name :
       {std::string(""), std::string(".rego"), std::string("b"), std::string("b.txt"),
        std::string("B.rego"), std::string("../b.rego"), std::string("b/c.rego"),
        std::string("b.b.rego"), std::string("b\n.rego"), std::string("b\0.rego", 7),
        longest + "a.rego"})
    EXPECT_EQ(Refusal(CheckBundle(WithFile(name, "package b\n"))), "policy-invalid") << name;
}

TEST(PolicyBundle, TextsAreReadableAsTheyAreEvaluated) {
  EXPECT_EQ(Refusal(CheckBundle(WithFile("b.rego", "# \tä…\r\npackage b\n"))), "good");
  for (const std::string& text :
       {std::string("# \xff"), std::string("# \x1b[2J"), std::string("# \0", 3),
        std::string("# \xe2\x80\xae"), std::string("package b\n# \xc3")})
    EXPECT_EQ(Refusal(CheckBundle(WithFile("b.rego", text))), "policy-invalid");
  const auto checked = CheckBundle(WithFile("b.rego", "package b\n\n# \x01"));
  EXPECT_NE(checked.error().text.find("b.rego: line 3"), std::string::npos) << checked.error().text;
}

TEST(PolicyBundle, IsBounded) {
  PolicyBundle bundle;
  for (size_t i = 0; i < attest::kMaxPolicyFiles; ++i)
    bundle.files[std::to_string(i) + ".rego"] = "package a\n";
  EXPECT_EQ(Refusal(CheckBundle(bundle)), "good");
  bundle.files["one-more.rego"] = "package a\n";
  EXPECT_EQ(Refusal(CheckBundle(bundle)), "policy-invalid");

  const size_t used = Small().data.size() + Small().files["a.rego"].size();
  const std::string rest(attest::kMaxPolicyBytes - used, '#');
  EXPECT_EQ(Refusal(CheckBundle(WithFile("b.rego", rest))), "good");
  EXPECT_EQ(Refusal(CheckBundle(WithFile("b.rego", rest + "#"))), "policy-invalid");
}

TEST(PolicyBundle, DataIsOneObjectThatReadsOneWay) {
  EXPECT_EQ(Refusal(CheckBundle(WithData(R"({"a": {"b": [1, null, "ä"]}})"))), "good");
  for (const std::string data :
       {"", "[]", "1", "{", "{} {}", R"({"a": 1, "a": 2})", R"({"a": {"b": 1, "b": 2}})",
        "{\"a\": \"\xff\"}", R"({"a": 1e999})", "{'a': 1}"})
    EXPECT_EQ(Refusal(CheckBundle(WithData(data))), "policy-invalid") << data;
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  EXPECT_EQ(Refusal(CheckBundle(WithData("{\"a\":" + deep + "}"))), "policy-invalid");
}

TEST(PolicyBundle, IsReadBackAsItWas) {
  for (const PolicyBundle& bundle : {Small(), WithData(R"({"a": 1})"), ShippedPolicy()}) {
    const std::string encoded = EncodeBundle(bundle);
    EXPECT_EQ(Must(DecodeBundle(encoded)), bundle);
    EXPECT_EQ(EncodeBundle(Must(DecodeBundle(encoded))), encoded);
  }
}

TEST(PolicyBundle, WhatIsReadWasChecked) {
  const std::string twice = EncodeBundle(Small()) + EncodeBundle(Small());
  for (const std::string& bytes :
       {std::string("\xff"), std::string(), twice, EncodeBundle({}), EncodeBundle(WithData("[]")),
        std::string(size_t{2} << 20, 'a')}) {
    const auto read = DecodeBundle(bytes);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().Name(), "policy-invalid");
  }
}

TEST(PolicyBundle, DigestIsOfWhatProtocolSays) {
  // SHA-256("lodekey/policy/v1" ‖ 1 ‖ LV("a.rego") ‖ LV("package a\n") ‖ LV("{}")), as computed by
  // hand.
  EXPECT_EQ(ToHex(BundleDigest(Small())),
            "8ba05d9aff24f52ba77d081fe16c899c3986956c96bc3fa4561dedccbb178b43");
}

TEST(PolicyBundle, DigestSeesEveryChange) {
  const auto digest = BundleDigest(Small());
  EXPECT_NE(BundleDigest(WithData("{ }")), digest);
  EXPECT_NE(BundleDigest(WithFile("b.rego", "")), digest);
  EXPECT_NE(BundleDigest(WithFile("a.rego", "package a")), digest);
  EXPECT_NE(BundleDigest({.files = {{"b.rego", "package a\n"}}}), digest);
  // Neither does text move from one field to the next.
  EXPECT_NE(BundleDigest({.files = {{"a", "bc"}}}), BundleDigest({.files = {{"ab", "c"}}}));
}

}  // namespace
}  // namespace lodekey::test
