// The Workload API over its real socket, on a book that is issued to at once: no issuer, no TPM.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/attestation_pool.h"
#include "agent/executable_digest.h"
#include "agent/jwt_svids.h"
#include "agent/svid_book.h"
#include "agent/workload_server.h"
#include "agent/workload_service.h"
#include "tests/platform/scratch.h"

namespace lodekey::test {

class WorkloadRig {
 public:
  explicit WorkloadRig(platform::PeerMode mode = platform::PeerMode::kAuto,
                       agent::CallerLimit limit = {});
  ~WorkloadRig();
  WorkloadRig(const WorkloadRig&) = delete;
  WorkloadRig& operator=(const WorkloadRig&) = delete;

  static agent::EntryPtr Entry(const std::string& name, std::vector<std::string> selectors,
                               const std::string& hint = "");
  static agent::EntryPtr EntryOf(uid_t uid) {
    return Entry("user-" + std::to_string(uid), {"unix:uid:" + std::to_string(uid)});
  }
  static std::string IdOf(const std::string& name) { return "spiffe://example.org/" + name; }
  static std::string IdOf(uid_t uid) { return IdOf("user-" + std::to_string(uid)); }

  // The first is the oldest.
  void SetEntries(std::vector<agent::EntryPtr> entries, const std::string& roots = "root");
  // Every SVID is issued anew, as at half of its life.
  void Renew();
  // From here on nothing is issued by itself.
  void StopIssuing();
  // The tokens that are wanted now.
  void IssueTokens();
  // As time goes by for those who wait.
  void Pass(Duration duration);

  const std::string& socket() const { return socket_; }
  std::string file(const std::string& name) const { return scratch_ / name; }

  agent::ExecutableDigests digests;
  agent::SvidBook book;
  agent::JwtSvids tokens;
  crypto::PrivateKey jwt_key;
  std::unique_ptr<agent::AttestationPool> pool;
  std::unique_ptr<agent::WorkloadServer> server;

 private:
  void Issue();
  void Wake();

  platform::ScratchDir scratch_;
  const std::string socket_ = scratch_ / "workload.sock";
  std::atomic<int64_t> passed_ = 0;  // ms
  std::atomic<int> issued_ = 0;
  uint64_t bundles_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool wanted_ = false;
  bool stopping_ = false;
  std::thread issuer_;
};

}  // namespace lodekey::test
