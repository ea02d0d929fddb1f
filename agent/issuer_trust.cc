#include "agent/issuer_trust.h"

#include <algorithm>

#include <fmt/format.h>

namespace lodekey::agent {
namespace {

constexpr std::string_view kServerAuth = "1.3.6.1.5.5.7.3.1";  // RFC 5280, 4.2.1.12

std::unexpected<Error> Untrusted(std::string why) {
  return Fail(
      Code::kUntrusted, "the server is not this agent's issuer: " + why,
      {.name = "issuer-untrusted",
       .advice = "Compare issuer_pins with what 'lodekey-issuer init' printed, and the address "
                 "with the issuer's. "
                 "If both are right, something between host and issuer answers in its place."});
}

bool IsPinned(const IssuerTrust& trust, const crypto::Certificate& certificate) {
  return std::ranges::any_of(
      trust.pins, [&](const Bytes& pin) { return Equal(pin, certificate.key().spki_sha256()); });
}

}  // namespace

Result<crypto::Certificate> CheckIssuer(const IssuerTrust& trust,
                                        const std::vector<crypto::Certificate>& presented) {
  if (presented.empty()) return Untrusted("it showed no certificate");
  const auto authority = std::ranges::find_if(
      presented, [&](const auto& certificate) { return IsPinned(trust, certificate); });
  if (authority == presented.end()) return Untrusted("no certificate it showed has a pinned key");
  const crypto::Certificate& leaf = presented.front();
  if (leaf.is_ca() || authority == presented.begin())
    return Untrusted("it showed an authority in place of a server");
  const auto chain =
      crypto::BuildChain(leaf, presented, {*authority}, {.at = trust.now(), .partial = true});
  if (!chain) return Untrusted(chain.error().text);
  const std::vector<std::string> expected = {
      fmt::format("spiffe://{}/lodekey/issuer", trust.trust_domain)};
  if (leaf.UriSans() != expected)
    return Untrusted(fmt::format("its certificate is not for {}", expected.front()));
  if (std::ranges::count(leaf.ExtendedKeyUsages(), kServerAuth) == 0)
    return Untrusted("its certificate is not for servers");
  return *authority;
}

}  // namespace lodekey::agent
