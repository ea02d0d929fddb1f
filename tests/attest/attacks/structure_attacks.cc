// TPMS_ATTEST structures that a TPM would not write.
#include <algorithm>

#include "base/writer.h"
#include "tests/attest/attack_table.h"

namespace lodekey::test {
namespace {

using attest::Purpose;
using crypto::HashAlg;

// Sizes of what stands in front in these quotes (part 2, 10.12.12): magic and type,
// qualifiedSigner, extraData, clockInfo, firmwareVersion.
constexpr size_t kCountOffset = 6 + 36 + 34 + 17 + 8;
constexpr size_t kBitmapSizeOffset = kCountOffset + 4 + 2;
constexpr size_t kQuoteSize = kBitmapSizeOffset + 1 + 3 + 34;
constexpr size_t kCertificationSize = kCountOffset + 36 + 36;

Change Quote(AttestChanges changes) {
  return [changes = std::move(changes)](Scene& scene) { scene.quote = changes; };
}

Change Magic(uint32_t magic) { return Quote({.magic = magic}); }
Change Type(TPM2_ST type) { return Quote({.type = type}); }
Change Select(tpm::PcrSelection selection) { return Quote({.selection = std::move(selection)}); }

// What is signed is `change` of an honest encoding.
Change Encoded(std::function<void(Bytes&)> change) { return Quote({.bytes = std::move(change)}); }

Change Count(uint32_t count) {
  return Encoded([count](Bytes& bytes) {
    std::ranges::copy(Writer().U32Be(count).view(), bytes.begin() + kCountOffset);
  });
}

// A bitmap of another size, with that many bytes there.
Change BitmapOf(uint8_t size) {
  return Encoded([size](Bytes& bytes) {
    bytes.at(kBitmapSizeOffset) = size;
    const auto bitmap = bytes.begin() + kBitmapSizeOffset + 1;
    bytes.insert(bytes.erase(bitmap, bitmap + 3), size, 0xff);
  });
}

std::function<void(Bytes&)> CutTo(size_t size, size_t whole) {
  return [=](Bytes& bytes) {
    ASSERT_EQ(bytes.size(), whole);
    bytes.resize(size);
  };
}

std::vector<Change> EveryCutOfTheQuote() {
  std::vector<Change> cuts;
  for (size_t size = 0; size < kQuoteSize; ++size) cuts.push_back(Encoded(CutTo(size, kQuoteSize)));
  return cuts;
}

std::vector<Change> EveryCutOfTheCertification() {
  std::vector<Change> cuts;
  for (size_t size = 1; size < kCertificationSize; ++size) {
    cuts.push_back([size](Scene& scene) { scene.certify.bytes = CutTo(size, kCertificationSize); });
  }
  return cuts;
}

void CertificationAsQuote(Scene& scene) {
  const SignedAttestation other = scene.chip->Certify(scene.Qualifying(Purpose::kAttestQuote));
  scene.forge = [other](attest::Evidence& evidence) {
    evidence.quote = other.attest;
    evidence.quote_signature = other.signature;
  };
}

void QuoteAsCertification(Scene& scene) {
  const SignedAttestation other = scene.chip->Quote(scene.selection, {scene.registers},
                                                    scene.Qualifying(Purpose::kEnrolCertify));
  scene.forge_certification = [other](attest::Certification& certification) {
    certification = {.attest = other.attest, .signature = other.signature};
  };
}

const AttackRow kRows[] = {
    {.row = "A15",
     .title = "magic is not ff544347",
     .mutations = {Magic(0), Magic(0xff544346), Magic(0x474354ff), Magic(0xffffffff)},
     .codes = {"attest-magic"}},
    {.row = "A15/certify",
     .title = "magic is not ff544347 in the certification",
     .stage = Stage::kEnrolment,
     .mutations = {[](Scene& scene) { scene.certify.magic = 0xff544346; }},
     .codes = {"attest-magic"}},
    {.row = "A16",
     .title = "a certification given as a quote",
     .mutations = {CertificationAsQuote, Type(TPM2_ST_ATTEST_CERTIFY)},
     .codes = {"attest-type"}},
    {.row = "A16/reverse",
     .title = "a quote given as a certification",
     .stage = Stage::kEnrolment,
     .mutations = {QuoteAsCertification},
     .codes = {"attest-type"}},
    {.row = "A17",
     .title = "an attestation of another type",
     .mutations = {Type(TPM2_ST_ATTEST_NV), Type(TPM2_ST_ATTEST_CREATION),
                   Type(TPM2_ST_ATTEST_TIME), Type(TPM2_ST_ATTEST_SESSION_AUDIT),
                   Type(TPM2_ST_ATTEST_COMMAND_AUDIT), Type(0), Type(0xffff)},
     .codes = {"attest-type"}},
    {.row = "A18",
     .title = "a quote that ends early, at every byte",
     .mutations = EveryCutOfTheQuote(),
     .codes = {"attest-malformed"}},
    {.row = "A18/certify",
     .title = "a certification that ends early, at every byte",
     .stage = Stage::kEnrolment,
     .mutations = EveryCutOfTheCertification(),
     .codes = {"attest-malformed"}},
    {.row = "A19",
     .title = "bytes behind the quote",
     .mutations = {Encoded([](Bytes& bytes) { bytes.push_back(0); }),
                   Encoded([](Bytes& bytes) { bytes.insert(bytes.end(), 100, 0xff); }),
                   Encoded([](Bytes& bytes) {
                     const Bytes again = bytes;
                     bytes.insert(bytes.end(), again.begin(), again.end());
                   })},
     .codes = {"attest-malformed"}},
    {.row = "A20",
     .title = "more banks than a TPM has",
     .mutations = {Count(17), Count(0x10000), Count(0x80000000), Count(0xffffffff)},
     .codes = {"attest-malformed"}},
    {.row = "A20/missing",
     .title = "more banks than follow: the digest is read as one",
     .mutations = {Count(2), Count(16)},
     .codes = {"attest-selection"}},
    {.row = "A21",
     .title = "a bitmap that is not of three bytes",
     .mutations = {BitmapOf(0), BitmapOf(2), BitmapOf(4), BitmapOf(255),
                   Encoded([](Bytes& bytes) { bytes.at(kBitmapSizeOffset) = 255; })},
     .codes = {"attest-selection"}},
    {.row = "A22",
     .title = "a bank is selected twice",
     .mutations = {Select({{HashAlg::kSha256, 0xffff}, {HashAlg::kSha256, 0xffff}}),
                   Select({{HashAlg::kSha256, 0x00ff}, {HashAlg::kSha256, 0xff00}}),
                   Select({{HashAlg::kSha256, 0xffff}, {HashAlg::kSha256, 0}})},
     .codes = {"attest-selection"}},
    {.row = "A23",
     .title = "nothing is selected (CVE-2022-0317)",
     .mutations = {Select({}), Select({{HashAlg::kSha256, 0}}),
                   Select({{HashAlg::kSha256, 0}, {HashAlg::kSha1, 0}}),
                   [](Scene& scene) {  // with the digest and the values that go with it
                     scene.selection = {};
                     scene.message.pcrs = tpm::PcrBank{};
                   }},
     .codes = {"attest-selection"}},
};

[[maybe_unused]] const bool kRegistered = RegisterAttacks({std::begin(kRows), std::end(kRows)});

}  // namespace
}  // namespace lodekey::test
