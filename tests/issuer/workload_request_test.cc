#include "issuer/workload_request.h"

#include <functional>

#include <gtest/gtest.h>

#include "attest/codec.h"
#include "tests/issuer/workload.h"
#include "tests/support/must.h"

namespace lodekey::test {
namespace {

using issuer::ReadIssueItem;

class WorkloadRequestTest : public testing::Test {
 protected:
  using Change = std::function<void(node::IssueItem&)>;

  WorkloadRequestTest() {
    entry.id = "0198";
    entry.revision = 3;
  }

  static std::string Refusal(node::IssueItem item, const Change& change) {
    change(item);
    const auto read = ReadIssueItem(item);
    return read ? "read" : std::string(read.error().Name());
  }
  std::string X509(const Change& change) const { return Refusal(X509Item(entry), change); }
  std::string Jwt(const Change& change) const { return Refusal(JwtItem(entry), change); }
  std::string WithKey(ByteView key) const {
    return X509([&](auto& item) { item.mutable_x509()->set_public_key(attest::ToField(key)); });
  }

  attest::Entry entry = EntryFor(Host());
};

TEST_F(WorkloadRequestTest, IsReadAsItCame) {
  const auto read = Must(ReadIssueItem(X509Item(entry)));
  EXPECT_EQ(read.entry_id, "0198");
  EXPECT_EQ(read.entry_revision, 3U);
  ASSERT_EQ(read.selectors.size(), 1U);
  EXPECT_EQ(read.selectors.front().selector, entry.selectors.front());
  EXPECT_EQ(std::get<crypto::PublicKey>(read.subject), WorkloadKey().public_key());
  EXPECT_EQ(std::get<issuer::Audiences>(Must(ReadIssueItem(JwtItem(entry))).subject),
            issuer::Audiences{"db"});
}

TEST_F(WorkloadRequestTest, NamesAnEntryAndAKind) {
  EXPECT_EQ(X509([](auto& item) { item.clear_entry_id(); }), "issue-malformed");
  EXPECT_EQ(X509([](auto& item) { item.set_entry_id(std::string(65, 'x')); }), "issue-malformed");
  EXPECT_EQ(X509([](auto& item) { item.clear_kind(); }), "issue-malformed");
}

TEST_F(WorkloadRequestTest, HasSelectorsThatAreSome) {
  const auto report = [&](const std::string& selector, const std::string& grade) {
    return X509([&](auto& item) {
      item.mutable_selectors(0)->set_selector(selector);
      item.mutable_selectors(0)->set_grade(grade);
    });
  };
  EXPECT_EQ(report("unix:uid:1000", "proved"), "read") << "the grade is the decision's to judge";
  EXPECT_EQ(report("unix:uid:1000", ""), "selector-invalid");
  EXPECT_EQ(report("unix:uid:1000", "certain"), "selector-invalid");
  EXPECT_EQ(report("", "observed"), "selector-invalid");
  EXPECT_EQ(report("unix:uid:x", "observed"), "selector-invalid");
  EXPECT_EQ(report("unix:path:/" + std::string(2000, 'x'), "observed"), "selector-invalid");
}

TEST_F(WorkloadRequestTest, HasNoMoreSelectorsThanAreTaken) {
  const auto with = [&](size_t count) {
    return X509([&](auto& item) {
      while (static_cast<size_t>(item.selectors_size()) < count)
        *item.add_selectors() = item.selectors(0);
    });
  };
  EXPECT_EQ(with(issuer::kMaxItemSelectors), "read");
  EXPECT_EQ(with(issuer::kMaxItemSelectors + 1), "issue-malformed");
}

TEST_F(WorkloadRequestTest, HasAKeyOnP256) {
  const Bytes good = WorkloadKey().public_key().spki_der();
  EXPECT_EQ(WithKey(good), "read");
  EXPECT_EQ(WithKey({}), "public-key-invalid");
  EXPECT_EQ(WithKey(AsBytes("not DER")), "public-key-invalid");
  for (const auto curve : {crypto::Curve::kP384, crypto::Curve::kP521})
    EXPECT_EQ(WithKey(Must(crypto::PrivateKey::GenerateEc(curve)).public_key().spki_der()),
              "public-key-invalid");
  EXPECT_EQ(WithKey(Must(crypto::PrivateKey::GenerateRsa(2048)).public_key().spki_der()),
            "public-key-invalid");
  for (size_t size = 0; size < good.size(); ++size)
    ASSERT_EQ(WithKey(ByteView(good).first(size)), "public-key-invalid") << size;
  Bytes tail = good;
  tail.push_back(0);
  EXPECT_EQ(WithKey(tail), "public-key-invalid");
}

TEST_F(WorkloadRequestTest, HasAKeyWhosePointIsOnTheCurve) {
  Bytes off = WorkloadKey().public_key().spki_der();
  off.back() ^= 1;
  EXPECT_EQ(WithKey(off), "public-key-invalid");
  std::fill(off.end() - 64, off.end(), uint8_t{0});
  EXPECT_EQ(WithKey(off), "public-key-invalid");
}

TEST_F(WorkloadRequestTest, HasAudiencesWithinBounds) {
  const auto with = [&](const std::vector<std::string>& audiences) {
    return Jwt([&](auto& item) {
      item.mutable_jwt()->clear_audiences();
      for (const auto& audience : audiences) item.mutable_jwt()->add_audiences(audience);
    });
  };
  EXPECT_EQ(with({"db", std::string(attest::kMaxAudienceSize, 'x')}), "read");
  EXPECT_EQ(with({}), "audience-invalid");
  EXPECT_EQ(with({"db", ""}), "audience-invalid");
  EXPECT_EQ(with({std::string(attest::kMaxAudienceSize + 1, 'x')}), "audience-invalid");
  EXPECT_EQ(with({"d\nb"}), "audience-invalid");
  EXPECT_EQ(with(std::vector<std::string>(attest::kMaxAudiences, "db")), "read");
  EXPECT_EQ(with(std::vector<std::string>(attest::kMaxAudiences + 1, "db")),
            "audience-invalid");
}

TEST_F(WorkloadRequestTest, HasScopesThatAreScopeTokens) {
  const auto with = [&](const std::vector<std::string>& scopes) {
    return Jwt([&](auto& item) {
      for (const auto& scope : scopes) item.mutable_jwt()->add_scopes(scope);
    });
  };
  std::vector<std::string> most;
  for (size_t i = 0; i < attest::kMaxScopes; ++i) most.push_back("s" + std::to_string(i));
  EXPECT_EQ(with({}), "read");
  EXPECT_EQ(with({"orders:read", "!#$%&'()*+,-./[]^_`{|}~"}), "read");
  EXPECT_EQ(with(most), "read");
  most.push_back("one more");
  EXPECT_EQ(with(most), "scope-invalid");
  EXPECT_EQ(with({std::string(attest::kMaxScopeSize, 'x')}), "read");
  for (const std::string& bad :
       {std::string(attest::kMaxScopeSize + 1, 'x'), std::string(), std::string("a b"),
        std::string("a\"b"), std::string("a\\b"), std::string("a\nb"), std::string("gr\u00fcn")})
    EXPECT_EQ(with({bad}), "scope-invalid") << bad;
  EXPECT_EQ(with({"read", "write", "read"}), "scope-invalid") << "each once";
}

TEST_F(WorkloadRequestTest, HasATaskWithinBounds) {
  const auto with = [&](const std::string& task) {
    return Jwt([&](auto& item) { item.mutable_jwt()->set_task(task); });
  };
  EXPECT_EQ(with("ticket 7, \"green\""), "read");
  EXPECT_EQ(with(std::string(attest::kMaxTaskSize, 'x')), "read");
  EXPECT_EQ(with(std::string(attest::kMaxTaskSize + 1, 'x')), "task-invalid");
  EXPECT_EQ(with("two\nlines"), "task-invalid");
  EXPECT_EQ(with("gr\u00fcn"), "task-invalid") << "as the agent reads it";
}

}  // namespace
}  // namespace lodekey::test
