// The life of a policy, on the real engine, store and audit log.
#include "issuer/policy_book.h"

#include <fstream>
#include <thread>

#include "issuer/policy_mark.h"
#include "issuer/policy_trust.h"
#include "platform/file.h"
#include "tests/issuer/issuance_rig.h"
#include "tests/issuer/policy_fixture.h"

namespace lodekey::test {
namespace {

using issuer::PolicyApplication;
using issuer::PolicyBook;
using issuer::PolicyPoint;

// Denies whom the deny-rules of `rules` name, besides whom the shipped one does.
issuer::PolicyBundle Stricter(const std::string& rules = R"(
  deny contains {"code": "no-web", "text": "no web here"} if {
    endswith(input.entry.spiffe_id, "/web")
  })") {
  return ShippedAnd("lodekey.issuance", rules);
}

class PolicyBookTest : public IssuanceTest {
 protected:
  explicit PolicyBookTest(const AdjustConfig& adjust = {}) : IssuanceTest(adjust) {
    issuer.context->policy_engine = EngineOptions();
    book = std::make_unique<PolicyBook>(*issuer.context);
  }

  std::string Apply(const PolicyApplication& application) {
    const auto applied = book->Apply(application, "uid 0");
    if (!applied) return std::string(applied.error().Name());
    return (applied->changed ? "version " : "still ") + std::to_string(applied->record.version);
  }
  // On the version that decides now.
  std::string Apply(const issuer::PolicyBundle& bundle) {
    return Apply({.content = bundle, .base_version = issuer.policy->Current()->version});
  }
  std::string RollBack(uint64_t version) {
    return Apply({.content = version, .base_version = issuer.policy->Current()->version});
  }
  std::string Ask(const attest::Entry& entry) const { return Answer(Issue({X509Item(entry)})); }
  issuer::PlannedPolicy Plan(const std::optional<issuer::PolicyBundle>& bundle) const {
    return Must(book->Plan(bundle, issuer.now - std::chrono::hours(1)));
  }

  // An active node of which nothing was decided.
  void PutActive(unsigned number) {
    Must(issuer.database->CommitAndWait(
        [&](issuer::Transaction& transaction) { return transaction.PutNode(FullNode(number)); }));
  }
  void SetStanding(const issuer::NodeId& id, issuer::Standing standing) {
    Must(issuer.database->CommitAndWait([&](issuer::Transaction& transaction) {
      issuer::NodeRecord node = *Must(transaction.FindNode(id));
      node.standing = standing;
      return transaction.PutNode(node);
    }));
  }

  std::unique_ptr<PolicyBook> book;
};

TEST_F(PolicyBookTest, DecidesByWhatWasAppliedLast) {
  const auto entry = Entry();
  EXPECT_EQ(Ask(entry), "x509");
  EXPECT_EQ(Apply(Stricter()), "version 1");
  EXPECT_EQ(Ask(entry), "no-web");
  EXPECT_EQ(issuer.policy->Current()->version, 1U);
  const auto line = Lines("policy.applied").at(0);
  EXPECT_EQ(line["actor"], "uid 0");
  EXPECT_EQ(line["version"], 1);
  EXPECT_EQ(line["digest"], ToHex(attest::BundleDigest(Stricter())));
}

TEST_F(PolicyBookTest, ChangesNothingForWhatDecidesAlready) {
  EXPECT_EQ(Apply(Stricter()), "version 1");
  EXPECT_EQ(Apply(Stricter()), "still 1");
  EXPECT_EQ(Lines("policy.applied").size(), 1U);
}

TEST_F(PolicyBookTest, RollsBackAsANewVersion) {
  const auto entry = Entry();
  EXPECT_EQ(Apply(Stricter()), "version 1");
  EXPECT_EQ(RollBack(0), "version 2");
  EXPECT_EQ(Must(book->Find(2)).note, "as shipped");
  EXPECT_EQ(Ask(entry), "x509");
  EXPECT_EQ(RollBack(1), "version 3");
  EXPECT_EQ(Ask(entry), "no-web");
  EXPECT_EQ(RollBack(9), "policy-not-found");
  const auto history = Must(book->List());
  ASSERT_EQ(history.size(), 4U);
  EXPECT_EQ(history[0].version, 3U);
  EXPECT_EQ(history[0].rolled_back_to, 1U);
  EXPECT_EQ(history[0].digest, history[2].digest);
  EXPECT_EQ(history[3].version, 0U);
  EXPECT_EQ(Must(book->Find(1)).content, issuer::EncodeBundle(Stricter()));
}

TEST_F(PolicyBookTest, TellsTheSecondOfTwoOperators) {
  EXPECT_EQ(Apply(Stricter()), "version 1");
  EXPECT_EQ(
      Apply({.content = ShippedWith({{"/appraisal/require_claim", false}}), .base_version = 0}),
      "policy-changed");
  EXPECT_EQ(issuer.policy->Current()->version, 1U);
}

TEST_F(PolicyBookTest, TakesOneOfTwoThatApplyAtOnce) {
  std::vector<std::string> answers(2);
  std::vector<std::jthread> operators;
  for (size_t i = 0; i < answers.size(); ++i) {
    operators.emplace_back([&, i] {
      answers[i] = Apply({.content = Stricter("deny contains {\"code\": \"by-" + std::to_string(i) +
                                              "\"} if input.entry.id == \"none\""),
                          .base_version = 0});
    });
  }
  operators.clear();
  std::ranges::sort(answers);
  EXPECT_EQ(answers, (std::vector<std::string>{"policy-changed", "version 1"}));
}

TEST_F(PolicyBookTest, TakesNoneThatIsWrong) {
  const std::string before = Answer(Issue({X509Item(Entry())}));
  issuer::PolicyBundle broken = Stricter();
  broken.files["broken.rego"] = "package lodekey.issuance\n\ndeny contains {";
  const auto refused = book->Apply({.content = broken, .base_version = 0}, "uid 0");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().Name(), "policy-invalid");
  EXPECT_NE(refused.error().text.find("broken.rego:3"), std::string::npos) << refused.error().text;
  issuer::PolicyBundle failing = Stricter();
  failing.files["own_test.rego"] = "package own_test\n\nimport rego.v1\n\ntest_no if 1 == 2\n";
  EXPECT_EQ(Apply(failing), "policy-tests");
  EXPECT_EQ(Apply(Always(kAllowAll)), "policy-allows-all");
  EXPECT_EQ(issuer.policy->Current()->version, 0U);
  EXPECT_EQ(Lines("policy.applied").size(), 0U);
  EXPECT_EQ(before, "x509");
}

TEST_F(PolicyBookTest, AsksBeforeItCutsOffEveryNode) {
  EXPECT_EQ(Apply(Always(kDenyAll)), "policy-lock-out");
  EXPECT_EQ(Plan(Always(kDenyAll)).nodes_cut_off, 1U);
  EXPECT_EQ(Apply({.content = Always(kDenyAll), .base_version = 0, .lock_out = true}), "version 1");
  EXPECT_EQ(Ask(Entry()), "denied-by-test");
}

// What it would do to them nobody knows: no decision on their standing is on record.
TEST_F(PolicyBookTest, AsksBeforeItMayCutOffEveryNodeUnseen) {
  PutActive(1);
  EXPECT_EQ(Plan(Always(kDenyAll)).nodes_judged, 1U);
  EXPECT_EQ(Apply(Always(kDenyAll)), "policy-lock-out") << "each that can be judged is refused";
  EXPECT_FALSE(Plan(Stricter()).LocksOut()) << "one is known to stay";
  SetStanding(host.id(), issuer::Standing::kRemoved);
  const auto planned = Plan(Stricter());
  EXPECT_EQ(planned.nodes_active, 1U);
  EXPECT_EQ(planned.nodes_judged, 0U);
  EXPECT_TRUE(planned.LocksOut());
  EXPECT_EQ(Apply(Stricter()), "policy-lock-out");
  EXPECT_EQ(Apply({.content = Stricter(), .base_version = 0, .lock_out = true}), "version 1");
  SetStanding(SampleNodeId(1), issuer::Standing::kRemoved);
  EXPECT_EQ(Apply(Always(kDenyAll)), "version 2") << "there is nobody to cut off";
}

TEST_F(PolicyBookTest, TakesOneThatIsKnownToKeepANode) {
  PutActive(1);
  EXPECT_EQ(Apply(Stricter()), "version 1");
}

TEST_F(PolicyBookTest, LeavesNobodyOutWhereOneOfTwoNodesStays) {
  Host other;
  issuer.Admit(other, {{"site", "berlin"}});
  const auto berlin = ShippedAnd("lodekey.standing", R"(
    deny contains {"code": "not-berlin"} if not input.facts.declared.labels.site == "berlin")");
  EXPECT_EQ(Plan(berlin).nodes_active, 2U);
  EXPECT_EQ(Plan(berlin).nodes_cut_off, 1U);
  EXPECT_EQ(Apply(berlin), "version 1");
}

// --- plan ---

TEST_F(PolicyBookTest, WouldChangeNothingByDecidingAgainAsNow) {
  const auto entry = Entry();
  EXPECT_EQ(Ask(entry), "x509");
  EXPECT_EQ(Answer(Issue({JwtItem(entry), JwtItem(entry, "other")})), "jwt audience-not-allowed");
  issuer.Pass(std::chrono::minutes(5));
  Must(issuer.Attest(host));
  const auto planned = Plan(std::nullopt);
  // Admission and standing of the enrolment, three items, standing again.
  EXPECT_GE(planned.decisions, 6U);
  EXPECT_EQ(planned.same, planned.decisions);
  EXPECT_TRUE(planned.changes.empty());
  EXPECT_EQ(planned.nodes_active, 1U);
  EXPECT_EQ(planned.nodes_cut_off, 0U);
}

TEST_F(PolicyBookTest, PutsChangesThatAreAlikeTogether) {
  const auto entry = Entry();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(entry), "x509");
  const auto planned = Plan(Stricter());
  ASSERT_EQ(planned.changes.size(), 1U);
  EXPECT_EQ(planned.changes[0].point, "issuance");
  EXPECT_EQ(planned.changes[0].node, host.id());
  EXPECT_EQ(planned.changes[0].entry, entry.id);
  EXPECT_EQ(planned.changes[0].count, 3U);
  EXPECT_TRUE(planned.changes[0].before.allowed());
  EXPECT_EQ(planned.changes[0].after.reasons(0).code(), "no-web");
  EXPECT_EQ(planned.same + 3, planned.decisions);
}

TEST_F(PolicyBookTest, PlansOverTheTimeThatIsAskedFor) {
  EXPECT_EQ(Ask(Entry()), "x509");
  issuer.Pass(std::chrono::minutes(90));
  EXPECT_EQ(Plan(std::nullopt).decisions, 0U);
}

// --- evaluate ---

TEST_F(PolicyBookTest, EvaluatesWithoutRecordingAnything) {
  EXPECT_EQ(Ask(Entry()), "x509");
  const auto before = issuer.AuditRecords().size();
  std::vector<issuer::DecisionRecord> decisions;
  Must(issuer.store->Read([&](issuer::View& view) -> Result<void> {
    ASSIGN_OR_RETURN(decisions, view.ListDecisions({.point = "issuance"}, 10), "decisions");
    return {};
  }));
  const std::string input = decisions.at(0).input;
  EXPECT_TRUE(Must(book->Evaluate(std::nullopt, PolicyPoint::kIssuance, input)).allowed());
  const auto denied = Must(book->Evaluate(Stricter(), PolicyPoint::kIssuance, input));
  EXPECT_FALSE(denied.allowed());
  EXPECT_EQ(denied.output().reasons.at(0).code, "no-web");
  EXPECT_FALSE(Must(book->Evaluate(std::nullopt, PolicyPoint::kIssuance, "no json")).allowed());
  EXPECT_EQ(issuer.AuditRecords().size(), before);
}

TEST_F(PolicyBookTest, RunsTheTestsOfAPolicy) {
  const auto shipped = Must(book->Check(std::nullopt, /*run_tests=*/true));
  EXPECT_GT(shipped.tests.size(), 50U);
  EXPECT_TRUE(std::ranges::all_of(shipped.tests, &issuer::PolicyTestResult::passed));
  EXPECT_TRUE(Must(book->Check(Always(kAllowAll, kAllowAllData), false)).allows_all);
}

// The database has it, and decides by it at the next start: what the audit log lacks is completed.
TEST_F(PolicyBookTest, DecidesByWhatIsStoredThoughTheAuditLogFails) {
  std::ofstream(issuer.directory.path() + "/audit.jsonl", std::ios::app) << "another hand";
  EXPECT_EQ(Apply(Stricter()), "audit-unavailable");
  EXPECT_EQ(issuer.policy->Current()->version, 1U);
  EXPECT_EQ(issuer.policy->Current()->bundle, Stricter());
}

// --- signatures ---

class SignedPolicyTest : public PolicyBookTest {
 protected:
  SignedPolicyTest()
      : PolicyBookTest([](issuer::IssuerConfig& config) {
          config.policy_signers = {Signer().public_key()};
        }) {}
  static const crypto::Ed25519Key& Signer() {
    static const crypto::Ed25519Key key = Must(crypto::Ed25519Key::Generate());
    return key;
  }
  std::string ApplySigned(const issuer::PolicyBundle& bundle,
                          const attest::PolicySignature& signature) {
    return Apply({.content = bundle,
                  .base_version = issuer.policy->Current()->version,
                  .signature = signature});
  }
  // With `record` as what the database says.
  std::string AtTheNextStart(const std::optional<issuer::PolicyRecord>& record) const {
    const auto checked =
        issuer::CheckStoredPolicy(record, issuer.config.policy_signers,
                                  Must(issuer::PolicyMark(issuer.config.state_dir).Read()));
    return checked ? "good" : std::string(checked.error().Name());
  }
};

// Attack A121, and its benign twin.
TEST_F(SignedPolicyTest, TakesWhatASignerSigned) {
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 5, Signer())), "version 1");
  EXPECT_EQ(Must(book->List()).at(0).signed_version, 5U);
}

TEST_F(SignedPolicyTest, TakesNothingElse) {
  EXPECT_EQ(Apply(Stricter()), "policy-unsigned");
  const auto stranger = Must(crypto::Ed25519Key::Generate());
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 5, stranger)),
            "policy-signature");
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(ShippedWith(), 5, Signer())),
            "policy-signature");
  auto raised = attest::SignPolicy(Stricter(), 5, Signer());
  raised.version = 6;
  EXPECT_EQ(ApplySigned(Stricter(), raised), "policy-signature");
  EXPECT_EQ(issuer.policy->Current()->version, 0U);
}

// What is kept and shown as signed is, also where nobody asked for it.
TEST_F(PolicyBookTest, TakesNoSignatureThatIsNone) {
  const auto key = Must(crypto::Ed25519Key::Generate());
  const auto apply = [&](const attest::PolicySignature& signature) {
    return Apply({.content = Stricter(), .base_version = 0, .signature = signature});
  };
  EXPECT_EQ(apply(attest::SignPolicy(ShippedWith(), 1, key)), "policy-signature");
  EXPECT_EQ(apply(attest::SignPolicy(Stricter(), 1, key)), "version 1");
}

TEST_F(SignedPolicyTest, TakesNoOldSignatureAgain) {
  const auto older = ShippedWith({{"/appraisal/require_claim", false}});
  const auto old = attest::SignPolicy(older, 4, Signer());
  EXPECT_EQ(ApplySigned(older, old), "version 1");
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 5, Signer())), "version 2");
  EXPECT_EQ(ApplySigned(older, old), "policy-signature-old");
  EXPECT_EQ(ApplySigned(older, attest::SignPolicy(older, 5, Signer())), "policy-signature-old");
  EXPECT_EQ(RollBack(1), "policy-unsigned");
  EXPECT_EQ(ApplySigned(older, attest::SignPolicy(older, 6, Signer())), "version 3");
}

TEST_F(SignedPolicyTest, TakesNoPolicyThatAHandPutIntoTheDatabase) {
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 5, Signer())), "version 1");
  issuer::PolicyRecord record = Must(book->Find(1));
  EXPECT_EQ(AtTheNextStart(record), "good");
  record.content = issuer::EncodeBundle(ShippedWith());
  EXPECT_EQ(AtTheNextStart(record), "policy-signature");
  record.signature.clear();
  EXPECT_EQ(AtTheNextStart(record), "policy-unsigned");
}

TEST_F(SignedPolicyTest, TakesNoOlderOneWhenItsSuccessorIsGoneFromTheDatabase) {
  const auto older = ShippedWith({{"/appraisal/require_claim", false}});
  EXPECT_EQ(AtTheNextStart(std::nullopt), "good") << "none was taken so far";
  EXPECT_EQ(ApplySigned(older, attest::SignPolicy(older, 4, Signer())), "version 1");
  EXPECT_EQ(AtTheNextStart(Must(book->Find(1))), "good");
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 5, Signer())), "version 2");
  EXPECT_EQ(AtTheNextStart(Must(book->Find(1))), "policy-rolled-back");
  EXPECT_EQ(AtTheNextStart(std::nullopt), "policy-rolled-back") << "the shipped one";
  EXPECT_EQ(AtTheNextStart(Must(book->Find(2))), "good");
  issuer::PolicyRecord other = Must(book->Find(2));
  const auto signature = attest::SignPolicy(older, 5, Signer());
  other.content = issuer::EncodeBundle(older);
  other.digest = ToBytes(attest::BundleDigest(older));
  other.signature = ToBytes(signature.signature);
  EXPECT_EQ(AtTheNextStart(other), "policy-rolled-back") << "another of the same number";
}

// The key that signed it is to go.
TEST_F(SignedPolicyTest, TakesTheSameFilesUnderAnotherSignature) {
  const auto successor = Must(crypto::Ed25519Key::Generate());
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 5, Signer())), "version 1");
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 5, Signer())), "still 1");
  issuer.config.policy_signers.push_back(successor.public_key());
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 6, successor)), "version 2");
  issuer.config.policy_signers = {successor.public_key()};
  EXPECT_EQ(AtTheNextStart(Must(book->Find(2))), "good");
}

// Also while it runs: what the rows of the database no longer say, the mark does.
TEST_F(SignedPolicyTest, CountsVersionsThatTheDatabaseHasForgotten) {
  Must(issuer::PolicyMark(issuer.config.state_dir).Raise({.version = 9, .digest = Bytes(32)}));
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 9, Signer())),
            "policy-signature-old");
  EXPECT_EQ(ApplySigned(Stricter(), attest::SignPolicy(Stricter(), 10, Signer())), "version 1");
}

TEST_F(SignedPolicyTest, TakesNoMarkThatIsNone) {
  const issuer::PolicyMark mark(issuer.config.state_dir);
  const std::string path = issuer.config.state_dir + "/ca/policy.version";
  EXPECT_EQ(Must(mark.Read()), issuer::PolicyMark::Taken());
  const issuer::PolicyMark::Taken taken = {.version = 7, .digest = Bytes(32, 0xab)};
  Must(mark.Raise(taken));
  Must(mark.Raise({.version = 3, .digest = Bytes(32)}));
  EXPECT_EQ(Must(mark.Read()), taken);
  const std::string digest = ToHex(taken.digest);
  EXPECT_EQ(Must(platform::ReadTextFile(path)), "7 " + digest + "\n");
  for (const std::string& text : std::vector<std::string>{
           "", "7", "7 \n", "7 ab\n", "x " + digest, "-1 " + digest, "0 " + digest,
           "7 " + digest + "\n\n", "7  " + digest, "18446744073709551616 " + digest}) {
    Must(platform::WriteFileAtomically(path, AsBytes(text), 0600));
    const auto read = mark.Read();
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().Name(), "policy-mark-corrupt") << text;
    EXPECT_FALSE(mark.Raise({.version = 8, .digest = Bytes(32)})) << text;
  }
}

}  // namespace
}  // namespace lodekey::test
