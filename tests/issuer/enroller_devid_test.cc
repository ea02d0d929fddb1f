// Hosts that show a DevID of the operator's, where the policy lets it count.
#include <algorithm>

#include "attest/codec.h"
#include "tests/attest/devid_scene.h"
#include "tests/issuer/enroller_rig.h"

namespace lodekey::test {
namespace {

class DevIdTest : public EnrollerTest {
 protected:
  DevIdTest() : authority(issuer.now) {
    issuer.context->devid.roots = {authority.root()};
    issuer.Choose("/admission/devid", "allow");
    // The hosts of these tests have no certificate of a vendor.
    issuer.Choose("/admission/devid_assurance", "inventory");
  }

  // What a host does otherwise than one without a DevID. `wrong` writes into what the chip signs.
  HostChanges Showing(const Host& shower, const SoftwareKey& shown,
                      const std::function<void(attest::BindingContext&)>& wrong = {}) const {
    const Bytes certificate = authority.Certify(shown.area.key(), authority.Spec("host-7"));
    const auto certification = std::make_shared<node::Certification>();
    HostChanges changes;
    changes.start = [=](node::StartEnrolmentRequest& request) {
      request.mutable_devid()->add_certificates(attest::ToField(certificate));
      request.mutable_devid()->set_key_public(attest::ToField(shown.area.tpm2b()));
    };
    changes.binding = [=, &shower](const attest::BindingContext& binding) {
      attest::BindingContext own = binding;
      own.key_name = shown.area.name();
      if (wrong) wrong(own);
      const auto certified = shower.tpm().Certify(shown.area, TPM2_RH_OWNER,
                                                  attest::Bind(attest::Purpose::kEnrolDevId, own));
      *certification = attest::EncodeCertification(
          {.attest = certified.attest, .signature = certified.signature});
    };
    changes.finish = [=](node::FinishEnrolmentRequest& request) {
      *request.mutable_devid() = *certification;
    };
    return changes;
  }
  std::string Enrols(Host& shower, const SoftwareKey& shown) {
    return Answer(issuer.Enrol(shower, Showing(shower, shown)));
  }
  bool IsKnown(const Host& one) { return issuer.inventory->Find(one.id()).has_value(); }

  DevIdAuthority authority;
  SoftwareKey key = MakeDevIdKey();
  Host host;
};

TEST_F(DevIdTest, LetsAHostInThatNoInventoryHas) {
  EXPECT_EQ(Enrols(host, key), "ACCEPTED");
  const issuer::NodeRecord record = issuer.Record(host);
  EXPECT_EQ(record.standing, issuer::Standing::kActive);
  EXPECT_EQ(record.devid, ToBytes(key.area.key().spki_sha256()));
  EXPECT_NE(record.devid_name.find("CN=host-7"), std::string::npos) << record.devid_name;
  EXPECT_EQ(Enrols(host, key), "ACCEPTED") << "it is its own";
}

TEST_F(DevIdTest, LetsNoHostInWithoutOne) {
  EXPECT_NE(Answer(issuer.Enrol(host)), "ACCEPTED");
  EXPECT_FALSE(IsKnown(host));
}

TEST_F(DevIdTest, CountsOnlyWhereThePolicySaysSo) {
  issuer.Choose("/admission/devid", "deny");
  EXPECT_NE(Enrols(host, key), "ACCEPTED");
  EXPECT_FALSE(IsKnown(host));
  issuer.Choose("/admission/devid", "approval");
  EXPECT_EQ(Enrols(host, key), "approval-pending");
  EXPECT_NE(issuer.Record(host).shown.at("devid").find("CN=host-7"), std::string::npos);
}

TEST_F(DevIdTest, IsOfTheConfiguredAuthority) {
  issuer.context->devid.roots = {DevIdAuthority(issuer.now).root()};
  EXPECT_EQ(Enrols(host, key), "devid-unknown-ca");
  issuer.context->devid.roots.clear();
  EXPECT_EQ(Enrols(host, key), "devid-unknown-ca");
}

TEST_F(DevIdTest, HasOneOfTheConfiguredUses) {
  issuer.context->devid.usages = {"2.23.133.11.1.2"};
  EXPECT_EQ(Enrols(host, key), "devid-usage");
  EXPECT_FALSE(IsKnown(host));
}

TEST_F(DevIdTest, IsProvedInEveryEnrolment) {
  HostChanges unproved = Showing(host, key);
  unproved.finish = {};
  EXPECT_EQ(Answer(issuer.Enrol(host, unproved)), "devid-not-certified");
  static const Bytes kOther(32, 0x11);
  const auto earlier = [](attest::BindingContext& binding) { binding.nonce = kOther; };
  EXPECT_EQ(Answer(issuer.Enrol(host, Showing(host, key, earlier))), "binding-mismatch");
  static const std::string kNode(64, 'a');
  const auto others = [](attest::BindingContext& binding) { binding.node_id = kNode; };
  EXPECT_EQ(Answer(issuer.Enrol(host, Showing(host, key, others))), "binding-mismatch");
  EXPECT_FALSE(IsKnown(host));
}

TEST_F(DevIdTest, ProvesNothingInATpmThatNobodyVouchesFor) {
  issuer.Choose("/admission/devid_assurance", "hardware");
  EXPECT_EQ(Enrols(host, key), "ek-not-in-inventory");
  EXPECT_FALSE(IsKnown(host));
}

TEST_F(DevIdTest, IsOneNodesAlone) {
  EXPECT_EQ(Enrols(host, key), "ACCEPTED");
  for (const bool in_inventory : {false, true}) {
    Host copy;
    if (in_inventory) Allow(copy);
    EXPECT_EQ(Enrols(copy, key), "devid-duplicate");
    EXPECT_EQ(IsKnown(copy), in_inventory);
    EXPECT_TRUE(issuer.Credentials(copy).empty());
    const auto alarm = issuer.AuditRecords().back();
    EXPECT_EQ(alarm.at("event"), "devid.duplicate");
    EXPECT_EQ(alarm.at("node"), copy.id());
    EXPECT_NE(alarm.at("detail").get<std::string>().find(host.id()), std::string::npos);
  }
  EXPECT_EQ(issuer.Record(host).standing, issuer::Standing::kActive);
  Host other;
  EXPECT_EQ(Enrols(other, MakeDevIdKey()), "ACCEPTED") << "another device";
}

TEST_F(DevIdTest, StaysItsNodesWhenThatShowsNoneAnyMore) {
  EXPECT_EQ(Enrols(host, key), "ACCEPTED");
  EXPECT_EQ(Answer(issuer.Enrol(host)), "ACCEPTED") << "it is known by now";
  Host copy;
  EXPECT_EQ(Enrols(copy, key), "devid-duplicate");
}

TEST_F(DevIdTest, IsAWaitingNodesToo) {
  issuer.Choose("/admission/devid", "approval");
  EXPECT_EQ(Enrols(host, key), "approval-pending");
  Host copy;
  EXPECT_EQ(Enrols(copy, key), "devid-duplicate");
}

TEST_F(DevIdTest, IsFreeForAnotherChipOnceItsNodeIsRemoved) {
  EXPECT_EQ(Enrols(host, key), "ACCEPTED");
  Must(issuer.inventory->Remove(host.id(), "uid 0"));
  Host mainboard;
  EXPECT_EQ(Enrols(mainboard, key), "ACCEPTED");
}

}  // namespace
}  // namespace lodekey::test
