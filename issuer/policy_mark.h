// The newest signed policy that was taken, in a file beside the keys (ca/policy.version): whoever
// can change the database alone brings no other back.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace lodekey::issuer {

// Not thread-safe: whoever applies policies holds a lock.
class PolicyMark {
 public:
  struct Taken {
    uint64_t version = 0;  // that it was signed under; 0: none was taken
    Bytes digest = {};     // of the policy
    bool operator==(const Taken&) const = default;
  };

  // Of the issuer whose state directory this is.
  explicit PolicyMark(const std::string& state_dir) : path_(state_dir + "/ca/policy.version") {}

  // kUntrusted ("policy-mark-corrupt") of a file that holds anything else.
  Result<Taken> Read() const;

  // Never lowers it. One that is not signed changes nothing.
  Result<void> Raise(const Taken& taken) const;

 private:
  std::string path_;
};

}  // namespace lodekey::issuer
