// A call of the Workload API that may begin: its caller has a place for it from the headers on,
// before the request is here, which may never come.
#pragma once

#include <memory>
#include <utility>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include "agent/caller_errors.h"
#include "agent/workload_callers.h"

namespace lodekey::agent {

// gRPC waits for the one request of a call by itself only where the method is registered as such,
// and tells nobody meanwhile. Therefore all calls are streams of bytes in both directions for it.
class AdmittedCall : public grpc::ServerGenericBidiReactor {
 protected:
  AdmittedCall(grpc::CallbackServerContext& context, Admission admission)
      : context_(context), admission_(std::move(admission)) {}

  // Begin is called once the request is here. From then on the object must be alive until OnDone.
  void AwaitRequest() { StartRead(&request_); }
  virtual void Begin(grpc::ByteBuffer& request) = 0;
  // Refuses it, unless it has ended.
  virtual void End(const Error& error) = 0;

  grpc::CallbackServerContext& context_;
  Admission admission_;

 private:
  void OnReadDone(bool ok) override {
    if (ok) return Begin(request_);
    End({.code = Code::kInvalidArgument,
         .text = "the call ended before its request",
         .name = "request-missing"});
  }
  void OnCancel() override { End(CallerGone()); }

  grpc::ByteBuffer request_;
};

}  // namespace lodekey::agent
