#include "issuer/run.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

#include <fmt/format.h>

#include "crypto/tls_policy.h"
#include "issuer/audit_check.h"
#include "issuer/audit_log.h"
#include "issuer/audit_record.h"
#include "issuer/context.h"
#include "issuer/housekeeping.h"
#include "issuer/policy_mark.h"
#include "issuer/policy_trust.h"
#include "issuer/server.h"
#include "issuer/sqlite_store.h"
#include "platform/clock.h"
#include "platform/file.h"
#include "platform/log.h"
#include "platform/process.h"

namespace lodekey::issuer {
namespace {

constexpr Duration kWake = std::chrono::seconds(60);  // to see what is due

AuthorityOptions AuthorityOptionsOf(const IssuerConfig& config) {
  return {.directory = config.state_dir + "/ca",
          .trust_domain = config.trust_domain,
          .node_ttl = config.node_ttl,
          .intermediate_ttl = config.intermediate_ttl,
          .root_ttl = config.root_ttl,
          .jwt_key_ttl = config.jwt_key_ttl};
}

// Everything that lives as long as the issuer, in the order in which it is opened.
struct Parts {
  std::unique_ptr<Store> store;
  std::unique_ptr<Authority> authority;
  std::unique_ptr<ChallengeSealer> sealer;
  attest::VendorRoots roots;
  attest::DevIdProfile devid;
};

std::string DatabasePath(const IssuerConfig& config) { return config.state_dir + "/issuer.db"; }
std::string AuditPath(const IssuerConfig& config) { return config.state_dir + "/audit.jsonl"; }

// Whoever has it may open, make and remove what is in the state directory. It is lent, and outlives
// what is done under it.
using StateLock = platform::UniqueFd;

Result<StateLock> Lock(const IssuerConfig& config) {
  auto lock = platform::LockFile(config.state_dir + "/lock");
  if (lock || lock.error().code != Code::kNotFound) return lock;
  return Fail(Code::kNotFound, fmt::format("{} does not exist", config.state_dir),
              {.name = "not-initialised", .advice = "Run: lodekey-issuer init"});
}

Result<Parts> Open(const IssuerConfig& config, const StateLock&) {
  Parts parts;
  const AuthorityOptions options = AuthorityOptionsOf(config);
  ASSIGN_OR_RETURN(auto audit_key, Authority::OpenAuditKey(options), "audit key");
  ASSIGN_OR_RETURN(auto audit, AuditLog::Open(AuditPath(config), std::move(audit_key)),
                   "audit log");
  ASSIGN_OR_RETURN(parts.store,
                   OpenSqliteStore({.path = DatabasePath(config),
                                    .trust_domain = config.trust_domain,
                                    .decision_bytes = config.decision_bytes},
                                   std::move(audit)),
                   "database");
  ASSIGN_OR_RETURN(parts.authority, Authority::Open(options, *parts.store, platform::Now()),
                   "authorities");
  ASSIGN_OR_RETURN(auto challenge_key, parts.authority->OpenChallengeKey(), "challenge key");
  parts.sealer = std::make_unique<ChallengeSealer>(std::move(challenge_key), config.trust_domain);
  ASSIGN_OR_RETURN(parts.roots.hardware, LoadRoots(config.vendor_roots), "vendor roots");
  ASSIGN_OR_RETURN(parts.roots.emulators, LoadRoots(config.emulator_roots), "emulator roots");
  ASSIGN_OR_RETURN(parts.devid.roots, LoadRoots(config.devid_roots), "roots of DevIDs");
  parts.devid.usages = config.devid_usage;
  return parts;
}

// That the policy of the database is the newest that was taken of its signers.
Result<void> CheckTaken(const IssuerConfig& config, const std::optional<PolicyRecord>& applied) {
  const PolicyMark mark(config.state_dir);
  ASSIGN_OR_RETURN(const PolicyMark::Taken newest, mark.Read(), "version");
  RETURN_IF_ERROR(CheckStoredPolicy(applied, config.policy_signers, newest),
                  fmt::format("version {}", applied ? applied->version : 0));
  if (!applied) return {};
  // The issuer may have ended between the database and this.
  return mark.Raise({.version = applied->signed_version, .digest = applied->digest});
}

// The policy that was applied last, or the shipped one where none was. One that does not load (any
// more) is never replaced by another: what it denies, another might allow.
Result<std::shared_ptr<const LoadedPolicy>> OpenPolicy(const IssuerConfig& config, Store& store) {
  std::optional<PolicyRecord> applied;
  RETURN_IF_ERROR(store.Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(applied, view.CurrentPolicy(), "find the policy");
    return {};
  }),
                  "policy");
  if (!config.policy_signers.empty()) RETURN_IF_ERROR(CheckTaken(config, applied), "policy");
  if (!applied) return LoadPolicy(0, ShippedPolicy(), {});
  auto bundle = DecodeBundle(applied->content);
  auto loaded =
      bundle
          ? LoadPolicy(applied->version, *bundle, {})
          : Result<std::shared_ptr<const LoadedPolicy>>(std::unexpected(std::move(bundle.error())));
  if (loaded || loaded.error().code == Code::kUnavailable) return loaded;
  Error error = std::move(loaded.error());
  error.advice =
      "This issuer does not take the policy that was applied last, and takes no other in "
      "its place. Start the version of lodekey-issuer that took it, apply a policy that "
      "both take ('lodekey policy check'), then start this one.";
  return std::unexpected(
      std::move(error).Wrapped(fmt::format("policy version {}", applied->version)));
}

// The first version.
Result<void> ApplyFirst(const IssuerConfig& config, Store& store, const PolicyBundle& bundle,
                        Time now) {
  RETURN_IF_ERROR(CheckPolicySignature(bundle, std::nullopt, config.policy_signers), "policy");
  ASSIGN_OR_RETURN(const auto loaded, LoadPolicy(1, bundle, {}), "policy");
  const PolicyRecord record{.version = 1,
                            .digest = ToBytes(attest::BundleDigest(bundle)),
                            .content = EncodeBundle(bundle),
                            .applied = now,
                            .applied_by = fmt::format("uid {}", getuid()),
                            .note = "lodekey-issuer init",
                            .allows_all = loaded->allows_all};
  const auto applied = store.CommitAndWait([&](Transaction& transaction) -> Result<void> {
    RETURN_IF_ERROR(transaction.PutPolicy(record), "store the policy");
    transaction.Audit(PolicyAuditRecord(record, record.applied_by));
    return {};
  });
  if (!applied) return std::unexpected(applied.error());
  return {};
}

// What init shows of the keys it made; makes database and audit log.
Result<Initialised> Show(const IssuerConfig& config, const std::optional<PolicyBundle>& policy,
                         const StateLock& lock) {
  ASSIGN_OR_RETURN(const Parts parts, Open(config, lock), "open what was made");
  if (policy) RETURN_IF_ERROR(ApplyFirst(config, *parts.store, *policy, platform::Now()), "policy");
  ASSIGN_OR_RETURN(const auto audit_key, Authority::OpenAuditKey(parts.authority->options()),
                   "audit key");
  return Initialised{.pin = parts.authority->Pin(), .audit_key = ToHex(audit_key.public_key())};
}

// A database or an audit log without their keys are those of another issuer.
Result<void> CheckNew(const IssuerConfig& config) {
  for (const std::string& path : {DatabasePath(config), AuditPath(config)}) {
    if (!std::filesystem::exists(path)) continue;
    return Fail(Code::kConflict, fmt::format("{} is there already", path),
                {.name = "already-initialised",
                 .advice = "Nothing was changed. To begin anew, move the state directory away."});
  }
  return {};
}

// Nobody has seen the keys, and nothing stands on them: the next init makes others, and does not
// find half an issuer.
void TakeBack(const IssuerConfig& config, const StateLock&) {
  Authority::Abandon(AuthorityOptionsOf(config));
  std::error_code kept;  // named by the init that meets it
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(DatabasePath(config) + suffix, kept);
  std::filesystem::remove(AuditPath(config), kept);
}

void LogAllowsAll(const LoadedPolicy& policy) {
  platform::LogEvent(
      platform::LogLevel::kWarning,
      "the policy allows what nobody may be given, and says so (lodekey.unsafe_allow_all)",
      {{"policy", std::to_string(policy.version)},
       {"advice", "For a test system alone. To end it: lodekey policy apply DIR"}});
}

void LogFailure(const std::string& what, const Result<void>& done) {
  if (done) return;
  platform::LogEvent(platform::LogLevel::kError, what,
                     {{"reason", done.error().text}, {"advice", done.error().advice}});
}

void RenewCertificates(const Parts& parts, Server& server) {
  const Time now = platform::Now();
  LogFailure("the intermediate could not be renewed", parts.authority->Refresh(now));
  LogFailure("the server certificate could not be renewed", server.Refresh(now));
}

// Until SIGTERM or SIGINT.
void KeepHouse(platform::SignalWaiter& signals, const Parts& parts, Server& server,
               const Retention& retention) {
  Housekeeping housekeeping(*parts.store, retention);
  for (;;) {
    RenewCertificates(parts, server);
    const auto more = housekeeping.Step(platform::Now(), platform::Uptime());
    if (!more) LogFailure("housekeeping failed", std::unexpected(more.error()));
    const auto signal = signals.Wait(more.value_or(false) ? Duration::zero() : kWake);
    if (signal == SIGTERM || signal == SIGINT) return;
  }
}

}  // namespace

Result<void> Run(const IssuerConfig& config) {
  ASSIGN_OR_RETURN(platform::SignalWaiter signals, platform::SignalWaiter::Create(), "signals");
  // gRPC would log each handshake of a stranger in words of its own; GRPC_VERBOSITY asks for them.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  RETURN_IF_ERROR(platform::RaiseFileLimit(), "limits");
  RETURN_IF_ERROR(crypto::RequireFullTls13Handshakes(), "TLS");
  ASSIGN_OR_RETURN(const StateLock lock, Lock(config), "state directory");
  ASSIGN_OR_RETURN(Parts parts, Open(config, lock), "open the issuer");
  ASSIGN_OR_RETURN(auto loaded, OpenPolicy(config, *parts.store), "open the issuer");
  Policy policy(std::move(loaded));
  Context context{.config = config,
                  .store = *parts.store,
                  .authority = *parts.authority,
                  .sealer = *parts.sealer,
                  .policy = policy,
                  .roots = std::move(parts.roots),
                  .now = platform::Now,
                  .devid = std::move(parts.devid)};
  ASSIGN_OR_RETURN(const auto server, Server::Start(context), "start the issuer");
  if (policy.Current()->allows_all) LogAllowsAll(*policy.Current());
  platform::LogEvent(platform::LogLevel::kInfo, "lodekey-issuer is serving",
                     {{"trust_domain", config.trust_domain},
                      {"policy", std::to_string(policy.Current()->version)},
                      {"listen", fmt::format("{}:{}", config.listen.host, server->port())},
                      {"admin_socket", config.admin_socket},
                      {"pin", parts.authority->Pin()}});
  platform::NotifyReady("serving");
  KeepHouse(signals, parts, *server, config.retention);
  platform::NotifyStopping();
  platform::LogEvent(platform::LogLevel::kInfo, "lodekey-issuer stops");
  return {};
}

Result<Initialised> Init(const IssuerConfig& config, const std::optional<PolicyBundle>& policy) {
  RETURN_IF_ERROR(platform::MakeDirectory(config.state_dir, 0700), "state directory");
  ASSIGN_OR_RETURN(const StateLock lock, Lock(config), "state directory");
  RETURN_IF_ERROR(CheckNew(config), "state directory");
  RETURN_IF_ERROR(Authority::Initialise(AuthorityOptionsOf(config), platform::Now()),
                  "authorities");
  auto initialised = Show(config, policy, lock);
  if (!initialised) TakeBack(config, lock);
  return initialised;
}

Result<void> Check(const IssuerConfig& config) {
  ASSIGN_OR_RETURN(const StateLock lock, Lock(config), "state directory");
  ASSIGN_OR_RETURN(const Parts parts, Open(config, lock), "check");
  ASSIGN_OR_RETURN(const auto audit_key, Authority::OpenAuditKey(parts.authority->options()),
                   "audit key");
  ASSIGN_OR_RETURN(const auto policy, OpenPolicy(config, *parts.store), "check");
  if (policy->allows_all) LogAllowsAll(*policy);
  crypto::ChainHead head;
  RETURN_IF_ERROR(parts.store->Read([&](View& view) -> Result<void> {
    ASSIGN_OR_RETURN(head, view.AuditHead(), "head of the chain");
    return {};
  }),
                  "check");
  return CheckAuditLog(AuditPath(config), audit_key.public_key(), head);
}

}  // namespace lodekey::issuer
