#include "agent/jwt_check.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include "crypto/jws.h"

namespace lodekey::agent {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

std::unexpected<Error> Refuse(std::string text, std::string name) {
  return Fail(Code::kUntrusted, std::move(text), {.name = std::move(name)});
}
std::unexpected<Error> Malformed(std::string text) {
  return Fail(Code::kInvalidArgument, std::move(text), {.name = "jwt-malformed"});
}

Result<Struct> ParseObject(const std::string& json, std::string_view what) {
  Struct object;
  if (!google::protobuf::util::JsonStringToMessage(json, &object).ok())
    return Malformed(fmt::format("the {} of the token is no JSON object", what));
  return object;
}

const Value* Find(const Struct& object, const std::string& name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? nullptr : &found->second;
}

std::optional<std::string> FindText(const Struct& object, const std::string& name) {
  const Value* value = Find(object, name);
  if (value == nullptr || value->kind_case() != Value::kStringValue) return {};
  return value->string_value();
}

// A NumericDate (RFC 7519, section 2).
Result<std::optional<Time>> FindTime(const Struct& claims, const std::string& name) {
  constexpr double kLatest = 1e13;  // seconds: far beyond any date, and no overflow
  const Value* value = Find(claims, name);
  if (value == nullptr) return std::nullopt;
  if (value->kind_case() != Value::kNumberValue || !(std::abs(value->number_value()) < kLatest))
    return Malformed(fmt::format("'{}' is no time", name));
  return Time(Duration(static_cast<int64_t>(value->number_value() * 1000)));
}

bool IsFor(const Struct& claims, std::string_view audience) {
  const Value* value = Find(claims, "aud");
  if (value == nullptr) return false;
  if (value->kind_case() == Value::kStringValue) return value->string_value() == audience;
  return value->kind_case() == Value::kListValue &&
         std::ranges::any_of(value->list_value().values(), [&](const Value& one) {
           return one.kind_case() == Value::kStringValue && one.string_value() == audience;
         });
}

Result<const crypto::JwtKey*> ChooseKey(const Struct& header,
                                        const std::vector<crypto::JwtKey>& keys) {
  if (FindText(header, "alg") != "ES256")
    return Refuse("the token is not signed under ES256", "jwt-algorithm");
  // JWT-SVID, section 3.3.
  const auto type = FindText(header, "typ");
  if (Find(header, "typ") != nullptr && type != "JWT" && type != "JOSE")
    return Malformed("the token's type is neither JWT nor JOSE");
  const auto id = FindText(header, "kid");
  const auto key = std::ranges::find_if(
      keys, [&](const crypto::JwtKey& candidate) { return candidate.id == id; });
  if (!id || key == keys.end())
    return Refuse("the token names no key of this trust domain's bundle", "jwt-key-unknown");
  return &*key;
}

Result<void> CheckTimes(const Struct& claims, Time now) {
  ASSIGN_OR_RETURN(const auto expires, FindTime(claims, "exp"), "token");
  if (!expires) return Malformed("the token has no end ('exp')");
  if (now >= *expires) return Refuse("the token has expired", "jwt-expired");
  ASSIGN_OR_RETURN(const auto begins, FindTime(claims, "nbf"), "token");
  if (begins && now < *begins) return Refuse("the token is not valid yet", "jwt-not-yet-valid");
  return {};
}

}  // namespace

Result<JwtSvid> CheckJwtSvid(std::string_view token, std::string_view audience,
                             std::string_view trust_domain, const std::vector<crypto::JwtKey>& keys,
                             Time now) {
  ASSIGN_OR_RETURN(const crypto::Jws jws, crypto::ParseJws(token), "JWT-SVID");
  ASSIGN_OR_RETURN(const Struct header, ParseObject(jws.header, "header"), "JWT-SVID");
  ASSIGN_OR_RETURN(const crypto::JwtKey* key, ChooseKey(header, keys), "JWT-SVID");
  RETURN_IF_ERROR(crypto::VerifyJws(key->key, jws), "JWT-SVID");
  ASSIGN_OR_RETURN(Struct claims, ParseObject(jws.payload, "payload"), "JWT-SVID");
  RETURN_IF_ERROR(CheckTimes(claims, now), "JWT-SVID");
  if (audience.empty() || !IsFor(claims, audience))
    return Refuse("the token is for another audience", "jwt-audience");
  auto id = ParseSpiffeId(FindText(claims, "sub").value_or(""));
  if (!id || id->trust_domain != trust_domain || id->path.empty())
    return Refuse("the token's subject is no SPIFFE ID of this trust domain", "jwt-subject");
  return JwtSvid{.id = *std::move(id), .claims = std::move(claims)};
}

}  // namespace lodekey::agent
