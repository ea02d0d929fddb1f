// A host at the issuer's door: a software TPM, registers, a ledger, logs, and the agent's part of
// the protocol. Every message can be changed on its way, every signed structure before it is
// signed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/binding.h"
#include "attest/evidence.h"
#include "attest/ledger.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/secret.h"
#include "lodekey/node/v1/node_service.pb.h"
#include "tests/support/software_tpm.h"
#include "tpm/pcr.h"

namespace lodekey::test {

namespace node = lodekey::node::v1;

// What a hostile host does otherwise than an honest one.
struct HostChanges {
  std::function<void(node::StartEnrolmentRequest&)> start = {};
  std::function<void(node::FinishEnrolmentRequest&)> finish = {};
  std::function<void(node::AttestRequest&)> attest = {};
  // What the quote is bound to, and what it says.
  std::optional<attest::Purpose> purpose = {};
  std::function<void(attest::BindingContext&)> binding = {};
  AttestChanges quote = {};
  AttestChanges certify = {};
};

class Host {
 public:
  explicit Host(const SoftwareTpmOptions& options = {});

  // SHA-256 of the EK's SubjectPublicKeyInfo, hex: what an operator puts into the inventory, and
  // the node's id.
  std::string id() const;
  const SoftwareTpm& tpm() const { return *tpm_; }
  SoftwareTpm& tpm() { return *tpm_; }

  // Each in the place that it has in the protocol. `started` and the next step come from the
  // issuer.
  node::StartEnrolmentRequest Start() const;
  Result<crypto::Secret> Activate(const node::StartEnrolmentResponse& started) const;
  // kUntrusted when the credential is not for this TPM.
  Result<node::FinishEnrolmentRequest> Finish(const node::StartEnrolmentResponse& started,
                                              const HostChanges& changes = {});
  // The same with a secret that was not recovered by this TPM.
  node::FinishEnrolmentRequest FinishWith(ByteView secret,
                                          const node::StartEnrolmentResponse& started,
                                          const HostChanges& changes = {});
  node::AttestRequest Attest(const HostChanges& changes = {});

  // What an issuer answered: the certificate and the next nonce, where the answer has them.
  void Take(const node::FinishEnrolmentResponse& response);
  void Take(const node::AttestResponse& response);

  // A TPM Reset: the counter rises, the registers are empty, the ledger begins anew.
  void Reboot();
  // The agent's keys are lost: another AK and node key. The EK stays on RSA chips only.
  void LoseKeys();
  // The ledger, too: the register is claimed again, over what it holds.
  void LoseState();
  // The agent claims another register in this boot.
  void ClaimIn(uint8_t pcr);
  // The firmware's log is another: after a reboot, or because somebody wrote it.
  void BringLog(std::string_view log);
  // The register's value after another extend; the ledger does not know of it.
  void Extend(uint8_t pcr);

  const crypto::Certificate& certificate() const { return certificates.front(); }

  tpm::PcrBank registers;
  attest::Ledger ledger;
  uint8_t ledger_pcr = 13;
  Bytes boot_log;
  Bytes ima_list;
  Bytes ek_certificate;
  std::vector<Bytes> ek_chain;
  std::vector<crypto::Certificate> certificates;  // leaf first; empty: not enrolled
  node::NextStep next;

 private:
  void Boot();
  void Claim();
  attest::BindingContext Binding(ByteView nonce) const;
  attest::Evidence Quote(const node::PcrSelection& selection, attest::Purpose purpose,
                         const attest::BindingContext& binding, const HostChanges& changes);
  void TakeIdentity(const node::NodeIdentity& identity);

  SoftwareTpmOptions options_;
  std::unique_ptr<SoftwareTpm> tpm_;
  std::string node_id_;  // as the issuer said
  std::string trust_domain_ = "example.org";
  Bytes boot_log_digest_;
};

}  // namespace lodekey::test
