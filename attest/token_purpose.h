// What a JWT-SVID is for: who is to accept it, what it is to allow there, and on whose behalf.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lodekey::attest {

inline constexpr size_t kMaxAudiences = 32;
inline constexpr size_t kMaxAudienceSize = 255;  // bytes
inline constexpr size_t kMaxScopes = 16;
inline constexpr size_t kMaxScopeSize = 128;  // bytes
inline constexpr size_t kMaxTaskSize = 128;   // bytes

struct TokenPurpose {
  std::vector<std::string> audiences;
  std::vector<std::string> scopes = {};  // empty: whatever the audience takes the identity for
  std::string task = {};                 // empty: none in particular
  auto operator<=>(const TokenPurpose&) const = default;
};

// Without control characters. kInvalidArgument ("audience-invalid").
Result<void> CheckAudience(std::string_view audience);
// At most kMaxScopes tokens of RFC 6749, section 3.3. kInvalidArgument ("scope-invalid").
Result<void> CheckScopes(const std::vector<std::string>& scopes);
// Printable ASCII, or nothing. kInvalidArgument ("task-invalid").
Result<void> CheckTask(std::string_view task);

// All of it as above, and at least one audience.
Result<void> CheckPurpose(const TokenPurpose& purpose);

// From "read write" (RFC 6749, section 3.3), unchecked: what is between single spaces.
std::vector<std::string> SplitScopes(std::string_view text);

// The same purpose as every other that names the same: audiences and scopes in order, each once.
// Checked.
Result<TokenPurpose> Canonical(TokenPurpose purpose);

// "JWT-SVID for db, scope read write, task nightly-backup"
std::string DescribePurpose(const TokenPurpose& purpose);

}  // namespace lodekey::attest
