// A unary call of the Workload API: answered or refused once, whoever comes first of the answer,
// the caller who goes, and the server that stops.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "agent/grpc_refusal.h"
#include "agent/workload_callers.h"
#include "base/result.h"

namespace lodekey::agent {

// Thread-safe. Lives until gRPC is done with it and nobody has it any more.
template <class Response>
class WorkloadCall final : public grpc::ServerUnaryReactor {
 public:
  static std::shared_ptr<WorkloadCall> Start(grpc::CallbackServerContext& context,
                                             Response& response) {
    const std::shared_ptr<WorkloadCall> call(new WorkloadCall(context, response));
    call->self_ = call;
    return call;
  }

  // Before anything is done on other threads.
  void Admit(Admission admission) { admission_ = std::move(admission); }
  const std::shared_ptr<const CallingProcess>& caller() const { return admission_->caller; }
  // The caller has been looked at.
  void EndPending() { admission_->pending.reset(); }

  void Refuse(const Error& error) {
    IfOpen([&] {
      ended_ = true;
      Finish(agent::Refuse(context_, error));
    });
  }
  void Answer(Response answer) {
    IfOpen([&] {
      ended_ = true;
      response_ = std::move(answer);
      Finish(grpc::Status::OK);
    });
  }

  // Runs `body` unless the call has ended. Meanwhile it does not, so
  // that the server and what it stands on are there.
  template <class Body>
  void IfOpen(Body body) {
    const std::scoped_lock lock(mutex_);
    if (!ended_) body();
  }

 private:
  WorkloadCall(grpc::CallbackServerContext& context, Response& response)
      : context_(context), response_(response) {}

  void OnCancel() override { Refuse({.code = Code::kUnavailable, .text = "the caller has gone"}); }
  void OnDone() override { self_.reset(); }

  grpc::CallbackServerContext& context_;
  Response& response_;
  std::optional<Admission> admission_;
  std::recursive_mutex mutex_;  // what runs in IfOpen may end the call
  bool ended_ = false;          // response and context are gRPC's again
  std::shared_ptr<WorkloadCall> self_;
};

}  // namespace lodekey::agent
