#include "tpm/device.h"

#include <cstdlib>
#include <mutex>
#include <utility>

#include <tss2/tss2_tctildr.h>

#include "tpm/device_call.h"
#include "tpm/rc.h"

namespace lodekey::tpm {
namespace {

void FinalizeLoaded(TSS2_TCTI_CONTEXT* tcti) { Tss2_TctiLdr_Finalize(&tcti); }

}  // namespace

void SilenceTss() {
  // Each TSS library reads TSS2_LOG at its first message and keeps it.
  static std::once_flag once;
  std::call_once(once, [] { setenv("TSS2_LOG", "all+NONE", /*overwrite=*/0); });
}

Handle::Handle(Handle&& other) noexcept
    : device_(std::exchange(other.device_, nullptr)), tr_(std::exchange(other.tr_, ESYS_TR_NONE)) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  if (this != &other) {
    Reset();
    device_ = std::exchange(other.device_, nullptr);
    tr_ = std::exchange(other.tr_, ESYS_TR_NONE);
  }
  return *this;
}

Handle::~Handle() { Reset(); }

void Handle::Reset() {
  Device* device = std::exchange(device_, nullptr);
  const ESYS_TR tr = std::exchange(tr_, ESYS_TR_NONE);
  if (device != nullptr) device->Flush(tr);
}

ESYS_TR Handle::Release() {
  device_ = nullptr;
  return std::exchange(tr_, ESYS_TR_NONE);
}

Result<std::unique_ptr<Device>> Device::Open(const std::string& tcti) {
  SilenceTss();
  TSS2_TCTI_CONTEXT* context = nullptr;
  const TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti.c_str(), &context);
  if (rc != TSS2_RC_SUCCESS) return FailOpen(rc, tcti);
  return Open(context, FinalizeLoaded);
}

Result<std::unique_ptr<Device>> Device::Open(TSS2_TCTI_CONTEXT* tcti,
                                             void (*finalize)(TSS2_TCTI_CONTEXT*)) {
  SilenceTss();
  ESYS_CONTEXT* esys = nullptr;
  const TSS2_RC rc = Esys_Initialize(&esys, tcti, /*abiVersion=*/nullptr);
  if (rc != TSS2_RC_SUCCESS) {
    finalize(tcti);
    return FailTss(rc);
  }
  return std::unique_ptr<Device>(new Device(tcti, finalize, esys));
}

Device::Device(TSS2_TCTI_CONTEXT* tcti, void (*finalize)(TSS2_TCTI_CONTEXT*), ESYS_CONTEXT* esys)
    : tcti_(tcti), finalize_(finalize), esys_(esys) {}

Device::~Device() {
  session_.Reset();
  Esys_Finalize(&esys_);
  finalize_(tcti_);
}

// A failure to flush is ignored on purpose: the object is gone already (the TPM was reset), or the
// TPM is, or the resource manager flushes it when the device closes. There is nothing a caller
// could do.
void Device::Flush(ESYS_TR tr) {
  TPM2_HANDLE handle = 0;
  const bool known = Esys_TR_GetTpmHandle(esys_, tr, &handle) == TSS2_RC_SUCCESS;
  if (known && (handle & TPM2_HR_RANGE_MASK) == TPM2_HR_PERSISTENT) {
    Esys_TR_Close(esys_, &tr);
    return;
  }
  const TSS2_RC rc = RunUntilSettled([&] { return Esys_FlushContext(esys_, tr); });
  if (rc != TSS2_RC_SUCCESS) Esys_TR_Close(esys_, &tr);
}

}  // namespace lodekey::tpm
