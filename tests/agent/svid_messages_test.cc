// What the issuer sends for workloads, read on the host.
#include <gtest/gtest.h>

#include "agent/entry_set.h"
#include "agent/x509_svid.h"
#include "attest/codec.h"
#include "attest/entry_codec.h"
#include "crypto/certificate_builder.h"
#include "tests/support/must.h"

namespace lodekey::agent {
namespace {

using test::Must;
namespace node = lodekey::node::v1;

const Time kNow(Duration(1'800'000'000'000));

crypto::PrivateKey NewKey() { return Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256)); }

class SvidMessagesTest : public testing::Test {
 protected:
  std::string Certificate(const crypto::PrivateKey& key, std::vector<std::string> uris) {
    const auto certificate =
        Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                      .common_name = "x",
                                      .not_before = kNow,
                                      .not_after = kNow + std::chrono::hours(1),
                                      .uri_sans = std::move(uris)},
                                     key.public_key(), nullptr, key));
    return attest::ToField(certificate.der());
  }
  node::EntrySet Message() {
    node::EntrySet message;
    message.mutable_bundle()->set_sequence(7);
    message.mutable_bundle()->add_roots(Certificate(key_, {"spiffe://example.org"}));
    auto* jwt = message.mutable_bundle()->add_jwt_keys();
    jwt->set_id("0a");
    jwt->set_public_key(attest::ToField(key_.public_key().spki_der()));
    return message;
  }
  static lodekey::entry::v1::Entry Encoded(const std::string& id) {
    return attest::EncodeEntry({.id = id,
                                .revision = 1,
                                .spiffe_id = "spiffe://example.org/web",
                                .selectors = {Must(attest::ParseSelector("unix:uid:0"))}});
  }
  static std::string NameOf(const node::EntrySet& message) {
    const auto set = ReadEntrySet(message, "example.org");
    return set ? "" : std::string(set.error().Name());
  }

  crypto::PrivateKey key_ = NewKey();
};

TEST_F(SvidMessagesTest, GiveEntriesTheOldestFirstAndTheBundle) {
  node::EntrySet message = Message();
  *message.add_entries() = Encoded("b");
  *message.add_entries() = Encoded("a");
  const EntrySet set = Must(ReadEntrySet(message, "example.org"));
  ASSERT_EQ(set.entries.size(), 2U);
  EXPECT_EQ(set.entries[0]->id, "a");
  EXPECT_EQ(set.bundle->sequence, 7U);
  EXPECT_EQ(set.bundle->roots, message.bundle().roots(0));
  EXPECT_EQ(set.bundle->jwt_keys.size(), 1U);
  EXPECT_NE(set.bundle->jwks.find("\"kid\":\"0a\""), std::string::npos) << set.bundle->jwks;
}

TEST_F(SvidMessagesTest, KeepTheOthersWhenOneEntryIsNotUnderstood) {
  node::EntrySet message = Message();
  *message.add_entries() = Encoded("a");
  message.add_entries()->CopyFrom(Encoded("b"));
  message.mutable_entries(1)->add_selectors("quantum:spin:up");
  message.add_entries()->CopyFrom(Encoded("c"));
  message.mutable_entries(2)->set_spiffe_id("https://example.org/web");
  message.add_entries()->CopyFrom(Encoded("d"));
  message.mutable_entries(3)->clear_selectors();  // it would match every process
  message.add_entries()->CopyFrom(Encoded("e"));
  message.mutable_entries(4)->set_spiffe_id("spiffe://other.example/web");
  const EntrySet set = Must(ReadEntrySet(message, "example.org"));
  EXPECT_EQ(set.entries.size(), 1U);
  ASSERT_EQ(set.unusable.size(), 4U);
  EXPECT_EQ(set.unusable[2].code(), "entry-selectors");
  EXPECT_EQ(set.unusable[3].code(), "entry-spiffe-id");
  EXPECT_EQ(set.unusable[0].entry_id(), "b");
  EXPECT_EQ(set.unusable[0].code(), "selector-invalid");
}

TEST_F(SvidMessagesTest, AreRefusedWhenTheyMeanNothing) {
  node::EntrySet twice = Message();
  *twice.add_entries() = Encoded("a");
  *twice.add_entries() = Encoded("a");
  EXPECT_EQ(NameOf(twice), "entry-set-invalid");
  EXPECT_EQ(NameOf({}), "bundle-invalid");
  node::EntrySet garbage = Message();
  garbage.mutable_bundle()->add_roots("no certificate");
  EXPECT_EQ(NameOf(garbage), "bundle-invalid");
  node::EntrySet key = Message();
  key.mutable_bundle()->mutable_jwt_keys(0)->set_public_key("no key");
  EXPECT_EQ(NameOf(key), "bundle-invalid");
  node::EntrySet id = Message();
  id.mutable_bundle()->mutable_jwt_keys(0)->set_id("\"},{");
  EXPECT_EQ(NameOf(id), "bundle-invalid");
}

TEST_F(SvidMessagesTest, GiveAnSvidWithItsKey) {
  const auto key = NewKey();
  node::IssuedX509 issued;
  issued.add_certificates(Certificate(key, {"spiffe://example.org/web"}));
  issued.add_certificates(Certificate(key_, {"spiffe://example.org"}));
  const X509Svid svid = Must(ReadX509Svid(issued, "spiffe://example.org/web", key));
  EXPECT_EQ(svid.chain, issued.certificates(0) + issued.certificates(1));
  EXPECT_EQ(svid.not_after, kNow + std::chrono::hours(1));
  const ByteView der = svid.key.Reveal();
  const auto* begin = der.data();
  const crypto::EvpKey read(d2i_AutoPrivateKey(nullptr, &begin, static_cast<long>(der.size())));
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(EVP_PKEY_eq(read.get(), key.evp()), 1);
}

TEST_F(SvidMessagesTest, GiveNoSvidOfAnotherNameOrKey) {
  const auto key = NewKey();
  const auto name_of = [&](std::vector<std::string> uris, const crypto::PrivateKey& certified) {
    node::IssuedX509 issued;
    issued.add_certificates(Certificate(certified, std::move(uris)));
    const auto svid = ReadX509Svid(issued, "spiffe://example.org/web", key);
    return svid ? "" : std::string(svid.error().Name());
  };
  EXPECT_EQ(name_of({"spiffe://example.org/web"}, key), "");
  EXPECT_EQ(name_of({"spiffe://example.org/other"}, key), "svid-invalid");
  EXPECT_EQ(name_of({}, key), "svid-invalid");
  EXPECT_EQ(name_of({"spiffe://example.org/web", "spiffe://example.org/x"}, key), "svid-invalid");
  EXPECT_EQ(name_of({"spiffe://example.org/web"}, key_), "svid-invalid");
  EXPECT_EQ(ReadX509Svid({}, "spiffe://example.org/web", key).error().Name(), "svid-invalid");
}

}  // namespace
}  // namespace lodekey::agent
