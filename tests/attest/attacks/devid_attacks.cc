// A DevID whose certificate is good, on a host that does not have its key in the TPM that attests.
#include "tests/attest/attack_table.h"
#include "tests/attest/devid_scene.h"

namespace lodekey::test {
namespace {

using attest::BindingContext;
using attest::Purpose;

ChangeArea WithoutAttributes(TPMA_OBJECT attributes) {
  return [attributes](TPMT_PUBLIC& area) { area.objectAttributes &= ~attributes; };
}

// The key is software, and says so.
TEST_F(Attack, A51) {
  EXPECT_EQ(ProblemOf(DevIdScene().Prove()), "") << "the twin";
  for (const TPMA_OBJECT attribute :
       {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_SENSITIVEDATAORIGIN}) {
    DevIdScene scene;
    scene.key_public = ChangedTpm2bPublic(scene.key.area, WithoutAttributes(attribute));
    EXPECT_EQ(ProblemOf(scene.Prove()), "devid-key-attributes") << attribute;
  }
}

// The key is software, and its area is written as if it were not: no chip says it has such a key.
TEST(AttackDevIdKey, A51) {
  DevIdScene unproved;
  unproved.certified = false;
  EXPECT_EQ(ProblemOf(unproved.Prove()), "devid-not-certified");
  DevIdScene self_signed;
  self_signed.certify.signer = &self_signed.key;
  EXPECT_EQ(ProblemOf(self_signed.Prove()), "signature-invalid");
  DevIdScene other_chip;  // that has the key, and another AK
  other_chip.certify.signer = &OtherChip().ak();
  EXPECT_EQ(ProblemOf(other_chip.Prove()), "signature-invalid");
  // What a chip imported has the same key, and other attributes in its Name.
  for (const tpm::Name& name :
       {Chip().node_key().area.name(),
        Must(tpm::PublicArea::Parse(
                 ChangedTpm2bPublic(unproved.key.area, WithoutAttributes(TPMA_OBJECT_FIXEDTPM))))
            .name()}) {
    DevIdScene scene;
    scene.certify.certified_name = name;
    EXPECT_EQ(ProblemOf(scene.Prove()), "devid-certified-other-key");
  }
}

// The chip's word for its key, said to somebody else or at another time.
TEST_F(Attack, A53) {
  EXPECT_EQ(ProblemOf(DevIdScene().Prove()), "") << "the twin";
  static const Bytes kOther(32, 0x11);
  static const std::string kOtherNode(64, 'a');
  const std::vector<std::function<void(BindingContext&)>> others = {
      [](BindingContext& context) { context.node_id = kOtherNode; },
      [](BindingContext& context) { context.nonce = kOther; },
      [](BindingContext& context) { context.trust_domain = "example.com"; },
      [](BindingContext& context) { context.activation_secret = kOther; },
      [](BindingContext& context) { context.ak_name = OtherChip().ak().area.name(); },
      [](BindingContext& context) { context.key_name = Chip().node_key().area.name(); }};
  for (const auto& other : others) {
    DevIdScene scene;
    scene.other_binding = other;
    EXPECT_EQ(ProblemOf(scene.Prove()), "binding-mismatch");
  }
  for (const Purpose purpose :
       {Purpose::kEnrolCertify, Purpose::kEnrolQuote, Purpose::kAttestQuote}) {
    DevIdScene scene;
    scene.purpose = purpose;
    EXPECT_EQ(ProblemOf(scene.Prove()), "binding-mismatch");
  }
}

}  // namespace
}  // namespace lodekey::test
