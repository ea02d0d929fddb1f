#include "agent/node_tpm.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/claim.h"
#include "agent/key_file.h"

namespace lodekey::agent {
namespace {

// NV indices of endorsement certificates and their chains (TCG EK Credential Profile 2.5, 2.2.1).
constexpr TPM2_HANDLE kFirstEkIndex = 0x01c00002;
constexpr TPM2_HANDLE kFirstChainIndex = 0x01c00100;
constexpr TPM2_HANDLE kLastChainIndex = 0x01c001ff;
constexpr size_t kMaxChain = 16384;

Result<Bytes> ReadChain(tpm::Device& device, const std::vector<TPM2_HANDLE>& indices) {
  Bytes chain;
  for (const TPM2_HANDLE index : indices) {
    if (index < kFirstChainIndex || chain.size() > kMaxChain) continue;
    ASSIGN_OR_RETURN(const auto part, device.ReadNv(index), fmt::format("read NV {:#x}", index));
    if (part) chain.insert(chain.end(), part->begin(), part->end());
  }
  if (chain.size() > kMaxChain) chain.clear();  // no honest chain; the certificate alone may do
  return chain;
}

}  // namespace

Result<const tpm::EkTemplate*> ChooseEkTemplate(tpm::Device& device, std::string_view remembered) {
  const auto& templates = tpm::EkTemplates();
  const auto known = std::ranges::find(templates, remembered, &tpm::EkTemplate::name);
  if (known != templates.end()) return &*known;
  ASSIGN_OR_RETURN(const auto present, device.ListNv(kFirstEkIndex, kLastChainIndex),
                   "list the EK certificates");
  for (const tpm::EkTemplate& candidate : templates) {
    if (std::ranges::count(present, candidate.certificate_index) != 0) return &candidate;
  }
  return &templates.front();
}

Result<NodeTpm::Keys> NodeTpm::LoadKeys(tpm::Device& device, State& state) {
  ASSIGN_OR_RETURN(const tpm::KeySecret ak_secret, ReadOrMakeKeySecret(state.AkKeyPath()),
                   "attestation key");
  ASSIGN_OR_RETURN(
      tpm::LoadedKey ak,
      device.CreatePrimary(ESYS_TR_RH_ENDORSEMENT, tpm::AttestationKeyTemplate(), ak_secret),
      "attestation key");
  ASSIGN_OR_RETURN(const tpm::KeySecret secret, ReadOrMakeKeySecret(state.NodeKeyPath()),
                   "node key");
  ASSIGN_OR_RETURN(tpm::LoadedKey node_key,
                   device.CreatePrimary(ESYS_TR_RH_NULL, tpm::NodeKeyTemplate(), secret),
                   "node key");
  const std::string name(AsText(node_key.area.name()));
  if (state.boot().node_key_name() == name)
    return Keys{.ak = std::move(ak), .node_key = std::move(node_key)};
  if (state.boot().node_key_name().empty()) {
    state.boot().set_node_key_name(name);
    RETURN_IF_ERROR(state.SaveBoot(), "remember the node key");
    return Keys{.ak = std::move(ak), .node_key = std::move(node_key)};
  }
  // Another NULL seed: the TPM was reset since. Begin this boot with a key of its own.
  RETURN_IF_ERROR(state.ForgetBoot(), "forget the earlier boot");
  ASSIGN_OR_RETURN(const tpm::KeySecret fresh, ReadOrMakeKeySecret(state.NodeKeyPath()),
                   "node key");
  node_key.handle.Reset();
  ASSIGN_OR_RETURN(tpm::LoadedKey fresh_key,
                   device.CreatePrimary(ESYS_TR_RH_NULL, tpm::NodeKeyTemplate(), fresh),
                   "node key");
  state.boot().set_node_key_name(std::string(AsText(fresh_key.area.name())));
  RETURN_IF_ERROR(state.SaveBoot(), "remember the node key");
  return Keys{.ak = std::move(ak), .node_key = std::move(fresh_key)};
}

Result<std::unique_ptr<NodeTpm>> NodeTpm::Open(std::unique_ptr<tpm::Device> device,
                                               const platform::AgentConfig& config, State& state) {
  ASSIGN_OR_RETURN(const tpm::EkTemplate* ek_template,
                   ChooseEkTemplate(*device, state.lasting().ek_template()), "endorsement key");
  ASSIGN_OR_RETURN(tpm::LoadedKey ek, device->CreateEk(*ek_template), "endorsement key");
  RETURN_IF_ERROR(device->StartSession(ek), "session");
  if (state.lasting().ek_template() != ek_template->name) {
    state.lasting().set_ek_template(std::string(ek_template->name));
    RETURN_IF_ERROR(state.SaveLasting(), "remember the endorsement key");
  }
  std::string ek_hash = ToHex(ek.area.key().spki_sha256());
  std::optional<tpm::LoadedKey> kept(std::move(ek));
  // An enrolled node needs its slot for the keys, and no look at the register: the next quote
  // covers the claim.
  if (state.boot().certificates_size() != 0) kept.reset();
  ASSIGN_OR_RETURN(Keys keys, LoadKeys(*device, state), "keys");
  if (config.ledger_pcr && state.boot().certificates_size() == 0) {
    RETURN_IF_ERROR(ClaimRegister(*device, state, static_cast<uint8_t>(*config.ledger_pcr),
                                  keys.ak.area.name()),
                    "claim");
  }
  const std::shared_ptr<Chip> chip(new Chip{.mutex = {},
                                            .device = std::move(device),
                                            .ek = std::move(kept),
                                            .keys = std::move(keys),
                                            .sign_failed = false});
  std::unique_ptr<NodeTpm> node(new NodeTpm(chip, *ek_template, std::move(ek_hash)));
  const auto sign = [chip](ByteView digest) {
    const std::scoped_lock lock(chip->mutex);
    auto signature = chip->device->SignDigest(chip->keys.node_key, digest);
    if (!signature) chip->sign_failed = true;
    return signature;
  };
  ASSIGN_OR_RETURN(node->tls_key_, tpm::TlsKey::Register(node->node_key().key(), sign), "TLS key");
  return node;
}

Result<EndorsementOffer> NodeTpm::Offer() {
  const std::scoped_lock lock(chip_->mutex);
  tpm::Device& device = *chip_->device;
  if (!chip_->ek) {
    ASSIGN_OR_RETURN(chip_->ek, device.CreateEk(ek_template_), "endorsement key");
  }
  EndorsementOffer offer{.ek = chip_->ek->area};
  ASSIGN_OR_RETURN(const auto certificate, device.ReadNv(ek_template_.certificate_index),
                   "EK certificate");
  if (!certificate) return offer;
  offer.certificate = *certificate;
  ASSIGN_OR_RETURN(const auto indices, device.ListNv(kFirstChainIndex, kLastChainIndex),
                   "EK certificate chain");
  ASSIGN_OR_RETURN(offer.chain, ReadChain(device, indices), "EK certificate chain");
  return offer;
}

Result<crypto::Secret> NodeTpm::Activate(const tpm::Credential& credential) {
  const std::scoped_lock lock(chip_->mutex);
  if (!chip_->ek) return Fail(Code::kInternal, "the endorsement key was released");
  return chip_->device->ActivateCredential(chip_->keys.ak, *chip_->ek, ek_template_, credential);
}

Result<tpm::Quoted> NodeTpm::CertifyNodeKey(ByteView qualifying) {
  const std::scoped_lock lock(chip_->mutex);
  return chip_->device->Certify(chip_->keys.node_key, chip_->keys.ak, qualifying);
}

void NodeTpm::ReleaseEk() {
  const std::scoped_lock lock(chip_->mutex);
  chip_->ek.reset();
}

}  // namespace lodekey::agent
