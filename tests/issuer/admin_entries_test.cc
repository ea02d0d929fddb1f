// The admin API's calls for entries, through the issuer's own socket.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "attest/entry_codec.h"
#include "crypto/tls_policy.h"
#include "issuer/server.h"
#include "lodekey/admin/v1/admin_service.grpc.pb.h"
#include "tests/issuer/issuer_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

namespace admin = lodekey::admin::v1;
using Stub = admin::AdminService::Stub;

class AdminEntriesTest : public testing::Test {
 protected:
  AdminEntriesTest() {
    Must(crypto::RequireFullTls13Handshakes());
    rig_.config.admin_socket = rig_.directory.path() + "/admin.sock";
    server_ = Must(issuer::Server::Start(*rig_.context));
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    stub_ = admin::AdminService::NewStub(grpc::CreateCustomChannel(
        "unix:" + rig_.config.admin_socket, grpc::InsecureChannelCredentials(), arguments));
    Must(rig_.inventory->Allow(SampleNodeId(1), {}, "uid 0"));
  }

  // The name of the error, "" when there is none; "rpc" when it is gRPC's own.
  template <class Request, class Response>
  std::string Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if ((*stub_.*method)(&context, request, &response).ok()) return "";
    const auto name = context.GetServerTrailingMetadata().find("lodekey-error");
    if (name == context.GetServerTrailingMetadata().end()) return "rpc";
    return {name->second.data(), name->second.size()};
  }

  static admin::ApplyEntriesRequest Creating(unsigned count) {
    admin::ApplyEntriesRequest request;
    for (unsigned i = 0; i < count; ++i) {
      auto& entry = *request.add_changes()->mutable_create();
      entry = attest::EncodeEntry(SampleEntry(i));
      entry.clear_id();
    }
    return request;
  }

  IssuerRig rig_{
      [](issuer::IssuerConfig& config) { config.listen = {.host = "127.0.0.1", .port = 0}; }};
  std::unique_ptr<issuer::Server> server_;
  std::unique_ptr<Stub> stub_;
};

TEST_F(AdminEntriesTest, AnOperatorCreatesLooksAtAndDeletesAnEntry) {
  admin::ApplyEntriesResponse created;
  ASSERT_EQ(Call(&Stub::ApplyEntries, Creating(2), created), "");
  ASSERT_EQ(created.applied_size(), 2);
  const std::string id = created.applied(0).after().id();
  EXPECT_EQ(rig_.AuditRecords().back()["actor"], "uid " + std::to_string(getuid()));

  admin::EntryRequest named;
  named.set_entry(id);
  lodekey::entry::v1::Entry shown;
  ASSERT_EQ(Call(&Stub::ShowEntry, named, shown), "");
  EXPECT_EQ(shown.SerializeAsString(), created.applied(0).after().SerializeAsString());

  admin::ListEntriesRequest first;
  first.set_limit(1);
  admin::ListEntriesResponse page;
  ASSERT_EQ(Call(&Stub::ListEntries, first, page), "");
  ASSERT_EQ(page.entries_size(), 1);
  EXPECT_EQ(page.entries(0).id(), id);
  EXPECT_EQ(page.next(), id);

  admin::ApplyEntriesRequest removal;
  *removal.add_changes()->mutable_remove() = named;
  admin::ApplyEntriesResponse removed;
  ASSERT_EQ(Call(&Stub::ApplyEntries, removal, removed), "");
  EXPECT_TRUE(removed.applied(0).changed());
  EXPECT_EQ(Call(&Stub::ShowEntry, named, shown), "entry-not-found");
}

TEST_F(AdminEntriesTest, ATryAndARefusalChangeNothing) {
  admin::ApplyEntriesRequest request = Creating(1);
  request.set_dry_run(true);
  admin::ApplyEntriesResponse response;
  ASSERT_EQ(Call(&Stub::ApplyEntries, request, response), "");
  EXPECT_TRUE(response.applied(0).changed());

  request = Creating(2);
  request.mutable_changes(1)->mutable_create()->clear_scope();
  ASSERT_EQ(Call(&Stub::ApplyEntries, request, response), "");
  ASSERT_EQ(response.refused_size(), 1);
  EXPECT_EQ(response.refused(0).index(), 1U);
  EXPECT_EQ(response.refused(0).code(), "entry-scope");
  EXPECT_NE(response.refused(0).advice().find("--node"), std::string::npos);

  admin::ListEntriesResponse page;
  ASSERT_EQ(Call(&Stub::ListEntries, admin::ListEntriesRequest(), page), "");
  EXPECT_EQ(page.entries_size(), 0);
}

TEST_F(AdminEntriesTest, AThousandEntriesFitAndMoreAreRefused) {
  admin::ApplyEntriesResponse response;
  EXPECT_EQ(Call(&Stub::ApplyEntries, Creating(1001), response), "too-many-changes");
  EXPECT_EQ(Call(&Stub::ApplyEntries, Creating(1000), response), "");
  EXPECT_EQ(response.applied_size(), 1000);
}

}  // namespace
}  // namespace lodekey::test
