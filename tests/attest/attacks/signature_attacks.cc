// Signatures by other keys, of other schemes, of numbers that are none; keys that are weak.
#include <algorithm>

#include "attest/key_rules.h"
#include "base/hex.h"
#include "base/reader.h"
#include "base/writer.h"
#include "tests/attest/attack_table.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using crypto::HashAlg;

const SoftwareTpm& RsassaChip() {
  static const SoftwareTpm tpm({.ak_scheme = TPM2_ALG_RSASSA, .chip = 2});
  return tpm;
}
const SoftwareTpm& RsapssChip() {
  static const SoftwareTpm tpm({.ak_scheme = TPM2_ALG_RSAPSS, .chip = 2});
  return tpm;
}

void OnRsassa(Scene& scene) { scene = Scene(RsassaChip()); }
void OnRsapss(Scene& scene) { scene = Scene(RsapssChip()); }

Change Quote(AttestChanges changes) {
  return [changes = std::move(changes)](Scene& scene) { scene.quote = changes; };
}

// A stranger's key signs; made when the row runs.
Change SignedBy(const SoftwareTpm& (*chip)()) {
  return [chip](Scene& scene) { scene.quote.signer = &chip().ak(); };
}

// The quote names `signer` of this scene's chip.
Change NamesSigner(std::function<tpm::Name(const Scene&)> signer) {
  return
      [signer = std::move(signer)](Scene& scene) { scene.quote.qualified_signer = signer(scene); };
}

std::function<tpm::Name(const Scene&)> UnderHierarchy(TPM2_HANDLE hierarchy) {
  return [hierarchy](const Scene& scene) {
    return Must(tpm::QualifiedNameOfPrimary(scene.chip->ak().area, hierarchy));
  };
}

tpm::Name PlainName(const Scene& scene) { return scene.chip->ak().area.name(); }
tpm::Name OtherSigner(const Scene&) {
  return Must(tpm::QualifiedNameOfPrimary(OtherChip().ak().area, TPM2_RH_ENDORSEMENT));
}

// Writes another scheme and hash in front of what was signed.
Change Relabelled(TPM2_ALG_ID scheme, TPM2_ALG_ID hash) {
  return Quote({.signature = [=](Bytes& signature) {
    const Writer label = Writer().U16Be(scheme).U16Be(hash);
    std::ranges::copy(label.view(), signature.begin());
  }});
}

// Writes r and s in the place of the signature's own.
Change Numbers(Bytes r, Bytes s) {
  return Quote({.signature = [r = std::move(r), s = std::move(s)](Bytes& signature) {
    signature.resize(4);
    signature = std::move(Writer().Raw(signature).Sized16(r).Sized16(s)).Finish();
  }});
}

// The r that was signed, with zeros in front.
Change PaddedR(size_t size) {
  return Quote({.signature = [size](Bytes& signature) {
    Reader reader(signature, "signature");
    const Bytes label = ToBytes(Must(reader.Take(4)));
    const ByteView r = Must(reader.Sized16(32));
    const Bytes s = ToBytes(Must(reader.Sized16(32)));
    Bytes padded(size - r.size(), 0);
    padded.insert(padded.end(), r.begin(), r.end());
    signature = std::move(Writer().Raw(label).Sized16(padded).Sized16(s)).Finish();
  }});
}

// Of the group of P-256.
Bytes Order() {
  return Must(ParseHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"));
}

const AttackRow kSignatureRows[] = {
    {.row = "A30",
     .title = "qualifiedSigner is not the AK in the endorsement hierarchy",
     .mutations = {NamesSigner(OtherSigner), NamesSigner(PlainName),
                   NamesSigner(UnderHierarchy(TPM2_RH_OWNER)),
                   NamesSigner(UnderHierarchy(TPM2_RH_PLATFORM)),
                   NamesSigner(UnderHierarchy(TPM2_RH_NULL)),
                   NamesSigner([](const Scene&) { return tpm::Name{}; })},
     .codes = {"qualified-signer"}},
    {.row = "A30/certify",
     .title = "the certification's qualifiedSigner is another",
     .stage = Stage::kEnrolment,
     .mutations = {[](Scene& scene) { scene.certify.qualified_signer = OtherSigner(scene); }},
     .codes = {"qualified-signer"}},
    {.row = "A31",
     .title = "RSASSA for an ECDSA key, and shapes of other schemes",
     .mutations = {SignedBy(RsassaChip), Relabelled(TPM2_ALG_ECDAA, TPM2_ALG_SHA256),
                   Relabelled(TPM2_ALG_HMAC, TPM2_ALG_SHA256),
                   Relabelled(TPM2_ALG_NULL, TPM2_ALG_SHA256)},
     .codes = {"signature-algorithm"}},
    {.row = "A31/rsassa",
     .title = "RSAPSS or ECDSA for an RSASSA key",
     .setting = OnRsassa,
     .mutations = {Quote({.scheme = TPM2_ALG_RSAPSS}), SignedBy(Chip),
                   Relabelled(TPM2_ALG_RSAPSS, TPM2_ALG_SHA256)},
     .codes = {"signature-algorithm"}},
    {.row = "A31/rsapss",
     .title = "RSASSA for an RSAPSS key",
     .setting = OnRsapss,
     .mutations = {Quote({.scheme = TPM2_ALG_RSASSA})},
     .codes = {"signature-algorithm"}},
    {.row = "A31/called",
     .title = "an RSAPSS signature that is called RSASSA",
     .setting = OnRsassa,
     .mutations = {[](Scene& scene) {
       Relabelled(TPM2_ALG_RSASSA, TPM2_ALG_SHA256)(scene);
       scene.quote.scheme = TPM2_ALG_RSAPSS;
     }},
     .codes = {"signature-invalid"}},
    {.row = "A32",
     .title = "a SHA-1 signature",
     .mutations = {Quote({.hash = HashAlg::kSha1}), Relabelled(TPM2_ALG_ECDSA, TPM2_ALG_SHA1),
                   Relabelled(TPM2_ALG_ECDSA, TPM2_ALG_NULL), Quote({.hash = HashAlg::kSha384})},
     .codes = {"signature-hash"}},
    {.row = "A32/rsa",
     .title = "a SHA-1 signature of an RSA key",
     .setting = OnRsassa,
     .mutations = {Quote({.hash = HashAlg::kSha1})},
     .codes = {"signature-hash"}},
    {.row = "A33",
     .title = "r or s is zero, missing, the order or above",
     .mutations = {Numbers(Bytes(32, 0), Bytes(32, 1)), Numbers(Bytes(32, 1), Bytes(32, 0)),
                   Numbers({}, {}), Numbers(Order(), Bytes(32, 1)), Numbers(Bytes(32, 1), Order()),
                   Numbers(Bytes(32, 0xff), Bytes(32, 1))},
     .codes = {"signature-invalid"}},
    {.row = "A33/oversized",
     .title = "r or s is longer than the field",
     .mutations = {Numbers(Bytes(33, 1), Bytes(32, 1)), Numbers(Bytes(32, 1), Bytes(66, 1)),
                   Numbers(Bytes(60'000, 1), Bytes(32, 1)), PaddedR(33),
                   Quote({.signature = [](Bytes& signature) { signature.push_back(0); }}),
                   Quote({.signature = [](Bytes& signature) { signature.pop_back(); }}),
                   Quote({.signature = [](Bytes& signature) { signature.clear(); }})},
     .codes = {"signature-malformed"}},
    {.row = "A33/padded",
     .title = "r is padded to the field, as some TPMs send it (accepted)",
     .mutations = {PaddedR(32)},
     .codes = {}},
};

tpm::PublicArea EcAk() { return Chip().ak().area; }
tpm::PublicArea NodeKey() { return Chip().node_key().area; }
tpm::PublicArea EcEk() { return Chip().ek().area; }
tpm::PublicArea RsaAk() { return RsassaChip().ak().area; }
tpm::PublicArea RsaEk() {
  static const SoftwareTpm tpm({.ek_template = "rsa2048-l1", .chip = 2});
  return tpm.ek().area;
}

ChangeArea Exponent(uint32_t exponent) {
  return [exponent](TPMT_PUBLIC& area) { area.parameters.rsaDetail.exponent = exponent; };
}

ChangeArea Modulus(Bytes modulus) {
  return [modulus = std::move(modulus)](TPMT_PUBLIC& area) {
    area.parameters.rsaDetail.keyBits = static_cast<uint16_t>(8 * modulus.size());
    area.unique.rsa.size = static_cast<uint16_t>(modulus.size());
    std::ranges::copy(modulus, area.unique.rsa.buffer);
  };
}

// One modulo each prime from 3 to 167: the product of those primes, shifted, and one.
Bytes RocaModulus() {
  Bytes modulus = Must(ParseHex("924cba6ae99dfa084537facc54948df0c23da044d8cabe0edd75bc60"));
  modulus.resize(256, 0);
  modulus.back() = 1;
  return modulus;
}

void EvenModulus(TPMT_PUBLIC& area) { area.unique.rsa.buffer[area.unique.rsa.size - 1] &= 0xfe; }
void OffTheCurve(TPMT_PUBLIC& area) { area.unique.ecc.y.buffer[0] ^= 1; }
void AtInfinity(TPMT_PUBLIC& area) {
  area.unique.ecc.x = {.size = 32, .buffer = {}};
  area.unique.ecc.y = {.size = 32, .buffer = {}};
}
void NoPoint(TPMT_PUBLIC& area) { area.unique.ecc = {}; }
void AboveTheField(TPMT_PUBLIC& area) { std::fill_n(area.unique.ecc.x.buffer, 32, uint8_t{0xff}); }

const KeyAttackRow kKeyRows[] = {
    {.row = "A34",
     .title = "an RSA AK with exponent 1 or 3, or an even modulus",
     .reader = ReadAk,
     .honest = RsaAk,
     .mutations = {Exponent(1), Exponent(3), Exponent(65536), EvenModulus},
     .name = "key-invalid"},
    {.row = "A34/weak",
     .title = "an RSA AK with another exponent, below 2048 bits, or of ROCA's form",
     .reader = ReadAk,
     .honest = RsaAk,
     .mutations = {Exponent(65539), Modulus(Bytes(128, 0xc5)), Modulus(Bytes(255, 0xc5)),
                   Modulus(RocaModulus())},
     .name = "key-weak"},
    {.row = "A34/ek_roca",
     .title = "an EK of ROCA's form (CVE-2017-15361)",
     .reader = ReadEk,
     .honest = RsaEk,
     .mutations = {Modulus(RocaModulus())},
     .name = "key-weak"},
    {.row = "A34/ek_size",
     .title = "an RSA EK of another size or exponent than its template",
     .reader = ReadEk,
     .honest = RsaEk,
     .mutations = {Exponent(65539), Modulus(Bytes(128, 0xc5)), Modulus(Bytes(255, 0xc5))},
     .name = "ek-template"},
    {.row = "A34/ek_invalid",
     .title = "an RSA EK that is no key",
     .reader = ReadEk,
     .honest = RsaEk,
     .mutations = {Exponent(1), Exponent(3), EvenModulus},
     .name = "key-invalid"},
    {.row = "A35",
     .title = "an AK whose point is not on the curve",
     .reader = ReadAk,
     .honest = EcAk,
     .mutations = {OffTheCurve, AtInfinity, NoPoint, AboveTheField},
     .name = "key-invalid"},
    {.row = "A35/node_key",
     .title = "a node key whose point is not on the curve",
     .reader = ReadNode,
     .honest = NodeKey,
     .mutations = {OffTheCurve, AtInfinity, NoPoint, AboveTheField},
     .name = "key-invalid"},
    {.row = "A35/ek",
     .title = "an EK whose point is not on the curve: the credential would leak its seed",
     .reader = ReadEk,
     .honest = EcEk,
     .mutations = {OffTheCurve, AtInfinity, NoPoint, AboveTheField},
     .name = "key-invalid"},
};

[[maybe_unused]] const bool kRegistered =
    RegisterAttacks({std::begin(kSignatureRows), std::end(kSignatureRows)}) &&
    RegisterKeyAttacks({std::begin(kKeyRows), std::end(kKeyRows)});

}  // namespace
}  // namespace lodekey::test
