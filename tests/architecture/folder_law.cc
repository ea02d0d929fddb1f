#include "tests/architecture/folder_law.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tests/architecture/include_law.h"

namespace lodekey::test {
namespace {

// "world" are the standard headers that reach a clock, a disk or a thread, "linux" those of the C
// library and the kernel. Pure parts have neither: what they judge is in their arguments.
const std::vector<PartLaw>& Table() {
  static const std::vector<PartLaw> table{
      {"base", {}, {"world"}},
      {"crypto", {}, {"world", "openssl", "sodium"}},
      {"platform", {}, {"world", "linux", "systemd", "toml++", "spdlog"}},
      {"tpm_wire", {"crypto"}, {"tss2-types", "tss2-mu"}},
      {"tpm_device",
       {"tpm_wire", "crypto"},
       {"world", "linux", "openssl", "tss2-types", "tss2-esys", "tss2-tctildr", "tss2-rc"}},
      {"attest", {"crypto", "tpm_wire"}, {}},
      {"attest_collect", {"attest", "tpm_wire", "tpm_device", "platform"}, {"world", "linux"}},
      {"attest_codec", {"attest", "proto"}, {}},
      {"proto", {}, {}},
      {"agent",
       {"crypto", "platform", "tpm_wire", "tpm_device", "attest", "attest_collect", "attest_codec",
        "proto"},
       {"world", "linux", "openssl", "sodium", "systemd", "toml++", "spdlog", "tss2-types",
        "tss2-mu", "tss2-rc", "tss2-esys", "tss2-tctildr", "protobuf", "grpc", "cli11"}},
      {"issuer",
       {"crypto", "platform", "tpm_wire", "attest", "attest_codec", "proto"},
       {"world", "linux", "protobuf", "grpc", "sqlite", "libpq", "cpp-httplib", "nlohmann-json",
        "re2", "cli11"}},
      {"cli",
       {"crypto", "platform", "tpm_wire", "tpm_device", "attest", "attest_collect", "attest_codec",
        "proto"},
       {"world", "linux", "openssl", "sodium", "systemd", "toml++", "spdlog", "tss2-types",
        "tss2-mu", "tss2-rc", "tss2-esys", "tss2-tctildr", "protobuf", "grpc", "cli11",
        "nlohmann-json"}},
      // Tests may include whatever they test it with; PartLaw::Allows… knows.
      {"tests", {}, {}},
  };
  return table;
}

// A header, or with a slash at its end everything below it, and whose it is.
constexpr std::array kParties = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"openssl/", "openssl"},
    {"sodium.h", "sodium"},
    {"sodium/", "sodium"},
    {"tss2/tss2_common.h", "tss2-types"},
    {"tss2/tss2_tpm2_types.h", "tss2-types"},
    {"tss2/tss2_mu.h", "tss2-mu"},
    {"tss2/tss2_rc.h", "tss2-rc"},
    {"tss2/tss2_esys.h", "tss2-esys"},
    {"tss2/tss2_tcti.h", "tss2-esys"},
    {"tss2/tss2_tctildr.h", "tss2-tctildr"},
    {"grpcpp/", "grpc"},
    {"grpc/", "grpc"},
    {"google/protobuf/", "protobuf"},
    {"sqlite3.h", "sqlite"},
    {"libpq-fe.h", "libpq"},
    {"httplib.h", "cpp-httplib"},
    {"nlohmann/", "nlohmann-json"},
    {"re2/", "re2"},
    {"CLI/", "cli11"},
    {"toml++/", "toml++"},
    {"spdlog/", "spdlog"},
    {"systemd/", "systemd"},
    {"fmt/", "fmt"},
    {"gtest/", "gtest"},
    {"gmock/", "gtest"},
    {"benchmark/", "benchmark"},
    {"sys/", "linux"},
    {"linux/", "linux"},
    {"net/", "linux"},
    {"netinet/", "linux"},
    {"arpa/", "linux"},
    {"dirent.h", "linux"},
    {"dlfcn.h", "linux"},
    {"errno.h", "linux"},
    {"fcntl.h", "linux"},
    {"fnmatch.h", "linux"},
    {"glob.h", "linux"},
    {"grp.h", "linux"},
    {"ifaddrs.h", "linux"},
    {"malloc.h", "linux"},
    {"mntent.h", "linux"},
    {"netdb.h", "linux"},
    {"poll.h", "linux"},
    {"pthread.h", "linux"},
    {"pwd.h", "linux"},
    {"sched.h", "linux"},
    {"signal.h", "linux"},
    {"spawn.h", "linux"},
    {"termios.h", "linux"},
    {"time.h", "linux"},
    {"unistd.h", "linux"},
});

constexpr std::array kWorld = std::to_array<std::string_view>(
    {"chrono", "csignal", "cstdio", "ctime", "filesystem", "fstream", "iostream", "thread"});

bool Contains(const std::vector<std::string_view>& list, std::string_view item) {
  return std::ranges::find(list, item) != list.end();
}

}  // namespace

bool PartLaw::AllowsPart(std::string_view other) const {
  return part == "tests" || other == part || other == "base" || Contains(parts, other);
}

bool PartLaw::AllowsParty(std::string_view party) const {
  return part == "tests" || party == "std" || party == "fmt" || Contains(parties, party);
}

const PartLaw* LawOf(std::string_view part) {
  const auto row = std::ranges::find(Table(), part, &PartLaw::part);
  return row == Table().end() ? nullptr : &*row;
}

const std::vector<std::string_view>& KnownFolders() {
  static const std::vector<std::string_view> folders{
      "agent",  "attest",    "base",     "cli",   "cmake",   "crypto", "docs", "examples",
      "issuer", "packaging", "platform", "proto", "systemd", "tests",  "tpm"};
  return folders;
}

std::string_view TestFolder(std::string_view path) {
  static constexpr std::array kFolders = std::to_array<std::string_view>(
      {"agent", "architecture", "attest", "base", "bench", "cli", "contract", "crypto", "e2e",
       "fuzz", "issuer", "platform", "support", "tpm"});
  path.remove_prefix(std::string_view("tests/").size());
  const auto slash = path.find('/');
  const auto folder = slash == path.npos ? std::string_view() : path.substr(0, slash);
  return std::ranges::find(kFolders, folder) == kFolders.end() ? std::string_view() : folder;
}

const std::vector<std::string_view>& WireStems() {
  static const std::vector<std::string_view> stems{
      "attestation", "failure", "make_credential", "pcr", "public_area", "signature", "template"};
  return stems;
}

std::string_view PartyOf(std::string_view header) {
  for (const auto& [pattern, party] : kParties) {
    if (header == pattern || (pattern.ends_with('/') && header.starts_with(pattern))) {
      return party;
    }
  }
  if (std::ranges::find(kWorld, header) != kWorld.end()) {
    return "world";
  }
  return header.find_first_of("./") == header.npos ? "std" : "";
}

}  // namespace lodekey::test
