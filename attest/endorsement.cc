#include "attest/endorsement.h"

#include <algorithm>

#include <fmt/format.h>

#include "attest/tpm_manufacturer.h"
#include "base/reader.h"

namespace lodekey::attest {
namespace {

// tcg-kp-EKCertificate (TCG EK Credential Profile 2.5, 3.2.16).
constexpr std::string_view kEkCertificateUsage = "2.23.133.8.1";

EkAppraisal Only(std::string reason, std::string explanation) {
  return {.assurance = Assurance::kInventory,
          .reason = std::move(reason),
          .explanation = std::move(explanation)};
}

EkAppraisal Vouched(Assurance assurance, const crypto::Certificate& certificate) {
  return {.assurance = assurance, .manufacturer = TpmManufacturer(certificate)};
}

Result<size_t> ReadDerLength(Reader& reader) {
  ASSIGN_OR_RETURN(const uint8_t first, reader.U8(), "length");
  if (first < 0x80) return first;
  if (first == 0x81) {
    ASSIGN_OR_RETURN(const size_t length, reader.U8(), "length");
    return length;
  }
  if (first == 0x82) {
    ASSIGN_OR_RETURN(const size_t length, reader.U16Be(), "length");
    return length;
  }
  return Fail(Code::kInvalidArgument, "length of a certificate is not one of a certificate");
}

// A DER SEQUENCE at the front of `stored`, with its header.
Result<ByteView> FirstObject(ByteView stored) {
  Reader reader(stored, "certificate");
  ASSIGN_OR_RETURN(const uint8_t tag, reader.U8(), "read the header");
  if (tag != 0x30) return Fail(Code::kInvalidArgument, "not a DER certificate");
  ASSIGN_OR_RETURN(const size_t length, ReadDerLength(reader), "read the header");
  RETURN_IF_ERROR(reader.Take(length), "read the certificate");
  return stored.first(reader.offset());
}

std::vector<crypto::Certificate> ReadChain(const std::vector<Bytes>& chain) {
  std::vector<crypto::Certificate> certificates;
  for (const Bytes& der : chain) {
    auto certificate = crypto::Certificate::FromDer(der);
    // A host may hold intermediates we cannot read; what matters is whether a path exists without
    // them.
    if (certificate) certificates.push_back(*std::move(certificate));
  }
  return certificates;
}

bool ChainsTo(const crypto::Certificate& leaf,
              const std::vector<crypto::Certificate>& intermediates,
              const std::vector<crypto::Certificate>& roots) {
  return !roots.empty() && crypto::BuildChain(leaf, intermediates, roots, {}).has_value();
}

}  // namespace

std::string_view AssuranceName(Assurance assurance) {
  switch (assurance) {
    case Assurance::kInventory: return "inventory";
    case Assurance::kEmulator: return "emulator";
    case Assurance::kHardware: return "hardware";
  }
  return "inventory";
}

Result<Assurance> ParseAssurance(std::string_view name) {
  for (const Assurance assurance :
       {Assurance::kInventory, Assurance::kEmulator, Assurance::kHardware}) {
    if (name == AssuranceName(assurance)) return assurance;
  }
  return Fail(Code::kInvalidArgument,
              fmt::format("'{}' is not an assurance level: inventory, emulator or hardware", name));
}

std::vector<Bytes> SplitStoredChain(ByteView stored) {
  std::vector<Bytes> chain;
  while (chain.size() < kMaxEkCertificates) {
    const auto der = FirstObject(stored);
    if (!der) break;
    chain.push_back(ToBytes(*der));
    stored = stored.subspan(der->size());
  }
  return chain;
}

Result<ByteView> TrimStoredCertificate(ByteView stored) {
  ASSIGN_OR_RETURN(const ByteView der, FirstObject(stored), "EK certificate");
  const ByteView padding = stored.subspan(der.size());
  const bool uniform =
      std::ranges::all_of(padding, [&](uint8_t byte) { return byte == padding.front(); });
  const bool known = padding.empty() || padding.front() == 0x00 || padding.front() == 0x11 ||
                     padding.front() == 0xff;
  if (!uniform || !known)
    return Fail(Code::kInvalidArgument, "other data than padding follows the certificate");
  return der;
}

Result<EkAppraisal> AppraiseEkCertificate(const tpm::PublicArea& ek, ByteView stored,
                                          const std::vector<Bytes>& chain,
                                          const VendorRoots& roots) {
  if (stored.empty())
    return Only("ek-certificate-absent", "the chip shows no certificate for its endorsement key");
  const auto der = TrimStoredCertificate(stored);
  if (!der) return Only("ek-certificate-malformed", der.error().text);
  const auto certificate = crypto::Certificate::FromDer(*der);
  if (!certificate) return Only("ek-certificate-malformed", certificate.error().text);
  if (!(certificate->key() == ek.key())) {
    return Fail(Code::kUntrusted, "the endorsement key and its certificate do not belong together",
                {.name = "ek-certificate-mismatch",
                 .advice = "Look for a TPM that was swapped or a host that relays another's."});
  }
  if (!std::ranges::count(certificate->ExtendedKeyUsages(), kEkCertificateUsage) ||
      certificate->is_ca()) {
    return Only("ek-certificate-usage",
                "the certificate is not one for an endorsement key (2.23.133.8.1)");
  }
  const auto intermediates = ReadChain(chain);
  if (ChainsTo(*certificate, intermediates, roots.hardware))
    return Vouched(Assurance::kHardware, *certificate);
  if (ChainsTo(*certificate, intermediates, roots.emulators))
    return Vouched(Assurance::kEmulator, *certificate);
  return Only("ek-certificate-unknown-ca",
              fmt::format("no configured vendor root leads to issuer '{}'", certificate->issuer()));
}

}  // namespace lodekey::attest
