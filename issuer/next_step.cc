#include "issuer/next_step.h"

#include <algorithm>

#include "attest/codec.h"
#include "attest/evidence.h"
#include "crypto/secret.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kMaxUnused = 2;
constexpr Duration kEvidenceNonceLife = std::chrono::seconds(30);

void DropOldNonces(NodeRecord& record, Time now) {
  auto& nonces = record.nonces;
  std::erase_if(nonces, [&](const IssuedNonce& nonce) { return nonce.expires <= now; });
  const auto used = [](const IssuedNonce& nonce) { return !nonce.request_digest.empty(); };
  // Of the used ones only the last can still be asked for again: its reply may have been lost.
  const auto last_used = std::find_if(nonces.rbegin(), nonces.rend(), used);
  const Bytes keep = last_used == nonces.rend() ? Bytes{} : last_used->value;
  std::erase_if(nonces,
                [&](const IssuedNonce& nonce) { return used(nonce) && nonce.value != keep; });
  while (static_cast<size_t>(std::ranges::count_if(nonces, std::not_fn(used))) > kMaxUnused) {
    nonces.erase(std::ranges::find_if(nonces, std::not_fn(used)));
  }
}

IssuedNonce NewNonce(Time now, Duration life) {
  return {.value = crypto::RandomBytes(attest::kNonceSize), .made = now, .expires = now + life};
}

lodekey::node::v1::NextStep StepOf(const Context& context, const NodeRecord& record,
                                   const IssuedNonce& nonce, Time now, Duration attest_in) {
  lodekey::node::v1::NextStep next;
  next.set_nonce(attest::ToField(nonce.value));
  next.set_nonce_life_ms((nonce.expires - now).count());
  next.set_attest_in_ms(attest_in.count());
  *next.mutable_selection() = SelectionOf(context.policy);
  next.set_ima_offset(record.enrolment ? record.enrolment->ima_bytes : 0);
  return next;
}

}  // namespace

lodekey::node::v1::PcrSelection SelectionOf(const Policy& policy) {
  const auto current = policy.Current();
  return attest::EncodeSelection({current->appraisal.bank, current->appraisal.required});
}

lodekey::node::v1::NextStep OfferNextStep(const Context& context, NodeRecord& record, Time now) {
  const Duration interval = context.config.attest_interval;
  const IssuedNonce nonce = NewNonce(now, interval + context.config.nonce_slack);
  record.nonces.push_back(nonce);
  DropOldNonces(record, now);
  return StepOf(context, record, nonce, now, interval);
}

bool OfferEvidenceStep(const Context& context, NodeRecord& record, Time now,
                       lodekey::node::v1::NextStep& step) {
  const auto given = std::ranges::find_if(record.nonces, [&](const IssuedNonce& nonce) {
    return nonce.request_digest.empty() && nonce.expires - nonce.made == kEvidenceNonceLife &&
           nonce.made <= now && nonce.expires - now >= kEvidenceNonceLife / 2;
  });
  if (given != record.nonces.end()) {
    step = StepOf(context, record, *given, now, Duration::zero());
    return false;
  }
  const IssuedNonce nonce = NewNonce(now, kEvidenceNonceLife);
  record.nonces.push_back(nonce);
  DropOldNonces(record, now);
  step = StepOf(context, record, nonce, now, Duration::zero());
  return true;
}

lodekey::node::v1::Bundle BundleOf(const Authority& authority) {
  lodekey::node::v1::Bundle bundle;
  const PublishedJwtKeys jwt = authority.jwt().Published();
  bundle.set_sequence(jwt.sequence);
  bundle.add_roots(attest::ToField(authority.root().der()));
  for (const crypto::JwtKey& published : jwt.keys) {
    lodekey::node::v1::JwtKey& key = *bundle.add_jwt_keys();
    key.set_id(published.id);
    key.set_public_key(attest::ToField(published.key.spki_der()));
  }
  return bundle;
}

lodekey::node::v1::AuditHead HeadOf(const crypto::ChainHead& head) {
  lodekey::node::v1::AuditHead message;
  message.set_seq(head.seq);
  message.set_hash(attest::ToField(head.hash));
  return message;
}

lodekey::node::v1::NodeIdentity IdentityOf(const std::vector<crypto::Certificate>& chain) {
  lodekey::node::v1::NodeIdentity identity;
  for (const crypto::Certificate& certificate : chain)
    identity.add_certificates(attest::ToField(certificate.der()));
  return identity;
}

}  // namespace lodekey::issuer
