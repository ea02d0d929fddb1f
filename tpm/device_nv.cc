// Non-volatile indices: the endorsement certificates that the vendor left in the chip.
#include <algorithm>

#include <fmt/format.h>
#include <tss2/tss2_esys.h>

#include "tpm/device.h"
#include "tpm/device_call.h"
#include "tpm/rc.h"

namespace lodekey::tpm {
namespace {

constexpr size_t kMaxSize = 16384;
// Every TPM reads this much at once; TPM_PT_NV_BUFFER_MAX would cost a command to ask for.
constexpr UINT16 kChunk = 1024;

// The ESYS object of an index: nothing in the TPM, so nothing to flush.
class NvObject {
 public:
  NvObject(ESYS_CONTEXT* esys, ESYS_TR tr) : esys_(esys), tr_(tr) {}
  ~NvObject() { Esys_TR_Close(esys_, &tr_); }
  NvObject(const NvObject&) = delete;
  NvObject& operator=(const NvObject&) = delete;

  ESYS_TR tr() const { return tr_; }

 private:
  ESYS_CONTEXT* esys_;
  ESYS_TR tr_;
};

struct NvArea {
  size_t size = 0;
  ESYS_TR reader = ESYS_TR_NONE;  // whose (empty) authorisation reads it
};

Result<NvArea> Readable(const TPMS_NV_PUBLIC& area, ESYS_TR index) {
  if (area.dataSize > kMaxSize) {
    return Fail(Code::kHardware,
                fmt::format("{} bytes, more than the {} read", area.dataSize, kMaxSize),
                {.name = "tpm-failed"});
  }
  if ((area.attributes & TPMA_NV_AUTHREAD) != 0) return NvArea{area.dataSize, index};
  if ((area.attributes & TPMA_NV_OWNERREAD) != 0) return NvArea{area.dataSize, ESYS_TR_RH_OWNER};
  return Fail(Code::kHardware, "readable neither with its own nor with the owner's authorisation",
              {.name = "tpm-auth"});
}

Result<Bytes> ReadAll(ESYS_CONTEXT* esys, ESYS_TR index, const NvArea& area) {
  Bytes content;
  content.reserve(area.size);
  while (content.size() < area.size) {
    const size_t left = area.size - content.size();
    const UINT16 wanted = static_cast<UINT16>(std::min<size_t>(left, kChunk));
    const UINT16 offset = static_cast<UINT16>(content.size());
    TPM2B_MAX_NV_BUFFER* chunk = nullptr;
    RETURN_IF_ERROR(RunCommand([&] {
                      return Esys_NV_Read(esys, area.reader, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                          ESYS_TR_NONE, wanted, offset, &chunk);
                    }),
                    fmt::format("at {}", offset));
    const EsysPtr<TPM2B_MAX_NV_BUFFER> chunk_owner(chunk);
    if (chunk->size != wanted) {
      return Fail(Code::kHardware, fmt::format("{} bytes of {} came", chunk->size, wanted),
                  {.name = "tpm-failed"});
    }
    content.insert(content.end(), chunk->buffer, chunk->buffer + chunk->size);
  }
  return content;
}

// Appends those of `found` up to `last`; the handle to ask from next, or 0 when all were seen.
TPM2_HANDLE TakeHandles(const TPML_HANDLE& found, TPM2_HANDLE last, std::vector<TPM2_HANDLE>& out) {
  const size_t count = std::min<size_t>(found.count, TPM2_MAX_CAP_HANDLES);
  for (TPM2_HANDLE handle : std::span(found.handle, count)) {
    if (handle > last) return 0;
    out.push_back(handle);
  }
  return count == 0 || out.back() == last ? 0 : out.back() + 1;
}

}  // namespace

Result<std::optional<Bytes>> Device::ReadNv(TPM2_HANDLE nv_index) {
  const std::string what = fmt::format("read the NV index {:#010x}", nv_index);
  ESYS_TR tr = ESYS_TR_NONE;
  const TSS2_RC rc = RunUntilSettled([&] {
    return Esys_TR_FromTPMPublic(esys_, nv_index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &tr);
  });
  if (TpmBase(rc) == TPM2_RC_HANDLE) return std::nullopt;
  RETURN_IF_ERROR(RunCommand([&] { return rc; }), what);
  const NvObject object(esys_, tr);
  TPM2B_NV_PUBLIC* area = nullptr;
  RETURN_IF_ERROR(RunCommand([&] {
                    return Esys_NV_ReadPublic(esys_, tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                              &area,
                                              /*nvName=*/nullptr);
                  }),
                  what);
  const EsysPtr<TPM2B_NV_PUBLIC> area_owner(area);
  if ((area->nvPublic.attributes & TPMA_NV_WRITTEN) == 0) return std::nullopt;
  ASSIGN_OR_RETURN(const NvArea readable, Readable(area->nvPublic, tr), what);
  ASSIGN_OR_RETURN(Bytes content, ReadAll(esys_, tr, readable), what);
  return content;
}

Result<std::vector<TPM2_HANDLE>> Device::ListNv(TPM2_HANDLE first, TPM2_HANDLE last) {
  std::vector<TPM2_HANDLE> handles;
  for (TPM2_HANDLE from = first; from != 0;) {
    TPMI_YES_NO more = TPM2_NO;
    TPMS_CAPABILITY_DATA* data = nullptr;
    RETURN_IF_ERROR(RunCommand([&] {
                      return Esys_GetCapability(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                                TPM2_CAP_HANDLES, from, TPM2_MAX_CAP_HANDLES, &more,
                                                &data);
                    }),
                    "list NV indices");
    const EsysPtr<TPMS_CAPABILITY_DATA> data_owner(data);
    const TPM2_HANDLE next = TakeHandles(data->data.handles, last, handles);
    from = more == TPM2_YES ? next : 0;
  }
  return handles;
}

}  // namespace lodekey::tpm
