// An issuer that serves its port on loopback, and what stands at it.
#pragma once

#include <memory>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "crypto/tls_policy.h"
#include "issuer/server.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/issuer/port_client.h"
#include "tests/support/must.h"

namespace lodekey::test {

class PortTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Must(crypto::RequireFullTls13Handshakes());
    // The issuer under test stands still in time.
    Must(crypto::LeaveServerValidityToCaller());
  }

  void Serve(const AdjustConfig& adjust = {}) {
    rig_ = std::make_unique<IssuerRig>([&](issuer::IssuerConfig& config) {
      config.listen = {.host = "127.0.0.1", .port = 0};
      config.enrolments_per_second = config.enrolments_per_source = 100000;
      if (adjust) adjust(config);
    });
    rig_->config.admin_socket = rig_->directory.path() + "/admin.sock";
    server_ = Must(issuer::Server::Start(*rig_->context));
  }

  std::string Address() const { return fmt::format("127.0.0.1:{}", server_->port()); }

  std::unique_ptr<PortStub> Client(const ClientIdentity& identity = {}) const {
    return ConnectToPort(Address(), rig_->authority->issuer_authority(), identity);
  }

  // A host that enrolled through the port.
  Host Enrolled() const {
    Host host;
    Must(rig_->inventory->Allow(host.id(), {}, "test"));
    Must(EnrolThroughPort(*Client(), host));
    return host;
  }

  // What an attestation through `client` comes to, as Answer says; the host takes the reply.
  std::string AttestThrough(PortStub& client, Host& host) const {
    std::string name;
    node::AttestResponse response;
    const auto status = Call(client, &PortStub::Attest, host.Attest(), response, &name);
    if (!status.ok()) return name.empty() ? status.error_message() : name;
    host.Take(response);
    return Answer(response.verdict());
  }

  std::unique_ptr<IssuerRig> rig_;
  std::unique_ptr<issuer::Server> server_;
};

}  // namespace lodekey::test
