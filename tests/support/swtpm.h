// A real swtpm with an EK certificate from a CA directory of its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "tests/support/swtpm_process.h"
#include "tests/support/tpm_mux.h"

namespace lodekey::test {

// A directory that disappears with the object.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// The "TPM vendor": one CA directory with its configuration; may set up many TPMs, also at the same
// time. Root and issuing CA are P-256 keys made here: swtpm's own RSA ones take a second.
class TpmVendor {
 public:
  static Result<std::unique_ptr<TpmVendor>> Create(const std::string& directory);
  // Makes the state of a TPM in `state_directory` (swtpm_setup --tpm2 …; without certificates swtpm
  // makes it by itself, ten times as fast), with SHA-1 and SHA-256
  // banks and, unless `certificate` is false, RSA 2048 and P-384 EK certificates and a platform
  // certificate.
  Result<void> SetUp(const std::string& state_directory, const std::string& name,
                     bool certificate = true);
  // PEM of the root and the issuing CA.
  std::string RootPem() const;
  std::string IssuerPem() const;

 private:
  explicit TpmVendor(std::string directory) : directory_(std::move(directory)) {}
  Result<void> WriteConfiguration() const;
  Result<void> MakeCa() const;

  std::string directory_;
};

class Swtpm {
 public:
  // Starts swtpm on `state_directory`, sockets and log in it. Waits until it answers. It dies with
  // the thread that starts it.
  static Result<std::unique_ptr<Swtpm>> Start(const std::string& state_directory);

  std::string tcti() const;         // "swtpm:path=…"
  std::string socket_path() const;  // that path
  // Power off and on: a TPM Reset. State is kept, the NULL seed changes. Orderly (TPM2_Shutdown
  // first), unless another client is connected at that moment.
  Result<void> PowerCycle();
  void Kill();  // the device dies
  Result<void> Restart();
  // One raw command on a connection of its own.
  Result<Bytes> Exchange(ByteView command, int timeout_ms) const;

 private:
  explicit Swtpm(std::string state_directory) : state_directory_(std::move(state_directory)) {}

  std::string state_directory_;
  ChildProcess process_;
};

// A vendor, a TPM with certificates, running: what most tests want. Made anew for each object
// (about half a second, most of it the TPM's search for RSA primes).
struct TestTpm {
  TempDir directory;
  std::unique_ptr<TpmVendor> vendor;
  std::unique_ptr<Swtpm> swtpm;
  std::unique_ptr<TpmMux> mux;
  static std::unique_ptr<TestTpm> Create(
      bool certificate = true);  // GTEST-fails and returns null on error

  // Starts a mux in this process, once, and returns its TCTI: for an agent and other programs at
  // the same time. GTEST-fails and returns an empty string on error.
  std::string MuxTcti();
};

}  // namespace lodekey::test
