// What an enrolled node asks of its chip, counted between ESYS and the emulator.
#include <atomic>

#include <gtest/gtest.h>
#include <tss2/tss2_tpm2_types.h>

#include "tests/agent/node_run.h"
#include "tests/support/must.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

using lodekey::verdict::v1::Verdict;

TEST(Node, EnrolsWithinItsBudgetOfCommands) {
  NodeRun run;
  const auto reply = run.Enrol();
  EXPECT_EQ(reply.response.verdict().outcome(), Verdict::ACCEPTED);
  // The budget (docs/architecture.md): at most 24, and up to three for each index of an EK chain.
  EXPECT_LE(run.probe.traffic().commands, 24u);
  EXPECT_EQ(Count(run.probe, TPM2_CC_Sign), 0u) << "enrolment authenticates the server alone";
}

TEST(Node, AHandshakeCostsExactlyOneSignatureOfTheTpm) {
  NodeRun run;
  run.Enrol();
  run.probe.Reset();
  const auto next = Must(run.client->Attest({})).next();
  EXPECT_EQ(Count(run.probe, TPM2_CC_Sign), 1u);
  EXPECT_EQ(run.probe.traffic().commands, 1u);
  run.probe.Reset();
  Must(run.client->Attest({}));
  EXPECT_EQ(run.probe.traffic().commands, 0u) << "the connection is kept";
  // Another connection, another signature: nothing was resumed.
  run.client->UseIdentity(run.identity.ChainPem(), run.node_tpm->tls_key_reference(),
                          *run.client->authority());
  Must(run.client->Attest({}));
  EXPECT_EQ(Count(run.probe, TPM2_CC_Sign), 1u);
  EXPECT_FALSE(next.nonce().empty());
}

TEST(Node, WatchesItsEntriesAndAsksForSvidsOverTheConnectionThatItAttestsBy) {
  NodeRun run;
  run.Enrol();
  run.probe.Reset();
  std::atomic<uint64_t> sequence = 0;
  std::atomic<bool> ended = false;
  const auto stream = Must(run.client->WatchEntries(
      {.entries = [&](const node::EntrySet& set) { sequence = set.bundle().sequence(); },
       .ended = [&](const Error&) { ended = true; }}));
  EXPECT_TRUE(Eventually([&] { return sequence != 0; }));
  Must(run.client->Attest({}));
  node::IssueRequest request;
  request.add_items()->set_entry_id("none such");
  EXPECT_TRUE(Must(run.client->Issue(request)).outcomes(0).has_refused());
  EXPECT_EQ(Count(run.probe, TPM2_CC_Sign), 1u);
  EXPECT_FALSE(ended);
}

TEST(Node, AttestsAgainWithOneCommandWhileNothingChanged) {
  NodeRun run;
  const auto reply = run.Enrol();
  Must(run.client->Attest({}));
  run.probe.Reset();
  EXPECT_EQ(run.Attest(reply.response.next(), /*with_values=*/false).verdict().outcome(),
            Verdict::ACCEPTED);
  EXPECT_EQ(run.probe.traffic().commands, 1u);
}

TEST(Node, AttestsAgainWithThreeCommandsWhenValuesAreRead) {
  NodeRun run;
  const auto reply = run.Enrol();
  Must(run.client->Attest({}));
  run.probe.Reset();
  EXPECT_EQ(run.Attest(reply.response.next(), /*with_values=*/true).verdict().outcome(),
            Verdict::ACCEPTED);
  EXPECT_LE(run.probe.traffic().commands, 3u);
}

TEST(Node, AttestsAfterARestartWithinTheBudgetOfAColdStart) {
  NodeRun run;
  run.Enrol();
  run.OpenTpm();
  const size_t opening = run.probe.traffic().commands;
  run.client->UseIdentity(run.identity.ChainPem(), run.node_tpm->tls_key_reference(),
                          *run.client->authority());
  const auto next = Must(run.client->Attest({})).next();
  EXPECT_EQ(run.Attest(next, /*with_values=*/true).verdict().outcome(), Verdict::ACCEPTED);
  // The handshake's signature is not part of the re-attestation.
  EXPECT_LE(run.probe.traffic().commands - Count(run.probe, TPM2_CC_Sign), 8u)
      << opening << " of them to open";
}

TEST(Node, NeverSendsItsIdentityToAServerUnderAnotherAuthority) {
  NodeRun run;
  run.Enrol();
  IssuerRig impostor(
      [](issuer::IssuerConfig& config) { config.listen = {.host = "127.0.0.1", .port = 0}; });
  impostor.config.admin_socket = impostor.directory.path() + "/admin.sock";
  const auto server = Must(issuer::Server::Start(*impostor.context));
  const auto client = agent::IssuerClient::Create(
      "127.0.0.1:" + std::to_string(server->port()),
      {.trust_domain = run.config.trust_domain,
       .pins = {ToBytes(run.issuer->authority->issuer_authority().key().spki_sha256())},
       .now = [&] { return run.issuer->now; }});
  client->UseIdentity(run.identity.ChainPem(), run.node_tpm->tls_key_reference(),
                      run.issuer->authority->issuer_authority());
  run.probe.Reset();
  const auto attested = client->Attest({});
  ASSERT_FALSE(attested);
  EXPECT_EQ(run.probe.traffic().commands, 0u) << "the TPM signed a handshake with a stranger";
}

}  // namespace
}  // namespace lodekey::test
