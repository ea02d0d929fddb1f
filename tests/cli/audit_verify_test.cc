#include "cli/audit_verify.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/cli/fakes.h"
#include "tests/cli/sample_log.h"
#include "tests/platform/scratch.h"
#include "tests/support/must.h"

namespace lodekey::cli {
namespace {

using crypto::ChainHead;
using platform::ScratchDir;
using test::Must;

Log MakeLog(size_t count, std::string_view mark = "") {
  Log log;
  for (size_t i = 1; i <= count; ++i) log.Add(fmt::format("{{\"n\":{},\"mark\":\"{}\"}}", i, mark));
  return log;
}

class AuditVerify : public testing::Test {
 protected:
  Result<ChainHead> Verify(const std::string& text, const std::vector<ChainHead>& known = {}) {
    ASSIGN_OR_RETURN(
        const VerifiedLog log,
        VerifyAuditLog(scratch_.Write("audit.jsonl", text), AuditKey().public_key(), known),
        "verify");
    EXPECT_EQ(log.after, ChainHead());
    return log.head;
  }
  std::string NameOf(const std::string& text, const std::vector<ChainHead>& known = {}) {
    const auto head = Verify(text, known);
    return head ? "" : std::string(head.error().Name());
  }

  // The verb on a file with `text`; the key is given, so nobody is asked.
  int Run(const std::string& text, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"audit", "verify", scratch_.Write("audit.jsonl", text),
                                       "--key", ToHex(AuditKey().public_key())};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return rig_.Run(arguments);
  }

  ScratchDir scratch_;
  CommandRig rig_;
};

TEST_F(AuditVerify, FindsTheHeadOfASoundLog) {
  const Log log = MakeLog(5);
  EXPECT_EQ(Must(Verify(log.Text())), log.heads.back());
  EXPECT_EQ(Must(Verify(log.Text(), log.heads)), log.heads.back());
  EXPECT_EQ(Must(Verify("")), ChainHead());
}

TEST_F(AuditVerify, ReadsALogThatIsLargerThanItsBuffer) {
  const Log log = MakeLog(40, std::string(9000, 'x'));
  EXPECT_EQ(Must(Verify(log.Text())), log.heads.back());
}

TEST_F(AuditVerify, NoticesAChangedLine) {
  Log log = MakeLog(3);
  log.lines[1].replace(log.lines[1].find("\"n\":2"), 5, "\"n\":3");
  EXPECT_EQ(NameOf(log.Text()), "audit-line-changed");
}

TEST_F(AuditVerify, NoticesADroppedLine) {
  Log log = MakeLog(4);
  log.lines.erase(log.lines.begin() + 1);
  EXPECT_EQ(NameOf(log.Text()), "audit-line-missing");
}

TEST_F(AuditVerify, NoticesARepeatedLine) {
  Log log = MakeLog(3);
  log.lines.push_back(log.lines[1]);
  EXPECT_EQ(NameOf(log.Text()), "audit-line-reordered");
}

TEST_F(AuditVerify, NoticesWhatIsNoLine) {
  const Log log = MakeLog(2);
  EXPECT_EQ(NameOf(log.Text() + "\n"), "audit-line-malformed");
  EXPECT_EQ(NameOf("{}\n" + log.Text()), "audit-line-malformed");
  EXPECT_EQ(NameOf(std::string(1 << 20, 'x') + "\n"), "audit-line-malformed");
  EXPECT_EQ(NameOf(std::string(1 << 20, 'x')), "audit-line-malformed");
}

TEST_F(AuditVerify, NoticesALastLineWithoutItsEnd) {
  std::string text = MakeLog(3).Text();
  text.pop_back();
  EXPECT_EQ(NameOf(text), "audit-line-malformed");
  text.resize(text.size() - 40);
  EXPECT_EQ(NameOf(text), "audit-line-malformed");
}

TEST_F(AuditVerify, NoticesThatTheEndWasCutOff) {
  Log log = MakeLog(5);
  const std::vector<ChainHead> known{log.heads[1], log.heads[4]};
  log.lines.resize(3);
  EXPECT_EQ(NameOf(log.Text()), "");  // nothing in the file shows it
  EXPECT_EQ(NameOf(log.Text(), known), "audit-truncated");
  EXPECT_EQ(NameOf("", known), "audit-truncated");
}

TEST_F(AuditVerify, NoticesALogThatWasWrittenAnew) {
  const Log log = MakeLog(3);
  const Log other = MakeLog(4, "other");
  EXPECT_EQ(NameOf(other.Text(), {log.heads[2]}), "audit-forked");
}

TEST_F(AuditVerify, NeedsTheKeyOfTheLog) {
  const auto other = Must(crypto::Ed25519Key::Generate());
  const std::string path = scratch_.Write("audit.jsonl", MakeLog(1).Text());
  EXPECT_EQ(VerifyAuditLog(path, other.public_key(), {}).error().Name(), "audit-line-changed");
}

TEST_F(AuditVerify, NamesAFileThatIsNotThere) {
  const auto head = VerifyAuditLog(scratch_ / "absent", AuditKey().public_key(), {});
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().Name(), "file-not-found");
}

TEST_F(AuditVerify, PrintsCountAndHead) {
  const Log log = MakeLog(3);
  EXPECT_EQ(Run(log.Text(), {"--head", FormatHead(log.heads[1])}), 0);
  EXPECT_EQ(rig_.out(),
            "The audit log is sound: 3 records.\nHead: " + FormatHead(log.heads[2]) + "\n");
  EXPECT_EQ(Run(log.Text(), {"-o", "json"}), 0);
  EXPECT_EQ(rig_.Json()["records"], 3);
  EXPECT_EQ(rig_.Json()["head"]["seq"], 3);
  EXPECT_EQ(rig_.Json()["head"]["hash"], ToHex(log.heads[2].hash));
  EXPECT_EQ(rig_.Json()["compared"], false);
}

TEST_F(AuditVerify, SaysSoWhenItComparedWithNoHead) {
  EXPECT_EQ(Run(MakeLog(3).Text()), 0);
  EXPECT_NE(rig_.out().find("would go unnoticed"), std::string::npos);
}

TEST_F(AuditVerify, DoesNotCallAnEmptyFileSound) {
  EXPECT_EQ(Run(""), 1);
  EXPECT_NE(rig_.err().find("[audit-empty]"), std::string::npos) << rig_.err();
  EXPECT_EQ(rig_.out(), "");
}

TEST_F(AuditVerify, EndsWithOneWhenTheLogIsNotSound) {
  Log log = MakeLog(4);
  EXPECT_EQ(Run(log.Text().substr(0, 50)), 1);
  std::swap(log.lines[1], log.lines[2]);
  EXPECT_EQ(Run(log.Text()), 1);
  EXPECT_NE(rig_.err().find("[audit-line-missing]"), std::string::npos);
  EXPECT_NE(rig_.err().find("compare with a copy"), std::string::npos);
  EXPECT_EQ(Run(MakeLog(2).Text(), {"--head", FormatHead(MakeLog(4).heads[3])}), 1);
  EXPECT_NE(rig_.err().find("[audit-truncated]"), std::string::npos);
  EXPECT_EQ(rig_.out(), "");
}

TEST_F(AuditVerify, ComparesWithTheHeadThatTheAgentWasShown) {
  const Log log = MakeLog(4);
  rig_.agent.status = EnrolledStatus();
  rig_.agent.status->set_audit_seq(4);
  rig_.agent.status->set_audit_hash(std::string(AsText(log.heads[3].hash)));
  EXPECT_EQ(Run(log.Text(), {"--agent"}), 0);
  EXPECT_EQ(Run(MakeLog(3).Text(), {"--agent"}), 1);
  rig_.agent.status->clear_audit_seq();
  EXPECT_EQ(Run(log.Text(), {"--agent"}), 1);
  EXPECT_NE(rig_.err().find("[audit-head-absent]"), std::string::npos);
}

class AuditVerifyAtTheIssuer : public AuditVerify {
 protected:
  void SetUp() override {
    admin::v1::ShowIssuerResponse issuer;
    issuer.set_audit_path(scratch_.Write("audit.jsonl", log_.Text()));
    issuer.set_audit_public_key(std::string(AsText(AuditKey().public_key())));
    issuer.set_audit_seq(3);
    issuer.set_audit_hash(std::string(AsText(log_.heads[2].hash)));
    rig_.issuer.issuer = issuer;
  }

  Log log_ = MakeLog(3);
};

TEST_F(AuditVerifyAtTheIssuer, AsksForFileKeyAndHead) {
  EXPECT_EQ(rig_.Run({"audit", "verify", "-o", "json"}), 0);
  EXPECT_EQ(rig_.Json()["records"], 3);
  EXPECT_EQ(rig_.Json()["compared"], true);
}

TEST_F(AuditVerifyAtTheIssuer, WaitsForALineThatIsCommittedAndNotWrittenYet) {
  scratch_.Write("audit.jsonl", log_.lines[0] + log_.lines[1]);
  rig_.before_pause = [&] { scratch_.Write("audit.jsonl", log_.Text()); };
  EXPECT_EQ(rig_.Run({"audit", "verify"}), 0);
  EXPECT_GT(rig_.now, Time(Duration(kNowMs)));
}

TEST_F(AuditVerifyAtTheIssuer, GivesUpOnALineThatIsNeverWritten) {
  scratch_.Write("audit.jsonl", log_.lines[0] + log_.lines[1]);
  EXPECT_EQ(rig_.Run({"audit", "verify"}), 1);
  EXPECT_NE(rig_.err().find("[audit-truncated]"), std::string::npos);
}

TEST_F(AuditVerifyAtTheIssuer, ChecksACopyAgainstTheIssuersHead) {
  const std::string copy = scratch_.Write("copy.jsonl", log_.lines[0]);
  EXPECT_EQ(rig_.Run({"audit", "verify", copy}), 1);
  EXPECT_NE(rig_.err().find("[audit-truncated]"), std::string::npos);
}

TEST_F(AuditVerifyAtTheIssuer, DoesNotTakeAKeyOfAnotherSize) {
  rig_.issuer.issuer->set_audit_public_key("short");
  EXPECT_EQ(rig_.Run({"audit", "verify"}), 1);
  EXPECT_EQ(rig_.out(), "");
}

TEST(AuditHead, ReadsBackWhatItPrints) {
  const ChainHead head = MakeLog(2).heads[1];
  EXPECT_EQ(Must(ParseHead(FormatHead(head))), head);
}

TEST(AuditHead, RefusesEveryOtherForm) {
  const std::string hash(64, 'a');
  for (const std::string& text :
       {std::string(), std::string("1"), "1:" + hash + "0", "1:" + hash.substr(2), ":" + hash,
        "x:" + hash, "-1:" + hash, "+1:" + hash, " 1:" + hash, "0:" + hash, hash,
        "1:" + std::string(64, 'g'), "18446744073709551616:" + hash, "1 :" + hash}) {
    const auto head = ParseHead(text);
    ASSERT_FALSE(head) << text;
    EXPECT_EQ(head.error().Name(), "usage");
  }
}

TEST(AuditKey, IsSixtyFourDigits) {
  EXPECT_TRUE(ParseAuditKey(std::string(64, 'a')));
  for (const std::string& text : {std::string(), std::string(62, 'a'), std::string(66, 'a'),
                                  std::string(64, 'x'), std::string(63, 'a')}) {
    EXPECT_EQ(ParseAuditKey(text).error().Name(), "usage") << text;
  }
}

}  // namespace
}  // namespace lodekey::cli
