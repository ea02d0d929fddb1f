#include "crypto/certificate.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "base/hex.h"
#include "crypto/certificate_use.h"
#include "crypto/der.h"
#include "crypto/directory_name.h"
#include "tests/crypto/test_ca.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::Must;
using testing::ElementsAre;
using testing::IsEmpty;

const test::Identity& Root() {
  static const test::Identity root = test::SelfSigned(test::CaSpec("Root"));
  return root;
}

Certificate Leaf() {
  CertificateSpec spec = test::LeafSpec();
  spec.common_name = "web, of \"Example\"";
  spec.dns_sans = {"web.example.org", "*.example.org"};
  return test::SignedBy(Root(), spec).certificate;
}

TEST(Certificate, ComesBackFromDerAndPem) {
  const Certificate leaf = Leaf();
  const Certificate der = Must(Certificate::FromDer(leaf.der()));
  const Certificate pem = Must(Certificate::FromPem(leaf.ToPem()));
  EXPECT_EQ(der.der(), leaf.der());
  EXPECT_EQ(pem.der(), leaf.der());
  EXPECT_EQ(pem.Fingerprint(), Sha256(leaf.der()));
  EXPECT_EQ(pem.key(), leaf.key());
}

TEST(Certificate, TellsWhatItSays) {
  const Certificate leaf = Leaf();
  EXPECT_EQ(leaf.subject(), "CN=web\\, of \\\"Example\\\"");
  EXPECT_EQ(leaf.issuer(), "CN=Root,O=Example");
  EXPECT_THAT(leaf.UriSans(), ElementsAre("spiffe://example.org/web"));
  EXPECT_THAT(leaf.DnsSans(), ElementsAre("web.example.org", "*.example.org"));
  EXPECT_THAT(leaf.ExtendedKeyUsages(), ElementsAre("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"));
  EXPECT_THAT(leaf.UnknownCriticalExtensions(), IsEmpty());
  EXPECT_EQ(leaf.not_before(), test::ValidFrom());
  EXPECT_EQ(leaf.not_after(), test::ValidUntil());
  EXPECT_FALSE(leaf.is_ca());
  EXPECT_TRUE(Root().certificate.is_ca());
  EXPECT_THAT(Root().certificate.UriSans(), IsEmpty());
  EXPECT_THAT(Root().certificate.ExtendedKeyUsages(), IsEmpty());
}

TEST(Certificate, SaysWhatItsKeyIsFor) {
  EXPECT_TRUE(SaysDigitalSignature(Leaf()));
  EXPECT_FALSE(SaysDigitalSignature(Root().certificate)) << "an authority's";
  EXPECT_THAT(CertificatePolicies(Leaf()), IsEmpty());
  EXPECT_THAT(DirectoryNameAttributes(Leaf()), IsEmpty()) << "its names are of other kinds";
}

TEST(Certificate, ReadsTimesOfBothEncodingsUpToTheLastSecondOf9999) {
  for (std::string_view text : {"1970-01-01T00:00:00.000Z", "2049-12-31T23:59:59.000Z",
                                "2050-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z"}) {
    CertificateSpec spec = test::CaSpec("Root");
    spec.not_before = Must(ParseTime("1970-01-01T00:00:00Z"));
    spec.not_after = Must(ParseTime(text));
    EXPECT_EQ(FormatTime(test::SelfSigned(spec).certificate.not_after()), text);
  }
}

TEST(Certificate, KeepsTheSerialWithoutItsSignOctet) {
  CertificateSpec spec = test::CaSpec("Root");
  for (std::string_view serial : {"01", "7f", "80", "ff00000000000000000000000000000000000a"}) {
    spec.serial = Must(ParseHex(serial));
    EXPECT_EQ(ToHex(test::SelfSigned(spec).certificate.serial()), serial);
  }
}

TEST(Certificate, IsRefusedWhenCutOrExtended) {
  Bytes der = Leaf().der();
  for (size_t size = 0; size < der.size(); ++size) {
    const auto result = Certificate::FromDer(ByteView(der).first(size));
    ASSERT_FALSE(result) << size;
    ASSERT_EQ(result.error().code, Code::kInvalidArgument);
  }
  for (uint8_t padding : Bytes{0x00, 0x11, 0xff}) {
    der.push_back(padding);
    EXPECT_FALSE(Certificate::FromDer(der));
    der.pop_back();
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(Certificate, IsRefusedAboveItsGreatestSize) {
  const auto result = Certificate::FromDer(Bytes(Certificate::kMaxDerSize + 1, 0x30));
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text.find("16384"), std::string::npos);
}

TEST(Certificate, IsRefusedWithARepeatedExtension) {
  Bytes der = Leaf().der();
  const unsigned char* at = der.data();
  const CHandle<X509, X509_free> x509(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ASSERT_EQ(X509_add_ext(x509.get(), X509_get_ext(x509.get(), 0), -1), 1);
  ASSERT_GT(X509_sign(x509.get(), Root().key.evp(), EVP_sha256()), 0);
  der = Must(EncodeDer<i2d_X509>(x509.get(), "encode"));
  const auto result = Certificate::FromDer(der);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text.find("repeated extensions"), std::string::npos);
}

TEST(Certificate, IsRefusedWithAMalformedExtension) {
  const Bytes tbs =
      Must(BuildTbsCertificate(test::LeafSpec(), Root().key.public_key(), &Root().certificate));
  // The key usage is relabelled as a key identifier, which is no BIT STRING.
  const Bytes usage = Must(ParseHex("0603551d0f"));
  const Bytes identifier = Must(ParseHex("0603551d23"));
  EXPECT_THROW(test::SignAltered(Root(), tbs, usage, identifier), std::runtime_error);
}

TEST(Certificate, NamesUnknownCriticalExtensions) {
  CertificateSpec spec = test::LeafSpec();
  const Bytes tbs = Must(BuildTbsCertificate(spec, Root().key.public_key(), &Root().certificate));
  // keyUsage (2.5.29.15, critical) becomes 2.5.29.99, which nobody knows.
  const Certificate altered =
      test::SignAltered(Root(), tbs, Must(ParseHex("0603551d0f")), Must(ParseHex("0603551d63")));
  EXPECT_THAT(altered.UnknownCriticalExtensions(), ElementsAre("2.5.29.99"));
}

TEST(Certificate, KnowsTheIssuerThatItNames) {
  const Certificate leaf = Leaf();
  const auto same_name = test::SelfSigned(test::CaSpec("Root"));
  const auto other_name = test::SelfSigned(test::CaSpec("Other"));
  EXPECT_TRUE(leaf.NamesIssuer(Root().certificate));
  EXPECT_FALSE(leaf.NamesIssuer(same_name.certificate));  // another key identifier
  EXPECT_FALSE(leaf.NamesIssuer(other_name.certificate));
  EXPECT_FALSE(leaf.NamesIssuer(leaf));
}

TEST(CertificateList, ReadsAllBlocksInOrder) {
  const Certificate leaf = Leaf();
  const std::string pem = "leaf\n" + leaf.ToPem() + "root\n" + Root().certificate.ToPem();
  const auto list = Must(Certificate::ListFromPem(pem));
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].der(), leaf.der());
  EXPECT_EQ(list[1].der(), Root().certificate.der());
  EXPECT_EQ(Must(Certificate::FromPem(pem)).der(), leaf.der());
  EXPECT_THAT(Must(Certificate::ListFromPem("")), IsEmpty());
}

TEST(CertificateList, IsRefusedWhenOneBlockIsBrokenOrThereAreTooMany) {
  const std::string pem = Leaf().ToPem();
  EXPECT_FALSE(Certificate::ListFromPem(pem + pem + pem, 2));
  EXPECT_FALSE(Certificate::ListFromPem(pem + "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                              "-----END CERTIFICATE-----\n"));
  EXPECT_EQ(Certificate::FromPem("no block").error().code, Code::kInvalidArgument);
  EXPECT_FALSE(Certificate::FromPem(pem.substr(0, pem.size() / 2)));
}

}  // namespace
}  // namespace lodekey::crypto
