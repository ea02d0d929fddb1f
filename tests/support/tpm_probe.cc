#include "tests/support/tpm_probe.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include <tss2/tss2_tctildr.h>

#include "base/bytes.h"
#include "base/writer.h"

namespace lodekey::test {
namespace {

constexpr uint64_t kMagic = 0x6c6f64656b657970;  // "lodekeyp"
constexpr size_t kHeaderSize = 10;
constexpr uint16_t kNoSessions = 0x8001;

// Begins with what TSS calls through; ESYS gets a pointer to that part.
struct Context {
  TSS2_TCTI_CONTEXT_COMMON_V2 common{};
  TSS2_TCTI_CONTEXT* inner = nullptr;
  TpmProbe* probe = nullptr;
  std::optional<Bytes> injected = std::nullopt;  // the response to a command that never went down
};

// The loader's context has every function. Its macros cast in a way our warnings refuse.
TSS2_TCTI_CONTEXT_COMMON_V1& Table(TSS2_TCTI_CONTEXT* context) {
  return *reinterpret_cast<TSS2_TCTI_CONTEXT_COMMON_V1*>(context);
}

Context* Of(TSS2_TCTI_CONTEXT* context) { return reinterpret_cast<Context*>(context); }

void Record(TpmProbe& probe, ByteView bytes) {
  if (probe.record) probe.recorded.insert(probe.recorded.end(), bytes.begin(), bytes.end());
}

uint32_t CommandCode(ByteView command) {
  uint32_t code = 0;
  for (size_t i = 6; i < kHeaderSize; ++i) code = code << 8 | command[i];
  return code;
}

Bytes ErrorResponse(uint32_t code) {
  Writer response;
  response.U16Be(kNoSessions).U32Be(kHeaderSize).U32Be(code);
  return std::move(response).Finish();
}

TSS2_RC Transmit(TSS2_TCTI_CONTEXT* context, size_t size, const uint8_t* command) {
  Context& self = *Of(context);
  if (size < kHeaderSize) return TSS2_TCTI_RC_BAD_VALUE;
  const ByteView bytes{command, size};
  TpmTraffic& traffic = self.probe->traffic_;
  const size_t index = traffic.commands++;
  const uint32_t code = CommandCode(bytes);
  traffic.bytes_sent += size;
  traffic.codes.push_back(code);
  Record(*self.probe, bytes);
  const uint32_t fault = self.probe->fault ? self.probe->fault(index, code) : 0;
  if (fault != 0) {
    self.injected = ErrorResponse(fault);
    return TSS2_RC_SUCCESS;
  }
  return Table(self.inner).transmit(self.inner, size, command);
}

TSS2_RC ReceiveInjected(Context& self, size_t* size, uint8_t* response) {
  const Bytes& injected = *self.injected;
  const size_t room = *size;
  *size = injected.size();
  if (response == nullptr) return TSS2_RC_SUCCESS;
  if (room < injected.size()) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  std::memcpy(response, injected.data(), injected.size());
  self.injected.reset();
  return TSS2_RC_SUCCESS;
}

TSS2_RC Receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response, int32_t timeout) {
  Context& self = *Of(context);
  const TSS2_RC rc = self.injected ? ReceiveInjected(self, size, response)
                                   : Table(self.inner).receive(self.inner, size, response, timeout);
  // A null buffer only asks for the size.
  if (rc == TSS2_RC_SUCCESS && response != nullptr) {
    self.probe->traffic_.bytes_received += *size;
    Record(*self.probe, {response, *size});
  }
  return rc;
}

TSS2_RC Cancel(TSS2_TCTI_CONTEXT* context) {
  return Table(Of(context)->inner).cancel(Of(context)->inner);
}

TSS2_RC GetPollHandles(TSS2_TCTI_CONTEXT* context, TSS2_TCTI_POLL_HANDLE* handles, size_t* count) {
  return Table(Of(context)->inner).getPollHandles(Of(context)->inner, handles, count);
}

TSS2_RC SetLocality(TSS2_TCTI_CONTEXT* context, uint8_t locality) {
  return Table(Of(context)->inner).setLocality(Of(context)->inner, locality);
}

TSS2_RC MakeSticky(TSS2_TCTI_CONTEXT* /*context*/, TPM2_HANDLE* /*handle*/, uint8_t /*sticky*/) {
  return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

// TSS calls this one through the table, the owner calls TpmProbe::Finalize: both free nothing
// twice.
void FinalizeInner(TSS2_TCTI_CONTEXT* context) { Tss2_TctiLdr_Finalize(&Of(context)->inner); }

}  // namespace

Result<TSS2_TCTI_CONTEXT*> TpmProbe::Open(const std::string& tcti, TpmProbe* probe) {
  setenv("TSS2_LOG", "all+NONE", /*overwrite=*/0);  // as tpm::Device::Open; the first call counts
  auto context = std::make_unique<Context>();
  context->probe = probe;
  const TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti.c_str(), &context->inner);
  if (rc != TSS2_RC_SUCCESS) {
    return Fail(Code::kHardware, "open the TPM beneath the probe: " + tcti,
                {.detail = Detail{Detail::Source::kTss, rc}});
  }
  TSS2_TCTI_CONTEXT_COMMON_V1& table = context->common.v1;
  table.magic = kMagic;
  table.version = 2;
  table.transmit = Transmit;
  table.receive = Receive;
  table.finalize = FinalizeInner;
  table.cancel = Cancel;
  table.getPollHandles = GetPollHandles;
  table.setLocality = SetLocality;
  context->common.makeSticky = MakeSticky;
  return reinterpret_cast<TSS2_TCTI_CONTEXT*>(context.release());
}

void TpmProbe::Finalize(TSS2_TCTI_CONTEXT* context) {
  FinalizeInner(context);
  delete Of(context);
}

}  // namespace lodekey::test
