#include "agent/unix_attestor.h"

#include <cerrno>
#include <grp.h>
#include <optional>
#include <pwd.h>

#include <fmt/format.h>

#include "agent/executable.h"
#include "base/hex.h"
#include "platform/escape.h"
#include "platform/proc_dir.h"

namespace lodekey::agent {
namespace {

using attest::Grade;
using attest::Selector;
using platform::ProcDir;

constexpr size_t kMostAccountBuffer = size_t{1} << 20;  // a group may have many members

void Add(Attested& attested, std::string name, std::string value) {
  // What no selector can hold (a newline, bytes that are no text) matches no entry.
  if (!platform::IsPrintable(value)) return;
  Selector selector{.type = "unix", .name = std::move(name), .value = std::move(value)};
  if (attest::ParseSelector(attest::FormatSelector(selector)))
    attested.selectors.push_back({std::move(selector), Grade::kObserved});
}

// getpwuid_r and getgrgid_r alike; nullopt when there is no such account or no answer.
template <class Entry, class Id>
std::optional<std::string> AccountName(int (*look_up)(Id, Entry*, char*, size_t, Entry**), Id id,
                                       char* Entry::* name) {
  for (size_t size = 1024; size <= kMostAccountBuffer; size *= 2) {
    std::string buffer(size, '\0');
    Entry entry = {};
    Entry* found = nullptr;
    const int problem = look_up(id, &entry, buffer.data(), buffer.size(), &found);
    if (problem == ERANGE) continue;
    if (problem != 0 || found == nullptr) return {};
    return std::string(found->*name);
  }
  return {};
}

std::optional<std::string> UserName(uid_t uid) {
  return AccountName(::getpwuid_r, uid, &passwd::pw_name);
}
std::optional<std::string> GroupName(gid_t gid) {
  return AccountName(::getgrgid_r, gid, &group::gr_name);
}

void AddAccounts(const platform::Peer& peer, Attested& attested) {
  Add(attested, "uid", std::to_string(peer.uid));
  if (auto user = UserName(peer.uid)) Add(attested, "user", *std::move(user));
  Add(attested, "gid", std::to_string(peer.gid));
  if (auto name = GroupName(peer.gid)) Add(attested, "group", *std::move(name));
  if (peer.has_more_groups) {
    attested.remarks.push_back(fmt::format(
        "Its supplementary groups are not given: there are more than {}.", platform::kMostGroups));
  }
  for (const gid_t gid : peer.groups) {
    Add(attested, "supplementary_gid", std::to_string(gid));
    if (auto name = GroupName(gid)) Add(attested, "supplementary_group", *std::move(name));
  }
}

Result<bool> SharesPidNamespace(const ProcDir& process) {
  ASSIGN_OR_RETURN(const std::string theirs, process.ReadLink("ns/pid"), "namespace");
  ASSIGN_OR_RETURN(const ProcDir self, ProcDir::OpenOwn(), "namespace");
  ASSIGN_OR_RETURN(const std::string ours, self.ReadLink("ns/pid"), "namespace");
  return theirs == ours;
}

}  // namespace

Result<Attested> UnixAttestor::Attest(const CallingProcess& caller, const Wanted& wanted) {
  Attested attested;
  ASSIGN_OR_RETURN(const ProcDir process, ProcDir::Open(caller.peer->pid, caller.peer->pidfd),
                   "unix attestor");
  ASSIGN_OR_RETURN(const bool host, SharesPidNamespace(process), "unix attestor");
  if (!host) {
    attested.remarks.push_back(
        "It runs in a PID namespace of its own: its user ids are not taken for those of the host.");
    return attested;
  }
  AddAccounts(*caller.peer, attested);
  RETURN_IF_ERROR(AddExecutable(process, caller, wanted, attested), "unix attestor");
  return attested;
}

Result<void> UnixAttestor::AddExecutable(const ProcDir& process, const CallingProcess& caller,
                                         const Wanted& wanted, Attested& attested) {
  ASSIGN_OR_RETURN(const Executable executable, Executable::Open(process), "look at the peer");
  if (executable.id() != caller.snapshot.executable)
    return Fail(Code::kUntrusted, "the peer executes another program than when it connected",
                {.name = "peer-changed"});
  if (!executable.refusal().empty()) {
    attested.remarks.push_back(
        fmt::format("Neither path nor digest of its executable: {}.", executable.refusal()));
    return {};
  }
  ASSIGN_OR_RETURN(std::string path, process.ReadLink("exe"), "executable");
  if (executable.IsAt(path)) {
    Add(attested, "path", std::move(path));
  } else {
    attested.remarks.push_back(fmt::format(
        "Its path is not given: {} is not the file that runs (deleted, replaced, or of another "
        "mount namespace).",
        platform::EscapeControl(path)));
  }
  if (!wanted.executable_digest) return {};
  ASSIGN_OR_RETURN(const platform::UniqueFd file, executable.Read(), "executable");
  ASSIGN_OR_RETURN(const auto digest, digests_.Of(file), "executable");
  if (digest) {
    Add(attested, "sha256", ToHex(*digest));
  } else {
    attested.remarks.push_back(
        "No digest can be vouched for: the executable is above 1 GiB, or being written.");
  }
  return {};
}

}  // namespace lodekey::agent
