#include "tests/support/swtpm.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/reader.h"
#include "crypto/certificate_builder.h"
#include "crypto/private_key.h"
#include "tests/support/unix_socket.h"

namespace lodekey::test {
namespace {

constexpr int kStartTimeoutMs = 20000;
constexpr int kShutdownTimeoutMs = 500;

// TPM2_GetTestResult, TPM2_Shutdown(CLEAR).
constexpr uint8_t kGetTestResult[] = {0x80, 0x01, 0, 0, 0, 0x0a, 0, 0, 0x01, 0x7c};
constexpr uint8_t kShutdownClear[] = {0x80, 0x01, 0, 0, 0, 0x0c, 0, 0, 0x01, 0x45, 0, 0};

constexpr size_t kResponseCodeOffset = 6;

// TPM2_PCR_Allocate by the platform with an empty password: SHA-1 and SHA-256 on, SHA-384 and
// SHA-512 off.
constexpr uint8_t kAllocateBanks[] = {
    0x80, 0x02, 0,    0,    0,    0x37, 0, 0,    0x01, 0x2b,                 // header
    0x40, 0,    0,    0x0c,                                                  // TPM_RH_PLATFORM
    0,    0,    0,    9,    0x40, 0,    0, 0x09, 0,    0,    0,    0,    0,  // authorisation
    0,    0,    0,    4,                                                     // selections
    0,    0x04, 0x03, 0xff, 0xff, 0xff, 0, 0x0b, 0x03, 0xff, 0xff, 0xff,     //
    0,    0x0c, 0x03, 0,    0,    0,    0, 0x0d, 0x03, 0,    0,    0};

// A swtpm that finds no state makes one, with every bank allocated.
Result<void> MakeBareState(const std::string& state_directory) {
  ASSIGN_OR_RETURN(const auto swtpm, Swtpm::Start(state_directory), "make a TPM");
  ASSIGN_OR_RETURN(const Bytes response, swtpm->Exchange(kAllocateBanks, kStartTimeoutMs),
                   "allocate PCR banks");
  Reader reader(response, "response");
  RETURN_IF_ERROR(reader.Take(kResponseCodeOffset), "allocate PCR banks");
  ASSIGN_OR_RETURN(const uint32_t code, reader.U32Be(), "allocate PCR banks");
  if (code != 0) return Fail(Code::kHardware, fmt::format("allocate PCR banks: {:#x}", code));
  RETURN_IF_ERROR(swtpm->Exchange(kShutdownClear, kStartTimeoutMs), "shut down");
  return {};
}

Result<void> WriteKey(const std::string& path, const crypto::PrivateKey& key) {
  ASSIGN_OR_RETURN(const crypto::Secret pem, key.ToPem(), path);
  return WriteText(path, AsText(pem.Reveal()));
}

crypto::CertificateSpec CaSpec(std::string_view name) {
  const Time now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  crypto::CertificateSpec spec;
  spec.serial = crypto::RandomSerial();
  spec.common_name = name;
  spec.not_before = now - std::chrono::hours(24);
  spec.not_after = now + std::chrono::hours(24 * 365);
  spec.ca = true;
  return spec;
}

}  // namespace

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "lodekey-XXXXXX").string();
  const char* made = mkdtemp(pattern.data());
  if (made == nullptr) ADD_FAILURE() << "mkdtemp " << pattern;
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Result<std::unique_ptr<TpmVendor>> TpmVendor::Create(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Fail(Code::kInternal, "make " + directory);
  std::unique_ptr<TpmVendor> vendor(new TpmVendor(directory));
  RETURN_IF_ERROR(vendor->WriteConfiguration(), "TPM vendor");
  RETURN_IF_ERROR(vendor->MakeCa(), "TPM vendor");
  return vendor;
}

Result<void> TpmVendor::WriteConfiguration() const {
  RETURN_IF_ERROR(WriteText(directory_ + "/localca.conf",
                            fmt::format("statedir = {0}\nsigningkey = {0}/signkey.pem\n"
                                        "issuercert = {0}/issuercert.pem\n"
                                        "certserial = {0}/certserial\n",
                                        directory_)),
                  "localca.conf");
  RETURN_IF_ERROR(WriteText(directory_ + "/localca.options",
                            "--platform-manufacturer lodekey\n--platform-version 1.0\n"
                            "--platform-model test\n"),
                  "localca.options");
  return WriteText(directory_ + "/setup.conf",
                   fmt::format("create_certs_tool = /usr/bin/swtpm_localca\n"
                               "create_certs_tool_config = {0}/localca.conf\n"
                               "create_certs_tool_options = {0}/localca.options\n"
                               "active_pcr_banks = sha1,sha256\n",
                               directory_));
}

// swtpm_localca makes a CA of its own only where these files are absent.
Result<void> TpmVendor::MakeCa() const {
  ASSIGN_OR_RETURN(const auto root_key, crypto::PrivateKey::GenerateEc(crypto::Curve::kP256), "CA");
  ASSIGN_OR_RETURN(const auto key, crypto::PrivateKey::GenerateEc(crypto::Curve::kP256), "CA");
  ASSIGN_OR_RETURN(const auto root,
                   crypto::SignCertificate(CaSpec("test TPM root"), root_key.public_key(),
                                           /*issuer=*/nullptr, root_key),
                   "root certificate");
  ASSIGN_OR_RETURN(
      const auto issuer,
      crypto::SignCertificate(CaSpec("test TPM CA"), key.public_key(), &root, root_key),
      "issuing certificate");
  RETURN_IF_ERROR(WriteKey(directory_ + "/swtpm-localca-rootca-privkey.pem", root_key), "CA");
  RETURN_IF_ERROR(WriteKey(directory_ + "/signkey.pem", key), "CA");
  RETURN_IF_ERROR(WriteText(directory_ + "/swtpm-localca-rootca-cert.pem", root.ToPem()), "CA");
  RETURN_IF_ERROR(WriteText(directory_ + "/issuercert.pem", issuer.ToPem()), "CA");
  return WriteText(directory_ + "/certserial", "1");
}

Result<void> TpmVendor::SetUp(const std::string& state_directory, const std::string& name,
                              bool certificate) {
  std::error_code error;
  std::filesystem::create_directories(state_directory, error);
  if (error) return Fail(Code::kInternal, "make " + state_directory);
  if (!certificate) return MakeBareState(state_directory);
  const std::vector<std::string> argv = {"swtpm_setup",      "--tpm2",
                                         "--tpm-state",      state_directory,
                                         "--config",         directory_ + "/setup.conf",
                                         "--vmid",           name,
                                         "--create-ek-cert", "--create-platform-cert",
                                         "--lock-nvram"};
  ASSIGN_OR_RETURN(ChildProcess setup, ChildProcess::Spawn(argv, state_directory + "/setup.log"),
                   "swtpm_setup");
  RETURN_IF_ERROR(setup.Wait(), "swtpm_setup");
  return {};
}

std::string TpmVendor::RootPem() const {
  return ReadText(directory_ + "/swtpm-localca-rootca-cert.pem");
}

std::string TpmVendor::IssuerPem() const { return ReadText(directory_ + "/issuercert.pem"); }

Result<std::unique_ptr<Swtpm>> Swtpm::Start(const std::string& state_directory) {
  std::unique_ptr<Swtpm> swtpm(new Swtpm(state_directory));
  RETURN_IF_ERROR(swtpm->Restart(), "start swtpm");
  return swtpm;
}

std::string Swtpm::socket_path() const { return state_directory_ + "/tpm.sock"; }

std::string Swtpm::tcti() const { return "swtpm:path=" + socket_path(); }

// swtpm is given sockets that listen already: a client that connects before it is up waits in the
// queue.
Result<void> Swtpm::Restart() {
  Kill();
  ASSIGN_OR_RETURN(const Fd server, ListenUnix(socket_path()), "swtpm");
  ASSIGN_OR_RETURN(const Fd control, ListenUnix(socket_path() + ".ctrl"), "swtpm");
  const std::vector<std::string> argv = {"swtpm",
                                         "socket",
                                         "--tpm2",
                                         "--tpmstate",
                                         "dir=" + state_directory_,
                                         "--server",
                                         fmt::format("type=unixio,fd={}", server.get()),
                                         "--ctrl",
                                         fmt::format("type=unixio,fd={}", control.get()),
                                         "--flags",
                                         "not-need-init,startup-clear"};
  ASSIGN_OR_RETURN(
      process_,
      ChildProcess::Spawn(argv, state_directory_ + "/swtpm.log", {server.get(), control.get()}),
      "swtpm");
  RETURN_IF_ERROR(Exchange(kGetTestResult, kStartTimeoutMs), "first answer of swtpm");
  return {};
}

Result<Bytes> Swtpm::Exchange(ByteView command, int timeout_ms) const {
  ASSIGN_OR_RETURN(const Fd fd, ConnectUnix(socket_path()), "swtpm");
  return ExchangeTpm(fd.get(), command, timeout_ms);
}

Result<void> Swtpm::PowerCycle() {
  // Best effort: power may fail at any time on real hosts too.
  static_cast<void>(Exchange(kShutdownClear, kShutdownTimeoutMs));
  return Restart();
}

void Swtpm::Kill() { process_.Kill(); }

std::unique_ptr<TestTpm> TestTpm::Create(bool certificate) {
  auto tpm = std::make_unique<TestTpm>();
  const auto start = [&]() -> Result<void> {
    ASSIGN_OR_RETURN(tpm->vendor, TpmVendor::Create(tpm->directory / "vendor"), "test TPM");
    RETURN_IF_ERROR(tpm->vendor->SetUp(tpm->directory / "tpm", "test", certificate), "test TPM");
    ASSIGN_OR_RETURN(tpm->swtpm, Swtpm::Start(tpm->directory / "tpm"), "test TPM");
    return {};
  };
  if (const Result<void> started = start(); !started) {
    ADD_FAILURE() << started.error().text;
    return nullptr;
  }
  return tpm;
}

std::string TestTpm::MuxTcti() {
  if (mux == nullptr) {
    auto started = TpmMux::Start(swtpm->socket_path(), directory / "mux.sock");
    if (!started) {
      ADD_FAILURE() << started.error().text;
      return "";
    }
    mux = *std::move(started);
  }
  return mux->tcti();
}

}  // namespace lodekey::test
