#include "tests/issuer/store_fixture.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/writer.h"
#include "crypto/digest.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::CredentialRecord;
using issuer::CredentialState;

constexpr unsigned kNewCredential = 4'000'000'000;

Bytes Filled(size_t size, uint8_t value) { return Bytes(size, value); }

tpm::PcrBank SampleBank(crypto::HashAlg alg, uint8_t first) {
  return {.alg = alg,
          .values = {{0, Filled(crypto::DigestSize(alg), first)},
                     {23, Filled(crypto::DigestSize(alg), static_cast<uint8_t>(first + 1))}}};
}

void ExpectRecorded(const CredentialRecord& credential,
                    const std::vector<crypto::ChainLine>& lines) {
  ASSERT_GE(credential.audit_seq, 1U);
  ASSERT_LE(credential.audit_seq, lines.size());
  const auto record = nlohmann::json::parse(lines[credential.audit_seq - 1].record);
  EXPECT_EQ(record.value("event", ""), "credential.issued");
  EXPECT_EQ(record.value("serial", ""), ToHex(credential.serial));
}

std::set<std::string> VoidedSerials(const std::vector<crypto::ChainLine>& lines) {
  std::set<std::string> serials;
  for (const crypto::ChainLine& line : lines) {
    const auto record = nlohmann::json::parse(line.record);
    if (record.value("event", "") != "credential.void") continue;
    EXPECT_TRUE(serials.insert(record.value("serial", "")).second) << "voided twice";
  }
  return serials;
}

void ExpectCredentialsMatch(const std::vector<CredentialRecord>& credentials,
                            const std::vector<crypto::ChainLine>& lines) {
  const std::set<std::string> voided = VoidedSerials(lines);
  for (const CredentialRecord& credential : credentials) {
    const std::string serial = ToHex(credential.serial);
    EXPECT_NE(credential.state, CredentialState::kPending) << serial;
    EXPECT_EQ(credential.state == CredentialState::kVoid, voided.contains(serial)) << serial;
    ExpectRecorded(credential, lines);
  }
}

}  // namespace

Time At(int64_t milliseconds) {
  return Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)) + Duration(milliseconds);
}

crypto::Ed25519Key AuditKey() {
  return Must(crypto::Ed25519Key::FromSeed(crypto::Secret::Copy(Filled(32, 0x5a))));
}

issuer::NodeId SampleNodeId(unsigned number) { return fmt::format("{:064x}", number); }

issuer::NodeRecord SampleNode(unsigned number) {
  return {.id = SampleNodeId(number),
          .created = At(1),
          .updated = At(2),
          .ek_hashes = {SampleNodeId(number)}};
}

issuer::NodeRecord FullNode(unsigned number) {
  issuer::NodeRecord node = SampleNode(number);
  node.standing = issuer::Standing::kActive;
  node.labels = {{"group", "edge"}, {"owner", "M\xc3\xbcller"}, {"site", ""}};
  node.ek_hashes.push_back(SampleNodeId(number + 1'000'000));
  node.enrolment = issuer::Enrolment{
      .ek_public = Filled(122, 1),
      .ak_public = Filled(90, 2),
      .node_key_public = Filled(88, 3),
      .enrolled = At(3),
      .assurance = "hardware",
      .firmware_version = 0xfedcba9876543210,
      .clock = {.clock = uint64_t{1} << 63, .reset_count = 7, .restart_count = 8, .safe = true},
      .evidence_time = At(4),
      .pcrs = SampleBank(crypto::HashAlg::kSha384, 9),
      .static_pcrs = SampleBank(crypto::HashAlg::kSha1, 11),
      .boot_log_digest = Filled(32, 13),
      .ledger_pcr = 14,
      .ledger = Filled(300, 15),
      .ima_bytes = 12345,
      .serial = Filled(20, 16),
      .not_after = At(5),
      .facts = {{.name = "boot-log", .value = "absent", .grade = attest::Grade::kRecorded},
                {.name = "reset-count", .value = "7", .grade = attest::Grade::kProved}}};
  node.nonces = {{.value = Filled(32, 17),
                  .made = At(6),
                  .expires = At(7),
                  .request_digest = Filled(32, 18),
                  .reply = Filled(500, 0)},
                 {.value = Filled(32, 19), .made = At(8), .expires = At(9)}};
  node.approved_ak = Filled(34, 20);
  node.pending_ak = issuer::PendingAk{.ak_name = Filled(50, 21), .seen = At(10)};
  node.last_verdict = R"({"accepted":true})";
  node.last_pcrs = SampleBank(crypto::HashAlg::kSha512, 22);
  node.last_seen = At(11);
  node.reset_count_decreased = At(12);
  node.shown = {{"assurance", "hardware"}, {"source", "192.0.2.7"}};
  node.devid = ToBytes(crypto::Sha256(AsBytes(node.id)));
  node.devid_name = "CN=host,SERIAL=17";
  return node;
}

CredentialRecord SampleCredential(unsigned number) {
  return {.serial = std::move(Writer().U8(1).U32Be(number)).Finish(),
          .node = SampleNodeId(1),
          .spiffe_id = "spiffe://example.org/node/" + SampleNodeId(1),
          .not_before = At(100),
          .not_after = At(200),
          .tbs_digest = Filled(32, 0x77),
          .evidence_time = At(90)};
}

CredentialRecord WorkloadCredential(unsigned number) {
  CredentialRecord credential = SampleCredential(number);
  credential.spiffe_id = SampleEntry(1).spiffe_id;
  credential.kind = issuer::CredentialKind::kX509;
  credential.entry = SampleEntryId(1);
  return credential;
}

std::string SampleEntryId(unsigned number) {
  return fmt::format("0190b2c4-0000-7000-8000-{:012x}", number);
}

attest::Entry SampleEntry(unsigned number) {
  return {.id = SampleEntryId(number),
          .spiffe_id = fmt::format("spiffe://example.org/web/{}", number),
          .scope = {.nodes = {SampleNodeId(1)}, .labels = {{"site", "berlin"}}},
          .selectors = {Must(attest::ParseSelector("unix:uid:1000")),
                        Must(attest::ParseSelector("unix:path:/usr/bin/web"))},
          .x509_ttl = std::chrono::minutes(30),
          .jwt_ttl = std::chrono::minutes(1),
          .dns_names = {"web", "web-1.example.org"},
          .common_name = "web",
          .hint = "internal",
          .jwt_audiences = {"spiffe://example.org/db", "vault"},
          .owner = "web team",
          .expires = At(1'000'000),
          .prefetch = true};
}

issuer::DecisionRecord SampleDecision(unsigned number, size_t input_size) {
  issuer::DecisionRecord record{.decided = At(number),
                                .point = "issuance",
                                .node = SampleNodeId(1),
                                .entry = SampleEntryId(1),
                                .allowed = true,
                                .outcome = "outcome",
                                .input_digest = {},
                                .input = fmt::format(R"({{"number":{}}})", number)};
  if (record.input.size() < input_size) record.input.resize(input_size, ' ');
  record.input_digest = ToBytes(crypto::Sha256(AsBytes(record.input)));
  return record;
}

std::string IssuedRecord(const CredentialRecord& credential) {
  return fmt::format(R"({{"event":"credential.issued","serial":"{}"}})", ToHex(credential.serial));
}

issuer::Change Issue(const CredentialRecord& credential) {
  return [credential](issuer::Transaction& transaction) {
    transaction.Audit(IssuedRecord(credential));
    return transaction.PutCredential(credential);
  };
}

ScratchDirectory::ScratchDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "lodekey-store-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a directory");
  path_ = std::move(name);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Result<std::unique_ptr<issuer::Store>> OpenStore(const StoreFiles& files,
                                                 issuer::SqliteOptions options) {
  if (options.path.empty()) options.path = files.database;
  if (options.trust_domain.empty()) options.trust_domain = kTrustDomain;
  if (!options.now) options.now = [] { return At(0); };
  ASSIGN_OR_RETURN(auto log, issuer::AuditLog::Open(files.log, AuditKey()), "open the audit log");
  return issuer::OpenSqliteStore(std::move(options), std::move(log));
}

void Overwrite(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

std::vector<crypto::ChainLine> VerifiedLines(const std::string& path) {
  const std::string text = ReadText(path);
  std::vector<crypto::ChainLine> lines;
  crypto::ChainVerifier verifier(AuditKey().public_key());
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    auto line = verifier.Next(std::string_view(text).substr(begin, end - begin));
    if (!line) {
      ADD_FAILURE() << line.error().text;
      return lines;
    }
    lines.push_back(*std::move(line));
    begin = end + 1;
  }
  EXPECT_EQ(begin, text.size()) << "the last line is not complete";
  return lines;
}

void ExpectConsistent(const StoreFiles& files, const std::vector<Bytes>& acknowledged) {
  auto opened = OpenStore(files);
  ASSERT_TRUE(opened) << opened.error().text;
  issuer::Store& store = **opened;
  const auto lines = VerifiedLines(files.log);

  Must(store.Read([&](issuer::View& view) -> Result<void> {
    const auto head = Must(view.AuditHead());
    EXPECT_EQ(head, lines.empty() ? crypto::ChainHead() : lines.back().head);
    const auto all = Must(view.ListCredentials(SampleNodeId(1), 1'000'000));
    ExpectCredentialsMatch(all, lines);
    for (const Bytes& serial : acknowledged) {
      const auto credential = Must(view.FindCredential(serial));
      EXPECT_TRUE(credential && credential->state == CredentialState::kIssued) << ToHex(serial);
    }
    return {};
  }));

  const auto more = store.CommitAndWait([](issuer::Transaction& transaction) -> Result<void> {
    const auto known = Must(transaction.FindNode(SampleNodeId(1)));
    return known ? Result<void>() : transaction.PutNode(SampleNode(1));
  });
  ASSERT_TRUE(more) << more.error().text;
  const auto head = store.CommitAndWait(Issue(SampleCredential(kNewCredential)));
  ASSERT_TRUE(head) << head.error().text;
  EXPECT_EQ(VerifiedLines(files.log).back().head, *head);
}

}  // namespace lodekey::test
