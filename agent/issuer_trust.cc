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
       .advice =
           "Compare issuer_pins with what 'lodekey-issuer init' printed, and the address "
           "with the issuer's, and see that this host's clock is right. If all are, something "
           "between host and issuer answers in its place."});
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
  // A clock that is behind is no ground to refuse: the pinned authority signs nothing before its
  // time, so that the beginning of what it signed has been reached.
  const Time at = std::max(trust.now(), leaf.not_before());
  const auto chain = crypto::BuildChain(leaf, presented, {*authority}, {.at = at, .partial = true});
  if (!chain && at >= leaf.not_after()) {
    return Untrusted(fmt::format("its certificate ended at {}, and here it is {}",
                                 FormatTime(leaf.not_after()), FormatTime(at)));
  }
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
