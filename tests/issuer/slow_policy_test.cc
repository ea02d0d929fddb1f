// The issuer's port while a policy takes its time: who has nothing to do with it is served.
#include <future>
#include <map>
#include <mutex>

#include <gtest/gtest.h>

#include "issuer/work_pool.h"
#include "issuer/workload_request.h"
#include "tests/issuer/server_fixture.h"
#include "tests/issuer/workload.h"
#include "tests/support/program.h"

namespace lodekey::test {
namespace {

class SlowPolicyTest : public PortTest {
 protected:
  // At `point` ("issuance") each decision takes all the time that it has, and each call decides on
  // one input. There is a worker for issuance, and the one that it leaves.
  void SlowDown(const std::string& point) const {
    issuer::PolicyBundle bundle = ShippedWith();
    bundle.files.erase(point + "_test.rego");
    bundle.files[point + ".rego"] = fmt::format(
        "package lodekey.{}\n\nn := numbers.range(1, 1000)\n"
        "decision := {{\"allow\": true, \"rule\": \"slow\"}} if "
        "count({{1 | n[_]; n[_]; n[_]; n[_]}}) > 0\n",
        point);
    auto options = EngineOptions();
    options.workers = 2;
    options.evaluation_time = std::chrono::seconds(4);
    options.call_time = std::chrono::milliseconds(1);
    options.busy_time = std::chrono::milliseconds(500);
    rig_->policy->Replace(Lazily(bundle, 0, options));
  }
};

TEST_F(SlowPolicyTest, NodesAttestWhileOthersAskForManyCredentials) {
  Serve();
  Host attesting = Enrolled();
  const std::vector<Host> asking = [&] {
    std::vector<Host> hosts;
    for (int i = 0; i < 3; ++i) hosts.push_back(Enrolled());
    return hosts;
  }();
  SlowDown("issuance");
  std::mutex mutex;
  std::map<std::string, int> answers;
  const auto answered = [&](const std::string& code) {
    const std::scoped_lock lock(mutex);
    return answers[code];
  };
  std::vector<std::future<void>> calls;
  for (const Host& host : asking) {
    const auto item = X509Item(rig_->Put(EntryFor(host)));
    calls.push_back(std::async(std::launch::async, [&, item] {
      node::IssueResponse response;
      const auto request = RequestOf(std::vector(issuer::kMaxIssueItems, item));
      Call(*Client(IdentityOf(host)), &PortStub::Issue, request, response);
      const std::scoped_lock lock(mutex);
      if (response.outcomes_size() > 0) ++answers[response.outcomes(0).refused().code()];
    }));
  }
  // Of all that ask one has the worker that is there for them.
  EXPECT_TRUE(Eventually([&] { return answered("policy-busy") > 0; }));
  EXPECT_EQ(AttestThrough(*Client(IdentityOf(attesting)), attesting), "ACCEPTED");
  EXPECT_EQ(answered("policy-time"), 0) << "while it has it";
  for (auto& call : calls) call.get();
  EXPECT_EQ(answers["policy-time"] + answers["policy-busy"], 3);
}

// Enrolments of one source at three connections, which have sixteen calls each.
TEST_F(SlowPolicyTest, RefusesWhoWouldWaitBehindTooManyAndWhoWaitsAsItStops) {
  Serve();
  SlowDown("admission");
  std::vector<std::unique_ptr<PortStub>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Client());
  const node::StartEnrolmentRequest request = Host().Start();
  std::mutex mutex;
  std::map<std::string, int> answers;
  std::vector<std::future<void>> calls;
  for (size_t i = 0; i < 48; ++i) {
    calls.push_back(std::async(std::launch::async, [&, &client = *clients[i % 3]] {
      std::string name;
      node::StartEnrolmentResponse response;
      Call(client, &PortStub::StartEnrolment, request, response, &name);
      const std::scoped_lock lock(mutex);
      ++answers[name];
    }));
  }
  const auto answered = [&](std::string_view name) {
    const std::scoped_lock lock(mutex);
    return answers[std::string(name)];
  };
  EXPECT_TRUE(Eventually([&] { return answered(issuer::kTooManyWaiting) > 0; }));
  server_.reset();
  for (auto& call : calls) call.get();
  EXPECT_GT(answers["issuer-stopping"], 0);
  EXPECT_EQ(answers[std::string(issuer::kTooManyWaiting)] + answers["issuer-stopping"] +
                answers["policy-time"] + answers["policy-busy"],
            48)
      << "each is answered";
}

}  // namespace
}  // namespace lodekey::test
