#include "tpm/pcr.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "tpm/public_area.h"

namespace lodekey::tpm {
namespace {

constexpr PcrMask Bit(unsigned pcr) { return PcrMask{1} << pcr; }

std::unexpected<Error> BadMask(std::string_view text) {
  return Fail(
      Code::kInvalidArgument,
      fmt::format("\"{}\" is no list of registers such as 0-9,14 (0 to {})", text, kPcrCount - 1));
}

Result<unsigned> ParseRegister(std::string_view text) {
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number >= kPcrCount) return BadMask(text);
  return number;
}

// "7" or "0-7".
Result<PcrMask> ParseRange(std::string_view text) {
  const size_t dash = text.find('-');
  ASSIGN_OR_RETURN(const unsigned first, ParseRegister(text.substr(0, dash)), "first register");
  unsigned last = first;
  if (dash != std::string_view::npos) {
    ASSIGN_OR_RETURN(last, ParseRegister(text.substr(dash + 1)), "last register");
  }
  if (last < first) return BadMask(text);
  return Bit(last + 1) - Bit(first);
}

// Two banks of one algorithm would let a reader elsewhere take the other one.
Result<const PcrBank*> FindBank(const std::vector<PcrBank>& banks, crypto::HashAlg alg) {
  const auto is_alg = [alg](const PcrBank& bank) { return bank.alg == alg; };
  if (const auto count = std::ranges::count_if(banks, is_alg); count != 1) {
    return Fail(Code::kInvalidArgument,
                fmt::format("{} banks of {} values, one is needed", count, crypto::HashName(alg)));
  }
  return &*std::ranges::find_if(banks, is_alg);
}

Result<void> AppendSelected(const BankSelection& selection, const std::vector<PcrBank>& banks,
                            Bytes& out) {
  if (selection.mask == 0) return {};
  ASSIGN_OR_RETURN(const PcrBank* bank, FindBank(banks, selection.bank), "find the bank");
  for (uint8_t pcr = 0; pcr < kPcrCount; ++pcr) {
    if ((selection.mask & Bit(pcr)) == 0) continue;
    const auto value = bank->values.find(pcr);
    if (value == bank->values.end()) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("PCR {} of the {} bank is selected and has no value", pcr,
                              crypto::HashName(bank->alg)));
    }
    if (value->second.size() != crypto::DigestSize(bank->alg)) {
      return Fail(Code::kInvalidArgument,
                  fmt::format("PCR {} of the {} bank has {} bytes", pcr,
                              crypto::HashName(bank->alg), value->second.size()));
    }
    out.insert(out.end(), value->second.begin(), value->second.end());
  }
  return {};
}

}  // namespace

std::string FormatPcrMask(PcrMask mask) {
  std::string text;
  for (unsigned pcr = 0; pcr < kPcrCount; ++pcr) {
    if ((mask & Bit(pcr)) == 0) continue;
    unsigned last = pcr;
    while (last + 1 < kPcrCount && (mask & Bit(last + 1)) != 0) ++last;
    if (!text.empty()) text += ',';
    text += last == pcr ? fmt::format("{}", pcr) : fmt::format("{}-{}", pcr, last);
    pcr = last;
  }
  return text.empty() ? "none" : text;
}

Result<PcrMask> ParsePcrMask(std::string_view text) {
  if (text == "none") return PcrMask{0};
  PcrMask mask = 0;
  for (std::string_view rest = text;;) {
    const size_t comma = rest.find(',');
    ASSIGN_OR_RETURN(const PcrMask range, ParseRange(rest.substr(0, comma)), "read PCR numbers");
    mask |= range;
    if (comma == std::string_view::npos) return mask;
    rest.remove_prefix(comma + 1);
  }
}

PcrMask PcrBank::mask() const {
  PcrMask mask = 0;
  for (const auto& [pcr, value] : values) {
    if (pcr < kPcrCount) mask |= Bit(pcr);
  }
  return mask;
}

Result<Bytes> ComputePcrDigest(const PcrSelection& selection, const std::vector<PcrBank>& banks,
                               crypto::HashAlg signing_hash) {
  Bytes values;
  for (const BankSelection& bank : selection) {
    RETURN_IF_ERROR(AppendSelected(bank, banks, values), "compute the PCR digest");
  }
  return crypto::Digest(signing_hash, values);
}

Bytes ExtendPcr(crypto::HashAlg alg, ByteView value, ByteView digest) {
  return crypto::Digest(alg, {value, digest});
}

TPML_PCR_SELECTION ToTpml(const PcrSelection& selection) {
  TPML_PCR_SELECTION list = {};
  for (const BankSelection& bank : selection) {
    if (list.count == TPM2_NUM_PCR_BANKS) break;
    TPMS_PCR_SELECTION& entry = list.pcrSelections[list.count++];
    entry.hash = FromHashAlg(bank.bank);
    entry.sizeofSelect = kPcrSelectSize;
    for (unsigned byte = 0; byte < kPcrSelectSize; ++byte) {
      entry.pcrSelect[byte] = static_cast<uint8_t>(bank.mask >> (8 * byte));
    }
  }
  return list;
}

}  // namespace lodekey::tpm
