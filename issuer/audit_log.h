// The audit log's file: lines of crypto/hash_chain.h, appended and made durable.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/ed25519.h"
#include "crypto/hash_chain.h"

namespace lodekey::issuer {

// Not thread-safe: the store's writer owns it.
class AuditLog {
 public:
  // Opens or creates `path` (0640, append) and locks it for this process: kConflict
  // ("audit-in-use") when another one has it, so that no two issuers write one log. Finds the head
  // by reading the last complete line; a torn last line (a crash while appending) is cut off, which
  // is safe because the database still holds it. kUntrusted ("audit-corrupt") when the last
  // complete line does not verify, or when what follows it is not the beginning of a line. What is
  // found is made durable.
  static Result<std::unique_ptr<AuditLog>> Open(const std::string& path, crypto::Ed25519Key key);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  // Appends complete lines, which continue the chain up to `head`, and returns after fdatasync. On
  // failure (a full disk) the file is cut back to where it was. kUnavailable ("audit-unavailable"),
  // also when the file was truncated, written to or removed by somebody else.
  Result<void> Append(std::string_view lines, const crypto::ChainHead& head);

  // After the last line that is known to be durable.
  const crypto::ChainHead& head() const { return head_; }
  const crypto::Ed25519Key& key() const { return key_; }

 private:
  AuditLog(std::string path, int fd, crypto::Ed25519Key key);
  Result<void> FindHead();
  Result<void> CutBack();
  Result<void> CheckUntouched() const;

  std::string path_;
  int fd_;
  crypto::Ed25519Key key_;
  crypto::ChainHead head_ = {};
  uint64_t size_ = 0;           // of the lines up to head_
  bool may_be_longer_ = false;  // an append failed, and so did cutting it off
};

}  // namespace lodekey::issuer
