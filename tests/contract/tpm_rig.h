// What the contract suites of the chip stand on: a Device over a probe over a swtpm of its own.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "crypto/secret.h"
#include "tests/support/must.h"
#include "tests/support/swtpm.h"
#include "tests/support/tpm_probe.h"
#include "tpm/device.h"

namespace lodekey::test {

inline const tpm::EkTemplate& EkNamed(std::string_view name) {
  for (const tpm::EkTemplate& ek : tpm::EkTemplates()) {
    if (ek.name == name) return ek;
  }
  throw std::runtime_error("no EK template " + std::string(name));
}

inline tpm::KeySecret RandomKeySecret() {
  return {.data = crypto::Secret::Random(32), .auth = crypto::Secret::Random(32)};
}

class TpmRig {
 public:
  explicit TpmRig(bool certificate = false) : tpm_(TestTpm::Create(certificate)) {
    if (tpm_ == nullptr) throw std::runtime_error("no TPM emulator");
    Reopen();
  }

  void Reopen() {
    device_.reset();
    TSS2_TCTI_CONTEXT* tcti = Must(TpmProbe::Open(tpm_->swtpm->tcti(), &probe_));
    device_ = Must(tpm::Device::Open(tcti, TpmProbe::Finalize));
    probe_.Reset();
  }

  Swtpm& swtpm() { return *tpm_->swtpm; }
  TestTpm& tpm() { return *tpm_; }
  TpmProbe& probe() { return probe_; }
  tpm::Device& device() { return *device_; }
  void Close() { device_.reset(); }

  // How many commands `action` sends; its value goes to `out`.
  template <class Action, class T>
  size_t Count(Action action, T& out) {
    const size_t before = probe_.traffic().commands;
    out = Must(action());
    return probe_.traffic().commands - before;
  }
  template <class Action>
  size_t Count(Action action) {
    const size_t before = probe_.traffic().commands;
    action();
    return probe_.traffic().commands - before;
  }

  // The P-256 EK, milliseconds to make, and the session salted to it.
  tpm::LoadedKey EkWithSession() {
    tpm::LoadedKey ek = Must(device_->CreateEk(EkNamed("p256-l2")));
    Must(device_->StartSession(ek));
    return ek;
  }
  tpm::LoadedKey Ak(const tpm::KeySecret& secret) {
    return Must(
        device_->CreatePrimary(ESYS_TR_RH_ENDORSEMENT, tpm::AttestationKeyTemplate(), secret));
  }
  tpm::LoadedKey NodeKey(const tpm::KeySecret& secret) {
    return Must(device_->CreatePrimary(ESYS_TR_RH_NULL, tpm::NodeKeyTemplate(), secret));
  }

 private:
  std::unique_ptr<TestTpm> tpm_;
  TpmProbe probe_;
  std::unique_ptr<tpm::Device> device_;
};

}  // namespace lodekey::test
