#include "cli/bundle_view.h"

#include <fmt/format.h>

#include "cli/text.h"
#include "crypto/encoding.h"
#include "lodekey/admin/v1/admin_service.pb.h"
#include "lodekey/agent/v1/agent_service.pb.h"

namespace lodekey::cli {
namespace {

Result<std::string> CurveName(crypto::KeyType type) {
  switch (type) {
    case crypto::KeyType::kEcP256: return "P-256";
    case crypto::KeyType::kEcP384: return "P-384";
    case crypto::KeyType::kEcP521: return "P-521";
    default: break;
  }
  return Fail(Code::kInvalidArgument, "a root's key is on no NIST curve",
              {.name = "bundle-key-type", .advice = "Export the bundle with: --format pem"});
}

// RFC 7518 section 6.2.1 and RFC 7517 section 4.7.
Result<Json> KeyOf(const crypto::Certificate& root) {
  ASSIGN_OR_RETURN(const std::string curve, CurveName(root.key().type()), "bundle");
  ASSIGN_OR_RETURN(const crypto::EcPoint point, root.key().Point(), "bundle");
  return Json{{"use", "x509-svid"},
              {"kty", "EC"},
              {"crv", curve},
              {"x", crypto::ToBase64Url(point.x)},
              {"y", crypto::ToBase64Url(point.y)},
              {"x5c", Json::array({crypto::ToBase64(root.der())})}};
}

// The set that verifiers of JWT-SVIDs read is made in one place.
Result<Json> JwtKeysOf(const TrustBundle& bundle) {
  ASSIGN_OR_RETURN(const std::string jwks, crypto::FormatJwks(bundle.jwt_keys, bundle.sequence),
                   "bundle");
  return Json::parse(jwks).at("keys");
}

std::unexpected<Error> Malformed(std::string text) {
  return Fail(Code::kUntrusted, std::move(text), {.name = "bundle-malformed"});
}

bool IsKeyId(std::string_view id) {
  return !id.empty() && id.find_first_not_of("0123456789abcdef") == id.npos;
}

}  // namespace

template <class Response>
Result<TrustBundle> ReadBundle(const Response& response) {
  TrustBundle bundle{.trust_domain = response.trust_domain(), .sequence = response.sequence()};
  for (const std::string& der : response.roots()) {
    auto root = crypto::Certificate::FromDer(AsBytes(der));
    if (!root) return Malformed("a root is not a certificate: " + root.error().text);
    bundle.roots.push_back(*std::move(root));
  }
  for (const auto& message : response.jwt_keys()) {
    auto key = crypto::PublicKey::FromSpkiDer(AsBytes(message.public_key()));
    if (!key || key->type() != crypto::KeyType::kEcP256 || !IsKeyId(message.id()))
      return Malformed("a key of JWT-SVIDs has no id in hexadecimal, or is not on P-256");
    bundle.jwt_keys.push_back({.id = message.id(), .key = *std::move(key)});
  }
  if (bundle.roots.empty()) {
    return Fail(
        Code::kNotFound, "there is no trust bundle yet",
        {.name = "bundle-absent", .advice = "The agent gets it when it enrolls: lodekey enroll"});
  }
  return bundle;
}

template Result<TrustBundle> ReadBundle(const agent::v1::ShowBundleResponse& response);
template Result<TrustBundle> ReadBundle(const admin::v1::ShowBundleResponse& response);

std::string BundlePem(const TrustBundle& bundle) {
  std::string pem;
  for (const crypto::Certificate& root : bundle.roots) pem += root.ToPem();
  return pem;
}

Result<std::string> BundleSpiffe(const TrustBundle& bundle) {
  Json keys = Json::array();
  for (const crypto::Certificate& root : bundle.roots) {
    ASSIGN_OR_RETURN(Json key, KeyOf(root), "write the trust bundle");
    keys.push_back(std::move(key));
  }
  ASSIGN_OR_RETURN(const Json jwt_keys, JwtKeysOf(bundle), "write the trust bundle");
  for (const Json& key : jwt_keys) keys.push_back(key);
  return DumpJson({{"keys", keys}, {"spiffe_sequence", bundle.sequence}});
}

std::string BundleText(const TrustBundle& bundle) {
  std::vector<Row> rows;
  rows.reserve(bundle.roots.size());
  for (const crypto::Certificate& root : bundle.roots) {
    rows.push_back({root.subject(), FormatTime(root.not_before()), FormatTime(root.not_after()),
                    ToHex(root.Fingerprint())});
  }
  std::string text = FormatFields({{"trust domain", bundle.trust_domain},
                                   {"sequence", std::to_string(bundle.sequence)}}) +
                     "\n" + FormatTable({"ROOT", "NOT BEFORE", "NOT AFTER", "SHA-256"}, rows);
  if (bundle.jwt_keys.empty()) return text;
  std::vector<Row> keys;
  keys.reserve(bundle.jwt_keys.size());
  for (const crypto::JwtKey& key : bundle.jwt_keys)
    keys.push_back({key.id, ToHex(key.key.spki_sha256())});
  return text + "\n" + FormatTable({"JWT KEY", "SHA-256"}, keys);
}

Json BundleJson(const TrustBundle& bundle) {
  Json json = {{"trust_domain", bundle.trust_domain},
               {"sequence", bundle.sequence},
               {"roots", Json::array()},
               {"jwt_keys", Json::array()}};
  for (const crypto::Certificate& root : bundle.roots) {
    json["roots"].push_back({{"subject", root.subject()},
                             {"not_before", JsonTime(root.not_before())},
                             {"not_after", JsonTime(root.not_after())},
                             {"sha256", ToHex(root.Fingerprint())},
                             {"pem", root.ToPem()}});
  }
  for (const crypto::JwtKey& key : bundle.jwt_keys)
    json["jwt_keys"].push_back({{"kid", key.id}, {"sha256", ToHex(key.key.spki_sha256())}});
  return json;
}

}  // namespace lodekey::cli
