// Quotes over other registers, banks and digests than the ones that are claimed.
#include "tests/attest/attack_table.h"

namespace lodekey::test {
namespace {

using attest::Purpose;
using crypto::HashAlg;

constexpr tpm::PcrMask kRequired = 0x00ffff;
constexpr tpm::PcrMask Bit(uint8_t pcr) { return tpm::PcrMask{1} << pcr; }

void SelectMask(Scene& scene, tpm::PcrMask mask) { scene.selection.front().mask = mask; }

tpm::PcrBank Sha1Bank() {
  tpm::PcrBank bank{.alg = HashAlg::kSha1};
  for (uint8_t pcr = 0; pcr < 16; ++pcr) bank.values[pcr] = Bytes(20, pcr);
  return bank;
}

// The resettable register is brought to the value of the one that policy looks at, and quoted in
// its place.
Change QuotedAs10(uint8_t resettable) {
  return [=](Scene& scene) {
    scene.registers.values[resettable] = scene.registers.values[10];
    SelectMask(scene, (kRequired & ~Bit(10)) | Bit(resettable));
  };
}

void Pcr10NotRequired(Scene& scene) { scene.policy.required = kRequired & ~Bit(10); }

Change Banks(tpm::PcrSelection selection) {
  return [selection = std::move(selection)](Scene& scene) {
    scene.other_banks = {Sha1Bank()};
    scene.selection = selection;
  };
}

Change DigestedWith(HashAlg hash) {
  return [hash](Scene& scene) { scene.quote.digest_hash = hash; };
}

// Only a register that policy does not require is left to the host.
void WithSixteen(Scene& scene) {
  scene.registers.values[16] = Bytes(32, 0);
  SelectMask(scene, kRequired | Bit(16));
}

const AttackRow kRows[] = {
    {.row = "A24",
     .title = "PCR 16 or 23 quoted, its value presented as PCR 10 (CVE-2024-29039)",
     .mutations = {QuotedAs10(16), QuotedAs10(23)},
     .codes = {"pcr-required-missing", "pcr-not-quoted", "pcr-value-missing"}},
    {.row = "A24/optional",
     .title = "the same where policy does not require PCR 10",
     .setting = Pcr10NotRequired,
     .mutations = {QuotedAs10(16), QuotedAs10(23)},
     .codes = {"pcr-not-quoted", "pcr-value-missing"}},
    {.row = "A25",
     .title = "two banks, in either order",
     .mutations = {Banks({{HashAlg::kSha1, kRequired}, {HashAlg::kSha256, kRequired}}),
                   Banks({{HashAlg::kSha256, kRequired}, {HashAlg::kSha1, kRequired}}),
                   Banks({{HashAlg::kSha256, kRequired}, {HashAlg::kSha1, 0}})},
     .codes = {"pcr-bank"}},
    {.row = "A26",
     .title = "the SHA-1 bank is quoted, SHA-256 claimed",
     .mutations = {Banks({{HashAlg::kSha1, kRequired}})},
     .codes = {"pcr-bank"}},
    {.row = "A26/values",
     .title = "SHA-256 is quoted, the values are of SHA-1",
     .mutations = {[](Scene& scene) { scene.message.pcrs = Sha1Bank(); }},
     .codes = {"pcr-not-quoted"}},
    {.row = "A27",
     .title = "pcrDigest is made with another hash, or is another",
     .mutations = {DigestedWith(HashAlg::kSha1), DigestedWith(HashAlg::kSha384),
                   DigestedWith(HashAlg::kSha512),
                   [](Scene& scene) { scene.quote.pcr_digest = Bytes{}; },
                   [](Scene& scene) { scene.quote.pcr_digest = Bytes(32, 0); },
                   [](Scene& scene) { (*scene.message.pcrs).values[0][31] ^= 1; },
                   [](Scene& scene) { (*scene.message.pcrs).values[0].resize(20); },
                   [](Scene& scene) {  // two values change places
                     std::swap((*scene.message.pcrs).values[0], (*scene.message.pcrs).values[1]);
                   },
                   [](Scene& scene) {  // the same bytes, cut at another place
                     auto& values = (*scene.message.pcrs).values;
                     values[0].push_back(values[1].front());
                     values[1].erase(values[1].begin());
                   }},
     .codes = {"pcr-digest-mismatch"}},
    {.row = "A28",
     .title = "a required register is neither quoted nor given",
     .mutations = {[](Scene& scene) {
       SelectMask(scene, kRequired & ~Bit(7));
       (*scene.message.pcrs).values.erase(7);
     }},
     .codes = {"pcr-required-missing"}},
    {.row = "A28/given",
     .title = "a required register is given and not quoted",
     .mutations = {[](Scene& scene) { SelectMask(scene, kRequired & ~Bit(7)); }},
     .codes = {"pcr-required-missing", "pcr-not-quoted"}},
    {.row = "A29",
     .title = "a register is quoted whose value is not given",
     .mutations = {WithSixteen, [](Scene& scene) { (*scene.message.pcrs).values.erase(7); }},
     .codes = {"pcr-value-missing"}},
    {.row = "A29/given",
     .title = "a register more, with its value (accepted)",
     .mutations = {[](Scene& scene) {
       WithSixteen(scene);
       scene.message.pcrs = scene.registers;
     }},
     .codes = {}},
};

[[maybe_unused]] const bool kRegistered = RegisterAttacks({std::begin(kRows), std::end(kRows)});

}  // namespace
}  // namespace lodekey::test
