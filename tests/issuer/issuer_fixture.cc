#include "tests/issuer/issuer_fixture.h"

#include <sstream>
#include <stdexcept>

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "attest/codec.h"
#include "base/handle.h"
#include "issuer/entry_record.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

template <class Response>
std::pair<std::future<Result<Response>>, issuer::Reply<Response>> Awaited() {
  const auto promise = std::make_shared<std::promise<Result<Response>>>();
  return {promise->get_future(),
          [promise](Result<Response> result) { promise->set_value(std::move(result)); }};
}

template <class Response>
std::string AnswerOf(const Result<Response>& result) {
  return result ? Answer(result->verdict()) : std::string(result.error().Name());
}

void FreeDer(unsigned char* der) { OPENSSL_free(der); }

issuer::AuthorityOptions AuthorityOptionsOf(const issuer::IssuerConfig& config,
                                            const std::string& directory) {
  return {.directory = directory + "/ca",
          .trust_domain = config.trust_domain,
          .node_ttl = config.node_ttl,
          .intermediate_ttl = config.intermediate_ttl,
          .root_ttl = config.root_ttl,
          .jwt_key_ttl = config.jwt_key_ttl};
}

}  // namespace

issuer::IssuerConfig DefaultIssuerConfig() {
  return {.trust_domain = kTrustDomain,
          .attest_interval = minutes(10),
          .nonce_slack = seconds(60),
          .challenge_life = seconds(120),
          .node_ttl = hours(1),
          .intermediate_ttl = hours(7 * 24),
          .root_ttl = hours(3650 * 24),
          .jwt_key_ttl = hours(24),
          .enrolments_per_second = 200,
          .enrolments_per_source = 20};
}

IssuerRig::IssuerRig(const AdjustConfig& adjust) : config(DefaultIssuerConfig()) {
  config.state_dir = directory.path();
  if (adjust) adjust(config);
  const issuer::AuthorityOptions options = AuthorityOptionsOf(config, directory.path());
  Must(issuer::Authority::Initialise(options, now));
  auto audit =
      Must(issuer::AuditLog::Open(audit_path(), Must(issuer::Authority::OpenAuditKey(options))));
  database = Must(issuer::OpenSqliteStore({.path = directory.path() + "/issuer.db",
                                           .trust_domain = config.trust_domain,
                                           .now = [this] { return now; }},
                                          std::move(audit)));
  // On the store itself: it waits for its commits.
  authority = Must(issuer::Authority::Open(options, *database, now));
  sealer = std::make_unique<issuer::ChallengeSealer>(Must(authority->OpenChallengeKey()),
                                                     config.trust_domain);
  store = std::make_unique<HeldStore>(*database);
  policy = std::make_unique<issuer::Policy>(Lazily(ShippedWith()));
  context = std::make_unique<issuer::Context>(issuer::Context{.config = config,
                                                              .store = *store,
                                                              .authority = *authority,
                                                              .sealer = *sealer,
                                                              .policy = *policy,
                                                              .roots = {},
                                                              .now = [this] { return now; }});
  inventory = std::make_unique<issuer::Inventory>(*context);
  attestation = std::make_unique<issuer::Attestation>(*context);
  issuance = std::make_unique<issuer::Issuance>(*context);
}

IssuerRig::~IssuerRig() = default;

Result<node::StartEnrolmentResponse> IssuerRig::Start(
    const node::StartEnrolmentRequest& request) const {
  issuer::Strangers strangers(config);
  return issuer::Enroller(*context, strangers).Start(request, kCaller);
}

std::future<Result<node::FinishEnrolmentResponse>> IssuerRig::FinishLater(
    const node::FinishEnrolmentRequest& request) const {
  auto [answer, reply] = Awaited<node::FinishEnrolmentResponse>();
  issuer::Strangers strangers(config);
  issuer::Enroller(*context, strangers).Finish(request, kCaller, std::move(reply));
  return std::move(answer);
}

Result<node::FinishEnrolmentResponse> IssuerRig::Finish(
    const node::FinishEnrolmentRequest& request) const {
  return FinishLater(request).get();
}

std::future<Result<node::AttestResponse>> IssuerRig::AttestLater(
    const crypto::Certificate& peer, const node::AttestRequest& request) const {
  auto [answer, reply] = Awaited<node::AttestResponse>();
  auto proven = attestation->Identify(peer);
  const auto charged = proven ? attestation->Charge(*proven) : Result<void>();
  if (!proven)
    reply(std::unexpected(std::move(proven.error())));
  else if (!charged)
    reply(std::unexpected(charged.error()));
  else
    attestation->Attest(*std::move(proven), request, kCaller.address, std::move(reply));
  return std::move(answer);
}

Result<node::AttestResponse> IssuerRig::Attest(const crypto::Certificate& peer,
                                               const node::AttestRequest& request) const {
  return AttestLater(peer, request).get();
}

std::future<Result<node::IssueResponse>> IssuerRig::IssueLater(
    const crypto::Certificate& peer, const node::IssueRequest& request) const {
  auto [answer, reply] = Awaited<node::IssueResponse>();
  auto proven = attestation->Identify(peer);
  const auto charged = proven ? issuance->Charge(*proven) : Result<void>();
  if (!proven)
    reply(std::unexpected(std::move(proven.error())));
  else if (!charged)
    reply(std::unexpected(charged.error()));
  else
    issuance->Issue(*std::move(proven), request, kCaller.address, std::move(reply));
  return std::move(answer);
}

Result<node::IssueResponse> IssuerRig::Issue(const crypto::Certificate& peer,
                                             const node::IssueRequest& request) const {
  return IssueLater(peer, request).get();
}

void IssuerRig::Choose(const std::string& key, const nlohmann::json& value) {
  choices_[key] = value;
  Decide(ShippedWith(choices_));
}

attest::Entry IssuerRig::Put(const attest::Entry& entry) const {
  attest::Entry stored = entry;
  if (stored.id.empty()) stored.id = issuer::NewEntryId(now + entries_put_++);
  Must(attest::CheckEntry(stored, config.trust_domain));
  Must(database->CommitAndWait(
      [&](issuer::Transaction& transaction) { return transaction.PutEntry(stored); }));
  ++stored.revision;
  return stored;
}

void IssuerRig::Delete(const attest::Entry& entry) const {
  Must(database->CommitAndWait([&](issuer::Transaction& transaction) {
    return transaction.DeleteEntry(entry.id, entry.revision);
  }));
}

Result<node::FinishEnrolmentResponse> IssuerRig::Enrol(Host& host,
                                                       const HostChanges& changes) const {
  node::StartEnrolmentRequest request = host.Start();
  if (changes.start) changes.start(request);
  ASSIGN_OR_RETURN(const node::StartEnrolmentResponse started, Start(request), "start");
  ASSIGN_OR_RETURN(const node::FinishEnrolmentRequest finish, host.Finish(started, changes),
                   "host");
  auto finished = Finish(finish);
  if (finished) host.Take(*finished);
  return finished;
}

Result<node::AttestResponse> IssuerRig::Attest(Host& host, const HostChanges& changes) const {
  auto attested = Attest(host.certificate(), host.Attest(changes));
  if (attested) host.Take(*attested);
  return attested;
}

void IssuerRig::Admit(Host& host, const std::map<std::string, std::string>& labels) const {
  Must(inventory->Allow(host.id(), labels, "uid 0"));
  const std::string answer = Answer(Enrol(host));
  if (answer != "ACCEPTED") throw std::runtime_error("the host is refused: " + answer);
}

tpm::PcrBank IssuerRig::Shown(const Host& host, tpm::PcrMask mask) const {
  const issuer::NodeRecord record = Record(host);
  const tpm::PcrMask wanted = mask == 0 ? inventory->SharedPcrs(record) : mask;
  tpm::PcrBank shown = record.last_pcrs;
  std::erase_if(shown.values, [&](const auto& value) { return (wanted >> value.first & 1) == 0; });
  return shown;
}

issuer::ApprovedPcrs IssuerRig::ApprovePcrs(const Host& host, tpm::PcrMask mask,
                                            bool replace) const {
  return Must(inventory->ApprovePcrs(host.id(), Shown(host, mask), replace, "uid 0"));
}

issuer::ChangedNode IssuerRig::ApproveAk(const Host& host) const {
  return Must(inventory->ApproveAk(host.id(), Record(host).pending_ak->ak_name, "uid 0"));
}

issuer::NodeRecord IssuerRig::Record(const Host& host) const {
  return Must(inventory->Find(host.id()));
}

std::vector<issuer::CredentialRecord> IssuerRig::Credentials(const Host& host) const {
  std::vector<issuer::CredentialRecord> credentials;
  Must(store->Read([&](issuer::View& view) -> Result<void> {
    ASSIGN_OR_RETURN(credentials, view.ListCredentials(host.id(), 1000), "credentials");
    return {};
  }));
  return credentials;
}

std::vector<nlohmann::json> IssuerRig::AuditRecords() const {
  crypto::ChainVerifier verifier(
      Must(issuer::Authority::OpenAuditKey(authority->options())).public_key());
  std::istringstream log(ReadText(audit_path()));
  std::vector<nlohmann::json> records;
  for (std::string line; std::getline(log, line);) {
    const auto read = verifier.Next(line);
    if (!read) {
      ADD_FAILURE() << read.error().text;
      break;
    }
    records.push_back(nlohmann::json::parse(read->record));
  }
  return records;
}

std::vector<std::string> IssuerRig::AuditEvents() const {
  std::vector<std::string> events;
  for (const auto& record : AuditRecords()) events.push_back(record.value("event", ""));
  return events;
}

std::string Answer(const lodekey::verdict::v1::Verdict& verdict) {
  std::string text = lodekey::verdict::v1::Verdict::Outcome_Name(verdict.outcome());
  for (int i = 0; i < verdict.failed_size(); ++i)
    text += (i == 0 ? " " : ",") + verdict.failed(i).code();
  return text;
}

std::string Answer(const Result<node::FinishEnrolmentResponse>& result) { return AnswerOf(result); }
std::string Answer(const Result<node::AttestResponse>& result) { return AnswerOf(result); }
std::string Answer(const Result<node::StartEnrolmentResponse>& result) {
  return result ? "STARTED" : std::string(result.error().Name());
}

Bytes TbsOf(const crypto::Certificate& certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_re_X509_tbs(certificate.x509(), &der);
  const CHandle<unsigned char, &FreeDer> owner(der);
  return {der, der + size};
}

}  // namespace lodekey::test
