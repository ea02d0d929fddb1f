#include "cli/rule_sentence.h"

#include <algorithm>
#include <array>

#include <fmt/args.h>
#include <fmt/format.h>

#include "cli/text.h"
#include "platform/escape.h"

namespace lodekey::cli {
namespace {

struct Sentence {
  std::string_view code;
  std::string_view text;  // of {subject}, {expected} and {seen}
};

constexpr std::string_view kGeneral = "{subject}: expected {expected}, found {seen}.";

// The codes of attest/*_rules.cc, of the parsers they call, of the issuer's nonces and of the
// shipped policy.
constexpr std::array kSentences = std::to_array<Sentence>({
    // What the TPM signed.
    {"attest-magic", "The {subject} is not something a TPM made: {seen}."},
    {"attest-type", "The {subject} is a TPM structure of another kind: {seen}."},
    {"attest-malformed", "The {subject} is not a well-formed TPM structure: {seen}."},
    {"attest-selection", "The {subject} selects registers in a way that is not allowed: {seen}."},
    {"signature-malformed", "The signature of the {subject} is not well-formed: {seen}."},
    {"signature-invalid",
     "The {subject} is not signed by this host's attestation key, or was changed on its way."},
    {"signature-algorithm",
     "The {subject} is signed with an algorithm that is not allowed: {seen}."},
    {"signature-hash", "The {subject} is signed with another hash than its key's: {seen}."},
    {"key-weak", "The key that signed the {subject} is too weak: {seen}."},
    {"name-algorithm",
     "The key that signed the {subject} is named with a hash that is not allowed."},
    {"qualified-signer",
     "The {subject} was signed by a key that is not in the TPM's endorsement hierarchy."},
    {"binding-mismatch",
     "The {subject} was made for another request: it does not bind this nonce, node and keys."},
    {"key-not-certified", "The TPM did not certify the node's key with its attestation key."},
    {"certified-other-key",
     "The TPM certified another key ({seen}) than the one that is to get the identity "
     "({expected})."},
    {"node-key-hierarchy",
     "The node's key is not in the TPM's NULL hierarchy: it would outlive this boot."},
    {"pcr-bank", "The quote covers {seen}; the issuer wants {expected}."},
    {"pcr-required-missing",
     "The quote leaves out registers that the issuer requires: PCR {expected} are wanted, PCR "
     "{seen} are quoted."},
    {"pcr-not-quoted",
     "Values came for registers that the quote does not cover: {seen} came, {expected} are "
     "quoted."},
    {"pcr-value-missing", "The quote covers PCR {expected}, but values came only for PCR {seen}."},
    {"pcr-digest-mismatch", "The PCR values that came are not the ones the TPM signed."},
    {"pcr-values-stale",
     "The PCR values are no longer the ones last accepted, and the new ones did not come along."},
    {"verdict-unreadable", "What the issuer stored as the last verdict cannot be read: {seen}."},
    {"boot-log-digest",
     "The boot log that came is not the one under the signature: {expected} was signed, {seen} "
     "came."},
    // The nonce.
    {"nonce-used", "The nonce was used before."},
    {"nonce-reused",
     "The TPM signed two different answers to one nonce. Two machines may be using one identity."},
    {"nonce-unknown", "The nonce is not one that the issuer gave to this node."},
    {"nonce-expired", "The evidence came too late: its nonce had expired."},
    {"nonce-not-yet-valid", "The nonce is from the future: a clock at the issuer went back."},
    // What the shipped policy says of a host (issuer/policy/standing.rego).
    {"assurance-too-low",
     "It is not as sure as the policy wants that the TPM is a real one: {seen}, {expected} is "
     "wanted."},
    {"time-went-back", "The issuer's clock went back: the host's evidence is younger than now."},
    {"input-incomplete", "The policy was not told what it needs to decide."},
    {"findings-absent", "The policy was not told what the verifier found."},
    {"fact-missing", "The policy was not told a fact that it needs: {subject}."},
    {"data-invalid", "The policy's data.json is wrong: {subject} is {seen}, not {expected}."},
    // Which TPM, which key, which boot.
    {"ak-changed-in-boot",
     "Another attestation key ({seen}) than this boot's ({expected}) asks for this host's "
     "identity."},
    {"ak-not-approved",
     "The host has a new attestation key ({seen}, before {expected}) that nobody has approved."},
    {"rebooted", "The host was rebooted: the identity of the earlier boot ended with it."},
    {"reset-count-decreased",
     "The TPM counts fewer resets ({seen}) than before ({expected}): it was cleared or replaced."},
    {"reset-count-decreased-again",
     "The TPM counts fewer resets ({seen}) than before, for the second time within a week; it must "
     "be {expected}. Two machines may be taking turns with one identity."},
    {"clock-went-back",
     "The {subject} went back to {seen}; it must be {expected}. Two machines may be using one "
     "identity."},
    {"firmware-changed", "The TPM's firmware changed: it was {expected}, it is now {seen}."},
    // What the host booted and is.
    {"boot-log-changed",
     "The boot log changed while the host was running: it was {expected}, it is now {seen}."},
    {"pcr-changed-in-boot",
     "{subject} changed while the host was running: it was {expected}, it is now {seen}."},
    {"references-absent",
     "Nobody has approved PCR values for {subject} yet, and the issuer requires them."},
    {"pcr-not-approved",
     "{subject} has a value that is not approved: accepted is {expected}, it is {seen}."},
    // The ledger.
    {"claim-missing", "The host has not claimed its TPM in a ledger register."},
    {"claim-other-ak",
     "The {subject} was claimed in this boot for another attestation key ({seen}) than the one "
     "that signs ({expected})."},
    {"ledger-malformed", "The ledger is not one as lodekeyd writes it: {seen}."},
    {"ledger-register",
     "The {subject} is not where the ledger may be: allowed are PCR {expected}, the host has "
     "{seen}."},
    {"ledger-mismatch",
     "The {subject} does not hold what the ledger says: by the ledger {expected}, in the TPM "
     "{seen}."},
    {"ledger-touched",
     "Something had extended the {subject} before lodekeyd first looked at it in this boot."},
    {"ledger-rewritten", "The ledger does not continue the one that was sent before."},
    {"log-restarted", "The ledger began anew after the host was suspended."},
});

const Sentence* Find(std::string_view code) {
  const auto found = std::ranges::find(kSentences, code, &Sentence::code);
  return found == kSentences.end() ? nullptr : &*found;
}

std::string OrNothing(const std::string& text) { return text.empty() ? "nothing" : text; }

}  // namespace

bool HasRuleSentence(std::string_view code) { return Find(code) != nullptr; }

std::string RuleSentence(const verdict::v1::FailedRule& rule) {
  const std::string subject = platform::EscapeControl(OrNothing(rule.subject()));
  const std::string expected = platform::EscapeControl(OrNothing(rule.expected()));
  const std::string seen = platform::EscapeControl(OrNothing(rule.seen()));
  // Two values that begin alike are not told apart by their beginnings.
  const bool brief = AbbreviateHex(expected) != AbbreviateHex(seen) || expected == seen;
  const Sentence* sentence = Find(rule.code());
  std::string text = fmt::format(fmt::runtime(sentence == nullptr ? kGeneral : sentence->text),
                                 fmt::arg("subject", subject),
                                 fmt::arg("expected", brief ? AbbreviateHex(expected) : expected),
                                 fmt::arg("seen", brief ? AbbreviateHex(seen) : seen));
  if (text.front() >= 'a' && text.front() <= 'z') {
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  }
  return text;
}

}  // namespace lodekey::cli
