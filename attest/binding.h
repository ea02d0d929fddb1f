// The qualifying data of every quote and certification: it ties the signed structure to one
// purpose, one trust domain, one node, one nonce, one pair of keys and one boot log
// (docs/protocol.md, Binding).
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "crypto/digest.h"

namespace lodekey::attest {

// Each purpose has a label of its own, so that what was signed for one is never accepted for
// another.
enum class Purpose {
  kEnrolQuote,    // "lodekey/quote/enrol/v1"
  kEnrolCertify,  // "lodekey/certify/enrol/v1"
  kAttestQuote,   // "lodekey/quote/attest/v1"
  kEnrolDevId,    // "lodekey/certify/devid/v1"
};

struct BindingContext {
  std::string_view trust_domain;
  std::string_view node_id;         // hex
  ByteView nonce;                   // 32 bytes
  ByteView activation_secret = {};  // enrolment only; for kAttestQuote the field does not exist
  ByteView ak_name;
  ByteView key_name;         // of the key that gets the certificate; for kEnrolDevId, the DevID's
  ByteView boot_log_digest;  // SHA-256; empty: the host has no boot log
};

// SHA-256(label ‖ LV(trust domain) ‖ LV(node id) ‖ LV(nonce) [‖ LV(activation secret)] ‖ LV(AK
// name) ‖ LV(key name) ‖ LV(boot log digest)), LV being a 32-bit big-endian length and the bytes.
crypto::Sha256Digest Bind(Purpose purpose, const BindingContext& context);

}  // namespace lodekey::attest
