// Certificates of nodes, by whatever intermediate signs them.
#include <filesystem>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "issuer/authority.h"
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
