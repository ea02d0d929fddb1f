#include "attest/collect.h"

#include "platform/measurement_log.h"

namespace lodekey::attest {
namespace {

constexpr int kTries = 5;

Result<Bytes> QuotedDigest(const tpm::Quoted& quoted) {
  ASSIGN_OR_RETURN(const tpm::Attestation attestation,
                   tpm::ParseAttestation(quoted.attest, tpm::AttestKind::kQuote),
                   "read the TPM's quote");
  return std::get<tpm::QuoteInfo>(attestation.attested).pcr_digest;
}

bool Explains(const tpm::PcrBank& bank, const tpm::BankSelection& selection, ByteView digest) {
  const auto computed = tpm::ComputePcrDigest({selection}, {bank}, crypto::HashAlg::kSha256);
  return computed && Equal(*computed, digest);
}

struct QuotedValues {
  tpm::Quoted quoted;
  tpm::PcrBank pcrs;
  bool known = false;  // the issuer has these values
};

// Registers move while they are read (IMA extends PCR 10 at any time), so values count only when a
// quote covers them.
Result<QuotedValues> QuoteWithValues(tpm::Device& device, const tpm::LoadedKey& ak,
                                     const Wanted& wanted, ByteView qualifying) {
  for (int i = 0; i < kTries; ++i) {
    ASSIGN_OR_RETURN(tpm::Quoted quoted, device.Quote(ak, {wanted.selection}, qualifying), "quote");
    ASSIGN_OR_RETURN(const Bytes digest, QuotedDigest(quoted), "quote");
    if (wanted.known_pcrs && Explains(*wanted.known_pcrs, wanted.selection, digest)) {
      return QuotedValues{.quoted = std::move(quoted), .pcrs = *wanted.known_pcrs, .known = true};
    }
    ASSIGN_OR_RETURN(tpm::PcrBank pcrs,
                     device.ReadPcrs(wanted.selection.bank, wanted.selection.mask), "read PCRs");
    if (Explains(pcrs, wanted.selection, digest)) {
      return QuotedValues{.quoted = std::move(quoted), .pcrs = std::move(pcrs)};
    }
  }
  return Fail(Code::kUnavailable, "the PCRs changed between quote and reading, five times in a row",
              {.name = "pcrs-busy",
               .advice = "It is tried again; find out what extends PCRs so often if it goes on."});
}

}  // namespace

Result<BootLog> ReadHostBootLog(const std::string& path) {
  ASSIGN_OR_RETURN(std::optional<Bytes> content, platform::ReadBootLog(path), "boot log");
  if (!content || content->empty()) return BootLog{};
  const auto digest = crypto::Sha256(*content);
  return BootLog{.content = *std::move(content), .digest = ToBytes(digest)};
}

Result<Collected> Collect(tpm::Device& device, const tpm::LoadedKey& ak,
                          const CollectContext& context, const BootLog& boot_log,
                          const Wanted& wanted, ByteView qualifying) {
  ASSIGN_OR_RETURN(QuotedValues values, QuoteWithValues(device, ak, wanted, qualifying),
                   "collect evidence");
  Collected collected{.evidence = {}, .pcrs = std::move(values.pcrs)};
  Evidence& evidence = collected.evidence;
  evidence.quote = std::move(values.quoted.attest);
  evidence.quote_signature = std::move(values.quoted.signature);
  if (!values.known) evidence.pcrs = collected.pcrs;
  evidence.boot_log_digest = boot_log.digest;
  if (wanted.boot_log && !boot_log.content.empty()) evidence.boot_log = boot_log.content;
  evidence.ledger_pcr = context.ledger_pcr;
  if (wanted.ledger && !context.ledger.empty()) evidence.ledger = context.ledger;
  // Read after the quote: the list is then at least as long as what PCR 10 covers.
  ASSIGN_OR_RETURN(auto chunk,
                   platform::ReadImaLog(context.ima_log_path, wanted.ima_offset, kMaxImaChunk),
                   "IMA list");
  evidence.ima_offset = wanted.ima_offset;
  evidence.ima_chunk = std::move(chunk).value_or(Bytes{});
  return collected;
}

}  // namespace lodekey::attest
