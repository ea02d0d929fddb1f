#include "crypto/padded_serial.h"

#include <gtest/gtest.h>
#include <openssl/x509_vfy.h>

#include "tests/crypto/test_ca.h"
#include "tests/support/must.h"

namespace lodekey::crypto {
namespace {

using test::CaSpec;
using test::LeafSpec;
using test::Must;
using test::SelfSigned;
using test::WithPaddedSerial;

class PaddedSerial : public testing::Test {
 protected:
  const test::Identity root_ = SelfSigned(CaSpec("Root"));
};

TEST_F(PaddedSerial, IsReadAndKeptAsWritten) {
  for (size_t zeros : {1u, 2u, 15u}) {
    const Certificate leaf = WithPaddedSerial(root_, LeafSpec(), zeros);
    EXPECT_TRUE(leaf.has_padded_serial());
    EXPECT_EQ(leaf.serial(), Bytes(16 - zeros, 0x5a));
    EXPECT_EQ(test::Occurrences(leaf.der(), Bytes(zeros, 0)) > 0, true);
    EXPECT_EQ(leaf.Fingerprint(), Sha256(leaf.der()));
    EXPECT_EQ(Must(Certificate::FromPem(leaf.ToPem())).der(), leaf.der());
  }
}

TEST_F(PaddedSerial, IsNotSeenWhereThereIsNone) {
  CertificateSpec spec = LeafSpec();
  for (const Bytes& serial : {Bytes{1}, Bytes{0x80}, Bytes(20, 0x7f)}) {
    spec.serial = serial;
    const Certificate leaf = test::SignedBy(root_, spec).certificate;
    EXPECT_FALSE(leaf.has_padded_serial());
    EXPECT_FALSE(WithMinimalSerial(leaf.der()));
  }
}

TEST_F(PaddedSerial, ChainsByTheSignatureOverTheBytesAsWritten) {
  const Certificate leaf = WithPaddedSerial(root_, LeafSpec());
  EXPECT_TRUE(VerifiesAsWritten(leaf, root_.certificate.key()));
  const auto path = BuildChain(leaf, {}, {root_.certificate}, {});
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_EQ((*path)[0].der(), leaf.der());
}

TEST_F(PaddedSerial, DoesNotChainWithAChangedSignatureOrUnderAnotherKey) {
  const Certificate leaf = WithPaddedSerial(root_, LeafSpec());
  Bytes der = leaf.der();
  der.back() ^= 1;
  const auto changed = BuildChain(Must(Certificate::FromDer(der)), {}, {root_.certificate}, {});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Code::kUntrusted);
  EXPECT_EQ(changed.error().detail.value_or(Detail{}).number,
            uint64_t{X509_V_ERR_CERT_SIGNATURE_FAILURE});

  const auto other = SelfSigned(CaSpec("Root"));
  EXPECT_FALSE(VerifiesAsWritten(leaf, other.certificate.key()));
  EXPECT_FALSE(BuildChain(leaf, {}, {other.certificate}, {}));
}

// An honest certificate in which a stranger writes the serial otherwise is not what was signed,
// though OpenSSL, which sees it mended, would think so.
TEST_F(PaddedSerial, DoesNotChainWhenOnlyTheMendedBytesWereSigned) {
  const Certificate padded = WithPaddedSerial(root_, LeafSpec());
  const Bytes mended_tbs = [&] {
    const Bytes mended = WithMinimalSerial(padded.der()).value_or(Bytes());
    const unsigned char* at = mended.data();
    const CHandle<X509, X509_free> x509(d2i_X509(nullptr, &at, static_cast<long>(mended.size())));
    unsigned char* out = nullptr;
    const int size = i2d_re_X509_tbs(x509.get(), &out);
    Bytes tbs(out, out + size);
    OPENSSL_free(out);
    return tbs;
  }();
  const Bytes signature =
      Must(root_.key.Sign(SignatureScheme::kEcdsa, HashAlg::kSha256, mended_tbs));
  const Certificate honest = Must(AssembleCertificate(mended_tbs, signature));
  ASSERT_TRUE(BuildChain(honest, {}, {root_.certificate}, {}));

  // The padded TBSCertificate under the signature of the honest one.
  const size_t tbs_at = 4;
  const size_t tbs_size =
      size_t{4} + (size_t{padded.der()[tbs_at + 2]} << 8) + padded.der()[tbs_at + 3];
  const Certificate forged =
      Must(AssembleCertificate(ByteView(padded.der()).subspan(tbs_at, tbs_size), signature));
  ASSERT_TRUE(forged.has_padded_serial());
  EXPECT_FALSE(BuildChain(forged, {}, {root_.certificate}, {}));
  // Nor is it the certificate that it resembles when that one is trusted by itself.
  EXPECT_TRUE(BuildChain(honest, {}, {honest}, {.partial = true}));
  EXPECT_FALSE(BuildChain(forged, {}, {honest}, {.partial = true}));
  EXPECT_TRUE(BuildChain(forged, {}, {forged}, {.partial = true}));
}

TEST_F(PaddedSerial, IsMendedInWholeCertificatesAlone) {
  const Bytes der = WithPaddedSerial(root_, LeafSpec()).der();
  EXPECT_TRUE(WithMinimalSerial(der));
  for (size_t size = 0; size < der.size(); ++size) {
    ASSERT_FALSE(WithMinimalSerial(ByteView(der).first(size))) << size;
    ASSERT_FALSE(Certificate::FromDer(ByteView(der).first(size))) << size;
  }
  Bytes longer = der;
  longer.push_back(0);
  EXPECT_FALSE(WithMinimalSerial(longer));
  EXPECT_FALSE(Certificate::FromDer(longer));
}

}  // namespace
}  // namespace lodekey::crypto
