// An authority in a directory of its own, with the audit log that it writes to.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "issuer/authority.h"
#include "tests/issuer/store_fixture.h"
#include "tests/support/must.h"

namespace lodekey::test {

inline constexpr Duration kAuthorityWeek = std::chrono::hours(7 * 24);

class AuthorityTest : public testing::Test {
 protected:
  AuthorityTest() { Must(issuer::Authority::Initialise(options, At(0))); }

  std::unique_ptr<issuer::Authority> Open(Time now = At(0)) const {
    return Must(issuer::Authority::Open(options, *store, now));
  }
  std::string Path(const std::string& name) const { return options.directory + "/" + name; }
  std::filesystem::perms ModeOf(const std::string& name) const {
    return std::filesystem::status(Path(name)).permissions();
  }

  // Name() of the error that refuses to open.
  std::string Refusal(Time now = At(0)) const {
    const auto opened = issuer::Authority::Open(options, *store, now);
    return opened ? "opened" : std::string(opened.error().Name());
  }

  std::vector<nlohmann::json> Records() const {
    std::vector<nlohmann::json> records;
    for (const auto& line : VerifiedLines(files.log))
      records.push_back(nlohmann::json::parse(line.record));
    return records;
  }
  static void ExpectRecords(const nlohmann::json& record, std::string_view event,
                            const crypto::Certificate& certificate) {
    EXPECT_EQ(record["event"], event);
    EXPECT_EQ(record["serial"], ToHex(certificate.serial()));
    EXPECT_EQ(record["key_sha256"], ToHex(certificate.key().spki_sha256()));
    EXPECT_EQ(record["not_after"], FormatTime(certificate.not_after()));
    EXPECT_FALSE(record["time"].empty());
  }

  static void ExpectValid(const issuer::Authority& authority, Time now) {
    EXPECT_TRUE(crypto::BuildChain(authority.signer(now)->certificate, {}, {authority.root()},
                                   {.at = now}));
  }

  // The files of another issuer of the same trust domain.
  std::string OtherDirectory() const {
    static const ScratchDirectory other;
    static const bool made = [this] {
      Must(issuer::Authority::Initialise(OptionsIn(other.path() + "/ca"), At(0)));
      return Must(issuer::Authority::Open(OptionsIn(other.path() + "/ca"), *store, At(0))) !=
             nullptr;
    }();
    return made ? other.path() + "/ca" : "";
  }
  void TakeFromOther(const std::string& name) const {
    std::filesystem::copy_file(OtherDirectory() + "/" + name, Path(name),
                               std::filesystem::copy_options::overwrite_existing);
  }

  static issuer::AuthorityOptions OptionsIn(const std::string& path) {
    return {.directory = path,
            .trust_domain = kTrustDomain,
            .node_ttl = std::chrono::hours(1),
            .intermediate_ttl = kAuthorityWeek,
            .root_ttl = std::chrono::hours(3650 * 24),
            .jwt_key_ttl = std::chrono::hours(24)};
  }

  ScratchDirectory directory;
  issuer::AuthorityOptions options = OptionsIn(directory.path() + "/ca");
  StoreFiles files{directory.path()};
  std::unique_ptr<issuer::Store> store = Must(OpenStore(files));
};

}  // namespace lodekey::test
