#include "tests/agent/fake_issuer.h"

#include <utility>

#include "attest/codec.h"
#include "attest/entry_codec.h"
#include "crypto/certificate_builder.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

namespace node = lodekey::node::v1;
using std::chrono::hours;

attest::Selector Uid(int uid) {
  return {.type = "unix", .name = "uid", .value = std::to_string(uid)};
}

crypto::Certificate SelfSigned(const crypto::PrivateKey& key, Time now) {
  return Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                       .common_name = "fake issuer",
                                       .not_before = now - hours(1),
                                       .not_after = now + hours(24 * 365),
                                       .uri_sans = {"spiffe://example.org"},
                                       .ca = true},
                                      key.public_key(), nullptr, key));
}

std::unexpected<Error> NotAsked() { return Fail(Code::kInternal, "the test expects no such call"); }

}  // namespace

class FakeIssuer::Stream final : public EntryStream {
 public:
  Stream(std::shared_ptr<Streams> streams, size_t number)
      : streams_(std::move(streams)), number_(number) {}
  ~Stream() override {
    const std::scoped_lock lock(streams_->mutex);
    streams_->open.erase(number_);
  }

 private:
  std::shared_ptr<Streams> streams_;
  size_t number_;
};

FakeIssuer::FakeIssuer(std::function<Time()> now)
    : now_(std::move(now)),
      key_(Must(crypto::PrivateKey::GenerateEc(crypto::Curve::kP256))),
      root_(std::make_shared<const crypto::Certificate>(SelfSigned(key_, now_()))) {}

attest::Entry FakeIssuer::EntryOf(const std::string& id, int uid, uint64_t revision) {
  return {.id = id,
          .revision = revision,
          .spiffe_id = "spiffe://example.org/" + id,
          .selectors = {Uid(uid)},
          .jwt_audiences = {"*"}};
}

node::EntrySet FakeIssuer::Message(const std::vector<attest::Entry>& entries,
                                   uint64_t sequence) const {
  node::EntrySet message;
  for (const attest::Entry& entry : entries) *message.add_entries() = attest::EncodeEntry(entry);
  message.mutable_bundle()->set_sequence(sequence);
  message.mutable_bundle()->add_roots(attest::ToField(root_->der()));
  return message;
}

void FakeIssuer::Push(const std::vector<attest::Entry>& entries, uint64_t sequence) {
  Push(Message(entries, sequence));
}

void FakeIssuer::Push(const node::EntrySet& message) {
  std::vector<EntryListener> listeners;
  {
    const std::scoped_lock lock(streams_->mutex);
    for (const auto& [number, listener] : streams_->open) listeners.push_back(listener);
  }
  for (const EntryListener& listener : listeners) listener.entries(message);
}

void FakeIssuer::End(const Error& error) {
  std::map<size_t, EntryListener> ended;
  {
    const std::scoped_lock lock(streams_->mutex);
    ended.swap(streams_->open);
  }
  for (const auto& [number, listener] : ended) listener.ended(error);
}

size_t FakeIssuer::open_streams() const {
  const std::scoped_lock lock(streams_->mutex);
  return streams_->open.size();
}

size_t FakeIssuer::opened_streams() const {
  const std::scoped_lock lock(streams_->mutex);
  return streams_->opened;
}

Result<node::StartEnrolmentResponse> FakeIssuer::StartEnrolment(
    const node::StartEnrolmentRequest&) {
  return NotAsked();
}
Result<node::FinishEnrolmentResponse> FakeIssuer::FinishEnrolment(
    const node::FinishEnrolmentRequest&) {
  return NotAsked();
}
Result<node::AttestResponse> FakeIssuer::Attest(const node::AttestRequest&) { return NotAsked(); }

Result<std::unique_ptr<agent::IssuerClient::EntryStream>> FakeIssuer::WatchEntries(
    EntryListener listener) {
  if (unreachable) return std::unexpected(*unreachable);
  const std::scoped_lock lock(streams_->mutex);
  const size_t number = ++streams_->opened;
  streams_->open.emplace(number, std::move(listener));
  return std::make_unique<Stream>(streams_, number);
}

Result<node::IssueResponse> FakeIssuer::Issue(const node::IssueRequest& request) {
  requests.push_back(request);
  before_answer();
  if (unreachable) return std::unexpected(*unreachable);
  node::IssueResponse response;
  for (const auto& item : request.items()) *response.add_outcomes() = Answer(item);
  return response;
}

node::IssueOutcome FakeIssuer::Answer(const node::IssueItem& item) {
  const auto set = outcomes.find(item.entry_id());
  if (set != outcomes.end()) return set->second;
  node::IssueOutcome outcome;
  if (item.has_jwt()) {
    auto& jwt = *outcome.mutable_jwt();
    jwt.set_token("token " + std::to_string(++tokens_));
    jwt.set_issued_unix_ms(now_().time_since_epoch().count());
    jwt.set_expires_unix_ms((now_() + jwt_life).time_since_epoch().count());
    return outcome;
  }
  const auto key = Must(crypto::PublicKey::FromSpkiDer(AsBytes(item.x509().public_key())));
  const auto certificate = Must(crypto::SignCertificate({.serial = crypto::RandomSerial(),
                                                         .not_before = now_(),
                                                         .not_after = now_() + x509_life,
                                                         .uri_sans = {SpiffeIdOf(item.entry_id())}},
                                                        key, root_.get(), key_));
  outcome.mutable_x509()->add_certificates(attest::ToField(certificate.der()));
  return outcome;
}

node::IssueOutcome Refused(const std::string& code) {
  node::IssueOutcome outcome;
  outcome.mutable_refused()->set_code(code);
  outcome.mutable_refused()->set_text("the issuer says " + code);
  return outcome;
}

node::IssueOutcome NeedsEvidence() {
  node::IssueOutcome outcome;
  outcome.mutable_needs_evidence()->set_nonce(std::string(32, 'n'));
  outcome.mutable_needs_evidence()->set_nonce_life_ms(30'000);
  return outcome;
}

std::vector<attest::GradedSelector> HeldBy(int uid) { return {{.selector = Uid(uid)}}; }

}  // namespace lodekey::test
