#include "issuer/policy_message.h"

#include <algorithm>

#include "attest/codec.h"

namespace lodekey::issuer {

namespace policy = lodekey::policy::v1;

policy::Decision DecisionOf(const Ruling& ruling, const NodeId& node, const std::string& entry) {
  const PolicyOutput& output = ruling.output();
  policy::Decision message;
  message.set_point(std::string(PolicyPointName(ruling.point())));
  message.set_decided_unix_ms(ruling.decided().time_since_epoch().count());
  message.set_node(node);
  message.set_entry(entry);
  message.set_policy_version(ruling.policy_version());
  message.set_allowed(output.allow);
  message.set_rule(output.rule);
  for (const Reason& reason : output.reasons) {
    policy::Reason& field = *message.add_reasons();
    field.set_code(reason.code);
    field.set_subject(reason.subject);
    field.set_expected(reason.expected);
    field.set_seen(reason.seen);
    field.set_text(reason.text);
    field.set_accept(reason.accept);
  }
  message.set_input_digest(attest::ToField(ruling.input_digest()));
  if (output.ttl) message.set_ttl_ms(output.ttl->count());
  if (output.evidence_within) message.set_evidence_within_ms(output.evidence_within->count());
  message.set_approval(output.approval);
  return message;
}

policy::Version VersionOf(const PolicyRecord& record) {
  policy::Version message;
  message.set_version(record.version);
  message.set_digest(attest::ToField(record.digest));
  message.set_applied_unix_ms(record.applied.time_since_epoch().count());
  message.set_applied_by(record.applied_by);
  message.set_note(record.note);
  message.set_rolled_back_to(record.rolled_back_to);
  message.set_allows_all(record.allows_all);
  if (record.signer.empty()) return message;
  message.mutable_signature()->set_version(record.signed_version);
  message.mutable_signature()->set_key(attest::ToField(record.signer));
  message.mutable_signature()->set_signature(attest::ToField(record.signature));
  return message;
}

Result<attest::PolicySignature> DecodePolicySignature(const policy::Signature& message) {
  attest::PolicySignature signature{.version = message.version()};
  if (message.key().size() != signature.key.size() ||
      message.signature().size() != signature.signature.size()) {
    return Fail(
        Code::kInvalidArgument, "the signature is not one of Ed25519",
        {.name = "policy-signature", .advice = "Sign the policy with: lodekey policy sign"});
  }
  std::ranges::copy(AsBytes(message.key()), signature.key.begin());
  std::ranges::copy(AsBytes(message.signature()), signature.signature.begin());
  return signature;
}

}  // namespace lodekey::issuer
