#include "issuer/authority.h"

#include <filesystem>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/issuer/authority_fixture.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

namespace fs = std::filesystem;

using issuer::Authority;
using issuer::AuthorityOptions;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kWeek = kAuthorityWeek;

// --- Files ---

TEST_F(AuthorityTest, KeepsItsKeysToItself) {
  Open();
  using enum fs::perms;
  EXPECT_EQ(fs::status(options.directory).permissions(), owner_all);
  for (const auto* name :
       {"root.key", "intermediate.key", "authority.key", "audit.key", "challenge.key", "jwt.key"}) {
    EXPECT_EQ(ModeOf(name), owner_read | owner_write) << name;
  }
  for (const auto* name : {"root.crt", "intermediate.crt", "authority.crt"}) {
    EXPECT_EQ(ModeOf(name), owner_read | owner_write | group_read | others_read) << name;
  }
}

TEST_F(AuthorityTest, IsMadeOnceOnly) {
  const std::string root = ReadText(Path("root.key"));
  const std::string audit = ReadText(Path("audit.key"));
  const auto again = Authority::Initialise(options, At(0));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kConflict);
  EXPECT_EQ(again.error().Name(), "already-initialised");
  EXPECT_EQ(ReadText(Path("root.key")), root);
  EXPECT_EQ(ReadText(Path("audit.key")), audit);
}

TEST_F(AuthorityTest, IsNotOpenedWhereNothingWasMade) {
  const ScratchDirectory empty;
  const auto opened = Authority::Open(OptionsIn(empty.path()), *store, At(0));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kNotFound);
  EXPECT_EQ(opened.error().Name(), "not-initialised");
  EXPECT_EQ(Authority::OpenAuditKey(OptionsIn(empty.path())).error().Name(), "not-initialised");
}

TEST_F(AuthorityTest, RefusesKeysThatDoNotFitTheirCertificates) {
  TakeFromOther("authority.key");
  EXPECT_EQ(Refusal(), "authority-corrupt");
}

TEST_F(AuthorityTest, RefusesARootKeyThatDoesNotFitTheRoot) {
  Open();
  TakeFromOther("root.key");
  EXPECT_EQ(Refusal(), "authority-corrupt");
}

TEST_F(AuthorityTest, RefusesSeedsOfAnotherSize) {
  const auto authority = Open();
  Overwrite(Path("challenge.key"), "AAAA");
  const auto key = authority->OpenChallengeKey();
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().Name(), "authority-corrupt");
}

TEST_F(AuthorityTest, RefusesFilesThatDoNotParse) {
  Overwrite(Path("authority.crt"), "not a certificate");
  EXPECT_NE(Refusal(), "opened");
}

TEST_F(AuthorityTest, OpensTheSameKeysAgain) {
  const auto first = Open();
  const auto second = Open();
  EXPECT_EQ(first->Pin(), second->Pin());
  EXPECT_EQ(first->root().der(), second->root().der());
  EXPECT_EQ(first->signer(At(0))->certificate.der(), second->signer(At(0))->certificate.der());
  EXPECT_EQ(Must(Authority::OpenAuditKey(options)).public_key(),
            Must(Authority::OpenAuditKey(options)).public_key());
  EXPECT_TRUE(Must(first->OpenChallengeKey()).Matches(Must(second->OpenChallengeKey()).Reveal()));
}

// SPIFFE-ID allows 255 characters, a common name 64.
TEST(Authority, IsMadeForTheLongestTrustDomain) {
  const ScratchDirectory directory;
  const std::string trust_domain(255, 'a');
  const AuthorityOptions options{.directory = directory.path() + "/ca",
                                 .trust_domain = trust_domain,
                                 .node_ttl = hours(1),
                                 .intermediate_ttl = kWeek,
                                 .root_ttl = hours(24),
                                 .jwt_key_ttl = hours(24)};
  const auto made = Authority::Initialise(options, At(0));
  ASSERT_TRUE(made) << made.error().text;
  const auto store = Must(OpenStore(StoreFiles(directory.path())));
  const auto authority = Must(Authority::Open(options, *store, At(0)));
  EXPECT_EQ(authority->root().UriSans(), std::vector<std::string>{"spiffe://" + trust_domain});
  EXPECT_TRUE(crypto::BuildChain(authority->signer(At(0))->certificate, {}, {authority->root()},
                                 {.at = At(0)}));
}

// --- Root and intermediate ---

TEST_F(AuthorityTest, SignsWithAnIntermediateOfTheRoot) {
  const auto authority = Open();
  const crypto::Certificate& intermediate = authority->signer(At(0))->certificate;
  EXPECT_TRUE(intermediate.is_ca());
  EXPECT_EQ(intermediate.not_after(), At(0) + kWeek);
  EXPECT_EQ(intermediate.UriSans(), std::vector<std::string>{"spiffe://example.org"});
  EXPECT_TRUE(crypto::BuildChain(intermediate, {}, {authority->root()}, {.at = At(0)}));
  EXPECT_FALSE(crypto::BuildChain(intermediate, {}, {authority->issuer_authority()}, {}));
}

TEST_F(AuthorityTest, RenewsTheIntermediateAtHalfItsLife) {
  const auto authority = Open();
  const auto first = authority->signer(At(0));
  Must(authority->Refresh(At(0) + kWeek / 2 - seconds(1)));
  EXPECT_EQ(authority->signer(At(0)), first);
  Must(authority->Refresh(At(0) + kWeek / 2));
  const auto second = authority->signer(At(0) + kWeek / 2);
  EXPECT_NE(second->certificate.serial(), first->certificate.serial());
  EXPECT_NE(second->certificate.key(), first->certificate.key());
  EXPECT_EQ(second->certificate.not_after(), At(0) + kWeek / 2 + kWeek);
  // And it is what a restart finds.
  EXPECT_EQ(Open(At(0) + kWeek / 2)->signer(At(0) + kWeek / 2)->certificate.der(),
            second->certificate.der());
}

TEST_F(AuthorityTest, RenewsShortIntermediatesAtHalfTheirLifeToo) {
  options.intermediate_ttl = minutes(2);
  const auto authority = Open();
  const auto first = authority->signer(At(0));
  Must(authority->Refresh(At(0) + seconds(59)));
  EXPECT_EQ(authority->signer(At(0)), first);
  Must(authority->Refresh(At(0) + seconds(60)));
  EXPECT_NE(authority->signer(At(0) + seconds(60)), first);
}

TEST_F(AuthorityTest, LetsNoIntermediateOutliveTheRoot) {
  const Time late = At(0) + options.root_ttl - hours(1);
  EXPECT_EQ(Open(late)->signer(late)->certificate.not_after(), At(0) + options.root_ttl);
}

TEST_F(AuthorityTest, RenewsAtStartWhenItIsDue) {
  const Bytes first = Open()->signer(At(0))->certificate.der();
  EXPECT_EQ(Open(At(0) + kWeek / 2 - seconds(1))
                ->signer(At(0) + kWeek / 2 - seconds(1))
                ->certificate.der(),
            first);
  EXPECT_NE(Open(At(0) + kWeek / 2)->signer(At(0) + kWeek / 2)->certificate.der(), first);
}

// --- A clock that ran ahead ---

constexpr Duration kAhead = hours(100 * 24);

TEST_F(AuthorityTest, SignsWhatIsValidNowAfterAClockThatRanAhead) {
  const auto authority = Open();
  Must(authority->Refresh(At(0) + kAhead));
  Must(authority->Refresh(At(0)));
  ExpectValid(*authority, At(0));
  const auto made = authority->signer(At(0));
  Must(authority->Refresh(At(0) + seconds(60)));
  EXPECT_EQ(authority->signer(At(0) + seconds(60)), made) << "and is not made again each minute";
}

TEST_F(AuthorityTest, IsHealedByARestartAfterAClockThatRanAhead) {
  Open(At(0) + kAhead);
  ExpectValid(*Open(), At(0));
}

TEST_F(AuthorityTest, PrefersTheEarlierIntermediateWhileTheLaterIsNotValidYet) {
  const auto authority = Open();
  const auto first = authority->signer(At(0));
  Must(authority->Refresh(At(0) + kWeek - seconds(1)));
  EXPECT_NE(authority->signer(At(0) + kWeek), first);
  EXPECT_EQ(authority->signer(At(0)), first);
}

// What a crash between the two files leaves behind.
TEST_F(AuthorityTest, MakesAnotherIntermediateWhenKeyAndCertificateDiffer) {
  const Bytes first = Open()->signer(At(0))->certificate.der();
  TakeFromOther("intermediate.key");
  const auto authority = Open();
  EXPECT_NE(authority->signer(At(0))->certificate.der(), first);
  EXPECT_EQ(authority->signer(At(0))->certificate.key(),
            authority->signer(At(0))->key.public_key());
}

TEST_F(AuthorityTest, DoesNotSignWithAnIntermediateOfAnotherRoot) {
  Open();
  TakeFromOther("intermediate.key");
  TakeFromOther("intermediate.crt");
  const auto authority = Open();
  EXPECT_TRUE(
      crypto::BuildChain(authority->signer(At(0))->certificate, {}, {authority->root()}, {}));
}

// --- The root's key kept elsewhere ---

TEST_F(AuthorityTest, GoesOnSigningWithoutTheRootsKey) {
  const auto first = Open();
  fs::remove(Path("root.key"));
  EXPECT_FALSE(Must(first->HasRootKey()));
  EXPECT_TRUE(first->Refresh(At(0) + kWeek / 2 - seconds(1)));
  const auto refreshed = first->Refresh(At(0) + kWeek / 2);
  ASSERT_FALSE(refreshed);
  EXPECT_EQ(refreshed.error().code, Code::kNotFound);
  EXPECT_EQ(refreshed.error().Name(), "root-key-absent");
  // A restart in the second half of the intermediate's life finds it good.
  EXPECT_EQ(Open(At(0) + kWeek - seconds(1))->signer(At(0) + kWeek - seconds(1))->certificate.der(),
            first->signer(At(0))->certificate.der());
  EXPECT_EQ(Refusal(At(0) + kWeek), "root-key-absent");
}

TEST_F(AuthorityTest, GoesOnSigningWhenTheRootsKeyCannotBeLookedAt) {
  const auto authority = Open();
  const auto first = authority->signer(At(0));
  fs::remove(Path("root.key"));
  fs::create_symlink("root.key", Path("root.key"));
  EXPECT_TRUE(authority->Refresh(At(0) + kWeek / 2 - seconds(1)));
  const auto refreshed = authority->Refresh(At(0) + kWeek / 2);
  ASSERT_FALSE(refreshed);
  EXPECT_NE(refreshed.error().Name(), "root-key-absent");
  EXPECT_NE(refreshed.error().text.find(Path("root.key")), std::string::npos)
      << refreshed.error().text;
  EXPECT_EQ(authority->signer(At(0) + kWeek / 2), first);
  const auto opened = Authority::Open(options, *store, At(0));
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().text.find(Path("root.key")), std::string::npos) << opened.error().text;
}

TEST_F(AuthorityTest, TakesAnIntermediateThatTheRootSignedElsewhere) {
  const auto authority = Open();
  const ScratchDirectory elsewhere;
  fs::copy(options.directory, elsewhere.path() + "/ca");
  fs::remove(Path("root.key"));
  AuthorityOptions there = options;
  there.directory = elsewhere.path() + "/ca";
  const Bytes renewed =
      Must(Authority::Open(there, *store, At(0) + kWeek))->signer(At(0) + kWeek)->certificate.der();
  for (const auto* name : {"intermediate.key", "intermediate.crt"}) {
    fs::copy_file(there.directory + "/" + name, Path(name), fs::copy_options::overwrite_existing);
  }
  EXPECT_EQ(Open(At(0) + kWeek)->signer(At(0) + kWeek)->certificate.der(), renewed);
}

}  // namespace
}  // namespace lodekey::test
