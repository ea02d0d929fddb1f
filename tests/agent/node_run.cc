#include "tests/agent/node_run.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/binding.h"
#include "attest/codec.h"
#include "crypto/tls_policy.h"
#include "tests/support/must.h"

namespace lodekey::test {

NodeRun::NodeRun() {
  static const bool policy = [] {
    Must(crypto::RequireFullTls13Handshakes());
    Must(crypto::LeaveServerValidityToCaller());
    return true;
  }();
  (void)policy;
  tpm = TestTpm::Create();
  issuer = std::make_unique<IssuerRig>([](issuer::IssuerConfig& adjusted) {
    adjusted.listen = {.host = "127.0.0.1", .port = 0};
    adjusted.enrolments_per_second = adjusted.enrolments_per_source = 100000;
  });
  issuer->config.admin_socket = issuer->directory.path() + "/admin.sock";
  server = Must(issuer::Server::Start(*issuer->context));
  config.trust_domain = issuer->config.trust_domain;
  config.ledger_pcr = 13;
  config.boot_log = config.ima_log = tpm->directory / "no-log";
  state = std::make_unique<agent::State>(
      Must(agent::State::Open(tpm->directory / "agent", tpm->directory / "run")));
  client = agent::IssuerClient::Create(
      fmt::format("127.0.0.1:{}", server->port()),
      {.trust_domain = config.trust_domain,
       .pins = {ToBytes(issuer->authority->issuer_authority().key().spki_sha256())},
       .now = [this] { return issuer->now; }});
  OpenTpm();
}

void NodeRun::OpenTpm() {
  node_tpm.reset();
  auto device =
      Must(tpm::Device::Open(Must(TpmProbe::Open(tpm->swtpm->tcti(), &probe)), TpmProbe::Finalize));
  probe.Reset();
  node_tpm = Must(agent::NodeTpm::Open(std::move(device), config, *state));
}

agent::EnrolmentReply NodeRun::Enrol() {
  const auto offer = Must(node_tpm->Offer());
  Must(issuer->inventory->Allow(ToHex(offer.ek.key().spki_sha256()), {}, "test"));
  OpenTpm();
  agent::EnrolmentReply reply = Must(agent::Enrol(config, *state, *node_tpm, *client, {}));
  identity = Must(
      agent::ReadIdentity(reply.response.identity().certificates(), node_tpm->node_key().key()));
  *state->boot().mutable_certificates() = reply.response.identity().certificates();
  Must(state->SaveBoot());
  node_id = reply.node_id;
  pcrs = reply.pcrs;
  client->UseIdentity(identity.ChainPem(), node_tpm->tls_key_reference(), *client->authority());
  return reply;
}

node::AttestResponse NodeRun::Attest(const node::NextStep& next, bool with_values) {
  const Bytes nonce = attest::FromField(next.nonce());
  const auto qualifying =
      attest::Bind(attest::Purpose::kAttestQuote, {.trust_domain = config.trust_domain,
                                                   .node_id = node_id,
                                                   .nonce = nonce,
                                                   .ak_name = node_tpm->ak().name(),
                                                   .key_name = node_tpm->node_key().name(),
                                                   .boot_log_digest = {}});
  attest::Wanted wanted{.selection = Must(attest::DecodeSelection(next.selection()))};
  if (!with_values) wanted.known_pcrs = pcrs;
  const auto collected = Must(node_tpm->WithAk([&](tpm::Device& device, const tpm::LoadedKey& ak) {
    return attest::Collect(device, ak, agent::CollectContextOf(config, *state), {}, wanted,
                           qualifying);
  }));
  node::AttestRequest request;
  request.set_nonce(next.nonce());
  *request.mutable_evidence() = attest::EncodeEvidence(collected.evidence);
  return Must(client->Attest(request));
}

size_t Count(const TpmProbe& probe, uint32_t code) {
  return static_cast<size_t>(std::ranges::count(probe.traffic().codes, code));
}

}  // namespace lodekey::test
