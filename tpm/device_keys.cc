// Keys of a Device: primaries, and the proof that two of them are in one chip.
#include <algorithm>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <tss2/tss2_esys.h>

#include "base/reader.h"
#include "tpm/device.h"
#include "tpm/device_call.h"

namespace lodekey::tpm {
namespace {

// A structure that holds a secret for as long as a command needs it.
template <class T>
class Wiped {
 public:
  Wiped() = default;
  ~Wiped() { OPENSSL_cleanse(&value, sizeof(value)); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

  T value{};
};

// The TPM drops trailing zeros of an authValue before it computes with it (part 1, 19.6.4.3); a
// caller that keeps them computes another HMAC.
ByteView WithoutTrailingZeros(ByteView auth) {
  while (!auth.empty() && auth.back() == 0) auth = auth.first(auth.size() - 1);
  return auth;
}

template <class Sized>
Result<void> CopyInto(ByteView bytes, Sized& out, std::string_view what) {
  if (bytes.size() > sizeof(out.buffer)) {
    return Fail(Code::kInvalidArgument, fmt::format("{} has {} bytes, at most {} fit", what,
                                                    bytes.size(), sizeof(out.buffer)));
  }
  out.size = static_cast<UINT16>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.buffer);
  return {};
}

// Reads a structure that is only a 16-bit size and its bytes (TPM2B_ID_OBJECT,
// TPM2B_ENCRYPTED_SECRET).
Result<void> ParseSized(ByteView bytes, UINT16& size, std::span<BYTE> out, std::string_view what) {
  Reader reader(bytes, what);
  ASSIGN_OR_RETURN(const ByteView content, reader.Sized16(out.size()), what);
  RETURN_IF_ERROR(reader.ExpectEnd(), what);
  size = static_cast<UINT16>(content.size());
  std::copy(content.begin(), content.end(), out.begin());
  return {};
}

}  // namespace

Result<LoadedKey> Device::Create(ESYS_TR hierarchy, ESYS_TR authorisation, const TPMT_PUBLIC& area,
                                 const TPM2B_SENSITIVE_CREATE& sensitive) {
  const TPM2B_PUBLIC wanted{.size = 0, .publicArea = area};
  const TPM2B_DATA outside_info{};
  const TPML_PCR_SELECTION creation_pcrs{};
  ESYS_TR object = ESYS_TR_NONE;
  TPM2B_PUBLIC* made = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_CreatePrimary(esys_, hierarchy, authorisation, ESYS_TR_NONE,
                                              ESYS_TR_NONE, &sensitive, &wanted, &outside_info,
                                              &creation_pcrs, &object, &made,
                                              /*creationData=*/nullptr, /*creationHash=*/nullptr,
                                              /*creationTicket=*/nullptr);
                  }),
                  "create a primary key");
  const EsysPtr<TPM2B_PUBLIC> made_owner(made);
  Handle handle(this, object);
  ASSIGN_OR_RETURN(PublicArea public_area, PublicArea::FromTpmt(made->publicArea),
                   "read its public area");
  return LoadedKey{std::move(handle), std::move(public_area)};
}

Result<LoadedKey> Device::CreateEk(const EkTemplate& ek_template) {
  const TPM2B_SENSITIVE_CREATE nothing{};
  ASSIGN_OR_RETURN(LoadedKey ek,
                   Create(ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ek_template.area, nothing),
                   fmt::format("endorsement key {}", ek_template.name));
  return ek;
}

Result<LoadedKey> Device::CreatePrimary(ESYS_TR hierarchy, const TPMT_PUBLIC& area,
                                        const KeySecret& secret) {
  Wiped<TPM2B_SENSITIVE_CREATE> sensitive;
  TPMS_SENSITIVE_CREATE& content = sensitive.value.sensitive;
  const ByteView auth = WithoutTrailingZeros(secret.auth.Reveal());
  RETURN_IF_ERROR(CopyInto(secret.data.Reveal(), content.data, "the key's data"), "signing key");
  RETURN_IF_ERROR(CopyInto(auth, content.userAuth, "the key's authorisation"), "signing key");
  ASSIGN_OR_RETURN(const ESYS_TR session, Session(TPMA_SESSION_DECRYPT), "signing key");
  ASSIGN_OR_RETURN(LoadedKey key, Create(hierarchy, session, area, sensitive.value), "signing key");
  RETURN_IF_ERROR(
      RunCommand([&] { return Esys_TR_SetAuth(esys_, key.handle.tr(), &content.userAuth); }),
      "keep the authorisation");
  return key;
}

Result<crypto::Secret> Device::ActivateCredential(const LoadedKey& ak, const LoadedKey& ek,
                                                  const EkTemplate& ek_template,
                                                  const Credential& credential) {
  TPM2B_ID_OBJECT blob{};
  TPM2B_ENCRYPTED_SECRET seed{};
  RETURN_IF_ERROR(ParseSized(credential.id_object, blob.size, blob.credential, "id object"),
                  "activate the credential");
  RETURN_IF_ERROR(
      ParseSized(credential.encrypted_secret, seed.size, seed.secret, "encrypted secret"),
      "activate the credential");
  ASSIGN_OR_RETURN(const ESYS_TR session, Session(TPMA_SESSION_ENCRYPT), "activate the credential");
  Handle policy;
  if (ek_template.needs_policy) {
    ASSIGN_OR_RETURN(policy, StartEndorsementPolicy(ek.area.name_alg()), "activate the credential");
  }
  const ESYS_TR ek_authorisation = policy ? policy.tr() : ESYS_TR_PASSWORD;
  TPM2B_DIGEST* released = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_ActivateCredential(esys_, ak.handle.tr(), ek.handle.tr(), session,
                                                   ek_authorisation, ESYS_TR_NONE, &blob, &seed,
                                                   &released);
                  }),
                  "activate the credential");
  const EsysPtr<TPM2B_DIGEST> released_owner(released);
  policy.Release();
  crypto::Secret secret = crypto::Secret::Copy({released->buffer, released->size});
  OPENSSL_cleanse(released, sizeof(*released));
  return secret;
}

}  // namespace lodekey::tpm
