// The chip: an ESYS context over a TCTI, its one session, and typed commands. Every method sends
// the commands its comment counts and no other. Errors carry Detail::kTss, the decoded response
// code and advice; Error::name is one of "tpm-absent", "tpm-permission", "tpm-busy", "tpm-lockout",
// "tpm-auth", "tpm-failed". A Device that said "tpm-absent" says so for ever: open another.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tss2/tss2_esys.h>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "tpm/attestation.h"
#include "tpm/make_credential.h"
#include "tpm/pcr.h"
#include "tpm/public_area.h"
#include "tpm/template.h"

namespace lodekey::tpm {

class Device;

// A transient object or session in the chip, flushes itself; or a persistent object, which stays.
// Move-only. Must not outlive its Device.
class Handle {
 public:
  Handle() = default;
  Handle(Device* device, ESYS_TR tr) : device_(device), tr_(tr) {}
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle();

  ESYS_TR tr() const { return tr_; }
  explicit operator bool() const { return device_ != nullptr; }
  void Reset();       // flushes now (one command)
  ESYS_TR Release();  // the TPM flushed it itself

 private:
  Device* device_ = nullptr;
  ESYS_TR tr_ = ESYS_TR_NONE;
};

// A key that is loaded: its public area, and the authorisation value that HMAC sessions prove.
struct LoadedKey {
  Handle handle;
  PublicArea area;
};

// What makes a primary key ours alone (docs/architecture.md, Keys).
struct KeySecret {
  crypto::Secret data;  // 32 bytes for inSensitive.data: enters the key's derivation, so the Name
  crypto::Secret auth;  // 32 bytes authValue
};

struct TpmProperties {
  std::string manufacturer;  // four characters of TPM_PT_MANUFACTURER, trailing NULs and blanks cut
  uint64_t firmware_version = 0;       // TPM_PT_FIRMWARE_VERSION_1 ‖ _2
  std::vector<crypto::HashAlg> banks;  // allocated PCR banks that we know
};

struct Quoted {
  Bytes attest;     // TPMS_ATTEST
  Bytes signature;  // TPMT_SIGNATURE
};

// The TSS library would write to stderr: sets TSS2_LOG to "all+NONE" where the environment does not
// say otherwise. It changes the environment, which others may be reading: a program that has
// threads calls it before the first one, and Device::Open then changes nothing.
void SilenceTss();

// Not thread-safe: one Device per thread, or a lock of the caller's (tpm::SharedDevice).
class Device {
 public:
  // Opens a TCTI by its conf string ("device:/dev/tpmrm0", "swtpm:path=/run/x.sock"). No command is
  // sent. Transient refusals (TPM_RC_RETRY, YIELDED, TESTING, NV_RATE) are retried by every method
  // with growing pauses, at most 5 s in all; nothing else is, a failed authorisation least of all.
  // Silences the TSS library: see SilenceTss.
  static Result<std::unique_ptr<Device>> Open(const std::string& tcti);
  // Over an initialised TCTI (takes ownership); for the probe of tests and benchmarks.
  static Result<std::unique_ptr<Device>> Open(TSS2_TCTI_CONTEXT* tcti,
                                              void (*finalize)(TSS2_TCTI_CONTEXT*));
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Two commands (TPM2_GetCapability).
  Result<TpmProperties> ReadProperties();

  // The certificate in `nv_index` as stored, or nullopt where the index does not exist (one
  // command) or was never written (two). Two commands and one for each started KiB; no
  // authorisation (owner-readable and auth-readable indices with empty auth). At most 16 KiB.
  Result<std::optional<Bytes>> ReadNv(TPM2_HANDLE nv_index);
  // NV indices in [first, last] that exist. One command (more when there are over 254).
  Result<std::vector<TPM2_HANDLE>> ListNv(TPM2_HANDLE first, TPM2_HANDLE last);

  // Creates the endorsement key of `ek_template`. One command.
  Result<LoadedKey> CreateEk(const EkTemplate& ek_template);

  // Starts the session that protects everything after: HMAC, SHA-256, AES-128-CFB, salted to `ek`.
  // One command. Before it, methods that need it fail with kInternal. Kept until the Device closes;
  // a second one replaces it (one command more).
  Result<void> StartSession(const LoadedKey& ek);
  bool HasSession() const;

  // A signing primary of `area` in `hierarchy` (ESYS_TR_RH_ENDORSEMENT, ESYS_TR_RH_NULL), derived
  // from secret.data and with secret.auth, both encrypted on the bus. One command.
  Result<LoadedKey> CreatePrimary(ESYS_TR hierarchy, const TPMT_PUBLIC& area,
                                  const KeySecret& secret);

  // The key at a persistent handle, which stays there; `auth` is empty or its authValue. Two
  // commands.
  Result<LoadedKey> OpenPersistentKey(TPM2_HANDLE handle, const crypto::Secret& auth);
  // The key that TPM2_Create made under the persistent `parent`, whose authorisation is empty;
  // `private_blob` is a TPM2B_PRIVATE. Two commands.
  Result<LoadedKey> LoadKey(TPM2_HANDLE parent, const PublicArea& area, ByteView private_blob,
                            const crypto::Secret& auth);

  // Proves to the maker of `credential` that `ek` and `ak` are in this chip. One command when the
  // EK may be used with its (empty) authorisation, and one more the first time in a boot (such a
  // key is subject to dictionary attacks; the TPM notes its use and answers TPM_RC_RETRY: part 1,
  // 19.8.2); three when its template needs PolicySecret. kInvalidArgument when `credential` is
  // malformed.
  Result<crypto::Secret> ActivateCredential(const LoadedKey& ak, const LoadedKey& ek,
                                            const EkTemplate& ek_template,
                                            const Credential& credential);

  // `qualifying` has at most 32 bytes. Two commands: both keys are authorised, a session may appear
  // only once in a command (part 1, 18.6.2), so that one more is started for the object and ends
  // with the command.
  Result<Quoted> Certify(const LoadedKey& object, const LoadedKey& ak, ByteView qualifying);
  // `qualifying` has at most 32 bytes. One command.
  Result<Quoted> Quote(const LoadedKey& ak, const PcrSelection& selection, ByteView qualifying);

  // ECDSA with SHA-256 over a digest of 32 bytes by an unrestricted key; the signature is DER. One
  // command.
  Result<Bytes> SignDigest(const LoadedKey& key, ByteView digest);

  // One command for each started eight values. Reads until every selected value came; kHardware
  // when the TPM returns no more values or the update counter moved three times in a row.
  Result<PcrBank> ReadPcrs(crypto::HashAlg bank, PcrMask mask);

  // Extends `pcr` in every bank of `digests`. One command.
  struct BankDigest {
    crypto::HashAlg bank;
    Bytes digest;
  };
  Result<void> ExtendPcr(uint8_t pcr, const std::vector<BankDigest>& digests);

  // TPM2_ReadClock. One command.
  Result<ClockInfo> ReadClock();

  ESYS_CONTEXT* esys() { return esys_; }

 private:
  friend class Handle;
  Device(TSS2_TCTI_CONTEXT* tcti, void (*finalize)(TSS2_TCTI_CONTEXT*), ESYS_CONTEXT* esys);
  void Flush(ESYS_TR tr);
  // The session with its attributes set to `extra` besides continueSession.
  Result<ESYS_TR> Session(TPMA_SESSION extra = 0);
  // A session without salt that ends with its first use as an authorisation. One command.
  Result<Handle> StartOneShot(TPM2_SE type, TPMI_ALG_HASH hash);
  Result<Handle> StartEndorsementPolicy(TPMI_ALG_HASH hash);
  Result<Handle> OpenPersistent(TPM2_HANDLE handle);
  Result<PublicArea> ReadPublicArea(const Handle& handle);
  Result<void> SetAuth(const Handle& handle, const crypto::Secret& auth);
  Result<LoadedKey> Create(ESYS_TR hierarchy, ESYS_TR authorisation, const TPMT_PUBLIC& area,
                           const TPM2B_SENSITIVE_CREATE& sensitive);

  TSS2_TCTI_CONTEXT* tcti_;
  void (*finalize_)(TSS2_TCTI_CONTEXT*);
  ESYS_CONTEXT* esys_;
  Handle session_;
};

}  // namespace lodekey::tpm
