// Evidence that is not of this moment, this node or this key; clocks and counters that disagree.
#include "crypto/encoding.h"
#include "tests/attest/attack_table.h"

namespace lodekey::test {
namespace {

using attest::BindingContext;
using attest::Outcome;
using attest::Purpose;

Bytes Joined(ByteView a, ByteView b) {
  Bytes bytes = ToBytes(a);
  bytes.insert(bytes.end(), b.begin(), b.end());
  return bytes;
}

Bytes HonestQualifying(const Scene& scene) { return scene.Qualifying(Purpose::kAttestQuote); }

// The quote carries what `extra` makes of the honest qualifying data.
Change ExtraData(std::function<Bytes(const Scene&)> extra) {
  return [extra = std::move(extra)](Scene& scene) { scene.quote.extra_data = extra(scene); };
}

// The quote is bound to something else than the issuer's context.
Change BoundTo(Purpose purpose, std::function<void(BindingContext&)> change = {}) {
  return [purpose, change = std::move(change)](Scene& scene) {
    scene.quote.extra_data = scene.Qualifying(purpose, change);
  };
}

Change BoundTo(std::function<void(BindingContext&)> change) {
  return BoundTo(Purpose::kAttestQuote, std::move(change));
}

constexpr uint64_t kHour = 3'600'000;
constexpr uint64_t kOtherFirmware = 0x2022'0101'0000'0000;

// Clocks and counters are compared with what was last accepted.
void ClockBack(Scene& scene) { scene.clock.clock = scene.state.clock.clock - 1; }
void RestartBack(Scene& scene) { scene.clock.restart_count = scene.state.clock.restart_count - 1; }
void Suspended(Scene& scene) { ++scene.clock.restart_count; }
void OtherFirmware(Scene& scene) { scene.firmware_version = kOtherFirmware; }

void SuspendedTwiceBefore(Scene& scene) {
  scene.state.clock.restart_count = 2;
  scene.clock.restart_count = 2;
}

Change EnrolledBefore(const Change& setting = {}) {
  return [setting](Scene& scene) {
    if (setting) setting(scene);
    scene.earlier = EarlierEnrolmentOf(scene);
  };
}

void ResetBack(Scene& scene) { --scene.clock.reset_count; }
void ResetBackBefore(Scene& scene) {
  scene.earlier = EarlierEnrolmentOf(scene);
  scene.earlier->since_decrease = std::chrono::hours(24);
}

// A TPM Restart empties the register, and the host does not know its ledger any more.
void RegisterEmptied(Scene& scene) {
  Suspended(scene);
  scene.SetRegister(kLedgerPcr, Bytes(32, 0));
}
void LedgerBegunAnew(Scene& scene) {
  Suspended(scene);
  scene.ledger.resize(1);
  scene.RecordLedger();
}
void BootedAnother(Scene& scene) {
  RegisterEmptied(scene);
  scene.SetRegister(4, Bytes(32, 0xee));
  scene.message.boot_log_digest = {};
}
void TwoRecords(Scene& scene) {
  attest::LedgerRecord second = scene.ledger.front();
  second.number = 1;
  scene.ledger.push_back(second);
  scene.RecordLedger();
  scene.state.ledger = *scene.message.ledger;
}

const AttackRow kBindingRows[] = {
    {.row = "A4",
     .title = "no extraData",
     .mutations = {ExtraData([](const Scene&) { return Bytes{}; })},
     .codes = {"binding-mismatch"}},
    {.row = "A4/certify",
     .title = "no extraData in the certification",
     .stage = Stage::kEnrolment,
     .mutations = {[](Scene& scene) { scene.certify.extra_data = Bytes{}; }},
     .codes = {"binding-mismatch"}},
    {.row = "A5",
     .title = "a prefix, a suffix, padding",
     .mutations = {ExtraData([](auto& s) { return Joined(Bytes{0}, HonestQualifying(s)); }),
                   ExtraData([](auto& s) { return Joined(HonestQualifying(s), Bytes{0}); }),
                   ExtraData([](auto& s) { return Joined(HonestQualifying(s), Bytes(32, 0)); }),
                   ExtraData([](auto& s) { return Joined(s.nonce, HonestQualifying(s)); }),
                   ExtraData(
                       [](auto& s) { return ToBytes(ByteView(HonestQualifying(s)).first(31)); }),
                   ExtraData([](auto& s) { return s.nonce; }),
                   ExtraData([](auto& s) { return Joined(s.nonce, Bytes(32, 0)); })},
     .codes = {"binding-mismatch"}},
    {.row = "A6",
     .title = "text instead of bytes",
     .mutations = {ExtraData([](auto& s) { return ToBytes(crypto::ToBase64(s.nonce)); }),
                   ExtraData(
                       [](auto& s) { return ToBytes(crypto::ToBase64(HonestQualifying(s))); }),
                   ExtraData([](auto& s) { return ToBytes(ToHex(HonestQualifying(s))); }),
                   BoundTo([](BindingContext& context) {
                     static const std::string text = crypto::ToBase64(context.nonce);
                     context.nonce = AsBytes(text);
                   })},
     .codes = {"binding-mismatch"}},
    {.row = "A7",
     .title = "made for another request, node, log or key",
     .mutations = {BoundTo(Purpose::kEnrolQuote), BoundTo(Purpose::kEnrolCertify),
                   BoundTo([](auto& context) { context.trust_domain = "other.example"; }),
                   BoundTo([](auto& context) { context.trust_domain = ""; }),
                   BoundTo([](auto& context) {
                     static const Bytes other(attest::kNonceSize, 1);
                     context.nonce = other;
                   }),
                   BoundTo([](auto& context) { context.ak_name = OtherChip().ak().area.name(); }),
                   BoundTo([](auto& context) { context.boot_log_digest = {}; }),
                   [](Scene& scene) {
                     scene.forge = [](auto& evidence) { evidence.boot_log_digest = Bytes(32, 1); };
                   }},
     .codes = {"binding-mismatch"}},
    {.row = "A7/enrol",
     .title = "a quote for another purpose, or without the activation secret",
     .stage = Stage::kEnrolment,
     .mutations = {BoundTo(Purpose::kAttestQuote), BoundTo(Purpose::kEnrolCertify),
                   BoundTo(Purpose::kEnrolQuote,
                           [](auto& context) { context.activation_secret = {}; })},
     .codes = {"binding-mismatch"}},
    {.row = "A7/certify",
     .title = "a certification for another purpose",
     .stage = Stage::kEnrolment,
     .mutations = {[](Scene& scene) {
       scene.certify.extra_data = scene.Qualifying(Purpose::kEnrolQuote);
     }},
     .codes = {"binding-mismatch"}},
    {.row = "A9",
     .title = "evidence for the key of another session",
     .mutations = {BoundTo(
         [](auto& context) { context.key_name = OtherChip().node_key().area.name(); })},
     .codes = {"binding-mismatch"}},
};

const AttackRow kCounterRows[] = {
    {.row = "A10",
     .title = "a safe clock goes back",
     .mutations = {ClockBack, [](Scene& scene) { scene.clock.clock = 0; }},
     .codes = {"clock-went-back"},
     .outcome = Outcome::kNodeQuarantined},
    {.row = "A10/restarts",
     .title = "restartCount goes back",
     .setting = SuspendedTwiceBefore,
     .mutations = {RestartBack},
     .codes = {"clock-went-back"},
     .outcome = Outcome::kNodeQuarantined},
    {.row = "A10/enrol",
     .title = "a safe clock goes back within the boot that was enrolled",
     .stage = Stage::kEnrolment,
     .setting = EnrolledBefore(),
     .mutations = {ClockBack},
     .codes = {"clock-went-back"},
     .outcome = Outcome::kNodeQuarantined},
    {.row = "A10/enrol_restarts",
     .title = "restartCount goes back within the boot that was enrolled",
     .stage = Stage::kEnrolment,
     .setting = EnrolledBefore(SuspendedTwiceBefore),
     .mutations = {RestartBack},
     .codes = {"clock-went-back"},
     .outcome = Outcome::kNodeQuarantined},
    {.row = "A11",
     .title = "resetCount goes back",
     .mutations = {ResetBack,
                   [](Scene& scene) {  // a TPM that was cleared
                     scene.clock = {.clock = 5, .reset_count = 0, .safe = true};
                   }},
     .codes = {"reset-count-decreased"},
     .outcome = Outcome::kEnrolAgain},
    {.row = "A11/cleared",
     .title = "a lower resetCount at an enrolment: a TPM that was cleared (accepted)",
     .stage = Stage::kEnrolment,
     .setting = EnrolledBefore(),
     .mutations = {ResetBack},
     .codes = {}},
    {.row = "A11/again",
     .title = "resetCount goes back a second time within a week: two machines take turns",
     .stage = Stage::kEnrolment,
     .setting = ResetBackBefore,
     .mutations = {ResetBack},
     .codes = {"reset-count-decreased-again"},
     .outcome = Outcome::kNodeQuarantined},
    {.row = "A11/rebooted",
     .title = "resetCount rises: everything else may differ then",
     .mutations = {[](Scene& scene) {
       ++scene.clock.reset_count;
       BootedAnother(scene);
     }},
     .codes = {"rebooted"},
     .outcome = Outcome::kEnrolAgain},
    {.row = "A12",
     .title = "a suspend, and the ledger continues (accepted)",
     .setting = TwoRecords,
     .mutations = {Suspended},
     .codes = {}},
    {.row = "A12/anew",
     .title = "a suspend, and the ledger starts anew",
     .setting = TwoRecords,
     .mutations = {RegisterEmptied, LedgerBegunAnew, BootedAnother},
     .codes = {"log-restarted"},
     .outcome = Outcome::kEnrolAgain},
    {.row = "A13",
     .title = "the clock is not safe (accepted)",
     .mutations = {[](Scene& scene) { scene.clock.safe = false; },
                   [](Scene& scene) {
                     ClockBack(scene);
                     scene.clock.safe = false;
                   },
                   [](Scene& scene) {
                     ClockBack(scene);
                     scene.state.clock.safe = false;
                   },
                   [](Scene& scene) {
                     scene.clock.clock += kHour;
                     scene.clock.safe = false;
                   }},
     .codes = {}},
    {.row = "A14",
     .title = "another firmware version than enrolled: a fact, and the policy's to judge",
     .mutations = {OtherFirmware},
     .codes = {},
     .fact = {"firmware-changed", "yes", attest::Grade::kProved}},
    {.row = "A14/enrol",
     .title = "another firmware version than at the enrolment before",
     .stage = Stage::kEnrolment,
     .setting = EnrolledBefore(),
     .mutations = {OtherFirmware},
     .codes = {},
     .fact = {"firmware-changed", "yes", attest::Grade::kProved}},
};

[[maybe_unused]] const bool kRegistered =
    RegisterAttacks({std::begin(kBindingRows), std::end(kBindingRows)}) &&
    RegisterAttacks({std::begin(kCounterRows), std::end(kCounterRows)});

}  // namespace
}  // namespace lodekey::test
