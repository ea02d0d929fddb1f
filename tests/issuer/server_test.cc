// The issuer's port as strangers meet it: real gRPC over real TLS on loopback.
#include "issuer/server.h"

#include <arpa/inet.h>
#include <future>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <grpcpp/generic/generic_stub.h>

#include "crypto/certificate_builder.h"
#include "issuer/server_credentials.h"
#include "tests/issuer/server_fixture.h"
#include "tests/support/program.h"
#include "tests/support/unix_socket.h"

#ifdef __SANITIZE_ADDRESS__
// Of sanitizer/allocator_interface.h, which Debian's g++ comes without.
extern "C" size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace lodekey::test {
namespace {

using Stub = PortStub;

// What this process has allocated and not given back. Not what it has resident: a sanitizer keeps
// freed memory for a while.
size_t AllocatedBytes() {
#ifdef __SANITIZE_ADDRESS__
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

class ServerTest : public PortTest {
 protected:
  // Sends bytes in the place of a request; the name of the error, "" when it was served.
  std::string AnswerToBytes(std::string_view bytes,
                            const std::string& method = "StartEnrolment") const {
    grpc::GenericStub stub(OpenChannel(Address(), rig_->authority->issuer_authority()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    const grpc::Slice slice(bytes.data(), bytes.size());
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> ended;
    stub.UnaryCall(&context, "/lodekey.node.v1.NodeService/" + method, {}, &request, &response,
                   [&](const grpc::Status& status) { ended.set_value(status); });
    const grpc::Status status = ended.get_future().get();
    const auto name = context.GetServerTrailingMetadata().find("lodekey-error");
    if (status.ok() || name == context.GetServerTrailingMetadata().end()) return "";
    return {name->second.data(), name->second.size()};
  }

  // openssl s_client against the port; what it prints.
  std::string SClient(const std::string& arguments) const { return SClient(arguments, Address()); }
  static std::string SClient(const std::string& arguments, const std::string& address) {
    return RunProgram({"/bin/sh", "-c",
                       fmt::format("echo | timeout 5 openssl s_client -connect {} -alpn h2 {} 2>&1",
                                   address, arguments)})
        .out;
  }

  // Why `client`, which shows no certificate, may not attest.
  static std::string AttestRefusal(Stub& client) {
    std::string name;
    node::AttestResponse response;
    Call(client, &Stub::Attest, node::AttestRequest(), response, &name);
    return name;
  }
};

TEST_F(ServerTest, AStrangerLearnsACodeAndARequestIdAndNothingElse) {
  Serve();
  Host host;
  std::string name;
  node::StartEnrolmentResponse response;
  const auto status = Call(*Client(), &Stub::StartEnrolment, host.Start(), response, &name);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(name, "ek-not-in-inventory");
  EXPECT_TRUE(status.error_message().starts_with("ek-not-in-inventory (request "))
      << status.error_message();
}

TEST_F(ServerTest, AHostEnrolsAndAttestsWithItsNodeKeyOverMutualTls) {
  Serve();
  Host host = Enrolled();
  ASSERT_EQ(host.certificates.size(), 2u);
  const auto client = Client(IdentityOf(host));
  EXPECT_EQ(AttestThrough(*client, host), "ACCEPTED");
  EXPECT_EQ(AttestThrough(*client, host), "ACCEPTED") << "again on the same connection";
  EXPECT_EQ(AttestThrough(*Client(IdentityOf(host)), host), "ACCEPTED") << "and on another one";
}

TEST_F(ServerTest, ACertificateThatIsKnownIsJudgedAgainOnEveryCall) {
  Serve();
  Host removed = Enrolled(), expired = Enrolled();
  const auto client = Client(IdentityOf(removed)), other = Client(IdentityOf(expired));
  ASSERT_EQ(AttestThrough(*client, removed), "ACCEPTED");
  ASSERT_EQ(AttestThrough(*other, expired), "ACCEPTED");
  Must(rig_->inventory->Remove(removed.id(), "test"));
  EXPECT_EQ(AttestThrough(*client, removed), "node-removed");
  rig_->Pass(rig_->config.node_ttl);
  EXPECT_EQ(AttestThrough(*other, expired), "peer-expired");
}

TEST_F(ServerTest, AnotherKeyWithTheNameAndSerialOfAKnownCertificateIsRefused) {
  Serve();
  Host host = Enrolled();
  const auto client = Client(IdentityOf(host));
  ASSERT_EQ(AttestThrough(*client, host), "ACCEPTED");
  const crypto::Certificate& real = host.certificate();
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const auto forged = Must(crypto::SignCertificate({.serial = real.serial(),
                                                    .not_before = real.not_before(),
                                                    .not_after = real.not_after(),
                                                    .uri_sans = real.UriSans(),
                                                    .client_auth = true},
                                                   key.public_key(), nullptr, key));
  EXPECT_EQ(AttestThrough(*Client(IdentityOf(forged, key)), host), "peer-certificate");
  EXPECT_EQ(AttestThrough(*client, host), "ACCEPTED") << "the node itself is served as before";
}

TEST_F(ServerTest, AttestNeedsACertificateThatThisIssuerGave) {
  Serve();
  std::string name;
  node::AttestResponse response;
  EXPECT_EQ(Call(*Client(), &Stub::Attest, node::AttestRequest(), response, &name).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(name, "peer-certificate");
}

TEST_F(ServerTest, OnlyTls13IsSpokenAndNoSessionCanBeResumed) {
  Serve();
  const std::string older = SClient("-tls1_2");
  EXPECT_NE(older.find("Cipher is (NONE)"), std::string::npos) << older;
  const std::string session = SClient("-tls1_3 -sess_out " + rig_->directory.path() + "/session");
  EXPECT_NE(session.find("TLSv1.3"), std::string::npos) << session;
  EXPECT_EQ(session.find("Post-Handshake New Session Ticket"), std::string::npos) << session;
}

TEST_F(ServerTest, AnOversizedMessageIsRefusedAndTheNextOneServed) {
  Serve();
  const auto client = Client();
  node::StartEnrolmentRequest request;
  request.set_ak_public(std::string(size_t{8} << 20, 'x'));
  node::StartEnrolmentResponse response;
  EXPECT_EQ(Call(*client, &Stub::StartEnrolment, request, response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  std::string name;
  Call(*client, &Stub::StartEnrolment, node::StartEnrolmentRequest(), response, &name);
  EXPECT_EQ(name, "request-too-large") << "an empty request has no endorsement key";
}

TEST_F(ServerTest, GarbageInsteadOfTlsAndInsteadOfHttpIsDropped) {
  Serve();
  for (const std::string& bytes :
       {std::string(65536, '\xff'), std::string("GET / HTTP/1.0\r\n\r\n"),
        std::string("\x16\x03\x01\x40\x00", 5)}) {
    const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(server_->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    (void)send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  std::string name;
  node::StartEnrolmentResponse response;
  Call(*Client(), &Stub::StartEnrolment, node::StartEnrolmentRequest(), response, &name);
  EXPECT_EQ(name, "request-too-large");
}

TEST_F(ServerTest, AFloodOfEnrolmentsIsLimitedAndMemoryStaysWhereItWas) {
  Serve([](issuer::IssuerConfig& config) { config.enrolments_per_source = 50; });
  const auto client = Client();
  Host host;
  const node::StartEnrolmentRequest request = host.Start();
  size_t limited = 0;
  node::StartEnrolmentResponse response;
  for (int i = 0; i < 200; ++i) Call(*client, &Stub::StartEnrolment, request, response);
  const size_t before = AllocatedBytes();
  for (int i = 0; i < 1000; ++i) {
    limited += Call(*client, &Stub::StartEnrolment, request, response).error_code() ==
                       grpc::StatusCode::RESOURCE_EXHAUSTED
                   ? 1U
                   : 0U;
  }
  EXPECT_GT(limited, 500u);
  EXPECT_LT(AllocatedBytes(), before + (size_t{1} << 20));
  Must(rig_->database->Read([](issuer::View& view) -> Result<void> {
    EXPECT_TRUE(Must(view.ListNodes("", 10)).empty()) << "strangers leave nothing in the database";
    return {};
  }));
}

TEST_F(ServerTest, StrangersCannotUseUpWhatBelongsToKnownHosts) {
  Serve([](issuer::IssuerConfig& config) { config.enrolments_per_second = 20; });
  Host known;
  Must(rig_->inventory->Allow(known.id(), {}, "test"));
  const auto client = Client();
  const node::StartEnrolmentRequest flood = Host().Start();
  node::StartEnrolmentResponse started;
  std::string name;
  while (name != "too-many-enrolments") {
    ASSERT_FALSE(Call(*client, &Stub::StartEnrolment, flood, started, &name).ok());
  }
  ASSERT_TRUE(Call(*client, &Stub::StartEnrolment, known.Start(), started).ok());
  node::FinishEnrolmentResponse finished;
  ASSERT_TRUE(Call(*client, &Stub::FinishEnrolment, Must(known.Finish(started)), finished).ok());
  EXPECT_EQ(Answer(finished.verdict()), "ACCEPTED");
}

// A flood of refusals must not fill the log, whatever they are refused for.
TEST_F(ServerTest, RefusalsOfStrangersAreLimitedBeforeTheyAreKnownToBeNone) {
  Serve([](issuer::IssuerConfig& config) { config.enrolments_per_second = 1; });
  const auto client = Client();
  EXPECT_TRUE(Eventually([&] { return AttestRefusal(*client) == "too-many-attestations"; }))
      << "a peer without a certificate";
  for (const char* bytes : {"", "\x0b\x0c"}) {
    EXPECT_TRUE(Eventually([&] { return AnswerToBytes(bytes) == "too-many-enrolments"; }));
    EXPECT_TRUE(Eventually(
        [&] { return AnswerToBytes(bytes, "FinishEnrolment") == "too-many-enrolments"; }));
  }
}

TEST_F(ServerTest, WhoSharesTheAddressOfAHostCannotKeepItOut) {
  Serve([](issuer::IssuerConfig& config) { config.enrolments_per_source = 1; });
  const auto stranger = Client();
  const auto flood = [&] {
    EXPECT_TRUE(Eventually([&] { return AnswerToBytes("") == "too-many-enrolments"; }));
    EXPECT_TRUE(Eventually([&] { return AttestRefusal(*stranger) == "too-many-attestations"; }));
  };
  flood();
  Host host = Enrolled();
  const auto client = Client(IdentityOf(host));
  for (int i = 0; i < 3; ++i) {
    flood();
    EXPECT_EQ(AttestThrough(*client, host), "ACCEPTED");
  }
}

TEST_F(ServerTest, APeerIsAStrangerUntilItIsProven) {
  Serve();
  Host host = Enrolled();
  const auto key = Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256));
  const auto own = Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                                 .not_before = rig_->now,
                                                 .not_after = rig_->now + std::chrono::hours(1),
                                                 .uri_sans = host.certificate().UriSans(),
                                                 .client_auth = true},
                                                key.public_key(), nullptr, key));
  node::AttestRequest unreadable;
  for (int i = 0; i < 1000; ++i) unreadable.mutable_evidence()->mutable_pcrs()->add_values();
  node::AttestResponse response;
  std::string name;
  const auto refused =
      Call(*Client(IdentityOf(own, key)), &Stub::Attest, unreadable, response, &name);
  EXPECT_EQ(name, "peer-certificate") << "before its message is read";
  EXPECT_TRUE(refused.error_message().starts_with("peer-certificate (request "))
      << refused.error_message();
  const auto told = Call(*Client(IdentityOf(host)), &Stub::Attest, unreadable, response, &name);
  EXPECT_EQ(name, "request-too-many-fields");
  EXPECT_NE(told.error_message().find("fields"), std::string::npos) << "the twin: a proven node";
}

TEST_F(ServerTest, AMessageOfManyEmptyFieldsIsRefusedBeforeItIsParsed) {
  Serve();
  Host host;
  rig_->Admit(host);
  const issuer::NodeRecord before = rig_->Record(host);
  const auto client = Client();
  std::string name;

  node::StartEnrolmentRequest start = host.Start();
  for (int i = 0; i < 20'000; ++i) start.add_endorsement_keys();
  node::StartEnrolmentResponse started;
  EXPECT_EQ(Call(*client, &Stub::StartEnrolment, start, started, &name).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(name, "request-too-many-fields");
  for (int i = 0; i < 20'000; ++i) start.add_endorsement_keys();
  EXPECT_EQ(Call(*client, &Stub::StartEnrolment, start, started, &name).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(name, "request-too-large");

  start = host.Start();
  ASSERT_TRUE(Call(*client, &Stub::StartEnrolment, start, started).ok());
  const node::FinishEnrolmentRequest honest = Must(host.Finish(started));
  node::FinishEnrolmentRequest finish = honest;
  for (int i = 0; i < 900'000; ++i) finish.mutable_evidence()->mutable_pcrs()->add_values();
  node::FinishEnrolmentResponse finished;
  EXPECT_EQ(Call(*client, &Stub::FinishEnrolment, finish, finished, &name).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(name, "request-too-many-fields");
  EXPECT_EQ(rig_->Record(host), before);
  EXPECT_TRUE(Call(*client, &Stub::FinishEnrolment, honest, finished).ok()) << "the twin";
}

TEST_F(ServerTest, BytesThatAreNoMessageAreRefusedByName) {
  Serve();
  EXPECT_EQ(AnswerToBytes("\x0b\x0c"), "request-malformed") << "a group";
  // A bank's name that is no UTF-8: the fields are in order, the message is not.
  EXPECT_EQ(AnswerToBytes("\x22\x05\x1a\x03\x0a\x01\xff", "FinishEnrolment"), "request-malformed");
  EXPECT_EQ(AnswerToBytes(""), "request-too-large") << "the twin: an enrolment without a key";
}

TEST_F(ServerTest, ItsCertificateIsRenewedInTimeAndRecordedFirst) {
  Serve();
  const auto serial = [&] {
    return SClient("| openssl x509 -noout -serial | tr -d '\\n' | tr A-F a-f");
  };
  const std::string first = serial();
  rig_->Pass(std::chrono::hours(84) - std::chrono::seconds(1));
  Must(server_->Refresh(rig_->now));
  EXPECT_EQ(serial(), first);
  rig_->Pass(std::chrono::seconds(1));
  Must(server_->Refresh(rig_->now));
  const std::string second = serial();
  EXPECT_NE(second, first);
  std::vector<std::string> recorded;
  for (const auto& record : rig_->AuditRecords()) {
    if (record["event"] != "server-certificate.issued") continue;
    recorded.push_back("serial=" + record["serial"].get<std::string>());
  }
  EXPECT_EQ(recorded, (std::vector{first, second}));
}

// The server's core asks the credentials at each handshake, and does not keep them alive.
TEST_F(ServerTest, AHandshakeAfterItsCredentialsAreGoneIsShownTheLastCertificate) {
  Serve();
  node::NodeService::Service service;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
  {
    const auto credentials = Must(issuer::RotatingCredentials::Create(*rig_->authority, rig_->now));
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port);
    builder.RegisterService(&service);
    server = builder.BuildAndStart();
  }
  const std::string session = SClient("-tls1_3", fmt::format("127.0.0.1:{}", port));
  EXPECT_NE(session.find("New, TLSv1.3, Cipher is TLS_"), std::string::npos) << session;
}

// Attack rows at the port. Each row names the code it expects and shows that the unmutated twin is
// served.
struct WireRow {
  const char* row;
  const char* what;
  grpc::StatusCode expected;
};

// Attack rows at the port; A117 is in tests/e2e/stranger_test.cc, which sees the server's memory
// alone.
class WireAttack : public ServerTest {
 protected:
  std::string ServedName(Stub& client) {
    std::string name;
    node::StartEnrolmentResponse response;
    Call(client, &Stub::StartEnrolment, node::StartEnrolmentRequest(), response, &name);
    return name;
  }
};

TEST_F(WireAttack, A118) {
  // A slow upload: many connections that begin a handshake and send no more do not keep others from
  // being served.
  Serve();
  std::vector<Fd> slow;
  for (int i = 0; i < 200; ++i) {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(server_->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    (void)send(fd.get(), "\x16\x03\x01", 3, MSG_NOSIGNAL);
    slow.push_back(std::move(fd));
  }
  EXPECT_EQ(ServedName(*Client()), "request-too-large");
  // The handshake's time is bounded: the server hangs up.
  char byte = 0;
  timeval timeout{.tv_sec = 30, .tv_usec = 0};
  setsockopt(slow.front().get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  const ssize_t got = recv(slow.front().get(), &byte, 1, 0);
  EXPECT_TRUE(got == 0 || (got < 0 && errno != EAGAIN))
      << "the connection was still open after 30 s";
}

}  // namespace
}  // namespace lodekey::test
