// TLS with a key in the TPM, loaded the way gRPC 1.51 loads "engine:<id>:<key>".
#define OPENSSL_SUPPRESS_DEPRECATED
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/handle.h"
#include "crypto/certificate_builder.h"
#include "tests/contract/tpm_rig.h"
#include "tpm/tls_key.h"

namespace lodekey::tpm {
namespace {

using crypto::Certificate;
using crypto::PrivateKey;
using test::Must;
using test::RandomKeySecret;
using test::TpmRig;

using EnginePtr = CHandle<ENGINE, ENGINE_free>;
using EvpPkey = CHandle<EVP_PKEY, EVP_PKEY_free>;
using SslCtx = CHandle<SSL_CTX, SSL_CTX_free>;
using SslPtr = CHandle<SSL, SSL_free>;

// What gRPC does with the reference, step by step.
EvpPkey Load(std::string reference) {
  const std::string prefix = "engine:lodekey:";
  EXPECT_TRUE(reference.starts_with(prefix)) << reference;
  const EnginePtr engine(ENGINE_by_id("lodekey"));
  if (engine == nullptr) return nullptr;
  EXPECT_EQ(ENGINE_set_default(engine.get(), ENGINE_METHOD_ALL), 1);
  EXPECT_EQ(ENGINE_init(engine.get()), 1);
  EvpPkey key(ENGINE_load_private_key(engine.get(), reference.substr(prefix.size()).c_str(),
                                      /*ui_method=*/nullptr, /*callback_data=*/nullptr));
  EXPECT_EQ(ENGINE_finish(engine.get()), 1);
  ERR_clear_error();
  return key;
}

crypto::CertificateSpec Spec(std::string name) {
  const Time now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  crypto::CertificateSpec spec;
  spec.serial = crypto::RandomSerial();
  spec.common_name = std::move(name);
  spec.not_before = now - std::chrono::hours(1);
  spec.not_after = now + std::chrono::hours(1);
  return spec;
}

// A CA, and certificates under it.
class Authority {
 public:
  Authority() : key_(Must(PrivateKey::GenerateEc(crypto::Curve::kP256))), root_(MakeRoot(key_)) {}

  Certificate Issue(const crypto::PublicKey& key, bool client) const {
    crypto::CertificateSpec spec = Spec(client ? "node" : "issuer");
    spec.client_auth = client;
    spec.server_auth = !client;
    spec.uri_sans = {client ? "spiffe://example.org/node/1"
                            : "spiffe://example.org/lodekey/issuer"};
    return Must(crypto::SignCertificate(spec, key, &root_, key_));
  }
  const Certificate& root() const { return root_; }

 private:
  static Certificate MakeRoot(const PrivateKey& key) {
    crypto::CertificateSpec spec = Spec("root");
    spec.ca = true;
    return Must(crypto::SignCertificate(spec, key.public_key(), /*issuer=*/nullptr, key));
  }

  PrivateKey key_;
  Certificate root_;
};

// TLS 1.3, both sides show a certificate of `root`.
SslCtx Context(const SSL_METHOD* method, const Certificate& certificate, EVP_PKEY* key,
               const Certificate& root) {
  SslCtx context(SSL_CTX_new(method));
  EXPECT_EQ(SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION), 1);
  EXPECT_EQ(SSL_CTX_use_certificate(context.get(), certificate.x509()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), key), 1);
  EXPECT_EQ(SSL_CTX_check_private_key(context.get()), 1);
  EXPECT_EQ(X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), root.x509()), 1);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

// Whether both sides finish, in memory.
bool Handshake(SSL_CTX* client_context, SSL_CTX* server_context) {
  const SslPtr client(SSL_new(client_context));
  const SslPtr server(SSL_new(server_context));
  BIO* near = nullptr;
  BIO* far = nullptr;
  if (BIO_new_bio_pair(&near, 0, &far, 0) != 1) return false;
  SSL_set_bio(client.get(), near, near);
  SSL_set_bio(server.get(), far, far);
  SSL_set_connect_state(client.get());
  SSL_set_accept_state(server.get());
  const auto step = [](SSL* ssl) {
    const int rc = SSL_do_handshake(ssl);
    const int reason = SSL_get_error(ssl, rc);
    return rc == 1 || reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
  };
  const auto done = [&] {
    return SSL_is_init_finished(client.get()) && SSL_is_init_finished(server.get());
  };
  bool alive = true;
  for (int turns = 0; alive && !done() && turns < 100; ++turns) {
    alive = step(client.get()) && step(server.get());
  }
  ERR_clear_error();
  return done();
}

// A node whose key is in the TPM, and a server that wants its certificate.
class TlsKeyInTpm : public testing::Test {
 protected:
  TlsKeyInTpm()
      : ek_(rig_.EkWithSession()),
        node_(rig_.NodeKey(RandomKeySecret())),
        server_key_(Must(PrivateKey::GenerateEc(crypto::Curve::kP256))),
        server_(Context(TLS_server_method(),
                        authority_.Issue(server_key_.public_key(), /*client=*/false),
                        server_key_.evp(), authority_.root())) {
    SSL_CTX_set_num_tickets(server_.get(), 0);
  }

  std::unique_ptr<TlsKey> Register() {
    return Must(TlsKey::Register(node_.area.key(), [this](ByteView digest) {
      return rig_.device().SignDigest(node_, digest);
    }));
  }
  SslCtx Client(const TlsKey& key) {
    const EvpPkey loaded = Load(key.reference());
    return Context(TLS_client_method(), authority_.Issue(node_.area.key(), /*client=*/true),
                   loaded.get(), authority_.root());
  }
  size_t Signatures() const {
    return static_cast<size_t>(std::ranges::count(codes(), TPM2_CC_Sign));
  }
  const std::vector<uint32_t>& codes() const { return rig_.probe().traffic().codes; }

  mutable TpmRig rig_;
  LoadedKey ek_;
  LoadedKey node_;
  Authority authority_;
  PrivateKey server_key_;
  SslCtx server_;
};

TEST_F(TlsKeyInTpm, HandshakeCostsExactlyOneSignature) {
  const auto key = Register();
  const SslCtx client = Client(*key);
  rig_.probe().Reset();
  EXPECT_TRUE(Handshake(client.get(), server_.get()));
  EXPECT_THAT(codes(), testing::ElementsAre(TPM2_CC_Sign));
  EXPECT_TRUE(Handshake(client.get(), server_.get()));
  EXPECT_EQ(Signatures(), 2u);
}

TEST_F(TlsKeyInTpm, ReferenceIsUnknownAfterTheKeyIsGone) {
  auto key = Register();
  const std::string reference = key->reference();
  EXPECT_NE(Load(reference), nullptr);
  key.reset();
  EXPECT_EQ(Load(reference), nullptr);
  EXPECT_NE(Register()->reference(), reference) << "a name is never given twice";
}

TEST_F(TlsKeyInTpm, ContextThatOutlivesTheKeySignsNoMore) {
  auto key = Register();
  const SslCtx client = Client(*key);
  key.reset();
  rig_.probe().Reset();
  EXPECT_FALSE(Handshake(client.get(), server_.get()));
  EXPECT_EQ(rig_.probe().traffic().commands, 0u);
}

TEST_F(TlsKeyInTpm, RefusalOfTheChipFailsTheHandshakeOnly) {
  const auto key = Register();
  const SslCtx client = Client(*key);
  rig_.probe().Reset();
  rig_.probe().fault = [](size_t, uint32_t) { return TPM2_RC_FAILURE; };
  EXPECT_FALSE(Handshake(client.get(), server_.get()));
  EXPECT_EQ(Signatures(), 1u);
  rig_.probe().fault = nullptr;
  EXPECT_TRUE(Handshake(client.get(), server_.get()));
}

TEST_F(TlsKeyInTpm, CertificateOfAnotherKeyIsRefusedByTheTlsLibrary) {
  const auto key = Register();
  const EvpPkey loaded = Load(key->reference());
  const PrivateKey other = Must(PrivateKey::GenerateEc(crypto::Curve::kP256));
  const Certificate certificate = authority_.Issue(other.public_key(), /*client=*/true);
  const SslCtx context(SSL_CTX_new(TLS_client_method()));
  EXPECT_EQ(SSL_CTX_use_certificate(context.get(), certificate.x509()), 1);
  const bool taken = SSL_CTX_use_PrivateKey(context.get(), loaded.get()) == 1 &&
                     SSL_CTX_check_private_key(context.get()) == 1;
  EXPECT_FALSE(taken);
  ERR_clear_error();
}

TEST_F(TlsKeyInTpm, SignatureThatIsNoDerFailsTheHandshake) {
  const auto key = Must(
      TlsKey::Register(node_.area.key(), [](ByteView) -> Result<Bytes> { return Bytes{0x30}; }));
  const SslCtx client = Client(*key);
  EXPECT_FALSE(Handshake(client.get(), server_.get()));
}

TEST_F(TlsKeyInTpm, SignsNothingButSha256) {
  std::atomic<int> calls = 0;
  const auto key = Must(TlsKey::Register(node_.area.key(), [&](ByteView) -> Result<Bytes> {
    ++calls;
    return Fail(Code::kInternal, "never asked");
  }));
  const EvpPkey loaded = Load(key->reference());
  const CHandle<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  ASSERT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha384(), nullptr, loaded.get()), 1);
  Bytes signature(256);
  size_t size = signature.size();
  const Bytes message(16);
  EXPECT_NE(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()),
            1);
  EXPECT_EQ(calls, 0);
  ERR_clear_error();
}

TEST(TlsKey, RefusesKeysThatAreNotP256) {
  const auto sign = [](ByteView) -> Result<Bytes> { return Bytes{}; };
  for (const auto curve : {crypto::Curve::kP384, crypto::Curve::kP521}) {
    const PrivateKey key = Must(PrivateKey::GenerateEc(curve));
    const auto refused = TlsKey::Register(key.public_key(), sign);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  }
  const PrivateKey key = Must(PrivateKey::GenerateEc(crypto::Curve::kP256));
  EXPECT_FALSE(TlsKey::Register(key.public_key(), nullptr));
}

// A stand-in for the chip, so that threads need no lock of its owner.
TEST(TlsKey, RegistersLoadsAndSignsOnManyThreads) {
  const Authority authority;
  const PrivateKey node = Must(PrivateKey::GenerateEc(crypto::Curve::kP256));
  const PrivateKey server_key = Must(PrivateKey::GenerateEc(crypto::Curve::kP256));
  const SslCtx server =
      Context(TLS_server_method(), authority.Issue(server_key.public_key(), /*client=*/false),
              server_key.evp(), authority.root());
  const Certificate certificate = authority.Issue(node.public_key(), /*client=*/true);
  const auto sign = [&](ByteView digest) -> Result<Bytes> {
    const CHandle<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new(node.evp(), nullptr));
    Bytes signature(128);
    size_t size = signature.size();
    if (EVP_PKEY_sign_init(context.get()) != 1 ||
        EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
      return Fail(Code::kInternal, "sign");
    }
    signature.resize(size);
    return signature;
  };
  std::atomic<int> finished = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10; ++n) {
        const auto key = Must(TlsKey::Register(node.public_key(), sign));
        const EvpPkey loaded = Load(key->reference());
        const SslCtx client =
            Context(TLS_client_method(), certificate, loaded.get(), authority.root());
        if (Handshake(client.get(), server.get())) ++finished;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(finished, 40);
}

}  // namespace
}  // namespace lodekey::tpm
