#include "agent/state.h"

#include <utility>

#include <fmt/format.h>

#include "platform/file.h"

namespace lodekey::agent {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kMaxFile = size_t{1} << 20;

std::unexpected<Error> Corrupt(const std::string& path, std::string_view why) {
  return Fail(Code::kUntrusted, fmt::format("{} is damaged: {}", path, why),
              {.name = "state-corrupt",
               .advice = "Restore it from a backup, or move it away: the host then enrols again."});
}

// An absent file is an empty state.
template <class Message>
Result<Message> LoadMessage(const std::string& path) {
  Message message;
  const auto content = platform::ReadFile(path, kMaxFile);
  if (!content && content.error().code == Code::kNotFound) {
    message.set_version(kVersion);
    return message;
  }
  if (!content) return std::unexpected(content.error());
  if (!message.ParseFromArray(content->data(), static_cast<int>(content->size())) ||
      message.version() == 0) {
    return Corrupt(path, "it does not parse");
  }
  if (message.version() > kVersion) {
    return Fail(
        Code::kConflict,
        fmt::format("{} was written by a later version of lodekey (format {})", path,
                    message.version()),
        {.name = "state-newer",
         .advice =
             "Install that version again, or move the file away: the host then enrols again."});
  }
  return message;
}

template <class Message>
Result<void> SaveMessage(const std::string& path, const Message& message) {
  return platform::WriteFileAtomically(path, AsBytes(message.SerializeAsString()), 0600);
}

Result<attest::Ledger> LoadLedger(const std::string& path) {
  const auto content = platform::ReadFile(path, attest::kMaxLedgerSize);
  if (!content && content.error().code == Code::kNotFound) return attest::Ledger{};
  if (!content) return std::unexpected(content.error());
  auto ledger = attest::ParseLedger(*content);
  if (!ledger) return Corrupt(path, ledger.error().text);
  return ledger;
}

}  // namespace

Result<State> State::Open(std::string state_dir, std::string runtime_dir) {
  RETURN_IF_ERROR(platform::MakeDirectory(state_dir, 0700), "state directory");
  RETURN_IF_ERROR(platform::MakeDirectory(runtime_dir, 0755), "runtime directory");
  ASSIGN_OR_RETURN(auto lock, platform::LockFile(state_dir + "/lock"), "state directory");
  State state(std::move(state_dir), std::move(runtime_dir), std::move(lock));
  RETURN_IF_ERROR(state.Load(), "load the agent's state");
  return state;
}

Result<void> State::Load() {
  ASSIGN_OR_RETURN(lasting_, LoadMessage<lodekey::agent::v1::AgentState>(LastingPath()), "state");
  ASSIGN_OR_RETURN(boot_, LoadMessage<lodekey::agent::v1::BootState>(BootPath()),
                   "state of this boot");
  ASSIGN_OR_RETURN(ledger_, LoadLedger(LedgerPath()), "ledger");
  return {};
}

Result<void> State::BelongTo(const std::string& trust_domain) {
  const std::string before = std::exchange(*lasting_.mutable_trust_domain(), trust_domain);
  if (before.empty() || before == trust_domain) return {};
  lasting_.clear_authority();
  lasting_.clear_bundle();
  lasting_.clear_audit_head();
  const std::string node_key_name = boot_.node_key_name();
  boot_.Clear();
  boot_.set_version(kVersion);
  boot_.set_node_key_name(node_key_name);  // it stays, as the claim does: both are of this boot
  RETURN_IF_ERROR(SaveBoot(), "forget the other trust domain");
  return SaveLasting();
}

Result<void> State::SaveLasting() const { return SaveMessage(LastingPath(), lasting_); }
Result<void> State::SaveBoot() const { return SaveMessage(BootPath(), boot_); }
Result<void> State::SaveLedger() const {
  return platform::WriteFileAtomically(LedgerPath(), attest::EncodeLedger(ledger_), 0600);
}

Result<void> State::ForgetBoot() {
  boot_.Clear();
  boot_.set_version(kVersion);
  ledger_.clear();
  RETURN_IF_ERROR(platform::RemoveFile(LedgerPath()), "forget the boot");
  RETURN_IF_ERROR(platform::RemoveFile(NodeKeyPath()), "forget the boot");
  // Last: while it is there, a crash on the way is noticed and all of this done again.
  return platform::RemoveFile(BootPath());
}

}  // namespace lodekey::agent
