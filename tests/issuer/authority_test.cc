#include "issuer/authority.h"

#include <filesystem>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

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

constexpr Duration kWeek = hours(7 * 24);

class AuthorityTest : public testing::Test {
 protected:
  AuthorityTest() { Must(Authority::Initialise(options, At(0))); }

  std::unique_ptr<Authority> Open(Time now = At(0)) const {
    return Must(Authority::Open(options, *store, now));
  }
  std::string Path(const std::string& name) const { return options.directory + "/" + name; }
  fs::perms ModeOf(const std::string& name) const { return fs::status(Path(name)).permissions(); }

  // Name() of the error that refuses to open.
  std::string Refusal(Time now = At(0)) const {
    const auto opened = Authority::Open(options, *store, now);
    return opened ? "opened" : std::string(opened.error().Name());
  }

  std::vector<nlohmann::json> Records() const {
    std::vector<nlohmann::json> records;
    for (const auto& line : VerifiedLines(files.log))
      records.push_back(nlohmann::json::parse(line.record));
    return records;
  }
  static void ExpectRecords(const nlohmann::json& record, std::string_view event,
                            const crypto::Certificate& certificate) {
    EXPECT_EQ(record["event"], event);
    EXPECT_EQ(record["serial"], ToHex(certificate.serial()));
    EXPECT_EQ(record["key_sha256"], ToHex(certificate.key().spki_sha256()));
    EXPECT_EQ(record["not_after"], FormatTime(certificate.not_after()));
    EXPECT_FALSE(record["time"].empty());
  }

  static void ExpectValid(const Authority& authority, Time now) {
    EXPECT_TRUE(crypto::BuildChain(authority.signer(now)->certificate, {}, {authority.root()},
                                   {.at = now}));
  }

  // The files of another issuer of the same trust domain.
  std::string OtherDirectory() const {
    static const ScratchDirectory other;
    static const bool made = [this] {
      Must(Authority::Initialise(OptionsIn(other.path() + "/ca"), At(0)));
      return Must(Authority::Open(OptionsIn(other.path() + "/ca"), *store, At(0))) != nullptr;
    }();
    return made ? other.path() + "/ca" : "";
  }
  void TakeFromOther(const std::string& name) const {
    fs::copy_file(OtherDirectory() + "/" + name, Path(name), fs::copy_options::overwrite_existing);
  }

  static AuthorityOptions OptionsIn(const std::string& path) {
    return {.directory = path,
            .trust_domain = kTrustDomain,
            .node_ttl = hours(1),
            .intermediate_ttl = kWeek,
            .root_ttl = hours(3650 * 24),
            .jwt_key_ttl = hours(24)};
  }

  ScratchDirectory directory;
  AuthorityOptions options = OptionsIn(directory.path() + "/ca");
  StoreFiles files{directory.path()};
  std::unique_ptr<issuer::Store> store = Must(OpenStore(files));
};

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

// --- Server identity ---

TEST_F(AuthorityTest, NamesTheServerByItsSpiffeIdAlone) {
  const auto authority = Open();
  const auto identity = Must(authority->MakeServerIdentity(At(0), hours(24)));
  const auto chain = Must(crypto::Certificate::ListFromPem(identity.chain_pem));
  ASSERT_EQ(chain.size(), 2U);
  const crypto::Certificate& server = chain.front();
  EXPECT_EQ(server.UriSans(), std::vector<std::string>{"spiffe://example.org/lodekey/issuer"});
  EXPECT_TRUE(server.DnsSans().empty());
  EXPECT_EQ(server.ExtendedKeyUsages(), std::vector<std::string>{"1.3.6.1.5.5.7.3.1"});
  EXPECT_EQ(server.not_after(), At(0) + hours(24));
  EXPECT_EQ(identity.not_after, server.not_after());
  const auto key =
      Must(crypto::PrivateKey::FromPem(crypto::Secret::Copy(AsBytes(identity.key_pem))));
  EXPECT_EQ(key.public_key(), server.key());
}

TEST_F(AuthorityTest, ChainsTheServerToThePinnedAuthorityAndToNothingElse) {
  const auto authority = Open();
  const auto identity = Must(authority->MakeServerIdentity(At(0), hours(24)));
  const auto server = Must(crypto::Certificate::FromPem(identity.chain_pem));
  EXPECT_TRUE(crypto::BuildChain(server, {}, {authority->issuer_authority()}, {.at = At(0)}));
  EXPECT_FALSE(crypto::BuildChain(server, {authority->signer(At(0))->certificate},
                                  {authority->root()}, {.at = At(0)}));
  EXPECT_EQ(authority->Pin(), "sha256:" + ToHex(authority->issuer_authority().key().spki_sha256()));
  EXPECT_NE(authority->issuer_authority().key(), authority->root().key());
}

TEST_F(AuthorityTest, GivesEachServerAKeyOfItsOwn) {
  const auto authority = Open();
  EXPECT_NE(Must(authority->MakeServerIdentity(At(0), hours(24))).key_pem,
            Must(authority->MakeServerIdentity(At(0), hours(24))).key_pem);
}

TEST_F(AuthorityTest, LetsNoServerCertificateOutliveItsAuthority) {
  const auto identity =
      Must(Open()->MakeServerIdentity(At(0) + options.root_ttl - hours(1), hours(24)));
  EXPECT_EQ(identity.not_after, At(0) + options.root_ttl);
}

// --- What is recorded ---

TEST_F(AuthorityTest, RecordsItsIntermediatesAndServerCertificates) {
  const auto authority = Open();
  Must(authority->Refresh(At(0) + kWeek / 2));
  const auto identity = Must(authority->MakeServerIdentity(At(0), hours(24)));
  const auto server = Must(crypto::Certificate::FromPem(identity.chain_pem));
  auto records = Records();
  std::erase_if(records, [](const auto& record) { return record["event"] == "jwt-key.issued"; });
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0]["event"], "intermediate.issued");
  ExpectRecords(records[1], "intermediate.issued",
                authority->signer(At(0) + kWeek / 2)->certificate);
  ExpectRecords(records[2], "server-certificate.issued", server);
}

TEST_F(AuthorityTest, RecordsNothingWhenItMakesNothing) {
  options.jwt_key_ttl = kWeek;
  const auto authority = Open();
  const size_t records = Records().size();
  Must(authority->Refresh(At(0) + kWeek / 2 - seconds(1)));
  Open();
  EXPECT_EQ(Records().size(), records);
}

TEST_F(AuthorityTest, SignsNothingThatCannotBeRecorded) {
  const auto authority = Open();
  const Bytes before = authority->signer(At(0))->certificate.der();
  const std::string file = ReadText(Path("intermediate.crt"));
  fs::remove(files.log);  // the store notices, and writes no more
  for (const auto& refused :
       {authority->Refresh(At(0) + kWeek / 2), authority->Refresh(At(0) + kWeek / 2 + hours(1))}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().Name(), "audit-unavailable");
  }
  EXPECT_EQ(authority->MakeServerIdentity(At(0), hours(24)).error().Name(), "audit-unavailable");
  EXPECT_EQ(authority->signer(At(0) + kWeek / 2 + hours(1))->certificate.der(), before);
  EXPECT_EQ(ReadText(Path("intermediate.crt")), file);
}

// Ends the process at each step of the commit that records an intermediate.
class AuthorityCrashTest : public AuthorityTest, public testing::WithParamInterface<std::string> {};

TEST_P(AuthorityCrashTest, LeavesNoIntermediateThatIsNotRecorded) {
  constexpr int kCrashed = 42;
  store.reset();  // its thread does not live in a child
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    store = Must(OpenStore(files, {.at_step = [](std::string_view step) {
                             if (step == GetParam()) _exit(kCrashed);
                           }}));
    static_cast<void>(Authority::Open(options, *store, At(0)));
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, kCrashed);
  EXPECT_FALSE(fs::exists(Path("intermediate.crt"))) << "nothing was signed before the last step";

  store = Must(OpenStore(files));
  const auto authority = Open();
  ExpectRecords(Records().back(), "intermediate.issued", authority->signer(At(0))->certificate);
}

INSTANTIATE_TEST_SUITE_P(Steps, AuthorityCrashTest,
                         testing::Values("changes-run", "committed", "audit-appended"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::erase(name, '-');
                           return name;
                         });

// --- Node certificates ---

TEST(NodeCertificate, IsSignedByTheIntermediateThatWasRecordedThoughItWasRenewedSince) {
  IssuerRig issuer;
  Host host;
  Must(issuer.inventory->Allow(host.id(), {}, "uid 0"));
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  const Bytes before = issuer.authority->signer(issuer.now)->certificate.der();
  issuer.store->Hold();
  auto answer = issuer.FinishLater(request);
  Must(issuer.authority->Refresh(issuer.now + kWeek / 2));
  ASSERT_NE(issuer.authority->signer(issuer.now + kWeek / 2)->certificate.der(), before);
  issuer.store->Release();
  const auto response = Must(answer.get());
  host.Take(response);
  ASSERT_EQ(host.certificates.size(), 2U);
  EXPECT_EQ(host.certificates[1].der(), before);
  EXPECT_TRUE(crypto::BuildChain(host.certificate(), {host.certificates[1]},
                                 {issuer.authority->root()}, {.at = issuer.now}));
}

TEST(NodeCertificate, ChainsNowThoughTheClockRanAheadBefore) {
  IssuerRig issuer;
  Must(issuer.authority->Refresh(issuer.now + hours(100 * 24)));
  Must(issuer.authority->Refresh(issuer.now));
  Host host;
  issuer.Admit(host);
  EXPECT_TRUE(crypto::BuildChain(host.certificate(), {host.certificates.at(1)},
                                 {issuer.authority->root()}, {.at = issuer.now}));
}

TEST(NodeCertificate, IsNotSignedOnceItsIntermediateHasEnded) {
  IssuerRig issuer;
  Host host;
  Must(issuer.inventory->Allow(host.id(), {}, "uid 0"));
  const auto request = Must(host.Finish(Must(issuer.Start(host.Start()))));
  issuer.store->Hold();
  auto answer = issuer.FinishLater(request);
  Must(issuer.authority->Refresh(issuer.now + kWeek));
  issuer.store->Release();
  EXPECT_EQ(Answer(answer.get()), "authority-expired");
}

TEST(NodeCertificate, IsAcceptedByOpenssl) {
  IssuerRig issuer;
  Host host;
  issuer.Admit(host);
  const std::string path = issuer.directory.path();
  Overwrite(path + "/root.pem", issuer.authority->root().ToPem());
  Overwrite(path + "/intermediate.pem", host.certificates.at(1).ToPem());
  Overwrite(path + "/node.pem", host.certificate().ToPem());
  const auto verify = [&](const std::string& purpose, Time at) {
    const auto moment = std::chrono::floor<seconds>(at).time_since_epoch().count();
    return RunProgram({"/usr/bin/openssl", "verify", "-x509_strict", "-attime",
                       std::to_string(moment), "-purpose", purpose, "-CAfile", path + "/root.pem",
                       "-untrusted", path + "/intermediate.pem", path + "/node.pem"});
  };
  for (const auto* purpose : {"sslclient", "sslserver"}) {
    const Finished verified = verify(purpose, issuer.now);
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  }
  const Finished expired = verify("sslclient", issuer.now + hours(1) + seconds(1));
  EXPECT_NE(expired.exit_code, 0);
  EXPECT_NE((expired.out + expired.err).find("expired"), std::string::npos)
      << expired.out << expired.err;
}

}  // namespace
}  // namespace lodekey::test
