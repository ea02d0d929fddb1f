// A unary call of the Workload API: answered or refused once, whoever comes first of the answer,
// the caller who goes, and the server that stops.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include <grpcpp/impl/codegen/proto_utils.h>

#include "agent/admitted_call.h"
#include "agent/grpc_refusal.h"
#include "base/result.h"

namespace lodekey::agent {

// Thread-safe. Lives until gRPC is done with it and nobody has it any more.
template <class Request, class Response>
class WorkloadCall final : public AdmittedCall {
 public:
  // Gets the call when its request is here.
  using Proceed = std::function<void(const std::shared_ptr<WorkloadCall>&, const Request&)>;

  static WorkloadCall* Start(grpc::CallbackServerContext& context, Admission admission,
                             Proceed proceed) {
    const std::shared_ptr<WorkloadCall> call(
        new WorkloadCall(context, std::move(admission), std::move(proceed)));
    call->self_ = call;
    call->AwaitRequest();
    return call.get();
  }

  const std::shared_ptr<const CallingProcess>& caller() const { return admission_.caller; }
  // The caller has been looked at.
  void EndPending() { admission_.pending.reset(); }

  void End(const Error& error) override {
    IfOpen([&] {
      ended_ = true;
      Finish(Refuse(context_, error));
    });
  }
  void Answer(const Response& answer) {
    IfOpen([&] {
      ended_ = true;
      bool own = false;
      const grpc::Status serialized =
          grpc::SerializationTraits<Response>::Serialize(answer, &answer_, &own);
      if (!serialized.ok()) return Finish(serialized);
      StartWriteAndFinish(&answer_, grpc::WriteOptions(), grpc::Status::OK);
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
  WorkloadCall(grpc::CallbackServerContext& context, Admission admission, Proceed proceed)
      : AdmittedCall(context, std::move(admission)), proceed_(std::move(proceed)) {}

  void Begin(grpc::ByteBuffer& bytes) override {
    Request request;
    if (grpc::SerializationTraits<Request>::Deserialize(&bytes, &request).ok())
      return proceed_(self_, request);
    End({.code = Code::kInvalidArgument,
         .text = "the request is none of this method",
         .name = "request-malformed"});
  }
  void OnDone() override { self_.reset(); }

  const Proceed proceed_;
  grpc::ByteBuffer answer_;
  std::recursive_mutex mutex_;  // what runs in IfOpen may end the call
  bool ended_ = false;          // the context is gRPC's again
  std::shared_ptr<WorkloadCall> self_;
};

}  // namespace lodekey::agent
