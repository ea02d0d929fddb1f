#include "attest/binding.h"

#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "base/writer.h"

namespace lodekey::attest {
namespace {

const std::string kNodeId = [] {
  std::string id;
  for (int i = 0; i < 32; ++i) id += "ab";
  return id;
}();
const Bytes kNonce(32, 0x4e);
const Bytes kSecret(32, 0x5e);
const Bytes kAkName = std::move(Writer().U16Be(0x000b).Raw(Bytes(32, 0x11))).Finish();
const Bytes kKeyName = std::move(Writer().U16Be(0x000b).Raw(Bytes(32, 0x22))).Finish();
const Bytes kLogDigest(32, 0x33);

BindingContext Context() {
  return {.trust_domain = "fleet.example",
          .node_id = kNodeId,
          .nonce = kNonce,
          .activation_secret = kSecret,
          .ak_name = kAkName,
          .key_name = kKeyName,
          .boot_log_digest = kLogDigest};
}

// Computed by another program from the layout in docs/protocol.md.
TEST(Binding, HasTheDocumentedLayout) {
  EXPECT_EQ(ToHex(Bind(Purpose::kEnrolQuote, Context())),
            "dee0d1be8855ddeb66ef54733f994741e2f99582bb2444c69f744717e83f671d");
  EXPECT_EQ(ToHex(Bind(Purpose::kEnrolCertify, Context())),
            "1548d01c5ff94916eb7358866664372ab4e299933a7a186b382e6ef27d6325f3");
  EXPECT_EQ(ToHex(Bind(Purpose::kAttestQuote, Context())),
            "e5496cdb847bf5c2a52f9943dae3810b8849db27c324a844040d82c037e16808");
}

TEST(Binding, DiffersByPurpose) {
  const std::set<crypto::Sha256Digest> bindings = {Bind(Purpose::kEnrolQuote, Context()),
                                                   Bind(Purpose::kEnrolCertify, Context()),
                                                   Bind(Purpose::kAttestQuote, Context())};
  EXPECT_EQ(bindings.size(), 3U);
}

TEST(Binding, CoversEveryField) {
  using Change = std::function<void(BindingContext&)>;
  const Change changes[] = {[](auto& c) { c.trust_domain = "fleet.exampl"; },
                            [](auto& c) { c.node_id = "ab"; },
                            [](auto& c) { c.nonce = kLogDigest; },
                            [](auto& c) { c.activation_secret = {}; },
                            [](auto& c) { c.ak_name = kKeyName; },
                            [](auto& c) { c.key_name = kAkName; },
                            [](auto& c) { c.boot_log_digest = {}; }};
  std::set<crypto::Sha256Digest> bindings = {Bind(Purpose::kEnrolQuote, Context())};
  for (const Change& change : changes) {
    BindingContext context = Context();
    change(context);
    EXPECT_TRUE(bindings.insert(Bind(Purpose::kEnrolQuote, context)).second);
  }
}

TEST(Binding, DoesNotLetBytesWanderBetweenFields) {
  BindingContext a = Context();
  a.trust_domain = "ab";
  a.node_id = "c";
  BindingContext b = Context();
  b.trust_domain = "a";
  b.node_id = "bc";
  EXPECT_NE(Bind(Purpose::kAttestQuote, a), Bind(Purpose::kAttestQuote, b));
}

TEST(Binding, HasNoActivationSecretAfterTheEnrolment) {
  BindingContext without = Context();
  without.activation_secret = {};
  EXPECT_EQ(Bind(Purpose::kAttestQuote, Context()), Bind(Purpose::kAttestQuote, without));
}

}  // namespace
}  // namespace lodekey::attest
