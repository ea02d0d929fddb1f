#include "issuer/peer_node.h"

#include <fmt/format.h>

namespace lodekey::issuer {
namespace {

std::unexpected<Error> NotANode() {
  return Fail(Code::kUntrusted, "the peer's certificate is not a node certificate of this issuer",
              {.name = "peer-certificate", .advice = "The agent enrols again by itself."});
}

Result<NodeId> NodeIdOf(const Context& context, const crypto::Certificate& certificate) {
  const auto uris = certificate.UriSans();
  const std::string prefix = fmt::format("spiffe://{}/node/", context.config.trust_domain);
  if (uris.size() != 1 || !uris.front().starts_with(prefix)) return NotANode();
  return uris.front().substr(prefix.size());
}

// Only areas of enrolled nodes come here: enrolment stores them once the chip has proved them.
Result<tpm::PublicArea> StoredArea(ParsedCache<tpm::PublicArea>& areas, ByteView tpm2b) {
  if (auto known = areas.Find(AsText(tpm2b))) return *std::move(known);
  ASSIGN_OR_RETURN(tpm::PublicArea area, tpm::PublicArea::Parse(tpm2b), "node record");
  areas.Keep(AsText(tpm2b), area);
  return area;
}

// A refused node may show that it has mended.
Result<void> CheckMayAttest(const NodeRecord& record) {
  return record.standing == Standing::kRefused ? Result<void>() : CheckIdentity(record);
}

}  // namespace

Result<void> CheckIdentity(const NodeRecord& record) {
  const auto denied = [](std::string text, std::string name, std::string advice) {
    return Fail(Code::kDenied, std::move(text),
                {.name = std::move(name), .advice = std::move(advice)});
  };
  const std::string explain = "On the issuer: lodekey explain --node " + record.id;
  switch (record.standing) {
    case Standing::kActive:
      if (record.enrolment) return {};
      break;
    case Standing::kRefused:
      return denied("the node's evidence was refused: it has no identity", "node-refused", explain);
    case Standing::kRemoved:
      return denied("the node was removed", "node-removed",
                    "On the issuer, if it is to come back: lodekey node allow " + record.id);
    case Standing::kQuarantined:
      return denied("the node is quarantined", "node-quarantined", explain);
    case Standing::kPending:
      return denied("the node waits for an operator's approval", "approval-pending",
                    "On the issuer: lodekey node approve " + record.id);
    case Standing::kBarred:
      return denied("an operator denied the node", "node-barred",
                    "On the issuer, if it may come in after all: lodekey node allow " + record.id);
    case Standing::kAllowed: break;
  }
  return denied("the node is not enrolled", "node-not-enrolled",
                "The agent enrols again by itself.");
}

Result<PeerNode> FindPeerNode(const Context& context, ParsedCache<tpm::PublicArea>& areas,
                              const crypto::Certificate& certificate, Time now) {
  ASSIGN_OR_RETURN(const NodeId id, NodeIdOf(context, certificate), "identify the peer");
  std::optional<NodeRecord> record;
  std::optional<CredentialRecord> credential;
  RETURN_IF_ERROR(context.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(record, view.FindNode(id), "find the node");
    ASSIGN_OR_RETURN(credential, view.FindCredential(certificate.serial()), "find the certificate");
    return {};
  }),
                  "identify the peer");
  if (!record || !credential || credential->node != id ||
      credential->kind != CredentialKind::kNode || credential->state != CredentialState::kIssued)
    return NotANode();
  if (!record->enrolment) return NotANode();
  ASSIGN_OR_RETURN(tpm::PublicArea ak, StoredArea(areas, record->enrolment->ak_public),
                   "attestation key");
  ASSIGN_OR_RETURN(tpm::PublicArea node_key, StoredArea(areas, record->enrolment->node_key_public),
                   "node key");
  // The key first: nobody else learns the node's standing.
  if (!(node_key.key() == certificate.key())) return NotANode();
  // As it is: it is what the operator of the host reads.
  if (auto standing = CheckMayAttest(*record); !standing) return std::unexpected(standing.error());
  if (now >= credential->not_after) {
    return Fail(Code::kUntrusted, "the peer's certificate has expired",
                {.name = "peer-expired", .advice = "The agent enrols again by itself."});
  }
  attest::Subject subject{.trust_domain = context.config.trust_domain,
                          .node_id = id,
                          .group = record->Group(),
                          .ak = std::move(ak),
                          .node_key = std::move(node_key)};
  return PeerNode{.record = *std::move(record),
                  .subject = std::move(subject),
                  .not_after = credential->not_after};
}

}  // namespace lodekey::issuer
