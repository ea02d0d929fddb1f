// Whoever reaches the issuer's port without an identity.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "lodekey/node/v1/node_service.grpc.pb.h"

namespace lodekey::test {

// A connection of its own to `address`; takes any server.
std::unique_ptr<lodekey::node::v1::NodeService::Stub> StrangerStub(const std::string& address);

// A steady stream of StartEnrolments until destruction. Never more than a bounded number is under
// way: what the issuer does not answer is not asked again.
class Flood {
 public:
  // Spread evenly over `addresses`.
  Flood(const std::vector<std::string>& addresses, lodekey::node::v1::StartEnrolmentRequest request,
        int per_second);
  ~Flood();
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  size_t answered() const { return answered_; }
  // Of these, the ones that the limit refused.
  size_t limited() const { return limited_; }

 private:
  struct Call;
  void Send(lodekey::node::v1::NodeService::Stub& stub);
  void Run(int per_second);

  std::vector<std::unique_ptr<lodekey::node::v1::NodeService::Stub>> stubs_;
  lodekey::node::v1::StartEnrolmentRequest request_;
  std::atomic<size_t> sent_ = 0;
  std::atomic<size_t> answered_ = 0;
  std::atomic<size_t> limited_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace lodekey::test
