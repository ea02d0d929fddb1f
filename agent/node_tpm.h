// The node's keys in its TPM, ready for use: EK created and the session salted to it, AK and node
// key loaded, the ledger register claimed for this AK.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/state.h"
#include "base/result.h"
#include "platform/agent_config.h"
#include "tpm/device.h"
#include "tpm/tls_key.h"

namespace lodekey::agent {

// What a host shows of its endorsement key.
struct EndorsementOffer {
  tpm::PublicArea ek;
  Bytes certificate = {};  // as stored; empty: none
  Bytes chain = {};        // what NV 0x01c00100 to 0x01c001ff hold, concatenated: DER certificates
};

// Thread-safe: TLS handshakes sign on gRPC's threads while the agent's loop quotes.
class NodeTpm {
 public:
  // Brings the keys of this boot to life on `device`. When the NULL hierarchy gives another node
  // key than the state remembers, a boot has passed: what belonged to the earlier one is forgotten
  // first.
  static Result<std::unique_ptr<NodeTpm>> Open(std::unique_ptr<tpm::Device> device,
                                               const platform::AgentConfig& config, State& state);

  // Hex of SHA-256 of the endorsement key's SubjectPublicKeyInfo: what the inventory knows it by.
  const std::string& ek_hash() const { return ek_hash_; }
  const tpm::PublicArea& ak() const { return chip_->keys.ak.area; }
  const tpm::PublicArea& node_key() const { return chip_->keys.node_key.area; }

  // For an enrolment: the EK with its certificates. Creates the EK again if it was released.
  Result<EndorsementOffer> Offer();
  Result<crypto::Secret> Activate(const tpm::Credential& credential);
  Result<tpm::Quoted> CertifyNodeKey(ByteView qualifying);
  // Frees the EK's slot in the chip; only enrolments need it.
  void ReleaseEk();

  // Runs `use(device, ak)` with the chip to itself.
  template <class Use>
  auto WithAk(Use use) {
    const std::scoped_lock lock(chip_->mutex);
    return use(*chip_->device, chip_->keys.ak);
  }

  // False once the chip refused to sign a handshake: gRPC shows that as an unreachable server.
  bool healthy() const { return !chip_->sign_failed; }

  // "engine:…" for the TLS library.
  const std::string& tls_key_reference() const { return tls_key_->reference(); }

 private:
  struct Keys {
    tpm::LoadedKey ak;
    tpm::LoadedKey node_key;
  };
  // Shared with handshakes that are signing: the chip stays open until the last of them is done.
  struct Chip {
    std::mutex mutex;
    std::unique_ptr<tpm::Device> device;  // outlives every handle below
    std::optional<tpm::LoadedKey> ek;
    Keys keys;
    std::atomic<bool> sign_failed = false;
  };
  NodeTpm(std::shared_ptr<Chip> chip, const tpm::EkTemplate& ek_template, std::string ek_hash)
      : chip_(std::move(chip)), ek_template_(ek_template), ek_hash_(std::move(ek_hash)) {}
  static Result<Keys> LoadKeys(tpm::Device& device, State& state);

  std::shared_ptr<Chip> chip_;
  const tpm::EkTemplate& ek_template_;
  const std::string ek_hash_;
  std::unique_ptr<tpm::TlsKey> tls_key_;
};

// The template whose EK this chip is known by: the first whose certificate it holds, else the first
// it can create. `remembered` (a template's name, or empty) saves the search.
Result<const tpm::EkTemplate*> ChooseEkTemplate(tpm::Device& device, std::string_view remembered);

}  // namespace lodekey::agent
