#include "attest/ledger.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/reader.h"
#include "base/writer.h"
#include "tpm/pcr.h"

namespace lodekey::attest {
namespace {

// Types of TLVs in a record (TCG CEL 1.0, 4.1), and lodekey's content types beside the registered
// ones.
constexpr uint8_t kRecordNumber = 0;
constexpr uint8_t kPcr = 1;
constexpr uint8_t kDigests = 3;
constexpr uint8_t kClaimContent = 0xc0;

// Types within the claim's content.
constexpr uint8_t kClaimAkName = 0;
constexpr uint8_t kClaimFirstLook = 1;

constexpr size_t kMaxName = 66;  // nameAlg and SHA-512
constexpr std::string_view kClaimLabel = "lodekey/claim/v1";

std::unexpected<Error> Malformed(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "ledger-malformed"});
}

// One type-length-value; reading and writing stand together so that they cannot drift apart.
struct Tlv {
  uint8_t type = 0;
  ByteView value;
};

void WriteTlv(Writer& writer, uint8_t type, ByteView value) { writer.U8(type).Sized32(value); }

Result<Tlv> ReadTlv(Reader& reader) {
  Tlv tlv;
  ASSIGN_OR_RETURN(tlv.type, reader.U8(), "type");
  ASSIGN_OR_RETURN(tlv.value, reader.Sized32(kMaxLedgerSize), "value");
  return tlv;
}

Result<ByteView> ReadTlvOf(Reader& reader, uint8_t type, std::string_view what) {
  ASSIGN_OR_RETURN(const Tlv tlv, ReadTlv(reader), what);
  if (tlv.type != type)
    return Malformed(fmt::format("{}: type {} instead of {}", what, tlv.type, type));
  return tlv.value;
}

Bytes EncodeDigests(const std::vector<BankDigest>& digests) {
  Writer writer;
  for (const BankDigest& digest : digests) {
    WriteTlv(writer, static_cast<uint8_t>(tpm::FromHashAlg(digest.bank)), digest.digest);
  }
  return std::move(writer).Finish();
}

Result<std::vector<BankDigest>> ParseDigests(ByteView bytes) {
  std::vector<BankDigest> digests;
  Reader reader(bytes, "ledger digests");
  while (!reader.AtEnd()) {
    ASSIGN_OR_RETURN(const Tlv tlv, ReadTlv(reader), "digest");
    ASSIGN_OR_RETURN(const crypto::HashAlg bank, tpm::ToHashAlg(tlv.type), "digest");
    if (tlv.value.size() != crypto::DigestSize(bank))
      return Malformed("a digest has the wrong size");
    if (std::ranges::any_of(digests, [&](const BankDigest& d) { return d.bank == bank; })) {
      return Malformed("a bank occurs twice in one record");
    }
    digests.push_back({bank, ToBytes(tlv.value)});
  }
  if (digests.empty()) return Malformed("a record has no digest");
  return digests;
}

Bytes EncodeClaim(const Claim& claim) {
  Writer writer;
  WriteTlv(writer, kClaimAkName, claim.ak_name);
  WriteTlv(writer, kClaimFirstLook, claim.first_look);
  return std::move(writer).Finish();
}

Result<Claim> ParseClaim(ByteView bytes) {
  Reader reader(bytes, "ledger claim");
  ASSIGN_OR_RETURN(const ByteView name, ReadTlvOf(reader, kClaimAkName, "AK name"), "claim");
  ASSIGN_OR_RETURN(const ByteView look, ReadTlvOf(reader, kClaimFirstLook, "first look"), "claim");
  RETURN_IF_ERROR(reader.ExpectEnd(), "claim");
  if (name.empty() || name.size() > kMaxName)
    return Malformed("the claim's AK name has a wrong size");
  return Claim{.ak_name = ToBytes(name), .first_look = ToBytes(look)};
}

Result<LedgerRecord> ParseRecord(Reader& reader) {
  LedgerRecord record;
  ASSIGN_OR_RETURN(const ByteView number, ReadTlvOf(reader, kRecordNumber, "record number"),
                   "record");
  Reader number_reader(number, "record number");
  ASSIGN_OR_RETURN(record.number, number_reader.U64Be(), "record number");
  RETURN_IF_ERROR(number_reader.ExpectEnd(), "record number");
  ASSIGN_OR_RETURN(const ByteView pcr, ReadTlvOf(reader, kPcr, "PCR"), "record");
  Reader pcr_reader(pcr, "PCR");
  ASSIGN_OR_RETURN(record.pcr, pcr_reader.U8(), "PCR");
  RETURN_IF_ERROR(pcr_reader.ExpectEnd(), "PCR");
  ASSIGN_OR_RETURN(const ByteView digests, ReadTlvOf(reader, kDigests, "digests"), "record");
  ASSIGN_OR_RETURN(record.digests, ParseDigests(digests), "record");
  ASSIGN_OR_RETURN(const ByteView claim, ReadTlvOf(reader, kClaimContent, "claim"), "record");
  ASSIGN_OR_RETURN(record.claim, ParseClaim(claim), "record");
  return record;
}

Result<Ledger> ParseRecords(Reader& reader) {
  Ledger ledger;
  while (!reader.AtEnd()) {
    ASSIGN_OR_RETURN(LedgerRecord record, ParseRecord(reader),
                     fmt::format("record {}", ledger.size()));
    if (record.number != ledger.size()) return Malformed("records are not numbered from 0");
    if (!ledger.empty() && record.pcr != ledger.front().pcr)
      return Malformed("records name different registers");
    ledger.push_back(std::move(record));
  }
  return ledger;
}

}  // namespace

std::vector<BankDigest> ClaimDigests(const tpm::Name& ak_name,
                                     const std::vector<crypto::HashAlg>& banks) {
  std::vector<BankDigest> digests;
  for (const crypto::HashAlg bank : banks) {
    digests.push_back({bank, crypto::Digest(bank, {AsBytes(kClaimLabel), ak_name})});
  }
  return digests;
}

Bytes EncodeFirstLook(const std::vector<BankDigest>& values) { return EncodeDigests(values); }

Result<Bytes> ReadFirstLook(ByteView first_look, crypto::HashAlg bank) {
  if (first_look.empty()) return Bytes(crypto::DigestSize(bank), 0);
  ASSIGN_OR_RETURN(const auto values, ParseDigests(first_look), "first look");
  for (const BankDigest& value : values) {
    if (value.bank == bank) return value.digest;
  }
  return Malformed("the first look lacks the quoted bank");
}

Bytes EncodeLedger(const Ledger& ledger) {
  Writer writer;
  for (const LedgerRecord& record : ledger) {
    WriteTlv(writer, kRecordNumber, Writer().U64Be(record.number).view());
    WriteTlv(writer, kPcr, Writer().U8(record.pcr).view());
    WriteTlv(writer, kDigests, EncodeDigests(record.digests));
    WriteTlv(writer, kClaimContent, EncodeClaim(record.claim));
  }
  return std::move(writer).Finish();
}

Result<Ledger> ParseLedger(ByteView bytes) {
  if (bytes.size() > kMaxLedgerSize)
    return Malformed(fmt::format("the ledger has {} bytes", bytes.size()));
  Reader reader(bytes, "ledger");
  auto ledger = ParseRecords(reader);
  if (!ledger) ledger.error().name = "ledger-malformed";
  return ledger;
}

Result<Bytes> ReplayLedger(const Ledger& ledger, crypto::HashAlg bank) {
  Bytes value(crypto::DigestSize(bank), 0);
  for (const LedgerRecord& record : ledger) {
    if (record.number == 0) {
      ASSIGN_OR_RETURN(value, ReadFirstLook(record.claim.first_look, bank), "replay the ledger");
    }
    const auto digest = std::ranges::find(record.digests, bank, &BankDigest::bank);
    if (digest == record.digests.end())
      return Malformed("a record has no digest for the quoted bank");
    value = tpm::ExtendPcr(bank, value, digest->digest);
  }
  return value;
}

}  // namespace lodekey::attest
