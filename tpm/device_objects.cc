// Keys that others made for this chip: persistent ones, and those that are kept outside of it as
// what TPM2_Create returned.
#include <algorithm>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <tss2/tss2_esys.h>

#include "base/reader.h"
#include "tpm/device.h"
#include "tpm/device_call.h"

namespace lodekey::tpm {

Result<PublicArea> Device::ReadPublicArea(const Handle& handle) {
  TPM2B_PUBLIC* area = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_ReadPublic(esys_, handle.tr(), ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &area, /*name=*/nullptr,
                                           /*qualifiedName=*/nullptr);
                  }),
                  "read its public area");
  const EsysPtr<TPM2B_PUBLIC> owner(area);
  return PublicArea::FromTpmt(area->publicArea);
}

Result<Handle> Device::OpenPersistent(TPM2_HANDLE handle) {
  ESYS_TR object = ESYS_TR_NONE;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_TR_FromTPMPublic(esys_, handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                                 ESYS_TR_NONE, &object);
                  }),
                  fmt::format("persistent object {:#x}", handle));
  return Handle(this, object);
}

Result<void> Device::SetAuth(const Handle& handle, const crypto::Secret& auth) {
  TPM2B_AUTH value{};
  if (auth.Reveal().size() > sizeof(value.buffer)) {
    return Fail(Code::kInvalidArgument,
                fmt::format("an authorisation value has at most {} bytes", sizeof(value.buffer)));
  }
  value.size = static_cast<UINT16>(auth.Reveal().size());
  std::ranges::copy(auth.Reveal(), value.buffer);
  auto set = RunCommand([&] { return Esys_TR_SetAuth(esys_, handle.tr(), &value); });
  OPENSSL_cleanse(&value, sizeof(value));
  return set;
}

Result<LoadedKey> Device::OpenPersistentKey(TPM2_HANDLE handle, const crypto::Secret& auth) {
  ASSIGN_OR_RETURN(Handle object, OpenPersistent(handle), "open a key");
  ASSIGN_OR_RETURN(PublicArea area, ReadPublicArea(object),
                   fmt::format("persistent object {:#x}", handle));
  RETURN_IF_ERROR(SetAuth(object, auth), "keep the authorisation");
  return LoadedKey{std::move(object), std::move(area)};
}

Result<LoadedKey> Device::LoadKey(TPM2_HANDLE parent, const PublicArea& area, ByteView private_blob,
                                  const crypto::Secret& auth) {
  const TPM2B_PUBLIC public_part{.size = 0, .publicArea = area.area()};
  TPM2B_PRIVATE private_part{};
  Reader reader(private_blob, "TPM2B_PRIVATE");
  ASSIGN_OR_RETURN(const ByteView content, reader.Sized16(sizeof(private_part.buffer)),
                   "load a key");
  RETURN_IF_ERROR(reader.ExpectEnd(), "load a key");
  private_part.size = static_cast<UINT16>(content.size());
  std::ranges::copy(content, private_part.buffer);
  ASSIGN_OR_RETURN(const ESYS_TR session, Session(), "load a key");
  ASSIGN_OR_RETURN(const Handle storage, OpenPersistent(parent), "load a key");
  ESYS_TR object = ESYS_TR_NONE;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_Load(esys_, storage.tr(), session, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &private_part, &public_part, &object);
                  }),
                  fmt::format("load a key under {:#x}", parent));
  Handle handle(this, object);
  RETURN_IF_ERROR(SetAuth(handle, auth), "keep the authorisation");
  return LoadedKey{std::move(handle), area};
}

}  // namespace lodekey::tpm
