// The rules of a process, as handshakes in memory show them. Under ctest each test is a process of
// its own: what one sets stays.
#include "crypto/tls_policy.h"

#include <memory>
#include <optional>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "tests/crypto/test_ca.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using Context = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;
using Connection = std::unique_ptr<SSL, void (*)(SSL*)>;

Time Now() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

// Valid from an hour ago for two hours; `shift` moves that.
crypto::CertificateSpec Current(crypto::CertificateSpec spec, Duration shift = {}) {
  spec.not_before = Now() - std::chrono::hours(1) + shift;
  spec.not_after = Now() + std::chrono::hours(1) + shift;
  return spec;
}

Context NewContext(const SSL_METHOD* method) { return {SSL_CTX_new(method), SSL_CTX_free}; }

Context Server(const Identity& identity) {
  Context context = NewContext(TLS_server_method());
  EXPECT_EQ(SSL_CTX_use_certificate(context.get(), identity.certificate.x509()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), identity.key.evp()), 1);
  return context;
}

// Verifies the server's chain up to `root`.
Context Client(const crypto::Certificate& root) {
  Context context = NewContext(TLS_client_method());
  EXPECT_EQ(X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), root.x509()), 1);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

// The protocol that both agreed on ("TLSv1.3"), or nothing when the handshake failed.
std::optional<std::string> Shake(const Context& client_context, const Context& server_context) {
  const Connection client(SSL_new(client_context.get()), SSL_free);
  const Connection server(SSL_new(server_context.get()), SSL_free);
  BIO* client_end = nullptr;
  BIO* server_end = nullptr;
  EXPECT_EQ(BIO_new_bio_pair(&client_end, 0, &server_end, 0), 1);
  SSL_set_bio(client.get(), client_end, client_end);
  SSL_set_bio(server.get(), server_end, server_end);
  SSL_set_connect_state(client.get());
  SSL_set_accept_state(server.get());
  // Each flight needs a turn of both; a handshake has three.
  bool done = false;
  for (int turn = 0; turn < 6 && !done; ++turn) {
    const bool client_done = SSL_do_handshake(client.get()) == 1;
    done = SSL_do_handshake(server.get()) == 1 && client_done;
  }
  if (!done) return std::nullopt;
  return SSL_get_version(client.get());
}

class TlsPolicy : public testing::Test {
 protected:
  const Identity root_ = SelfSigned(Current(CaSpec("root")));
  const Identity server_ = SignedBy(root_, Current(LeafSpec()));
};

TEST_F(TlsPolicy, SpeaksOlderTlsUntilItIsAskedNotTo) {
  const Context client = Client(root_.certificate);
  SSL_CTX_set_max_proto_version(client.get(), TLS1_2_VERSION);
  EXPECT_EQ(Shake(client, Server(server_)), "TLSv1.2") << "or the next test shows nothing";
}

TEST_F(TlsPolicy, SpeaksTls13AloneAlsoWhereALibraryAsksForLess) {
  Must(crypto::RequireFullTls13Handshakes());
  EXPECT_EQ(Shake(Client(root_.certificate), Server(server_)), "TLSv1.3");
  for (const int oldest : {0, TLS1_VERSION, TLS1_2_VERSION}) {
    const Context server = Server(server_);
    SSL_CTX_set_min_proto_version(server.get(), oldest);
    const Context client = Client(root_.certificate);
    SSL_CTX_set_max_proto_version(client.get(), TLS1_2_VERSION);
    EXPECT_EQ(Shake(client, server), std::nullopt) << oldest;
  }
}

TEST_F(TlsPolicy, GivesNoTickets) {
  EXPECT_GT(SSL_CTX_get_num_tickets(Server(server_).get()), 0u) << "what OpenSSL does by itself";
  Must(crypto::RequireFullTls13Handshakes());
  EXPECT_EQ(SSL_CTX_get_num_tickets(Server(server_).get()), 0u);
}

TEST_F(TlsPolicy, MayBeSetTwice) {
  Must(crypto::RequireFullTls13Handshakes());
  Must(crypto::RequireFullTls13Handshakes());
  Must(crypto::LeaveServerValidityToCaller());
  Must(crypto::LeaveServerValidityToCaller());
  EXPECT_EQ(Shake(Client(root_.certificate), Server(server_)), "TLSv1.3");
}

TEST_F(TlsPolicy, LeavesThePeriodToTheCallerAndNothingElse) {
  const Identity ended = SignedBy(root_, Current(LeafSpec(), -std::chrono::hours(48)));
  const Identity to_come = SignedBy(root_, Current(LeafSpec(), std::chrono::hours(48)));
  EXPECT_EQ(Shake(Client(root_.certificate), Server(ended)), std::nullopt);
  EXPECT_EQ(Shake(Client(root_.certificate), Server(to_come)), std::nullopt);
  Must(crypto::LeaveServerValidityToCaller());
  EXPECT_EQ(Shake(Client(root_.certificate), Server(ended)), "TLSv1.3");
  EXPECT_EQ(Shake(Client(root_.certificate), Server(to_come)), "TLSv1.3");

  const Identity stranger = SelfSigned(Current(CaSpec("root")));
  EXPECT_EQ(Shake(Client(root_.certificate), Server(SignedBy(stranger, Current(LeafSpec())))),
            std::nullopt)
      << "another authority";
  crypto::CertificateSpec clients_only = Current(LeafSpec());
  clients_only.server_auth = false;
  EXPECT_EQ(Shake(Client(root_.certificate), Server(SignedBy(root_, clients_only))), std::nullopt)
      << "not for servers";
}

}  // namespace
}  // namespace lodekey::test
