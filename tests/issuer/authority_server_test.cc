// What an authority makes for its server, and what it writes down of all that it makes.
#include <filesystem>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "issuer/authority.h"
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

}  // namespace
}  // namespace lodekey::test
