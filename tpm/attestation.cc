#include "tpm/attestation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <tss2/tss2_mu.h>

#include "base/reader.h"
#include "tpm/failure.h"

namespace lodekey::tpm {
namespace {

std::unexpected<Error> Refuse(std::string_view name, std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = std::string(name)});
}

Result<bool> ReadYesNo(Reader& reader) {
  ASSIGN_OR_RETURN(const uint8_t value, reader.U8(), "read a TPMI_YES_NO");
  if (value > 1)
    return Fail(Code::kInvalidArgument, fmt::format("{} is neither YES nor NO", value));
  return value == 1;
}

// TPMS_CLOCK_INFO (part 2, 10.11.1).
Result<ClockInfo> ReadClockInfo(Reader& reader) {
  ClockInfo info;
  ASSIGN_OR_RETURN(info.clock, reader.U64Be(), "read clock");
  ASSIGN_OR_RETURN(info.reset_count, reader.U32Be(), "read resetCount");
  ASSIGN_OR_RETURN(info.restart_count, reader.U32Be(), "read restartCount");
  ASSIGN_OR_RETURN(info.safe, ReadYesNo(reader), "read safe");
  return info;
}

// TPMS_PCR_SELECTION (part 2, 10.6.2).
Result<BankSelection> ReadBankSelection(Reader& reader) {
  ASSIGN_OR_RETURN(const TPM2_ALG_ID alg, reader.U16Be(), "read a bank");
  const Result<crypto::HashAlg> bank = ToHashAlg(alg);
  if (!bank) return Refuse("attest-selection", fmt::format("the bank 0x{:04x} is unknown", alg));
  ASSIGN_OR_RETURN(const uint8_t size, reader.U8(), "read sizeofSelect");
  if (size != kPcrSelectSize) {
    return Refuse("attest-selection", fmt::format("a selection bitmap of {} bytes", size));
  }
  ASSIGN_OR_RETURN(const ByteView bitmap, reader.Take(size), "read a selection bitmap");
  PcrMask mask = 0;
  for (unsigned byte = 0; byte < kPcrSelectSize; ++byte)
    mask |= PcrMask{bitmap[byte]} << (8 * byte);
  return BankSelection{*bank, mask};
}

// TPML_PCR_SELECTION (part 2, 10.9.7). A quote over no register proves nothing and verifies
// everywhere (CVE-2022-0317).
Result<PcrSelection> ReadPcrSelection(Reader& reader) {
  ASSIGN_OR_RETURN(const uint32_t count, reader.U32Be(), "read the count of banks");
  if (count > TPM2_NUM_PCR_BANKS) {
    return Fail(Code::kInvalidArgument, fmt::format("a selection of {} banks", count));
  }
  PcrSelection selection;
  PcrMask any = 0;
  for (uint32_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const BankSelection bank, ReadBankSelection(reader), "read a selection");
    if (std::ranges::find(selection, bank.bank, &BankSelection::bank) != selection.end()) {
      return Refuse("attest-selection",
                    fmt::format("the {} bank is selected twice", crypto::HashName(bank.bank)));
    }
    any |= bank.mask;
    selection.push_back(bank);
  }
  if (any == 0) return Refuse("attest-selection", "no register is selected");
  return selection;
}

Result<Bytes> ReadSized(Reader& reader, size_t max) {
  ASSIGN_OR_RETURN(const ByteView view, reader.Sized16(max), "read a TPM2B");
  return ToBytes(view);
}

// TPMS_QUOTE_INFO (part 2, 10.12.1).
Result<QuoteInfo> ReadQuoteInfo(Reader& reader) {
  QuoteInfo info;
  ASSIGN_OR_RETURN(info.selection, ReadPcrSelection(reader), "read pcrSelect");
  ASSIGN_OR_RETURN(info.pcr_digest, ReadSized(reader, sizeof(TPMU_HA)), "read pcrDigest");
  return info;
}

// TPMS_CERTIFY_INFO (part 2, 10.12.3).
Result<CertifyInfo> ReadCertifyInfo(Reader& reader) {
  CertifyInfo info;
  ASSIGN_OR_RETURN(info.name, ReadSized(reader, sizeof(TPMU_NAME)), "read name");
  ASSIGN_OR_RETURN(info.qualified_name, ReadSized(reader, sizeof(TPMU_NAME)), "read qualifiedName");
  return info;
}

Result<void> ReadMagicAndType(Reader& reader, AttestKind expected) {
  ASSIGN_OR_RETURN(const uint32_t magic, reader.U32Be(), "read magic");
  if (magic != TPM2_GENERATED_VALUE) {
    return Refuse("attest-magic", fmt::format("0x{:08x} is not TPM_GENERATED_VALUE", magic));
  }
  ASSIGN_OR_RETURN(const TPM2_ST type, reader.U16Be(), "read type");
  const TPM2_ST wanted =
      expected == AttestKind::kQuote ? TPM2_ST_ATTEST_QUOTE : TPM2_ST_ATTEST_CERTIFY;
  if (type == wanted) return {};
  return Refuse("attest-type",
                fmt::format("the TPM attests 0x{:04x}, 0x{:04x} is wanted", type, wanted));
}

// TPMS_ATTEST (part 2, 10.12.12).
Result<Attestation> ReadAttestation(ByteView bytes, AttestKind expected) {
  Reader reader(bytes, "attestation");
  Attestation attest;
  RETURN_IF_ERROR(ReadMagicAndType(reader, expected), "read the header");
  ASSIGN_OR_RETURN(attest.qualified_signer, ReadSized(reader, sizeof(TPMU_NAME)),
                   "read qualifiedSigner");
  ASSIGN_OR_RETURN(attest.extra_data, ReadSized(reader, sizeof(TPMT_HA)), "read extraData");
  ASSIGN_OR_RETURN(attest.clock, ReadClockInfo(reader), "read clockInfo");
  ASSIGN_OR_RETURN(attest.firmware_version, reader.U64Be(), "read firmwareVersion");
  if (expected == AttestKind::kQuote) {
    ASSIGN_OR_RETURN(attest.attested, ReadQuoteInfo(reader), "read the quote");
  } else {
    ASSIGN_OR_RETURN(attest.attested, ReadCertifyInfo(reader), "read the certification");
  }
  RETURN_IF_ERROR(reader.ExpectEnd(), "read the end");
  return attest;
}

}  // namespace

Result<Attestation> ParseAttestation(ByteView bytes, AttestKind expected) {
  return NameFailure(ReadAttestation(bytes, expected), "attest-malformed");
}

Result<Bytes> MarshalAttestation(const TPMS_ATTEST& attest) {
  Bytes out(sizeof(TPMS_ATTEST));
  size_t size = 0;
  RETURN_IF_ERROR(
      CheckMarshalling(Tss2_MU_TPMS_ATTEST_Marshal(&attest, out.data(), out.size(), &size),
                       "marshal"),
      "write an attestation");
  out.resize(size);
  return out;
}

}  // namespace lodekey::tpm
