#include "agent/svid_renewal.h"

#include "tests/agent/svid_rig.h"

namespace lodekey::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using test::FakeIssuer;
using test::HeldBy;
using test::NeedsEvidence;
using test::Refusal;
using test::Refused;
using test::Unreachable;

class SvidRenewalTest : public test::SvidRig {
 protected:
  SvidRenewalTest() { renewal_.Resume(); }

  // Until nothing is due at this moment; how long that is.
  Duration Proceed() {
    Duration rest{};
    while (rest == Duration(0)) rest = renewal_.Proceed();
    return rest;
  }
  std::shared_ptr<std::string> AskToken(int uid, std::vector<std::string> audiences = {"db"}) {
    auto told = std::make_shared<std::string>("waits");
    tokens_.Fetch(HeldBy(uid), {.audiences = std::move(audiences)}, "",
                  [told](Result<std::vector<HeldJwt>> held) {
                    *told = held ? IdsOf(*held) : std::string(held.error().Name());
                  });
    return told;
  }
  size_t requests() const { return issuer_.requests.size(); }

  int evidence_wanted_ = 0;
  std::vector<std::string> refusals_;
  SvidRenewal renewal_{
      book_,
      tokens_,
      issuer_,
      retries_,
      {.wake = [] {},
       .evidence_wanted = [this](const auto&) { ++evidence_wanted_; },
       .refused = [this](const Error& error) { refusals_.push_back(error.name); }}};
};

TEST_F(SvidRenewalTest, AsksForWhatIsWantedInOneCall) {
  Set({FakeIssuer::EntryOf("a", 1), FakeIssuer::EntryOf("b", 1), Prefetched("c", 3)});
  std::string told;
  Watch(1, told);
  const auto token = AskToken(1);
  Proceed();
  EXPECT_EQ(told, "a,b");
  EXPECT_EQ(*token, "a,b");
  ASSERT_EQ(requests(), 1U);
  ASSERT_EQ(issuer_.requests[0].items_size(), 5);
  const auto& item = issuer_.requests[0].items(0);
  EXPECT_EQ(item.entry_id(), "a");
  EXPECT_EQ(item.entry_revision(), 1U);
  ASSERT_EQ(item.selectors_size(), 1);
  EXPECT_EQ(item.selectors(0).selector(), "unix:uid:1");
  EXPECT_EQ(item.selectors(0).grade(), "observed");
  EXPECT_TRUE(issuer_.requests[0].items(2).selectors().empty()) << "ahead of the first ask";
  EXPECT_NE(item.x509().public_key(), issuer_.requests[0].items(1).x509().public_key());
}

TEST_F(SvidRenewalTest, SaysWhatATokenIsForAndKeepsWhyItWasRefused) {
  Set({FakeIssuer::EntryOf("a", 1)});
  auto& refused = *issuer_.outcomes["a"].mutable_refused();
  refused.set_code("scope-not-allowed");
  refused.set_text("the policy does not allow it");
  auto& reason = *refused.mutable_decision()->add_reasons();
  reason.set_text("writing is not allowed at night");
  reason.set_accept("Ask again after 06:00.");
  const attest::TokenPurpose purpose{.audiences = {"db"}, .scopes = {"write"}, .task = "backup"};
  Error told;
  const auto ask = [&] {
    tokens_.Fetch(HeldBy(1), purpose, "",
                  [&](const auto& held) { told = held ? Error{} : held.error(); });
    Proceed();
  };
  ask();
  EXPECT_EQ(issuer_.requests.at(0).items(0).jwt().scopes(0), "write");
  EXPECT_EQ(issuer_.requests.at(0).items(0).jwt().task(), "backup");
  EXPECT_EQ(told.code, Code::kDenied);
  EXPECT_EQ(told.Name(), "scope-not-allowed");
  EXPECT_EQ(told.text, "writing is not allowed at night");
  EXPECT_EQ(told.advice, "Ask again after 06:00.");
  const auto kept = renewal_.refusals().Of("a");
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].purpose, purpose);
  EXPECT_EQ(kept[0].refusal.decision().reasons_size(), 1);
  for (const char* failure : {"policy-error", "policy-busy"}) {
    refused.set_code(failure);
    ask();
    EXPECT_EQ(told.code, Code::kUnavailable) << failure << " says nothing against the workload";
  }
  EXPECT_EQ(renewal_.refusals().Of("a").size(), 1U) << "the last one";
  issuer_.outcomes.clear();
  ask();
  EXPECT_TRUE(renewal_.refusals().Of("a").empty()) << "it was issued since";
}

TEST_F(SvidRenewalTest, AsksForNoMoreThanACallMayHold) {
  std::vector<attest::Entry> entries;
  for (int i = 0; i < 100; ++i) entries.push_back(Prefetched("entry-" + std::to_string(i), i));
  Set(entries);
  Proceed();
  ASSERT_EQ(requests(), 2U);
  EXPECT_EQ(issuer_.requests[0].items_size(), 64);
  EXPECT_EQ(issuer_.requests[1].items_size(), 36);
  EXPECT_EQ(Now(99), "entry-99");
}

TEST_F(SvidRenewalTest, AsksForBothKindsWhenThereAreManyOfBoth) {
  std::vector<attest::Entry> entries;
  for (int i = 0; i < 100; ++i) entries.push_back(Prefetched("entry-" + std::to_string(i), i));
  Set(entries);
  for (int uid = 0; uid < 2; ++uid) {
    for (int i = 0; i < 60; ++i) AskToken(uid, {std::to_string(i)});
  }
  Proceed();
  ASSERT_EQ(requests(), 4U);
  const auto tokens = [&](size_t request) {
    const auto& items = issuer_.requests[request].items();
    return std::ranges::count_if(items, &lodekey::node::v1::IssueItem::has_jwt);
  };
  EXPECT_EQ(tokens(0), 32) << "of 64";
  EXPECT_EQ(tokens(1), 32);
  EXPECT_EQ(tokens(3), 24) << "what is left, and 4 more X.509-SVIDs";
  EXPECT_EQ(Now(99), "entry-99");
}

TEST_F(SvidRenewalTest, SendsNoLargerACallThanTheIssuerTakes) {
  std::vector<attest::Entry> entries;
  for (int i = 0; i < 64; ++i) {
    auto entry = Prefetched("entry-" + std::to_string(i), 1);
    for (int path = 0; path < 31; ++path)
      entry.selectors.push_back({.type = "unix",
                                 .name = "path",
                                 .value = "/" + std::to_string(path) + std::string(1000, 'p')});
    entries.push_back(entry);
  }
  Set(entries);
  Selectors held = HeldBy(1);
  for (const attest::Selector& selector : entries.front().selectors)
    held.push_back({.selector = selector});
  std::vector<std::string> audiences;
  for (int i = 0; i < 32; ++i) audiences.push_back(std::to_string(10 + i) + std::string(253, 'a'));
  size_t tokens = 0;
  tokens_.Fetch(held, {.audiences = audiences}, "",
                [&](auto fetched) { tokens = fetched->size(); });
  const auto watcher =
      book_.Watch(held, SvidBook::Need::kX509Svids, [](const Result<Identities>&) {});
  Proceed();
  int items = 0;
  for (const auto& request : issuer_.requests) {
    EXPECT_LE(request.ByteSizeLong(), size_t{1} << 20);
    items += request.items_size();
  }
  EXPECT_EQ(items, 128);
  EXPECT_EQ(tokens, 64U);
}

TEST_F(SvidRenewalTest, SendsWhatTheEntryAsksForAndNothingElse) {
  Set({FakeIssuer::EntryOf("a", 1)});
  Selectors many;
  for (int gid = 0; gid < 300; ++gid)
    many.push_back({.selector = {.type = "unix", .name = "gid", .value = std::to_string(gid)}});
  many.push_back(HeldBy(1).front());
  const auto watcher =
      book_.Watch(many, SvidBook::Need::kX509Svids, [](const Result<Identities>&) {});
  Proceed();
  ASSERT_EQ(requests(), 1U);
  const auto& item = issuer_.requests[0].items(0);
  ASSERT_EQ(item.selectors_size(), 1);
  EXPECT_EQ(item.selectors(0).selector(), "unix:uid:1");
}

TEST_F(SvidRenewalTest, RenewsAtHalfLife) {
  Set({Prefetched("a", 1)});
  Proceed();
  Pass(minutes(29));
  Proceed();
  EXPECT_EQ(requests(), 1U);
  Pass(minutes(2));
  Proceed();
  EXPECT_EQ(requests(), 2U);
}

TEST_F(SvidRenewalTest, ServesWhatIsHeldAndWaitsLongerEachTimeWhileTheIssuerIsAway) {
  Set({Prefetched("a", 1)});
  Proceed();
  Pass(minutes(31));
  issuer_.unreachable = Unreachable();
  EXPECT_EQ(Proceed(), seconds(1));
  Pass(seconds(1));
  EXPECT_EQ(Proceed(), seconds(2));
  EXPECT_EQ(requests(), 3U);
  EXPECT_EQ(Now(1), "a");
  issuer_.unreachable.reset();
  renewal_.Hasten();
  Pass(seconds(2));
  Proceed();
  EXPECT_EQ(requests(), 4U);
  EXPECT_TRUE(refusals_.empty());
  Pass(minutes(31));
  issuer_.unreachable = Unreachable();
  EXPECT_EQ(Proceed(), seconds(1)) << "it starts over";
}

TEST_F(SvidRenewalTest, TriesSoonerForWhoeverWaitsForAToken) {
  Set({Prefetched("a", 1)});
  issuer_.unreachable = Unreachable();
  for (int i = 0; i < 8; ++i) Pass(Proceed());
  const size_t before = requests();
  EXPECT_GT(Proceed(), seconds(30));
  const auto soon = AskToken(1);
  EXPECT_LE(Proceed(), seconds(2));
  Pass(seconds(2));
  issuer_.unreachable.reset();
  Proceed();
  EXPECT_EQ(*soon, "a");
  EXPECT_EQ(Now(1), "nothing") << "but the book has its own wait";
  EXPECT_GT(requests(), before);
}

TEST_F(SvidRenewalTest, TakesNothingAwayWhenACallIsRefusedForAnotherReason) {
  Set({Prefetched("a", 1)});
  Proceed();
  Pass(minutes(31));
  issuer_.unreachable = Refusal("peer-certificate");
  Proceed();
  EXPECT_EQ(Now(1), "a");
  EXPECT_TRUE(refusals_.empty());
}

TEST_F(SvidRenewalTest, SaysThatTheNodeIsRefused) {
  Set({Prefetched("a", 1)});
  const auto token = AskToken(1);
  issuer_.unreachable = Refusal("node-refused");
  Proceed();
  EXPECT_EQ(refusals_, std::vector<std::string>{"node-refused"});
  EXPECT_EQ(*token, "node-refused");
}

TEST_F(SvidRenewalTest, TakesAwayWhatIsRefusedAndAsksAgainLater) {
  Set({FakeIssuer::EntryOf("a", 1), Prefetched("b", 2)});
  std::string told;
  Watch(1, told);
  Proceed();
  EXPECT_EQ(told, "a");
  Pass(minutes(31));
  issuer_.outcomes["a"] = Refused("selectors-missing");
  Proceed();
  EXPECT_EQ(told, "selectors-missing");
  EXPECT_EQ(Now(2), "b") << "nothing else moves";
  const size_t before = requests();
  std::string again;
  Watch(1, again);
  Proceed();
  EXPECT_EQ(requests(), before);
  issuer_.outcomes.clear();
  Pass(minutes(1));
  Watch(1, again);
  Proceed();
  EXPECT_EQ(again, "a");
}

TEST_F(SvidRenewalTest, KeepsWhatIsHeldWhileNewsOfTheEntryAreOnTheirWay) {
  for (const std::string code : {"entry-changed", "entry-unknown"}) {
    Set({Prefetched(code, 1)});
    Proceed();
    Pass(minutes(31));
    issuer_.outcomes[code] = Refused(code);
    EXPECT_EQ(Proceed(), seconds(1));
    EXPECT_EQ(Now(1), code);
  }
}

TEST_F(SvidRenewalTest, KeepsWhatIsHeldWhenTheIssuerCouldNotSign) {
  for (const std::string code : {"authority-expired", "internal", "hardware"}) {
    Set({Prefetched(code, 1)});
    Proceed();
    Pass(minutes(31));
    issuer_.outcomes[code] = Refused(code);
    Proceed();
    EXPECT_EQ(Now(1), code);
  }
}

TEST_F(SvidRenewalTest, AttestsFirstWhenTheIssuerWantsEvidenceAndAsksAgainThen) {
  Set({Prefetched("a", 1)});
  const auto token = AskToken(1);
  issuer_.outcomes["a"] = NeedsEvidence();
  Proceed();
  EXPECT_EQ(evidence_wanted_, 1);
  EXPECT_EQ(requests(), 1U) << "it waits for the attestation";
  EXPECT_EQ(*token, "waits");
  issuer_.outcomes.clear();
  renewal_.Hasten();
  Proceed();
  EXPECT_EQ(Now(1), "a");
  EXPECT_EQ(*token, "a");
}

TEST_F(SvidRenewalTest, DoesNotRunInCirclesWithAnIssuerThatAlwaysWantsEvidence) {
  Set({Prefetched("a", 1)});
  issuer_.outcomes["a"] = NeedsEvidence();
  for (int i = 0; i < 10; ++i) {
    Proceed();
    renewal_.Hasten();
  }
  EXPECT_EQ(requests(), 2U);
  EXPECT_EQ(evidence_wanted_, 2);
}

TEST_F(SvidRenewalTest, BelievesNoAnswerThatIsNotToItsQuestion) {
  Set({Prefetched("a", 1), Prefetched("b", 2)});
  auto other = Prefetched("b", 2);
  lodekey::node::v1::IssueOutcome nothing;
  issuer_.outcomes["a"] = nothing;
  issuer_.outcomes["b"].mutable_x509()->add_certificates("no certificate");
  const auto token = AskToken(1);
  Proceed();
  EXPECT_EQ(Now(1), "nothing");
  EXPECT_EQ(Now(2), "nothing");
  EXPECT_EQ(*token, "svid-invalid");
}

TEST_F(SvidRenewalTest, DropsTheAnswerOfAnEntryThatWasChangedMeanwhile) {
  Set({Prefetched("a", 1)});
  issuer_.before_answer = [this] { Set({}); };
  Proceed();
  EXPECT_EQ(Now(1), "no-identity");
}

TEST_F(SvidRenewalTest, AsksNobodyWithoutAnIdentity) {
  Set({Prefetched("a", 1)});
  renewal_.Pause({.code = Code::kUnavailable, .text = "not now", .name = "tpm-absent"});
  const auto token = AskToken(1);
  Proceed();
  EXPECT_EQ(requests(), 0U);
  EXPECT_EQ(*token, "tpm-absent");
  renewal_.Resume();
  Proceed();
  EXPECT_EQ(Now(1), "a");
}

}  // namespace
}  // namespace lodekey::agent
