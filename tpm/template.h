// The public templates of the keys lodekey makes, and of the endorsement keys it knows (TCG EK
// Credential Profile 2.5, B.3 and B.4).
#pragma once

#include <string_view>
#include <vector>

#include <tss2/tss2_tpm2_types.h>

#include "tpm/public_area.h"

namespace lodekey::tpm {

struct EkTemplate {
  std::string_view name = {};         // "p256-l2", "p384-h3", "rsa2048-l1"
  TPM2_HANDLE certificate_index = 0;  // NV index of the certificate
  TPMT_PUBLIC area = {};
  // L templates clear userWithAuth: each use needs PolicySecret(endorsement hierarchy).
  bool needs_policy = false;
};

// In order of preference: L-2 ECC P-256 (milliseconds to create), H-3 ECC P-384, L-1 RSA 2048. A
// chip's EK is the first of these whose certificate it holds; with no certificate at all, the first
// it can create.
const std::vector<EkTemplate>& EkTemplates();

// Which template `ek` was made from: everything but the key itself is equal (type, name algorithm,
// attributes, authPolicy, symmetric algorithm, size, curve, exponent). nullptr: none of them, so it
// is not an endorsement key we may make credentials for. The result lives for ever.
const EkTemplate* MatchEkTemplate(const PublicArea& ek);

// Restricted ECDSA-SHA256 P-256 signing key, fixedTPM, fixedParent, sensitiveDataOrigin,
// userWithAuth, noDA.
TPMT_PUBLIC AttestationKeyTemplate();
// The same, unrestricted: the key of the node's certificate.
TPMT_PUBLIC NodeKeyTemplate();

// PolicySecret(TPM_RH_ENDORSEMENT) under SHA-256: PolicyA of the profile, 32 bytes.
Bytes EndorsementPolicySha256();

}  // namespace lodekey::tpm
