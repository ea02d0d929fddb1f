#include "crypto/hash_chain.h"

#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "crypto/encoding.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;

const Ed25519Key& Key() {
  static const Ed25519Key key = Must(Ed25519Key::FromSeed(Secret::Copy(Bytes(32, 7))));
  return key;
}

// Lines without their LF, of records {"n":1}, {"n":2}…
std::vector<std::string> Chain(size_t count) {
  std::vector<std::string> lines;
  ChainHead head;
  for (size_t i = 1; i <= count; ++i) {
    lines.push_back(FormatChainLine(head, fmt::format("{{\"n\":{}}}", i), Key(), head));
    lines.back().pop_back();
  }
  return lines;
}

std::string_view FirstError(const std::vector<std::string>& lines) {
  ChainVerifier verifier(Key().public_key());
  static std::string name;
  for (const std::string& line : lines) {
    const auto result = verifier.Next(line);
    if (result) continue;
    name = result.error().Name();
    return name;
  }
  return "";
}

TEST(ChainLine, IsWrittenByteForByteAsDocumented) {
  ChainHead head;
  const std::string record = "{\"event\":\"start\"}";
  const std::string line = FormatChainLine({}, record, Key(), head);
  const Bytes number = {0, 0, 0, 0, 0, 0, 0, 1};
  const Sha256Digest hash =
      Sha256({AsBytes("lodekey/audit/v1"), number, Bytes(32, 0), AsBytes(record)});
  EXPECT_EQ(line, "{\"seq\":1,\"prev\":\"" + std::string(64, '0') + "\",\"record\":" + record +
                      ",\"hash\":\"" + ToHex(hash) + "\",\"sig\":\"" + ToBase64(Key().Sign(hash)) +
                      "\"}\n");
  EXPECT_EQ(head, (ChainHead{.seq = 1, .hash = hash}));
}

TEST(ChainLine, ReadsBackWhatWasWritten) {
  const ChainHead previous = {.seq = 41, .hash = Sha256(AsBytes("x"))};
  ChainHead head;
  std::string line = FormatChainLine(previous, "{\"a\":\"b\"}", Key(), head);
  line.pop_back();
  const auto parsed = Must(ParseChainLine(line, Key().public_key()));
  EXPECT_EQ(parsed.head, head);
  EXPECT_EQ(parsed.head.seq, 42u);
  EXPECT_EQ(parsed.prev, previous.hash);
  EXPECT_EQ(parsed.record, "{\"a\":\"b\"}");
}

TEST(ChainLine, KeepsARecordThatLooksLikeTheEndOfALine) {
  const std::string record = "{\"a\":\"" + std::string(",\\\"hash\\\":\\\"") + "\"},\"hash\":\"" +
                             std::string(64, '0') + "\",\"sig\":\"" + std::string(88, 'A') + "\"}";
  ChainHead head;
  std::string line = FormatChainLine({}, record, Key(), head);
  line.pop_back();
  EXPECT_EQ(Must(ParseChainLine(line, Key().public_key())).record, record);
}

void ExpectNoOtherByteAt(std::string line, size_t at) {
  const char kept = line[at];
  for (int value = 0; value < 256; ++value) {
    if (static_cast<char>(value) == kept) continue;
    line[at] = static_cast<char>(value);
    const auto result = ParseChainLine(line, Key().public_key());
    ASSERT_FALSE(result) << "byte " << at << " as " << value;
    ASSERT_TRUE(result.error().Name() == "audit-line-changed" ||
                result.error().Name() == "audit-line-malformed");
  }
}

TEST(ChainLine, IsRefusedWhenAnyByteIsChanged) {
  for (const std::string& line : Chain(2)) {
    ASSERT_TRUE(ParseChainLine(line, Key().public_key()));
    for (size_t i = 0; i < line.size(); ++i) ExpectNoOtherByteAt(line, i);
  }
}

TEST(ChainLine, IsRefusedWhenAByteIsDroppedOrAdded) {
  const std::string line = Chain(1).front();
  for (size_t i = 0; i <= line.size(); ++i) {
    for (char extra : {' ', '0', '"', '\n', '\0'}) {
      std::string longer = line;
      longer.insert(i, 1, extra);
      ASSERT_FALSE(ParseChainLine(longer, Key().public_key())) << i;
    }
    if (i == line.size()) continue;
    std::string shorter = line;
    shorter.erase(i, 1);
    ASSERT_FALSE(ParseChainLine(shorter, Key().public_key())) << i;
  }
}

TEST(ChainLine, IsRefusedWhenCut) {
  const std::string line = Chain(1).front();
  for (size_t size = 0; size < line.size(); ++size) {
    const auto result = ParseChainLine(line.substr(0, size), Key().public_key());
    ASSERT_FALSE(result) << size;
    EXPECT_EQ(result.error().Name(), "audit-line-malformed");
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
}

TEST(ChainLine, IsRefusedUnderAnotherKey) {
  const auto other = Must(Ed25519Key::Generate());
  const auto result = ParseChainLine(Chain(1).front(), other.public_key());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kUntrusted);
  EXPECT_EQ(result.error().Name(), "audit-line-changed");
}

TEST(ChainLine, IsRefusedWithAnotherSpellingOfTheSameNumbers) {
  const std::string line = Chain(1).front();
  for (std::string_view seq : {"01", "+1", "-1", "1.0", "0", "", " 1", "18446744073709551617"}) {
    std::string changed = line;
    changed.replace(7, 1, seq);
    EXPECT_EQ(ParseChainLine(changed, Key().public_key()).error().Name(), "audit-line-malformed")
        << seq;
  }
}

TEST(ChainLine, IsRefusedAboveItsGreatestLength) {
  ChainHead head;
  const std::string empty = FormatChainLine({}, "{}", Key(), head);
  const size_t room = kMaxChainLine - (empty.size() - 1);
  for (size_t extra : {size_t{0}, size_t{1}}) {
    const std::string record = "{" + std::string(room + extra, ' ') + "}";
    std::string line = FormatChainLine({}, record, Key(), head);
    line.pop_back();
    EXPECT_EQ(ParseChainLine(line, Key().public_key()).has_value(), extra == 0);
  }
}

TEST(ChainVerifier, AcceptsAnUnchangedChain) {
  ChainVerifier verifier(Key().public_key());
  EXPECT_EQ(verifier.head(), ChainHead());
  ChainHead last;
  for (const std::string& line : Chain(5)) last = Must(verifier.Next(line)).head;
  EXPECT_EQ(verifier.head(), last);
  EXPECT_EQ(verifier.head().seq, 5u);
}

TEST(ChainVerifier, NoticesADroppedLine) {
  for (size_t dropped = 0; dropped < 4; ++dropped) {
    auto lines = Chain(5);
    lines.erase(lines.begin() + static_cast<ptrdiff_t>(dropped));
    EXPECT_EQ(FirstError(lines), "audit-line-missing") << dropped;
  }
}

TEST(ChainVerifier, NoticesARepeatedLine) {
  for (size_t repeated = 0; repeated < 5; ++repeated) {
    auto lines = Chain(5);
    const std::string copy = lines[repeated];
    lines.insert(lines.begin() + static_cast<ptrdiff_t>(repeated), copy);
    EXPECT_EQ(FirstError(lines), "audit-line-reordered") << repeated;
  }
}

TEST(ChainVerifier, NoticesExchangedLines) {
  auto lines = Chain(5);
  std::swap(lines[1], lines[2]);
  EXPECT_EQ(FirstError(lines), "audit-line-missing");  // the later line comes where 2 is due
  lines = Chain(5);
  lines.push_back(lines[0]);
  EXPECT_EQ(FirstError(lines), "audit-line-reordered");
}

TEST(ChainVerifier, NoticesALineOfAnotherHistory) {
  auto lines = Chain(3);
  ChainHead head;
  FormatChainLine({}, "{\"n\":\"other\"}", Key(), head);
  lines[1] = FormatChainLine(head, "{\"n\":2}", Key(), head);
  lines[1].pop_back();
  EXPECT_EQ(FirstError(lines), "audit-line-changed");
}

TEST(ChainVerifier, NoticesACutLine) {
  auto lines = Chain(3);
  lines[2].resize(lines[2].size() / 2);
  EXPECT_EQ(FirstError(lines), "audit-line-malformed");
  lines[2].clear();
  EXPECT_EQ(FirstError(lines), "audit-line-malformed");
}

TEST(ChainVerifier, SaysWhichLineAndWhatWasExpectedAndFound) {
  auto lines = Chain(5);
  lines.erase(lines.begin() + 1, lines.begin() + 3);
  ChainVerifier verifier(Key().public_key());
  Must(verifier.Next(lines[0]));
  const auto result = verifier.Next(lines[1]);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text, "line 2, where record 2 is due: found record 4, 2 missing");
}

TEST(ChainVerifier, StaysWhereItWasAfterAnError) {
  const auto lines = Chain(3);
  ChainVerifier verifier(Key().public_key());
  Must(verifier.Next(lines[0]));
  const ChainHead head = verifier.head();
  EXPECT_FALSE(verifier.Next(lines[2]));
  EXPECT_FALSE(verifier.Next("nonsense"));
  EXPECT_EQ(verifier.head(), head);
  EXPECT_TRUE(verifier.Next(lines[1]));
}

}  // namespace
}  // namespace lodekey::crypto
