// A TPM that lies on demand. Its keys are in our memory, so that it signs real structures with any
// one thing in them changed: what a hostile host may send, and what a chip never would.
//
//   const SoftwareTpm tpm;
//   const auto honest = tpm.Quote(selection, banks, nonce);
//   const auto hostile = tpm.Quote(selection, banks, nonce, {.magic = 0});
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/private_key.h"
#include "tpm/attestation.h"
#include "tpm/make_credential.h"
#include "tpm/pcr.h"
#include "tpm/public_area.h"
#include "tpm/template.h"

namespace lodekey::test {

// A key with both halves. Copies share the private one.
struct SoftwareKey {
  std::shared_ptr<const crypto::PrivateKey> key;
  tpm::PublicArea area;
};

// Makes a key that `area` describes (RSA, or ECC on P-256 or P-384) and puts it into `unique`. With
// `rsa_slot` not empty an RSA key comes from a cache of this process: areas made with the same slot
// and size share the key.
SoftwareKey MakeSoftwareKey(TPMT_PUBLIC area, const std::string& rsa_slot = {});

// `area` as a TPM2B_PUBLIC, however wrong it is; and its TPMT_PUBLIC changed by `change`.
Bytes MarshalTpm2bPublic(const TPMT_PUBLIC& area);
using ChangeArea = std::function<void(TPMT_PUBLIC&)>;
Bytes ChangedTpm2bPublic(const tpm::PublicArea& area, const ChangeArea& change);

// The endorsement key template of that name (tpm/template.h).
const tpm::EkTemplate& EkTemplateNamed(std::string_view name);

// A restricted RSA-2048 signing key; `scheme` is TPM2_ALG_RSASSA or TPM2_ALG_RSAPSS, with SHA-256.
TPMT_PUBLIC RsaAttestationKeyTemplate(TPM2_ALG_ID scheme);

struct SoftwareTpmOptions {
  std::string_view ek_template = "p256-l2";
  TPM2_ALG_ID ak_scheme = TPM2_ALG_ECDSA;  // P-256; TPM2_ALG_RSASSA, TPM2_ALG_RSAPSS: RSA-2048
  // Called on the templates before the keys are made and named.
  ChangeArea change_ek = {};
  ChangeArea change_ak = {};
  ChangeArea change_node_key = {};
  TPM2_HANDLE ak_hierarchy = TPM2_RH_ENDORSEMENT;
  TPM2_HANDLE node_key_hierarchy = TPM2_RH_NULL;
  // RSA keys are slow to make: chips of one number share them.
  unsigned chip = 0;
};

// What differs from an honest attestation. The named fields are written first, then `attest` is
// called on the structure, `bytes` on its encoding; that is signed; then `signature` is called.
struct AttestChanges {
  std::optional<uint32_t> magic = {};
  std::optional<TPM2_ST> type = {};  // the number alone: the body stays what it was
  std::optional<tpm::Name> qualified_signer = {};
  std::optional<Bytes> extra_data = {};
  std::optional<tpm::ClockInfo> clock = {};
  std::optional<uint64_t> firmware_version = {};
  // Quote: the selection that is written (the digest covers the one that was asked for), the
  // digest, the hash it is made with.
  std::optional<tpm::PcrSelection> selection = {};
  std::optional<Bytes> pcr_digest = {};
  std::optional<crypto::HashAlg> digest_hash = {};
  // Certify.
  std::optional<tpm::Name> certified_name = {};
  std::optional<tpm::Name> certified_qualified_name = {};

  std::function<void(TPMS_ATTEST&)> attest = {};
  std::function<void(Bytes&)> bytes = {};
  // Who signs and how; what the signature says follows.
  const SoftwareKey* signer = nullptr;
  std::optional<TPM2_ALG_ID> scheme = {};
  std::optional<crypto::HashAlg> hash = {};
  std::function<void(Bytes&)> signature = {};
};

struct SignedAttestation {
  Bytes attest;     // TPMS_ATTEST
  Bytes signature;  // TPMT_SIGNATURE
};

class SoftwareTpm {
 public:
  explicit SoftwareTpm(const SoftwareTpmOptions& options = {});

  const SoftwareKey& ek() const { return ek_; }
  const SoftwareKey& ak() const { return ak_; }
  const SoftwareKey& node_key() const { return node_key_; }

  // Selected values must be in `banks`, unless the changes give the digest.
  SignedAttestation Quote(const tpm::PcrSelection& selection,
                          const std::vector<tpm::PcrBank>& banks, ByteView qualifying,
                          const AttestChanges& changes = {}) const;

  // The AK says that `object` is in this chip. The first form certifies the node key.
  SignedAttestation Certify(ByteView qualifying, const AttestChanges& changes = {}) const;
  SignedAttestation Certify(const tpm::PublicArea& object, TPM2_HANDLE hierarchy,
                            ByteView qualifying, const AttestChanges& changes = {}) const;

  // Recovers what was wrapped for the EK and the AK, or for any name a hostile host would try.
  Result<crypto::Secret> ActivateCredential(const tpm::Credential& credential) const;
  Result<crypto::Secret> ActivateCredential(const tpm::Credential& credential,
                                            const tpm::Name& name) const;

  // What the attestations carry; free to change.
  tpm::ClockInfo clock = {.clock = 1'000'000, .reset_count = 7, .restart_count = 0, .safe = true};
  uint64_t firmware_version = 0x2023'0526'0012'0000;

 private:
  TPMS_ATTEST Header(TPM2_ST type, ByteView qualifying, const AttestChanges& changes) const;
  SignedAttestation Sign(TPMS_ATTEST attest, const AttestChanges& changes) const;

  SoftwareTpmOptions options_;
  SoftwareKey ek_;
  SoftwareKey ak_;
  SoftwareKey node_key_;
};

}  // namespace lodekey::test
