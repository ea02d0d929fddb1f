#include "issuer/next_step.h"

#include <algorithm>

#include "attest/codec.h"
#include "attest/evidence.h"
#include "crypto/secret.h"

namespace lodekey::issuer {
namespace {

constexpr size_t kMaxUnused = 2;

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

}  // namespace

lodekey::node::v1::NextStep OfferNextStep(const Context& context, NodeRecord& record, Time now) {
  const IssuerConfig& config = context.config;
  IssuedNonce nonce{.value = crypto::RandomBytes(attest::kNonceSize),
                    .made = now,
                    .expires = now + config.attest_interval + config.nonce_slack};
  lodekey::node::v1::NextStep next;
  next.set_nonce(attest::ToField(nonce.value));
  next.set_nonce_life_ms((nonce.expires - nonce.made).count());
  next.set_attest_in_ms(config.attest_interval.count());
  *next.mutable_selection() =
      attest::EncodeSelection({config.appraisal.bank, config.appraisal.required});
  next.set_ima_offset(record.enrolment ? record.enrolment->ima_bytes : 0);
  record.nonces.push_back(std::move(nonce));
  DropOldNonces(record, now);
  return next;
}

lodekey::node::v1::Bundle BundleOf(const Authority& authority) {
  lodekey::node::v1::Bundle bundle;
  bundle.set_sequence(authority.bundle_sequence());
  bundle.add_roots(attest::ToField(authority.root().der()));
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
