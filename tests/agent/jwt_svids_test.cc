#include "agent/jwt_svids.h"

#include "tests/agent/svid_rig.h"
#include "tests/support/must.h"

namespace lodekey::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using test::FakeIssuer;
using test::HeldBy;
using test::Refusal;
using test::Unreachable;

class JwtSvidsTest : public test::SvidRig {
 protected:
  // What comes back: "a=token 1,b=token 2", or the name of an error; "waits" until then.
  std::shared_ptr<std::string> Ask(int uid, std::vector<std::string> audiences,
                                   const std::string& spiffe_id = "") {
    return Ask(uid, attest::TokenPurpose{.audiences = std::move(audiences)}, spiffe_id);
  }
  std::shared_ptr<std::string> Ask(int uid, attest::TokenPurpose purpose,
                                   const std::string& spiffe_id = "") {
    auto told = std::make_shared<std::string>("waits");
    tokens_.Fetch(HeldBy(uid), test::Must(attest::Canonical(std::move(purpose))), spiffe_id,
                  [told](Result<std::vector<HeldJwt>> held) {
                    EXPECT_EQ(*told, "waits") << "it is answered once";
                    if (!held) return told->assign(held.error().Name()), void();
                    told->clear();
                    for (const HeldJwt& one : *held)
                      *told += (told->empty() ? "" : ",") + one.entry->id + "=" + one.token;
                  });
    return told;
  }
  // As renewal does: a token named by entry, audiences and a number.
  size_t IssueWanted() {
    const auto all = tokens_.TakeWanted(64);
    for (const auto& wanted : all) tokens_.Put(wanted, Issued(wanted));
    return all.size();
  }
  lodekey::node::v1::IssuedJwt Issued(const JwtSvids::Wanted& wanted) {
    lodekey::node::v1::IssuedJwt issued;
    std::string token;
    for (const std::string& audience : wanted.purpose.audiences) token += audience + " ";
    issued.set_token(token + std::to_string(++issued_));
    issued.set_issued_unix_ms(now_.time_since_epoch().count());
    issued.set_expires_unix_ms((now_ + minutes(5)).time_since_epoch().count());
    return issued;
  }
  // Keeps as many tokens of this user, of audiences "0", "1" and so on.
  void Fill(int uid, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      Ask(uid, {std::to_string(i)});
      IssueWanted();
      Pass(JwtSvids::kRest);
    }
  }
  // How many of as many asks are refused at once.
  int Refused(int uid, size_t count) {
    int refused = 0;
    for (size_t i = 0; i < count; ++i)
      refused += *Ask(uid, {"new " + std::to_string(i)}) == "too-many-requests";
    return refused;
  }
  static attest::Entry Relabelled(const std::string& id) {
    attest::Entry entry = FakeIssuer::EntryOf(id, 1);
    entry.spiffe_id += "/elsewhere";
    return entry;
  }
  // A token of entry "a" that has lived for more than half its life, and is asked for again.
  std::shared_ptr<std::string> AskForAged() {
    Set({FakeIssuer::EntryOf("a", 1)});
    Ask(1, {"db"});
    IssueWanted();
    Pass(minutes(4));
    return Ask(1, {"db"});
  }
  void FailWanted(const Error& error) {
    for (const auto& wanted : tokens_.TakeWanted(64)) tokens_.Fail(wanted, error);
  }
  static attest::Entry Allowing(const std::string& id, std::vector<std::string> audiences,
                                uint64_t revision = 1) {
    attest::Entry entry = FakeIssuer::EntryOf(id, 1, revision);
    entry.jwt_audiences = std::move(audiences);
    return entry;
  }

  int issued_ = 0;
};

TEST_F(JwtSvidsTest, AreIssuedOnFirstAskAndKeptWhileTheyAreYoung) {
  Set({FakeIssuer::EntryOf("a", 1)});
  const auto first = Ask(1, {"db"});
  EXPECT_EQ(*first, "waits");
  EXPECT_EQ(IssueWanted(), 1U);
  EXPECT_EQ(*first, "a=db 1");
  Pass(minutes(2));
  EXPECT_EQ(*Ask(1, {"db"}), "a=db 1");
  EXPECT_EQ(*Ask(1, {"web"}), "waits") << "for another audience another token";
  Pass(seconds(31));
  const auto second = Ask(1, {"db"});
  EXPECT_EQ(*second, "waits") << "half its life is over";
  EXPECT_EQ(IssueWanted(), 2U);
  EXPECT_EQ(second->substr(0, 5), "a=db ");
}

TEST_F(JwtSvidsTest, AreTheSameWhateverTheOrderOfTheAudiences) {
  Set({FakeIssuer::EntryOf("a", 1)});
  const auto one = Ask(1, {"x", "y"});
  const auto other = Ask(1, {"y", "x", "y"});
  EXPECT_EQ(IssueWanted(), 1U) << "both wait for one token";
  EXPECT_EQ(*one, "a=x y 1");
  EXPECT_EQ(*other, "a=x y 1");
}

TEST_F(JwtSvidsTest, AreGivenForEachIdentityTheOldestFirstOrForTheOneThatIsNamed) {
  Set({FakeIssuer::EntryOf("a", 1), FakeIssuer::EntryOf("b", 1), FakeIssuer::EntryOf("c", 2)});
  const auto all = Ask(1, {"db"});
  auto wanted = tokens_.TakeWanted(64);
  ASSERT_EQ(wanted.size(), 2U);
  tokens_.Put(wanted[1], Issued(wanted[1]));
  EXPECT_EQ(*all, "waits") << "the answer is whole";
  tokens_.Put(wanted[0], Issued(wanted[0]));
  EXPECT_EQ(*all, "a=db 2,b=db 1");
  EXPECT_EQ(*Ask(1, {"db"}, "spiffe://example.org/b"), "b=db 1");
  EXPECT_EQ(*Ask(1, {"db"}, "spiffe://example.org/c"), "no-identity");
  EXPECT_EQ(*Ask(3, {"db"}), "no-identity");
}

TEST_F(JwtSvidsTest, AreRefusedForAudiencesThatNoEntryAllows) {
  Set({Allowing("a", {"db"}), Allowing("b", {"db", "web"}), Allowing("c", {})});
  EXPECT_EQ(*Ask(1, {"mail"}), "audience-not-allowed");
  EXPECT_EQ(*Ask(1, {"db"}, "spiffe://example.org/c"), "audience-not-allowed");
  const auto web = Ask(1, {"db", "web"});
  EXPECT_EQ(IssueWanted(), 1U) << "those that do not allow it are left out";
  EXPECT_EQ(*web, "b=db web 1");
  std::string text;
  tokens_.Fetch(HeldBy(1), {.audiences = {"db", "mail"}}, "",
                [&](auto held) { text = held.error().text; });
  EXPECT_NE(text.find("mail"), std::string::npos) << text;
}

TEST_F(JwtSvidsTest, AreOthersForAnotherScopeOrTask) {
  Set({FakeIssuer::EntryOf("a", 1)});
  const auto plain = Ask(1, {"db"});
  const auto scoped = Ask(1, {.audiences = {"db"}, .scopes = {"write", "read"}});
  const auto same = Ask(1, {.audiences = {"db"}, .scopes = {"read", "write", "read"}});
  const auto task = Ask(1, {.audiences = {"db"}, .scopes = {"read", "write"}, .task = "backup"});
  const auto wanted = tokens_.TakeWanted(64);
  ASSERT_EQ(wanted.size(), 3U);
  for (const auto& one : wanted) tokens_.Put(one, Issued(one));
  EXPECT_EQ(*scoped, *same);
  EXPECT_NE(*scoped, *plain);
  EXPECT_NE(*scoped, *task);
  EXPECT_EQ(*Ask(1, {.audiences = {"db"}, .scopes = {"read", "write"}, .task = "backup"}), *task)
      << "each is kept";
}

TEST_F(JwtSvidsTest, AreServedAgedWhenTheIssuerIsAwayAndNotOnceTheyHaveEnded) {
  Set({FakeIssuer::EntryOf("a", 1)});
  Ask(1, {"db"});
  IssueWanted();
  Pass(minutes(4));
  const auto aged = Ask(1, {"db"});
  FailWanted(Unreachable());
  EXPECT_EQ(*aged, "a=db 1");
  Pass(minutes(1));
  const auto ended = Ask(1, {"db"});
  FailWanted(Unreachable());
  EXPECT_EQ(*ended, "issuer-unreachable");
}

TEST_F(JwtSvidsTest, AreNotServedAgedWhenTheIssuerSaysNo) {
  Set({FakeIssuer::EntryOf("a", 1)});
  Ask(1, {"db"});
  IssueWanted();
  Pass(minutes(4));
  const auto denied = Ask(1, {"db"});
  FailWanted(Refusal("audience-refused"));
  EXPECT_EQ(*denied, "audience-refused");
  const auto after = Ask(1, {"db"});
  FailWanted(Unreachable());
  EXPECT_EQ(*after, "issuer-unreachable") << "it was dropped";
}

TEST_F(JwtSvidsTest, OfOneIdentityDoNotWaitForAnotherThatIsRefused) {
  Set({FakeIssuer::EntryOf("a", 1), FakeIssuer::EntryOf("b", 1)});
  const auto told = Ask(1, {"db"});
  auto wanted = tokens_.TakeWanted(64);
  tokens_.Fail(wanted[0], Refusal("entry-expired"));
  tokens_.Put(wanted[1], Issued(wanted[1]));
  EXPECT_EQ(*told, "b=db 1");
}

TEST_F(JwtSvidsTest, OfAnEntryThatWasChangedMeanwhileAreDropped) {
  Set({FakeIssuer::EntryOf("a", 1)});
  const auto told = Ask(1, {"db"});
  auto wanted = tokens_.TakeWanted(64);
  Set({FakeIssuer::EntryOf("a", 1, /*revision=*/2)});
  tokens_.Put(wanted.front(), Issued(wanted.front()));
  EXPECT_EQ(*told, "entry-changed");
  Set({FakeIssuer::EntryOf("a", 1)});
  EXPECT_EQ(*Ask(1, {"db"}), "waits") << "it was not kept either";
}

TEST_F(JwtSvidsTest, OfAnEarlierRevisionAreNotGivenOut) {
  Set({FakeIssuer::EntryOf("a", 1)});
  Ask(1, {"db"});
  IssueWanted();
  Set({FakeIssuer::EntryOf("a", 1, /*revision=*/2)});
  EXPECT_EQ(*Ask(1, {"db"}), "waits");
}

TEST_F(JwtSvidsTest, AreNotServedAgedOnceTheEntryIsAnotherOrGone) {
  const std::vector<std::vector<attest::Entry>> cases = {
      {}, {FakeIssuer::EntryOf("a", 1, /*revision=*/2)}, {Relabelled("a")}};
  for (const auto& entries : cases) {
    for (const bool answered : {true, false}) {
      const auto aged = AskForAged();
      auto wanted = tokens_.TakeWanted(64);
      ASSERT_EQ(wanted.size(), 1U);
      Set(entries);
      if (answered)
        tokens_.Put(wanted.front(), Issued(wanted.front()));
      else
        tokens_.Fail(wanted.front(), Unreachable());
      EXPECT_EQ(*aged, !answered         ? "issuer-unreachable"
                       : entries.empty() ? "no-identity"
                                         : "entry-changed");
      Set({FakeIssuer::EntryOf("a", 1)});
      const auto after = Ask(1, {"db"});
      FailWanted(Unreachable());
      EXPECT_EQ(*after, "issuer-unreachable") << "it was dropped";
    }
  }
}

TEST_F(JwtSvidsTest, AreNotServedAgedWhenTheIssuerHasAnotherEntry) {
  const auto aged = AskForAged();
  FailWanted({.code = Code::kConflict, .text = "deleted", .name = "entry-unknown"});
  EXPECT_EQ(*aged, "entry-unknown");
}

TEST_F(JwtSvidsTest, OfAnEarlierSpiffeIdAreNotGivenOut) {
  Set({FakeIssuer::EntryOf("a", 1)});
  Ask(1, {"db"});
  IssueWanted();
  Set({Relabelled("a")});
  EXPECT_EQ(*Ask(1, {"db"}), "waits") << "id and revision are the same";
  EXPECT_EQ(tokens_.TakeWanted(64).front().entry->spiffe_id, "spiffe://example.org/a/elsewhere");
}

TEST_F(JwtSvidsTest, AreLookedAtAgainBeforeTheyAreSent) {
  const auto check = [&](const std::vector<attest::Entry>& entries, Duration later) {
    Set({FakeIssuer::EntryOf("a", 1)});
    std::vector<HeldJwt> held;
    tokens_.Fetch(HeldBy(1), {.audiences = {"db"}}, "",
                  [&](auto fetched) { held = *std::move(fetched); });
    IssueWanted();
    Set(entries);
    Pass(later);
    const auto good = tokens_.Check(HeldBy(1), held);
    return held.empty() ? "nothing" : good ? "good" : std::string(good.error().Name());
  };
  EXPECT_EQ(check({FakeIssuer::EntryOf("a", 1)}, minutes(4)), "good");
  EXPECT_EQ(check({FakeIssuer::EntryOf("a", 1)}, minutes(6)), "svid-ended");
  EXPECT_EQ(check({FakeIssuer::EntryOf("a", 1, /*revision=*/2)}, minutes(0)), "entry-changed");
  EXPECT_EQ(check({Relabelled("a")}, minutes(0)), "entry-changed");
  EXPECT_EQ(check({}, minutes(0)), "no-identity");
}

TEST_F(JwtSvidsTest, AreTakenForOneUserAfterTheOther) {
  Set({FakeIssuer::EntryOf("a", 1), FakeIssuer::EntryOf("b", 2), FakeIssuer::EntryOf("c", 3)});
  for (int i = 0; i < 10; ++i) Ask(1, {std::to_string(i)});
  Pass(seconds(1));
  for (const int uid : {2, 3}) Ask(uid, {"db"});
  std::string order;
  for (int turn = 0; turn < 3; ++turn) {
    for (const auto& wanted : tokens_.TakeWanted(2)) order += wanted.entry->id;
  }
  EXPECT_EQ(order, "abcaaa");
}

TEST_F(JwtSvidsTest, OnTheirWayAreNoMoreThanAUserMayHave) {
  Set({FakeIssuer::EntryOf("a", 1), FakeIssuer::EntryOf("b", 2)});
  EXPECT_EQ(Refused(1, JwtSvids::kMaxOpen), 0);
  EXPECT_EQ(*Ask(1, {"one more"}), "too-many-requests");
  EXPECT_EQ(*Ask(1, {"new 1"}), "waits") << "together with who asked before";
  EXPECT_EQ(*Ask(2, {"one more"}), "waits") << "another user";
  IssueWanted();
  EXPECT_EQ(*Ask(1, {"one more"}), "waits");
}

TEST_F(JwtSvidsTest, OfAUserAreNotIssuedFasterThanItsShare) {
  Set({FakeIssuer::EntryOf("a", 1), FakeIssuer::EntryOf("b", 2)});
  EXPECT_EQ(Refused(1, JwtSvids::kMaxOpen), 0);
  FailWanted(Unreachable());
  EXPECT_EQ(Refused(1, JwtSvids::kBurst - JwtSvids::kMaxOpen), 0);
  FailWanted(Unreachable());
  EXPECT_EQ(*Ask(1, {"one more"}), "too-many-requests");
  EXPECT_EQ(*Ask(2, {"one more"}), "waits") << "another user";
  Pass(JwtSvids::kRest);
  tokens_.Tick();
  EXPECT_EQ(*Ask(1, {"one more"}), "waits");
  EXPECT_EQ(*Ask(1, {"two more"}), "too-many-requests");
}

TEST_F(JwtSvidsTest, AreServedAgedToAUserWhoAskedForTooMany) {
  AskForAged();
  FailWanted(Unreachable());
  EXPECT_EQ(Refused(1, JwtSvids::kMaxOpen), 0);
  EXPECT_EQ(*Ask(1, {"db"}), "a=db 1");
}

TEST_F(JwtSvidsTest, OfAUserWithManyMakeRoomForThoseOfOthers) {
  Set({FakeIssuer::EntryOf("a", 1), FakeIssuer::EntryOf("b", 2)});
  Fill(2, 3);
  Fill(1, JwtSvids::kMaxKept);
  for (const std::string audience : {"0", "1", "2"}) EXPECT_NE(*Ask(2, {audience}), "waits");
  EXPECT_NE(*Ask(1, {"3"}), "waits");
  EXPECT_EQ(*Ask(1, {"0"}), "waits") << "its own had to go";
}

TEST_F(JwtSvidsTest, AreDroppedAndWhoeverWaitsIsToldWhenTheIdentityIsWithdrawn) {
  Set({FakeIssuer::EntryOf("a", 1)});
  Ask(1, {"db"});
  IssueWanted();
  const auto waiting = Ask(1, {"web"});
  auto wanted = tokens_.TakeWanted(64);
  const Error refusal = Refusal("node-refused");
  book_.Withdraw(refusal);
  tokens_.Withdraw(refusal);
  EXPECT_EQ(*waiting, "node-refused");
  tokens_.Put(wanted.front(), Issued(wanted.front()));
  EXPECT_EQ(*Ask(1, {"db"}), "node-refused");
  Set({FakeIssuer::EntryOf("a", 1)});
  EXPECT_EQ(*Ask(1, {"db"}), "waits");
  EXPECT_EQ(*Ask(1, {"web"}), "waits") << "what came late was not kept";
}

TEST_F(JwtSvidsTest, WaitForTheEntriesAsLongAsTheCallerHasPatience) {
  const auto early = Ask(1, {"db"});
  EXPECT_LE(tokens_.Tick(), SvidBook::kPatience);
  EXPECT_EQ(*early, "waits");
  Set({FakeIssuer::EntryOf("a", 1)});
  tokens_.Tick();
  EXPECT_EQ(IssueWanted(), 1U);
  EXPECT_EQ(*early, "a=db 1");
  book_.Withdraw({.code = Code::kUnavailable, .text = "not now", .name = "tpm-absent"});
  const auto late = Ask(1, {"db"});
  Pass(SvidBook::kPatience);
  tokens_.Tick();
  EXPECT_EQ(*late, "tpm-absent");
}

TEST_F(JwtSvidsTest, ThatArePutOffAreAskedForAgainUntilTheCallerLosesPatience) {
  Set({FakeIssuer::EntryOf("a", 1)});
  const auto told = Ask(1, {"db"});
  const Error why{.code = Code::kUnavailable, .text = "evidence", .name = "evidence-wanted"};
  for (const auto& wanted : tokens_.TakeWanted(64)) tokens_.PutOff(wanted, why);
  EXPECT_TRUE(tokens_.HasWanted());
  Pass(seconds(4));
  EXPECT_EQ(tokens_.Tick(), seconds(1));
  EXPECT_EQ(*told, "waits");
  Pass(seconds(1));
  tokens_.Tick();
  EXPECT_EQ(*told, "evidence-wanted");
  EXPECT_FALSE(tokens_.HasWanted());
}

TEST_F(JwtSvidsTest, ThatAreNoneAreNotGivenOut) {
  Set({FakeIssuer::EntryOf("a", 1)});
  const auto told = Ask(1, {"db"});
  for (const auto& wanted : tokens_.TakeWanted(64)) tokens_.Put(wanted, {});
  EXPECT_EQ(*told, "svid-invalid");
}

TEST_F(JwtSvidsTest, ThatWereNotAskedForLongestMakeRoom) {
  Set({FakeIssuer::EntryOf("a", 1)});
  Fill(1, JwtSvids::kMaxKept);
  EXPECT_NE(*Ask(1, {"0"}), "waits") << "it is used again";
  Ask(1, {"one more"});
  IssueWanted();
  EXPECT_NE(*Ask(1, {"0"}), "waits");
  EXPECT_NE(*Ask(1, {"one more"}), "waits");
  EXPECT_EQ(*Ask(1, {"1"}), "waits") << "the oldest had to go";
}

}  // namespace
}  // namespace lodekey::agent
