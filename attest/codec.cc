#include "attest/codec.h"

#include <fmt/format.h>

namespace lodekey::attest {
namespace {

namespace node = lodekey::node::v1;
namespace verdict = lodekey::verdict::v1;

constexpr size_t kMaxAttest = 1024;     // TPMS_ATTEST is at most a few hundred bytes
constexpr size_t kMaxSignature = 1024;  // RSA-4096 and its header

Result<Bytes> Bounded(const std::string& field, size_t max, std::string_view what) {
  if (field.size() <= max) return FromField(field);
  return Fail(Code::kInvalidArgument,
              fmt::format("{} has {} bytes, at most {} are allowed", what, field.size(), max),
              {.name = "evidence-malformed"});
}

verdict::Verdict::Outcome EncodeOutcome(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccepted: return verdict::Verdict::ACCEPTED;
    case Outcome::kMessageRefused: return verdict::Verdict::MESSAGE_REFUSED;
    case Outcome::kEnrolAgain: return verdict::Verdict::ENROL_AGAIN;
    case Outcome::kNodeRefused: return verdict::Verdict::NODE_REFUSED;
    case Outcome::kNodeQuarantined: return verdict::Verdict::NODE_QUARANTINED;
  }
  return verdict::Verdict::OUTCOME_UNSPECIFIED;
}

std::unexpected<Error> Malformed(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "evidence-malformed"});
}

Result<crypto::HashAlg> DecodeBankName(const std::string& name) {
  if (const auto bank = crypto::ParseHashName(name)) return *bank;
  return Malformed("the PCR bank is unknown");
}

}  // namespace

std::string ToField(ByteView bytes) { return std::string(AsText(bytes)); }
Bytes FromField(const std::string& field) { return ToBytes(field); }

node::PcrSelection EncodeSelection(const tpm::BankSelection& selection) {
  node::PcrSelection message;
  message.set_bank(std::string(crypto::HashName(selection.bank)));
  message.set_mask(selection.mask);
  return message;
}

Result<tpm::BankSelection> DecodeSelection(const node::PcrSelection& message) {
  ASSIGN_OR_RETURN(const crypto::HashAlg bank, DecodeBankName(message.bank()), "PCR selection");
  if (message.mask() == 0 || message.mask() >> tpm::kPcrCount != 0)
    return Malformed("the PCR selection names no register or one above 23");
  return tpm::BankSelection{.bank = bank, .mask = message.mask()};
}

node::PcrBank EncodeBank(const tpm::PcrBank& bank) {
  node::PcrBank message;
  message.set_bank(std::string(crypto::HashName(bank.alg)));
  for (const auto& [pcr, value] : bank.values) {
    auto* entry = message.add_values();
    entry->set_pcr(pcr);
    entry->set_value(ToField(value));
  }
  return message;
}

Result<tpm::PcrBank> DecodeBank(const node::PcrBank& message) {
  ASSIGN_OR_RETURN(const crypto::HashAlg alg, DecodeBankName(message.bank()), "PCR bank");
  tpm::PcrBank bank{.alg = alg};
  for (const auto& entry : message.values()) {
    if (entry.pcr() >= tpm::kPcrCount)
      return Malformed(fmt::format("there is no PCR {}", entry.pcr()));
    if (entry.value().size() != crypto::DigestSize(alg))
      return Malformed(fmt::format("the value of PCR {} has a wrong size", entry.pcr()));
    if (!bank.values.emplace(static_cast<uint8_t>(entry.pcr()), FromField(entry.value())).second) {
      return Malformed(fmt::format("PCR {} has two values", entry.pcr()));
    }
  }
  return bank;
}

node::Evidence EncodeEvidence(const Evidence& evidence) {
  node::Evidence message;
  message.set_quote(ToField(evidence.quote));
  message.set_quote_signature(ToField(evidence.quote_signature));
  if (evidence.pcrs) *message.mutable_pcrs() = EncodeBank(*evidence.pcrs);
  message.set_boot_log_digest(ToField(evidence.boot_log_digest));
  if (evidence.boot_log) message.set_boot_log(ToField(*evidence.boot_log));
  message.set_ledger_pcr(evidence.ledger_pcr);
  if (evidence.ledger) message.set_ledger(ToField(*evidence.ledger));
  message.set_ima_offset(evidence.ima_offset);
  message.set_ima_chunk(ToField(evidence.ima_chunk));
  return message;
}

Result<Evidence> DecodeEvidence(const node::Evidence& message) {
  Evidence evidence;
  ASSIGN_OR_RETURN(evidence.quote, Bounded(message.quote(), kMaxAttest, "the quote"), "evidence");
  ASSIGN_OR_RETURN(evidence.quote_signature,
                   Bounded(message.quote_signature(), kMaxSignature, "the signature"), "evidence");
  if (message.has_pcrs()) {
    ASSIGN_OR_RETURN(evidence.pcrs, DecodeBank(message.pcrs()), "evidence");
  }
  ASSIGN_OR_RETURN(evidence.boot_log_digest,
                   Bounded(message.boot_log_digest(), 64, "the boot log's digest"), "evidence");
  if (!message.boot_log().empty()) {
    ASSIGN_OR_RETURN(evidence.boot_log,
                     Bounded(message.boot_log(), kMaxBootLogSize, "the boot log"), "evidence");
  }
  if (message.ledger_pcr() > 0xff)
    return Malformed(fmt::format("there is no PCR {}", message.ledger_pcr()));
  evidence.ledger_pcr = static_cast<uint8_t>(message.ledger_pcr());
  if (!message.ledger().empty()) {
    ASSIGN_OR_RETURN(evidence.ledger, Bounded(message.ledger(), kMaxLedgerSize, "the ledger"),
                     "evidence");
  }
  evidence.ima_offset = message.ima_offset();
  ASSIGN_OR_RETURN(evidence.ima_chunk, Bounded(message.ima_chunk(), kMaxImaChunk, "the IMA list"),
                   "evidence");
  return evidence;
}

node::Certification EncodeCertification(const Certification& certification) {
  node::Certification message;
  message.set_attest(ToField(certification.attest));
  message.set_signature(ToField(certification.signature));
  return message;
}

Result<Certification> DecodeCertification(const node::Certification& message) {
  Certification certification;
  ASSIGN_OR_RETURN(certification.attest, Bounded(message.attest(), kMaxAttest, "the certification"),
                   "certification");
  ASSIGN_OR_RETURN(certification.signature,
                   Bounded(message.signature(), kMaxSignature, "the signature"), "certification");
  return certification;
}

verdict::Verdict EncodeVerdict(const Verdict& judged_verdict, Outcome outcome,
                               const std::vector<FailedRule>& failed, Time judged) {
  verdict::Verdict message;
  message.set_outcome(EncodeOutcome(outcome));
  message.set_judged_unix_ms(judged.time_since_epoch().count());
  for (const FailedRule& rule : failed) {
    auto* entry = message.add_failed();
    entry->set_code(rule.code);
    entry->set_subject(rule.subject);
    entry->set_expected(rule.expected);
    entry->set_seen(rule.seen);
    entry->set_accept(rule.accept);
  }
  for (const Fact& fact : judged_verdict.facts()) {
    auto* entry = message.add_facts();
    entry->set_name(fact.name);
    entry->set_value(fact.value);
    entry->set_grade(std::string(GradeName(fact.grade)));
  }
  return message;
}

}  // namespace lodekey::attest
