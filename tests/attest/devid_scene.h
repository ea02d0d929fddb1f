// A host with a DevID of its operator's, who has an authority for it.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/conf.h>
#include <openssl/x509v3.h>

#include "attest/binding.h"
#include "attest/devid.h"
#include "base/handle.h"
#include "crypto/certificate_builder.h"
#include "crypto/private_key.h"
#include "tests/attest/scene.h"
#include "tests/support/must.h"

namespace lodekey::test {

inline constexpr Time kDevIdNow(Duration(1'800'000'000'000));

// An authority, and what it certifies for a year around `now`.
class DevIdAuthority {
 public:
  explicit DevIdAuthority(Time now = kDevIdNow)
      : now_(now),
        key_(Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256))),
        root_(Must(crypto::SignCertificate(Spec("Example DevID CA", true), key_.public_key(),
                                           nullptr, key_))) {}

  const crypto::Certificate& root() const { return root_; }
  crypto::CertificateSpec Spec(const std::string& name, bool ca = false) const {
    return {.serial = crypto::RandomSerial(),
            .common_name = name,
            .organization = "Example",
            .not_before = now_ - std::chrono::days(183),
            .not_after = now_ + std::chrono::days(183),
            .ca = ca};
  }
  Bytes Certify(const crypto::PublicKey& key, const crypto::CertificateSpec& spec) const {
    return Must(crypto::SignCertificate(spec, key, &root_, key_)).der();
  }
  // The same with this extension (by its name and value for OpenSSL) in place of the one of its
  // kind; "" takes that away.
  Bytes CertifyWith(const crypto::PublicKey& key, const crypto::CertificateSpec& spec, int nid,
                    const char* value) const {
    const Bytes usual = Certify(key, spec);
    const unsigned char* at = usual.data();
    const CHandle<X509, X509_free> x509(d2i_X509(nullptr, &at, static_cast<long>(usual.size())));
    X509_EXTENSION_free(
        X509_delete_ext(x509.get(), X509_get_ext_by_NID(x509.get(), nid, /*lastpos=*/-1)));
    if (*value != '\0') {
      const CHandle<CONF, NCONF_free> none(NCONF_new(nullptr));
      X509V3_CTX context;
      X509V3_set_ctx(&context, root_.x509(), x509.get(), nullptr, nullptr, 0);
      X509V3_set_nconf(&context, none.get());
      const CHandle<X509_EXTENSION, X509_EXTENSION_free> extension(
          X509V3_EXT_nconf_nid(none.get(), &context, nid, value));
      EXPECT_EQ(X509_add_ext(x509.get(), extension.get(), -1), 1) << value;
    }
    EXPECT_GT(X509_sign(x509.get(), key_.evp(), EVP_sha256()), 0);
    unsigned char* der = nullptr;
    const int size = i2d_X509(x509.get(), &der);
    const CHandle<unsigned char, [](unsigned char* bytes) { OPENSSL_free(bytes); }> owner(der);
    return {der, der + std::max(size, 0)};
  }

 private:
  Time now_;
  crypto::PrivateKey key_;
  crypto::Certificate root_;
};

// Like the chip's node key, and in another hierarchy: where a device's own key is.
inline SoftwareKey MakeDevIdKey(const ChangeArea& change = {}) {
  TPMT_PUBLIC area = tpm::NodeKeyTemplate();
  if (change) change(area);
  return MakeSoftwareKey(area);
}

// What such a host shows and proves. A test changes one thing.
struct DevIdScene {
  DevIdAuthority authority = DevIdAuthority();
  SoftwareKey key = MakeDevIdKey();
  attest::DevIdProfile profile = {.roots = {authority.root()}};
  std::vector<Bytes> certificates = {authority.Certify(key.area.key(), authority.Spec("host-7"))};
  Bytes key_public = key.area.tpm2b();
  Time now = kDevIdNow;
  attest::Purpose purpose = attest::Purpose::kEnrolDevId;
  std::function<void(attest::BindingContext&)> other_binding = {};  // of what the chip signs
  AttestChanges certify = {};
  bool certified = true;

  Result<attest::DevIdClaim> Claim() const {
    return attest::ReadDevIdClaim(certificates, key_public, profile, now);
  }
  // What comes of a certificate with this extension.
  std::string ProblemWith(int nid, const char* value) {
    certificates = {authority.CertifyWith(key.area.key(), authority.Spec("host-7"), nid, value)};
    const auto claim = Claim();
    return claim ? "" : std::string(claim.error().Name());
  }
  // Start and finish of its enrolment.
  Result<attest::ProvedDevId> Prove() const {
    ASSIGN_OR_RETURN(const attest::DevIdClaim claim, Claim(), "claim");
    const Scene scene;
    const auto qualifying = [&](attest::Purpose bound, const auto& change) {
      return scene.Qualifying(bound, [&](attest::BindingContext& context) {
        context.key_name = claim.key_name;
        if (change) change(context);
      });
    };
    attest::Certification certification;
    if (certified) {
      const auto signed_one =
          Chip().Certify(key.area, TPM2_RH_OWNER, qualifying(purpose, other_binding), certify);
      certification = {.attest = signed_one.attest, .signature = signed_one.signature};
    }
    return attest::ProveDevId(
        claim, Chip().ak().area, certification,
        qualifying(attest::Purpose::kEnrolDevId, std::function<void(attest::BindingContext&)>()));
  }
};

// The name of what was refused; "" when it was not.
template <class T>
std::string ProblemOf(const Result<T>& result) {
  return result ? "" : std::string(result.error().Name());
}

}  // namespace lodekey::test
