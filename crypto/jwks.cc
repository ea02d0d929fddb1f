#include "crypto/jwks.h"

#include <fmt/format.h>

#include "crypto/encoding.h"

namespace lodekey::crypto {

Result<std::string> FormatJwks(const std::vector<JwtKey>& keys, uint64_t sequence) {
  std::string list;
  for (const JwtKey& key : keys) {
    // Nothing in it needs an escape of JSON: ids are hexadecimal, coordinates base64url.
    if (key.id.empty() || key.id.find_first_not_of("0123456789abcdef") != key.id.npos)
      return Fail(Code::kInvalidArgument, "a key id is not hexadecimal");
    if (key.key.type() != KeyType::kEcP256)
      return Fail(Code::kInvalidArgument, "a key for JWT-SVIDs is not on P-256");
    ASSIGN_OR_RETURN(const EcPoint point, key.key.Point(), "key for JWT-SVIDs");
    list += fmt::format(
        R"({}{{"kty":"EC","use":"jwt-svid","kid":"{}","crv":"P-256","x":"{}","y":"{}"}})",
        list.empty() ? "" : ",", key.id, ToBase64Url(point.x), ToBase64Url(point.y));
  }
  return fmt::format(R"({{"keys":[{}],"spiffe_sequence":{}}})", list, sequence);
}

}  // namespace lodekey::crypto
