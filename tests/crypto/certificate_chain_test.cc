#include <algorithm>

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/hex.h"
#include "crypto/certificate.h"
#include "crypto/der.h"
#include "tests/crypto/test_ca.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::CaSpec;
using test::Identity;
using test::LeafSpec;
using test::Must;
using test::SelfSigned;
using test::SignedBy;

class CertificateChain : public testing::Test {
 protected:
  static Time During() { return test::ValidFrom() + std::chrono::hours(24); }

  // A certificate under `root_` for an RSA key, with one thing in its bytes changed before signing.
  Certificate AlteredRsaLeaf(std::string_view from, std::string_view to) {
    static const auto key = Must(PrivateKey::GenerateRsa(2048));
    const Bytes tbs = Must(BuildTbsCertificate(LeafSpec(), key.public_key(), &root_.certificate));
    return test::SignAltered(root_, tbs, Must(ParseHex(from)), Must(ParseHex(to)));
  }

  const Identity root_ = SelfSigned(CaSpec("Root"));
  const Identity middle_ = SignedBy(root_, CaSpec("Middle", 0));
  const Identity leaf_ = SignedBy(middle_, LeafSpec());
};

// The number of OpenSSL's X509_V_ERR_… that the path failed with.
uint64_t Reason(const Result<std::vector<Certificate>>& result) {
  if (result) return X509_V_OK;
  EXPECT_EQ(result.error().code, Code::kUntrusted) << result.error().text;
  EXPECT_EQ(ERR_peek_error(), 0u);
  return result.error().detail.value_or(Detail{}).number;
}

TEST_F(CertificateChain, IsBuiltFromLeafToRoot) {
  const auto path = Must(
      BuildChain(leaf_.certificate, {middle_.certificate}, {root_.certificate}, {.at = During()}));
  ASSERT_EQ(path.size(), 3u);
  EXPECT_EQ(path[0].der(), leaf_.certificate.der());
  EXPECT_EQ(path[1].der(), middle_.certificate.der());
  EXPECT_EQ(path[2].der(), root_.certificate.der());
}

TEST_F(CertificateChain, DoesNotMindOrderAndSurplus) {
  const auto other = SelfSigned(CaSpec("Other"));
  const auto between = SignedBy(root_, CaSpec("Between"));
  const auto last = SignedBy(between, CaSpec("Last"));
  const auto leaf = SignedBy(last, LeafSpec());
  const auto path = Must(BuildChain(leaf.certificate,
                                    {other.certificate, last.certificate, root_.certificate,
                                     middle_.certificate, between.certificate, leaf.certificate},
                                    {other.certificate, root_.certificate}, {.at = During()}));
  ASSERT_EQ(path.size(), 4u);
  EXPECT_EQ(path[3].der(), root_.certificate.der());
}

TEST_F(CertificateChain, IsRefusedWithoutItsIntermediate) {
  EXPECT_EQ(Reason(BuildChain(leaf_.certificate, {}, {root_.certificate}, {})),
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

TEST_F(CertificateChain, IsRefusedUnderAnotherRoot) {
  const auto other = SelfSigned(CaSpec("Root"));  // the same name, another key
  EXPECT_NE(Reason(BuildChain(leaf_.certificate, {middle_.certificate}, {other.certificate}, {})),
            uint64_t{X509_V_OK});
  EXPECT_NE(Reason(BuildChain(leaf_.certificate, {middle_.certificate}, {}, {})),
            uint64_t{X509_V_OK});
  // A root that the peer sends along is not trusted for it.
  EXPECT_EQ(Reason(BuildChain(leaf_.certificate, {middle_.certificate, root_.certificate}, {}, {})),
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
}

TEST_F(CertificateChain, IsRefusedForASelfSignedLeafThatIsNoRoot) {
  const auto self = SelfSigned(CaSpec("Self"));
  EXPECT_EQ(Reason(BuildChain(self.certificate, {}, {root_.certificate}, {})),
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
}

TEST_F(CertificateChain, IsRefusedWhenASignatureWasChanged) {
  for (const Certificate* victim : {&leaf_.certificate, &middle_.certificate}) {
    Bytes der = victim->der();
    der.back() ^= 1;
    const Certificate changed = Must(Certificate::FromDer(der));
    const bool is_leaf = victim == &leaf_.certificate;
    EXPECT_EQ(
        Reason(BuildChain(is_leaf ? changed : leaf_.certificate,
                          {is_leaf ? middle_.certificate : changed}, {root_.certificate}, {})),
        X509_V_ERR_CERT_SIGNATURE_FAILURE);
  }
}

TEST_F(CertificateChain, IsRefusedThroughACertificateThatIsNoCa) {
  const auto issued_by_leaf = SignedBy(leaf_, LeafSpec("spiffe://example.org/admin"));
  EXPECT_NE(Reason(BuildChain(issued_by_leaf.certificate, {leaf_.certificate, middle_.certificate},
                              {root_.certificate}, {})),
            uint64_t{X509_V_OK});
}

TEST_F(CertificateChain, IsRefusedBeyondAPathLength) {
  const auto too_deep = SignedBy(middle_, CaSpec("Deep"));  // middle_ may have no CA below it
  const auto leaf = SignedBy(too_deep, LeafSpec());
  EXPECT_EQ(Reason(BuildChain(leaf.certificate, {too_deep.certificate, middle_.certificate},
                              {root_.certificate}, {})),
            X509_V_ERR_PATH_LENGTH_EXCEEDED);
}

TEST_F(CertificateChain, HasAtMostEightIntermediates) {
  std::vector<Certificate> intermediates;
  Identity issuer = SelfSigned(CaSpec("Deep root"));
  const Certificate root = issuer.certificate;
  for (int depth = 1; depth <= 9; ++depth) {
    issuer = SignedBy(issuer, CaSpec("Deep " + std::to_string(depth)));
    intermediates.push_back(issuer.certificate);
    const auto leaf = SignedBy(issuer, LeafSpec());
    const auto path = BuildChain(leaf.certificate, intermediates, {root}, {});
    EXPECT_EQ(path.has_value(), depth <= 8) << depth;
  }
}

TEST_F(CertificateChain, LooksAtValidityOnlyWhenGivenATime) {
  const auto at = [this](std::optional<Time> time) {
    return Reason(
        BuildChain(leaf_.certificate, {middle_.certificate}, {root_.certificate}, {.at = time}));
  };
  EXPECT_EQ(at(std::nullopt), uint64_t{X509_V_OK});
  EXPECT_EQ(at(During()), uint64_t{X509_V_OK});
  EXPECT_EQ(at(test::ValidUntil() + std::chrono::hours(1)), X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(at(test::ValidFrom() - std::chrono::hours(1)), X509_V_ERR_CERT_NOT_YET_VALID);
}

TEST_F(CertificateChain, MayEndAtATrustedIntermediateOnlyWhenPartial) {
  EXPECT_FALSE(BuildChain(leaf_.certificate, {}, {middle_.certificate}, {}));
  const auto path =
      Must(BuildChain(leaf_.certificate, {}, {middle_.certificate}, {.partial = true}));
  ASSERT_EQ(path.size(), 2u);
  EXPECT_EQ(path[1].der(), middle_.certificate.der());
}

TEST_F(CertificateChain, IsRefusedForUnknownCriticalExtensionsUnlessAllAreAccepted) {
  // keyUsage (2.5.29.15) and the name (2.5.29.17), both critical, become two unknown ones.
  const auto altered = [this](ByteView tbs) {
    const Certificate once = test::SignAltered(root_, ToBytes(tbs), Must(ParseHex("0603551d0f")),
                                               Must(ParseHex("0603551d63")));
    const Bytes inner = Must(EncodeDer<i2d_re_X509_tbs>(once.x509(), "encode"));
    return test::SignAltered(root_, inner, Must(ParseHex("0603551d11")),
                             Must(ParseHex("0603551d64")));
  };
  const Certificate leaf =
      altered(Must(BuildTbsCertificate(LeafSpec(), leaf_.key.public_key(), &root_.certificate)));
  ASSERT_EQ(leaf.UnknownCriticalExtensions().size(), 2u);
  const auto with = [&](const std::vector<std::string>& accepted) {
    return Reason(BuildChain(leaf, {}, {root_.certificate}, {.accepted_critical = accepted}));
  };
  EXPECT_EQ(with({}), X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION);
  EXPECT_EQ(with({"2.5.29.99"}), X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION);
  EXPECT_EQ(with({"2.5.29.100"}), X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION);
  EXPECT_EQ(with({"2.5.29.100", "2.5.29.99"}), uint64_t{X509_V_OK});
}

// An accepted extension excuses itself and nothing else.
TEST_F(CertificateChain, IsRefusedForABadSignatureInSpiteOfAnAcceptedExtension) {
  const Bytes tbs =
      Must(BuildTbsCertificate(LeafSpec(), leaf_.key.public_key(), &root_.certificate));
  Bytes der =
      test::SignAltered(root_, tbs, Must(ParseHex("0603551d0f")), Must(ParseHex("0603551d63")))
          .der();
  der.back() ^= 1;
  EXPECT_EQ(Reason(BuildChain(Must(Certificate::FromDer(der)), {}, {root_.certificate},
                              {.accepted_critical = {"2.5.29.99"}})),
            X509_V_ERR_CERT_SIGNATURE_FAILURE);
}

TEST_F(CertificateChain, IsBuiltForAnRsaKeyUnderAnOaepOrPssIdentifier) {
  for (std::string_view identifier : {"06092a864886f70d010107", "06092a864886f70d01010a"}) {
    const Certificate leaf = AlteredRsaLeaf("06092a864886f70d010101", identifier);
    EXPECT_EQ(leaf.key().type(), KeyType::kRsa);
    const auto path = BuildChain(leaf, {}, {root_.certificate}, {.at = During()});
    ASSERT_TRUE(path) << path.error().text;
    EXPECT_EQ((*path)[0].der(), leaf.der());
  }
}

TEST_F(CertificateChain, IsRefusedForAnOaepLeafWhoseSignatureWasChanged) {
  Bytes der = AlteredRsaLeaf("06092a864886f70d010101", "06092a864886f70d010107").der();
  der.back() ^= 1;
  EXPECT_EQ(Reason(BuildChain(Must(Certificate::FromDer(der)), {}, {root_.certificate}, {})),
            X509_V_ERR_CERT_SIGNATURE_FAILURE);
}

TEST_F(CertificateChain, IsRefusedForARsaKeyOf1024Bits) {
  const auto key = Must(PublicKey::FromRsa(Bytes(128, 0xff), 0));
  const Certificate leaf = Must(SignCertificate(LeafSpec(), key, &root_.certificate, root_.key));
  EXPECT_EQ(Reason(BuildChain(leaf, {}, {root_.certificate}, {})), X509_V_ERR_EE_KEY_TOO_SMALL);
}

TEST_F(CertificateChain, IsRefusedForASignatureOverSha1) {
  const Bytes tbs =
      Must(BuildTbsCertificate(LeafSpec(), leaf_.key.public_key(), &root_.certificate));
  const unsigned char* at = nullptr;
  const Certificate honest = test::SignAltered(root_, tbs, tbs, tbs);
  at = honest.der().data();
  const CHandle<X509, X509_free> x509(
      d2i_X509(nullptr, &at, static_cast<long>(honest.der().size())));
  ASSERT_GT(X509_sign(x509.get(), root_.key.evp(), EVP_sha1()), 0);
  const Certificate leaf =
      Must(Certificate::FromDer(Must(EncodeDer<i2d_X509>(x509.get(), "encode"))));
  EXPECT_EQ(Reason(BuildChain(leaf, {}, {root_.certificate}, {})), X509_V_ERR_CA_MD_TOO_WEAK);
}

TEST_F(CertificateChain, SaysWhyAndAtWhichCertificate) {
  const auto result = BuildChain(leaf_.certificate, {middle_.certificate}, {root_.certificate},
                                 {.at = test::ValidUntil() + std::chrono::hours(1)});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text.find("certificate has expired"), std::string::npos);
  EXPECT_NE(result.error().text.find("Root"), std::string::npos);
}

}  // namespace
}  // namespace lodekey::crypto
