// What the tests of the issuer's memory share: files that go away, sample records, and the check
// that audit log and database tell the same story.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attest/entry.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/ed25519.h"
#include "crypto/hash_chain.h"
#include "issuer/audit_log.h"
#include "issuer/node_record.h"
#include "issuer/sqlite_store.h"
#include "issuer/store.h"
#include "tests/support/swtpm_process.h"

namespace lodekey::test {

// 2026-01-01T00:00:00Z and so many milliseconds.
Time At(int64_t milliseconds);

// Always the same key.
crypto::Ed25519Key AuditKey();

// The id of sample node `number`; ascending with it.
issuer::NodeId SampleNodeId(unsigned number);
// Not stored yet, one endorsement key.
issuer::NodeRecord SampleNode(unsigned number);
// With every field set to something that is not its default.
issuer::NodeRecord FullNode(unsigned number);
// Of sample node 1; the serial says the number.
issuer::CredentialRecord SampleCredential(unsigned number);
// A workload's, of sample node 1, resting on sample entry 1.
issuer::CredentialRecord WorkloadCredential(unsigned number);
std::string IssuedRecord(const issuer::CredentialRecord& credential);
// Ascending with the number.
std::string SampleEntryId(unsigned number);
// On sample node 1, not stored yet, with all fields set; the number makes it unlike others.
attest::Entry SampleEntry(unsigned number);
// At issuance, of sample node 1, allowed, at At(number), with an input of at least `input_size`
// bytes that only this number has.
issuer::DecisionRecord SampleDecision(unsigned number, size_t input_size = 0);
// The change that every issuance is: an audit record and a credential.
issuer::Change Issue(const issuer::CredentialRecord& credential);

// A new directory, removed with everything in it.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Where a store's two files are.
struct StoreFiles {
  std::string database;
  std::string log;
  explicit StoreFiles(const std::string& directory)
      : database(directory + "/issuer.db"), log(directory + "/audit.log") {}
  StoreFiles(const std::string& directory, const std::string& log_directory)
      : database(directory + "/issuer.db"), log(log_directory + "/audit.log") {}
};

inline constexpr const char* kTrustDomain = "example.org";

// `path` and `trust_domain` are filled in when they are empty.
Result<std::unique_ptr<issuer::Store>> OpenStore(const StoreFiles& files,
                                                 issuer::SqliteOptions options = {});

void Overwrite(const std::string& path, const std::string& text);

// The lines of a log that verifies from its first to its last byte; fails the test and returns what
// did verify otherwise.
std::vector<crypto::ChainLine> VerifiedLines(const std::string& path);

// Opens the store (which recovers it) and checks that
// - the log verifies and its head is the database's;
// - each credential of sample node 1 is issued or void; an issued one has its line, at its number;
// a
//   void one has its "credential.void" line;
// - each serial of `acknowledged` is issued;
// - another credential, numbered 4,000,000,000, can be issued and then withdrawn from the log's end
//   no more.
void ExpectConsistent(const StoreFiles& files, const std::vector<Bytes>& acknowledged);

}  // namespace lodekey::test
