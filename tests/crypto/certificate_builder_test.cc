#include "crypto/certificate_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/hex.h"
#include "tests/crypto/test_ca.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::CaSpec;
using test::LeafSpec;
using test::Must;
using test::SelfSigned;
using test::SignedBy;
using testing::ElementsAre;

// OpenSSL's -x509_strict: the profile of RFC 5280 to the letter.
int StrictError(const Certificate& leaf, const std::vector<Certificate>& chain,
                const Certificate& root) {
  const CHandle<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), root.x509());
  STACK_OF(X509)* untrusted = sk_X509_new_null();
  for (const Certificate& each : chain) sk_X509_push(untrusted, each.x509());
  const CHandle<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf.x509(), untrusted);
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
  X509_VERIFY_PARAM_set_time(
      param, std::chrono::system_clock::to_time_t(test::ValidFrom() + std::chrono::hours(1)));
  const int rc = X509_verify_cert(context.get());
  const int error = X509_STORE_CTX_get_error(context.get());
  sk_X509_free(untrusted);
  return rc == 1 ? X509_V_OK : error;
}

bool IsCritical(const Certificate& certificate, int nid) {
  const int index = X509_get_ext_by_NID(certificate.x509(), nid, -1);
  return index >= 0 && X509_EXTENSION_get_critical(X509_get_ext(certificate.x509(), index)) == 1;
}

bool Has(const Certificate& certificate, int nid) {
  return X509_get_ext_by_NID(certificate.x509(), nid, -1) >= 0;
}

Result<Bytes> Build(const CertificateSpec& spec) {
  static const auto key = Must(PrivateKey::GenerateEc(Curve::kP256));
  return BuildTbsCertificate(spec, key.public_key(), nullptr);
}

TEST(CertificateBuilder, WritesChainsThatPassStrictVerification) {
  const auto root = SelfSigned(CaSpec("Root"));
  const auto middle = SignedBy(root, CaSpec("Middle", 0));
  const auto leaf = SignedBy(middle, LeafSpec());
  CertificateSpec named = LeafSpec();
  named.common_name = "web";
  const auto with_name = SignedBy(middle, named);
  EXPECT_EQ(StrictError(root.certificate, {}, root.certificate), X509_V_OK);
  EXPECT_EQ(StrictError(leaf.certificate, {middle.certificate}, root.certificate), X509_V_OK);
  EXPECT_EQ(StrictError(with_name.certificate, {middle.certificate}, root.certificate), X509_V_OK);
}

TEST(CertificateBuilder, GivesACaTheRightsOfACa) {
  const Certificate ca = SelfSigned(CaSpec("Root", 1)).certificate;
  EXPECT_TRUE(ca.is_ca());
  EXPECT_TRUE(IsCritical(ca, NID_basic_constraints));
  EXPECT_TRUE(IsCritical(ca, NID_key_usage));
  EXPECT_EQ(X509_get_key_usage(ca.x509()), unsigned{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  EXPECT_EQ(X509_get_pathlen(ca.x509()), 1);
  EXPECT_TRUE(Has(ca, NID_subject_key_identifier));
  EXPECT_FALSE(Has(ca, NID_ext_key_usage));
  EXPECT_EQ(X509_get_pathlen(SelfSigned(CaSpec("Root")).certificate.x509()), -1);
  EXPECT_EQ(X509_get_pathlen(SelfSigned(CaSpec("Root", 0)).certificate.x509()), 0);
}

TEST(CertificateBuilder, GivesALeafDigitalSignatureAlone) {
  const auto root = SelfSigned(CaSpec("Root"));
  const Certificate leaf = SignedBy(root, LeafSpec()).certificate;
  EXPECT_FALSE(leaf.is_ca());
  EXPECT_TRUE(IsCritical(leaf, NID_basic_constraints));
  EXPECT_TRUE(IsCritical(leaf, NID_key_usage));
  EXPECT_EQ(X509_get_key_usage(leaf.x509()), unsigned{KU_DIGITAL_SIGNATURE});
}

TEST(CertificateBuilder, WritesTheExtendedKeyUsagesThatWereAskedFor) {
  const auto root = SelfSigned(CaSpec("Root"));
  CertificateSpec spec = LeafSpec();
  spec.server_auth = false;
  EXPECT_THAT(SignedBy(root, spec).certificate.ExtendedKeyUsages(),
              ElementsAre("1.3.6.1.5.5.7.3.2"));
  spec.client_auth = false;
  EXPECT_FALSE(Has(SignedBy(root, spec).certificate, NID_ext_key_usage));
}

TEST(CertificateBuilder, MakesTheNamesCriticalWhenTheSubjectIsEmpty) {
  const auto root = SelfSigned(CaSpec("Root"));
  CertificateSpec spec = LeafSpec();
  EXPECT_TRUE(IsCritical(SignedBy(root, spec).certificate, NID_subject_alt_name));
  spec.common_name = "web";
  const Certificate named = SignedBy(root, spec).certificate;
  EXPECT_TRUE(Has(named, NID_subject_alt_name));
  EXPECT_FALSE(IsCritical(named, NID_subject_alt_name));
}

TEST(CertificateBuilder, LinksKeyIdentifiers) {
  const auto root = SelfSigned(CaSpec("Root"));
  const Certificate leaf = SignedBy(root, LeafSpec()).certificate;
  EXPECT_EQ(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(leaf.x509()),
                                  X509_get0_subject_key_id(root.certificate.x509())),
            0);
  EXPECT_FALSE(Has(root.certificate, NID_authority_key_identifier));
}

TEST(CertificateBuilder, WritesNamesAsTheyAreEvenWithSeparators) {
  const auto root = SelfSigned(CaSpec("Root"));
  CertificateSpec spec = LeafSpec("spiffe://example.org/a,DNS:evil.example.org");
  const Certificate leaf = SignedBy(root, spec).certificate;
  EXPECT_THAT(leaf.UriSans(), ElementsAre("spiffe://example.org/a,DNS:evil.example.org"));
  EXPECT_TRUE(leaf.DnsSans().empty());
}

TEST(CertificateBuilder, NeverLengthensTheValidity) {
  CertificateSpec spec = CaSpec("Root");
  spec.not_before = test::ValidFrom() + Duration(1);
  spec.not_after = test::ValidUntil() + Duration(999);
  const Certificate ca = SelfSigned(spec).certificate;
  EXPECT_EQ(ca.not_before(), test::ValidFrom() + std::chrono::seconds(1));
  EXPECT_EQ(ca.not_after(), test::ValidUntil());
}

TEST(CertificateBuilder, KnowsTheBytesBeforeTheyAreSigned) {
  const auto key = Must(PrivateKey::GenerateEc(Curve::kP384));
  const Bytes tbs = Must(BuildTbsCertificate(CaSpec("Root"), key.public_key(), nullptr));
  const Bytes signature = Must(key.Sign(SignatureScheme::kEcdsa, HashAlg::kSha256, tbs));
  const Certificate certificate = Must(AssembleCertificate(tbs, signature));
  EXPECT_EQ(test::Occurrences(certificate.der(), tbs), 1u);
  EXPECT_EQ(X509_verify(certificate.x509(), key.public_key().evp()), 1);
}

TEST(CertificateBuilder, TakesTheIssuersKeyAloneForSigning) {
  const auto root = SelfSigned(CaSpec("Root"));
  const auto other = Must(PrivateKey::GenerateEc(Curve::kP256));
  const auto& subject = root.key.public_key();
  EXPECT_EQ(SignCertificate(LeafSpec(), subject, &root.certificate, other).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(SignCertificate(CaSpec("x"), subject, nullptr, other).error().code,
            Code::kInvalidArgument);
}

TEST(CertificateBuilder, RefusesSerialsThatAreNotPositiveOrTooLong) {
  CertificateSpec spec = CaSpec("Root");
  for (const Bytes& serial : {Bytes{}, Bytes{0}, Bytes(16, 0), Bytes(21, 1), Bytes(20, 0x80)}) {
    spec.serial = serial;
    const auto result = Build(spec);
    ASSERT_FALSE(result) << ToHex(serial);
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
  spec.serial = Bytes(20, 0x7f);
  EXPECT_TRUE(Build(spec));
}

TEST(CertificateBuilder, RefusesNamesThatCannotBe) {
  const auto with_uri = [](std::string uri) { return LeafSpec(std::move(uri)); };
  EXPECT_FALSE(Build(with_uri("")));
  EXPECT_FALSE(Build(with_uri("spiffe://example.org/a b")));
  EXPECT_FALSE(Build(with_uri(std::string("spiffe://example.org/\0x", 23))));
  EXPECT_FALSE(Build(with_uri("spiffe://example.org/\xc3\xa4")));
  EXPECT_FALSE(Build(with_uri("spiffe://example.org/" + std::string(2048, 'a'))));
  for (const std::string& dns : {std::string(), std::string("a b"), std::string("a,b"),
                                 std::string("a\0b", 3), std::string(254, 'a')}) {
    CertificateSpec spec = LeafSpec();
    spec.dns_sans = {dns};
    EXPECT_FALSE(Build(spec)) << dns;
  }
  EXPECT_FALSE(Build(CaSpec(std::string(65, 'a'))));
  EXPECT_FALSE(Build(CaSpec("\xff\xfe")));
  EXPECT_TRUE(Build(CaSpec(std::string(64, 'a'))));
}

TEST(CertificateBuilder, RefusesToNameNobody) {
  CertificateSpec leaf = LeafSpec();
  leaf.uri_sans.clear();
  EXPECT_EQ(Build(leaf).error().code, Code::kInvalidArgument);
  CertificateSpec ca = CaSpec("");
  ca.organization.clear();
  ca.uri_sans = {"spiffe://example.org"};
  EXPECT_EQ(Build(ca).error().code, Code::kInvalidArgument);
}

TEST(CertificateBuilder, RefusesAnEndBeforeTheBeginning) {
  CertificateSpec spec = CaSpec("Root");
  spec.not_after = spec.not_before - Duration(1);
  EXPECT_EQ(Build(spec).error().code, Code::kInvalidArgument);
}

TEST(AssembleCertificate, RefusesWhatIsNotATbsCertificate) {
  EXPECT_FALSE(AssembleCertificate({}, {}));
  EXPECT_FALSE(AssembleCertificate(AsBytes("nonsense"), AsBytes("signature")));
  EXPECT_FALSE(AssembleCertificate(Bytes(70'000, 0x30), {}));
  Bytes tbs = Must(Build(CaSpec("Root")));
  tbs.push_back(0);
  EXPECT_FALSE(AssembleCertificate(tbs, Bytes(70, 1)));
}

TEST(RandomSerial, IsPositiveAndOfOneLength) {
  for (int trial = 0; trial < 1000; ++trial) {
    const Bytes serial = RandomSerial();
    ASSERT_EQ(serial.size(), 16u);
    ASSERT_EQ(serial[0] & 0xc0, 0x40);
  }
  EXPECT_NE(RandomSerial(), RandomSerial());
}

}  // namespace
}  // namespace lodekey::crypto
