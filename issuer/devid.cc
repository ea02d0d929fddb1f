#include "issuer/devid.h"

#include <fmt/format.h>

#include "attest/binding.h"
#include "attest/codec.h"
#include "attest/key_rules.h"
#include "issuer/audit_record.h"
#include "issuer/node_limits.h"
#include "platform/log.h"

namespace lodekey::issuer {
namespace {

namespace node = lodekey::node::v1;

Error Duplicate(const NodeId& owner) {
  return {.code = Code::kDenied,
          .text = fmt::format("node {} enrolled with this DevID already", owner),
          .name = "devid-duplicate",
          .advice =
              "Find out how one key came into two TPMs: whoever made the DevID did not make it "
              "in the TPM. Give both hosts new ones."};
}

}  // namespace

Result<std::optional<attest::DevIdClaim>> ReadDevIdClaim(const Context& context,
                                                         const node::StartEnrolmentRequest& request,
                                                         Time now) {
  if (!request.has_devid()) return std::nullopt;
  std::vector<Bytes> certificates;
  for (const std::string& certificate : request.devid().certificates())
    certificates.push_back(attest::FromField(certificate));
  ASSIGN_OR_RETURN(attest::DevIdClaim claim,
                   attest::ReadDevIdClaim(certificates, AsBytes(request.devid().key_public()),
                                          context.devid, now),
                   "DevID");
  return claim;
}

Result<std::optional<attest::ProvedDevId>> ProveDevId(const Context& context,
                                                      const Challenge& challenge,
                                                      const node::FinishEnrolmentRequest& request) {
  if (!challenge.devid) return std::nullopt;
  ASSIGN_OR_RETURN(const tpm::PublicArea ak, attest::ReadAttestationKey(challenge.ak_public),
                   "DevID");
  ASSIGN_OR_RETURN(const attest::Certification certification,
                   attest::DecodeCertification(request.devid()), "DevID");
  const attest::BindingContext binding{
      .trust_domain = context.config.trust_domain,
      .node_id = challenge.node_id,
      .nonce = challenge.nonce,
      .activation_secret = challenge.activation_secret.Reveal(),
      .ak_name = ak.name(),
      .key_name = challenge.devid->key_name,
      .boot_log_digest = AsBytes(request.evidence().boot_log_digest())};
  ASSIGN_OR_RETURN(attest::ProvedDevId proved,
                   attest::ProveDevId(*challenge.devid, ak, certification,
                                      attest::Bind(attest::Purpose::kEnrolDevId, binding)),
                   "DevID");
  return proved;
}

Result<std::optional<NodeId>> FindOtherOwner(const Context& context, const ProvedHost& host) {
  if (!host.facts.devid) return std::nullopt;
  std::optional<NodeId> owner;
  RETURN_IF_ERROR(context.store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(owner, view.FindNodeByDevId(host.facts.devid->key_sha256),
                     "look the DevID up");
    return {};
  }),
                  "DevID");
  if (owner == host.record.id) owner.reset();
  return owner;
}

void RefuseDuplicate(const Context& context, const ProvedHost& host, const NodeId& owner,
                     EnrolmentReply reply) {
  const NodeId id = host.record.id;
  const std::string detail =
      fmt::format("{}: node {} enrolled with its key", DevIdName(*host.facts.devid), owner);
  const std::string record =
      OperatorRecord({.event = "devid.duplicate", .actor = "issuer", .node = id, .detail = detail},
                     host.scene.now);
  context.store.Commit(
      [id = host.challenge.id, expires = host.challenge.expires,
       record](Transaction& transaction) -> Result<void> {
        RETURN_IF_ERROR(transaction.UseChallenge(id, expires), "use the challenge");
        transaction.Audit(record);
        return {};
      },
      [id, owner, detail, reply = std::move(reply)](const Result<crypto::ChainHead>& recorded) {
        if (!recorded) return reply(std::unexpected(recorded.error()));
        const Error refusal = Duplicate(owner);
        platform::LogEvent(platform::LogLevel::kError,
                           "two TPMs have the key of one DevID, and somebody has to look",
                           {{"node", id}, {"detail", detail}, {"advice", refusal.advice}});
        reply(std::unexpected(refusal));
      });
}

void BindDevId(ProvedHost& host) {
  if (!host.facts.devid) return;
  host.record.devid = host.facts.devid->key_sha256;
  host.record.devid_name = DevIdName(*host.facts.devid);
}

std::string DevIdName(const attest::ProvedDevId& devid) {
  return fmt::format("{}, serial {}", devid.subject, devid.serial).substr(0, kMaxShownValue);
}

}  // namespace lodekey::issuer
