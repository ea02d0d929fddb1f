// The sessions of a Device: the salted one that lives as long as it, and short ones for second
// authorisations.
#include <tss2/tss2_esys.h>

#include "tpm/device.h"
#include "tpm/device_call.h"

namespace lodekey::tpm {
namespace {

constexpr TPMA_SESSION kAllAttributes = 0xff;

TPMT_SYM_DEF NoEncryption() { return {.algorithm = TPM2_ALG_NULL, .keyBits = {}, .mode = {}}; }

TPMT_SYM_DEF Aes128Cfb() {
  return {.algorithm = TPM2_ALG_AES, .keyBits = {.aes = 128}, .mode = {.aes = TPM2_ALG_CFB}};
}

}  // namespace

Result<void> Device::StartSession(const LoadedKey& ek) {
  const TPMT_SYM_DEF symmetric = Aes128Cfb();
  ESYS_TR session = ESYS_TR_NONE;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_StartAuthSession(esys_, ek.handle.tr(), ESYS_TR_NONE, ESYS_TR_NONE,
                                                 ESYS_TR_NONE, ESYS_TR_NONE,
                                                 /*nonceCaller=*/nullptr, TPM2_SE_HMAC, &symmetric,
                                                 TPM2_ALG_SHA256, &session);
                  }),
                  "start the session salted to the endorsement key");
  session_ = Handle(this, session);
  return {};
}

bool Device::HasSession() const { return static_cast<bool>(session_); }

Result<ESYS_TR> Device::Session(TPMA_SESSION extra) {
  if (!HasSession()) return Fail(Code::kInternal, "no session was started with the TPM");
  const auto attributes = static_cast<TPMA_SESSION>(TPMA_SESSION_CONTINUESESSION | extra);
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_TRSess_SetAttributes(esys_, session_.tr(), attributes,
                                                     kAllAttributes);
                  }),
                  "set the session's attributes");
  return session_.tr();
}

Result<Handle> Device::StartOneShot(TPM2_SE type, TPMI_ALG_HASH hash) {
  const TPMT_SYM_DEF symmetric = NoEncryption();
  ESYS_TR session = ESYS_TR_NONE;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_StartAuthSession(
                        esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                        /*nonceCaller=*/nullptr, type, &symmetric, hash, &session);
                  }),
                  "start a session");
  Handle handle(this, session);
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_TRSess_SetAttributes(esys_, session, /*flags=*/0, kAllAttributes);
                  }),
                  "set the session's attributes");
  return handle;
}

// PolicyA of the EK Credential Profile (B.6.2): whoever may use the endorsement hierarchy, whose
// authorisation is empty on every host that lodekey serves.
Result<Handle> Device::StartEndorsementPolicy(TPMI_ALG_HASH hash) {
  ASSIGN_OR_RETURN(Handle policy, StartOneShot(TPM2_SE_POLICY, hash), "endorsement policy");
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_PolicySecret(esys_, ESYS_TR_RH_ENDORSEMENT, policy.tr(),
                                             ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                             /*nonceTPM=*/nullptr, /*cpHashA=*/nullptr,
                                             /*policyRef=*/nullptr, /*expiration=*/0,
                                             /*timeout=*/nullptr, /*policyTicket=*/nullptr);
                  }),
                  "use the endorsement hierarchy");
  return policy;
}

}  // namespace lodekey::tpm
