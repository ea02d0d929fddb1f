#include "issuer/authority.h"

#include <algorithm>

#include <fmt/format.h>

#include "crypto/certificate_builder.h"
#include "issuer/audit_record.h"
#include "issuer/authority_files.h"
#include "platform/file.h"

namespace lodekey::issuer {
namespace {

constexpr std::string_view kRoot = "root";
constexpr std::string_view kIntermediate = "intermediate";
constexpr std::string_view kAuthority = "authority";
constexpr std::string_view kAudit = "audit";
constexpr std::string_view kChallenge = "challenge";

// Hosts judge the server's certificate by their own clock before they know better; it may be
// behind.
constexpr Duration kBackdate = std::chrono::hours(24);
constexpr size_t kMaxCommonName = 64;  // RFC 5280, appendix A; a trust domain may be longer

crypto::CertificateSpec CaSpec(const AuthorityOptions& options, std::string_view what, Time now,
                               Duration life, int path_length) {
  return {.serial = crypto::RandomSerial(),
          .common_name =
              fmt::format("lodekey {} of {}", what, options.trust_domain).substr(0, kMaxCommonName),
          .organization = {},
          .not_before = now - kBackdate,
          .not_after = now + life,
          .ca = true,
          .path_length = path_length};
}

// A self-signed CA with a fresh P-256 key. The certificate is written last: with it the pair counts
// as made.
Result<void> MakeCa(const AuthorityFiles& files, std::string_view name,
                    const crypto::CertificateSpec& spec) {
  ASSIGN_OR_RETURN(const auto key, crypto::PrivateKey::GenerateEc(crypto::Curve::kP256), name);
  ASSIGN_OR_RETURN(const auto certificate,
                   crypto::SignCertificate(spec, key.public_key(), nullptr, key), name);
  RETURN_IF_ERROR(files.WriteKey(name, key), name);
  return files.WriteCertificate(name, certificate);
}

Result<void> CheckPair(const crypto::Certificate& certificate, const crypto::PrivateKey& key,
                       std::string_view name) {
  if (certificate.key() == key.public_key()) return {};
  return Fail(
      Code::kUntrusted, fmt::format("key and certificate of the {} do not belong together", name),
      {.name = "authority-corrupt", .advice = "Restore the issuer's ca directory from a backup."});
}

bool IsValid(const crypto::Certificate& certificate, Time now) {
  return certificate.not_before() <= now && now < certificate.not_after();
}

// A crash between writing key and certificate leaves a pair that does not match: nothing was signed
// with it. One that was made by a clock that ran ahead signs what nobody accepts yet.
bool CanSign(const Signer& signer, const crypto::Certificate& root, Time now) {
  return CheckPair(signer.certificate, signer.key, kIntermediate) &&
         IsValid(signer.certificate, now) && crypto::BuildChain(signer.certificate, {}, {root}, {});
}

Result<void> MakeAll(const AuthorityFiles& files, const AuthorityOptions& options, Time now) {
  ASSIGN_OR_RETURN(const auto audit_key, crypto::Ed25519Key::Generate(), "make the audit key");
  RETURN_IF_ERROR(files.WriteSeed(kAudit, audit_key.seed()), "write the audit key");
  RETURN_IF_ERROR(files.WriteSeed(kChallenge, crypto::Secret::Random(32)),
                  "write the challenge key");
  RETURN_IF_ERROR(
      MakeCa(files, kAuthority, CaSpec(options, "issuer authority", now, options.root_ttl, 0)),
      "make the issuer authority");
  crypto::CertificateSpec root = CaSpec(options, "root", now, options.root_ttl, 1);
  root.uri_sans = {"spiffe://" + options.trust_domain};
  return MakeCa(files, kRoot, root);
}

// Half of its life is over, which what lies before its making is no part of; or it has not begun:
// the clock was ahead when it was made.
bool Due(const crypto::Certificate& certificate, Time now) {
  if (now < certificate.not_before()) return true;
  const Time made = certificate.not_before() + kBackdate;
  return now >= made + (certificate.not_after() - made) / 2;
}

std::unexpected<Error> NotInitialised(const AuthorityOptions& options, std::string_view missing) {
  return Fail(Code::kNotFound, fmt::format("{} holds no {}", options.directory, missing),
              {.name = "not-initialised", .advice = "Run: lodekey-issuer init"});
}

}  // namespace

// What is to be signed for the issuer itself, and by whom.
struct Authority::Certified {
  std::string_view event;
  const crypto::CertificateSpec& spec;
  const crypto::PublicKey& key;
  const crypto::Certificate& ca;
  const crypto::PrivateKey& ca_key;
};

Authority::Authority(AuthorityOptions options, Store& store, crypto::Certificate root,
                     crypto::Certificate authority)
    : options_(std::move(options)),
      store_(store),
      root_(std::move(root)),
      authority_(std::move(authority)) {}

Result<void> Authority::Initialise(const AuthorityOptions& options, Time now) {
  const AuthorityFiles files(options.directory);
  RETURN_IF_ERROR(platform::MakeDirectory(options.directory, 0700), "make the CA directory");
  for (const std::string_view name : {kRoot, kAuthority, kAudit, kChallenge, JwtAuthority::kFile}) {
    ASSIGN_OR_RETURN(const bool has_key, files.HasKey(name), "look for keys");
    ASSIGN_OR_RETURN(const bool has_certificate, files.HasCertificate(name), "look for keys");
    if (!has_key && !has_certificate) continue;
    return Fail(Code::kConflict, fmt::format("{} holds keys already ({})", options.directory, name),
                {.name = "already-initialised",
                 .advice = "Nothing was changed. To begin anew, move the directory away."});
  }
  auto made = MakeAll(files, options, now);
  if (!made) Abandon(options);
  return made;
}

void Authority::Abandon(const AuthorityOptions& options) {
  const AuthorityFiles files(options.directory);
  // The root first: without it nothing opens what is left after a crash on the way.
  for (const std::string_view name :
       {kRoot, kIntermediate, kAuthority, kAudit, kChallenge, JwtAuthority::kFile})
    files.Remove(name);
}

Result<std::unique_ptr<Authority>> Authority::Open(AuthorityOptions options, Store& store,
                                                   Time now) {
  const AuthorityFiles files(options.directory);
  ASSIGN_OR_RETURN(const bool initialised, files.HasCertificate(kRoot), "root");
  if (!initialised) return NotInitialised(options, kRoot);
  ASSIGN_OR_RETURN(auto root, files.ReadCertificate(kRoot), "root");
  ASSIGN_OR_RETURN(auto authority_certificate, files.ReadCertificate(kAuthority),
                   "issuer authority");
  ASSIGN_OR_RETURN(const auto authority_key, files.ReadKey(kAuthority), "issuer authority");
  RETURN_IF_ERROR(CheckPair(authority_certificate, authority_key, kAuthority),
                  "open the authorities");
  ASSIGN_OR_RETURN(const bool has_root_key, files.HasKey(kRoot), "root");
  if (has_root_key) {
    ASSIGN_OR_RETURN(const auto root_key, files.ReadKey(kRoot), "root");
    RETURN_IF_ERROR(CheckPair(root, root_key, kRoot), "open the authorities");
  }
  std::unique_ptr<Authority> authority(
      new Authority(std::move(options), store, std::move(root), std::move(authority_certificate)));
  ASSIGN_OR_RETURN(authority->jwt_,
                   JwtAuthority::Open(files, authority->options_.jwt_key_ttl, store, now),
                   "open the authorities");
  RETURN_IF_ERROR(authority->LoadOrMakeIntermediate(now), "open the intermediate");
  return authority;
}

Result<void> Authority::LoadOrMakeIntermediate(Time now) {
  const AuthorityFiles files(options_.directory);
  ASSIGN_OR_RETURN(const bool made_before, files.HasCertificate(kIntermediate), kIntermediate);
  if (made_before) {
    ASSIGN_OR_RETURN(auto certificate, files.ReadCertificate(kIntermediate), kIntermediate);
    ASSIGN_OR_RETURN(auto key, files.ReadKey(kIntermediate), kIntermediate);
    Signer signer{std::move(certificate), std::move(key)};
    if (CanSign(signer, root_, now))
      signers_.push_back(std::make_shared<Signer>(std::move(signer)));
  }
  // One that is due still signs. Where the root's key is kept elsewhere that is what the issuer
  // lives on until an operator acts.
  if (!signers_.empty()) {
    ASSIGN_OR_RETURN(const bool renewable, HasRootKey(), "root");
    return renewable ? RefreshIntermediate(now) : Result<void>();
  }
  ASSIGN_OR_RETURN(auto made, MakeIntermediate(now), "make an intermediate");
  signers_.push_back(std::move(made));
  return {};
}

Result<std::shared_ptr<const Signer>> Authority::MakeIntermediate(Time now) const {
  const AuthorityFiles files(options_.directory);
  ASSIGN_OR_RETURN(const bool has_root_key, HasRootKey(), "root");
  if (!has_root_key) {
    return Fail(Code::kNotFound, "the root's key is not on this host",
                {.name = "root-key-absent",
                 .advice = "Bring the root's key for the renewal, or install an intermediate that "
                           "the root signed."});
  }
  ASSIGN_OR_RETURN(const auto root_key, files.ReadKey(kRoot), "root");
  RETURN_IF_ERROR(CheckPair(root_, root_key, kRoot), "root");
  ASSIGN_OR_RETURN(auto key, crypto::PrivateKey::GenerateEc(crypto::Curve::kP256), "make a key");
  crypto::CertificateSpec spec =
      CaSpec(options_, "intermediate", now, options_.intermediate_ttl, 0);
  spec.not_after = std::min(spec.not_after, root_.not_after());
  spec.uri_sans = {"spiffe://" + options_.trust_domain};
  ASSIGN_OR_RETURN(auto certificate,
                   SignRecorded({.event = "intermediate.issued",
                                 .spec = spec,
                                 .key = key.public_key(),
                                 .ca = root_,
                                 .ca_key = root_key},
                                now),
                   "sign");
  RETURN_IF_ERROR(files.WriteKey(kIntermediate, key), "store the intermediate");
  RETURN_IF_ERROR(files.WriteCertificate(kIntermediate, certificate), "store the intermediate");
  return std::make_shared<const Signer>(Signer{std::move(certificate), std::move(key)});
}

Result<crypto::Certificate> Authority::SignRecorded(const Certified& certified, Time now) const {
  const std::string record =
      CertificateAuditRecord(certified.event, certified.spec, certified.key, now);
  RETURN_IF_ERROR(store_.CommitAndWait([&](Transaction& transaction) -> Result<void> {
    transaction.Audit(record);
    return {};
  }),
                  "record the certificate");
  return crypto::SignCertificate(certified.spec, certified.key, &certified.ca, certified.ca_key);
}

Result<void> Authority::Refresh(Time now) {
  auto keys = jwt_->Refresh(now);
  RETURN_IF_ERROR(RefreshIntermediate(now), "renew");
  return keys;
}

Result<void> Authority::RefreshIntermediate(Time now) {
  const std::scoped_lock refreshing(refresh_mutex_);
  if (!Due(signer(now)->certificate, now)) return {};
  ASSIGN_OR_RETURN(auto made, MakeIntermediate(now), "renew the intermediate");
  const std::scoped_lock lock(mutex_);
  std::erase_if(signers_,
                [&](const auto& signer) { return signer->certificate.not_after() <= now; });
  signers_.push_back(std::move(made));
  return {};
}

std::shared_ptr<const Signer> Authority::signer(Time now) const {
  const std::scoped_lock lock(mutex_);
  const auto valid = std::find_if(signers_.rbegin(), signers_.rend(), [&](const auto& signer) {
    return IsValid(signer->certificate, now);
  });
  return valid == signers_.rend() ? signers_.back() : *valid;
}

Result<std::vector<crypto::Certificate>> Authority::Sign(const RecordedGrant& grant) const {
  if (grant.kind() == CredentialKind::kJwt)
    return Fail(Code::kInvalidArgument, "what was granted is no certificate");
  std::vector<std::shared_ptr<const Signer>> signers;
  {
    const std::scoped_lock lock(mutex_);
    signers = signers_;
  }
  // The bytes name their issuer; the intermediate may have been renewed since they were recorded.
  for (auto it = signers.rbegin(); it != signers.rend(); ++it) {
    ASSIGN_OR_RETURN(
        const Bytes signature,
        (*it)->key.Sign(crypto::SignatureScheme::kEcdsa, crypto::HashAlg::kSha256, grant.tbs()),
        "sign");
    ASSIGN_OR_RETURN(auto leaf, crypto::AssembleCertificate(grant.tbs(), signature), "assemble");
    if (!leaf.NamesIssuer((*it)->certificate)) continue;
    return std::vector<crypto::Certificate>{std::move(leaf), (*it)->certificate};
  }
  return Fail(Code::kUnavailable, "the intermediate that was to sign is gone",
              {.name = "authority-expired", .advice = "The agent asks again by itself."});
}

Result<ServerIdentity> Authority::MakeServerIdentity(Time now, Duration life) const {
  const AuthorityFiles files(options_.directory);
  ASSIGN_OR_RETURN(const auto authority_key, files.ReadKey(kAuthority), "issuer authority");
  ASSIGN_OR_RETURN(const auto key, crypto::PrivateKey::GenerateEc(crypto::Curve::kP256),
                   "make a server key");
  const crypto::CertificateSpec spec{
      .serial = crypto::RandomSerial(),
      .common_name = "lodekey issuer",
      .organization = {},
      .not_before = now - kBackdate,
      .not_after = std::min(now + life, authority_.not_after()),
      .uri_sans = {fmt::format("spiffe://{}/lodekey/issuer", options_.trust_domain)},
      .server_auth = true};
  ASSIGN_OR_RETURN(const auto certificate,
                   SignRecorded({.event = "server-certificate.issued",
                                 .spec = spec,
                                 .key = key.public_key(),
                                 .ca = authority_,
                                 .ca_key = authority_key},
                                now),
                   "sign the server certificate");
  ASSIGN_OR_RETURN(const crypto::Secret pem, key.ToPem(), "encode the server key");
  return ServerIdentity{.key_pem = std::string(AsText(pem.Reveal())),
                        .chain_pem = certificate.ToPem() + authority_.ToPem(),
                        .not_after = certificate.not_after()};
}

std::string Authority::Pin() const { return "sha256:" + ToHex(authority_.key().spki_sha256()); }

Result<bool> Authority::HasRootKey() const {
  return AuthorityFiles(options_.directory).HasKey(kRoot);
}

Result<crypto::Ed25519Key> Authority::OpenAuditKey(const AuthorityOptions& options) {
  const AuthorityFiles files(options.directory);
  ASSIGN_OR_RETURN(const bool initialised, files.HasKey(kAudit), "audit key");
  if (!initialised) return NotInitialised(options, "audit key");
  ASSIGN_OR_RETURN(const crypto::Secret seed, files.ReadSeed(kAudit), "audit key");
  return crypto::Ed25519Key::FromSeed(seed);
}

Result<crypto::Secret> Authority::OpenChallengeKey() const {
  return AuthorityFiles(options_.directory).ReadSeed(kChallenge);
}

}  // namespace lodekey::issuer
