#include "attest/entry.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace lodekey::attest {
namespace {

const std::string kNode(64, 'a');

Entry GoodEntry() {
  return {.spiffe_id = "spiffe://example.org/web",
          .scope = {.nodes = {kNode}},
          .selectors = {*ParseSelector("unix:uid:1000")}};
}

// The name under which a changed entry is refused; empty: it is not.
std::string RefusalOf(const std::function<void(Entry&)>& change) {
  Entry entry = GoodEntry();
  change(entry);
  const auto checked = CheckEntry(entry, "example.org");
  return checked ? "" : std::string(checked.error().Name());
}

TEST(Entry, IsGoodWithIdentityScopeAndASelectorThatSeparates) {
  EXPECT_EQ(RefusalOf([](Entry&) {}), "");
  EXPECT_EQ(RefusalOf([](Entry& entry) { entry.scope = {.labels = {{"site", "berlin"}}}; }), "");
  EXPECT_EQ(RefusalOf([](Entry& entry) {
              entry.selectors.push_back(*ParseSelector("unix:path:/usr/bin/web"));
            }),
            "");
  EXPECT_EQ(RefusalOf([](Entry& entry) { entry.dns_names = {"web", "web-1.example.org"}; }), "");
}

TEST(Entry, CannotNameWhatIsNotItsToGive) {
  for (const std::string id :
       {"", "web", "spiffe://other.org/web", "spiffe://example.org", "spiffe://example.org/lodekey",
        "spiffe://example.org/lodekey/issuer", "spiffe://example.org/node",
        "spiffe://example.org/node/x", "spiffe://example.org/a/", "spiffe://example.org/{{",
        "spiffe://example.org/{{}}", "spiffe://example.org/{{a b}}", "spiffe://{{td}}/web"}) {
    EXPECT_EQ(RefusalOf([&](Entry& entry) { entry.spiffe_id = id; }), "entry-spiffe-id") << id;
  }
  // Only a look-alike of what is reserved.
  EXPECT_EQ(RefusalOf([](Entry& entry) { entry.spiffe_id = "spiffe://example.org/nodes"; }), "");
}

TEST(Entry, NeedsANodeScope) {
  EXPECT_EQ(RefusalOf([](Entry& entry) { entry.scope = {}; }), "entry-scope");
  EXPECT_EQ(RefusalOf([](Entry& entry) { entry.scope.nodes = {"aa"}; }), "entry-scope");
  EXPECT_EQ(RefusalOf([](Entry& entry) { entry.scope.labels = {{"site", ""}}; }), "entry-scope");
}

TEST(Entry, NeedsASelectorThatSeparates) {
  EXPECT_EQ(RefusalOf([](Entry& entry) { entry.selectors.clear(); }), "entry-selectors");
  EXPECT_EQ(RefusalOf([](Entry& entry) {
              entry.selectors = {*ParseSelector("unix:path:/usr/bin/web"),
                                 *ParseSelector("unix:sha256:" + std::string(64, '0'))};
            }),
            "entry-selectors");
  EXPECT_EQ(RefusalOf([](Entry& entry) { entry.selectors.push_back(entry.selectors[0]); }),
            "entry-selectors");
  EXPECT_EQ(RefusalOf([](Entry& entry) { entry.selectors[0].value = "x"; }), "selector-invalid");
}

TEST(Entry, HasLimits) {
  using std::chrono::hours;
  for (const std::function<void(Entry&)>& change : std::vector<std::function<void(Entry&)>>{
           [](Entry& entry) { entry.x509_ttl = hours(25); },
           [](Entry& entry) { entry.x509_ttl = Duration(0); },
           [](Entry& entry) { entry.jwt_ttl = hours(2); },
           [](Entry& entry) { entry.common_name = std::string(65, 'a'); },
           [](Entry& entry) { entry.hint = "a\nb"; },
           [](Entry& entry) { entry.owner = std::string(256, 'a'); },
           [](Entry& entry) { entry.dns_names = {"*.example.org"}; },
           [](Entry& entry) { entry.dns_names = {"a..b"}; },
           [](Entry& entry) { entry.dns_names = {"a."}; },
           [](Entry& entry) { entry.dns_names = {"-a.b"}; },
           [](Entry& entry) { entry.dns_names = {std::string(64, 'a')}; },
           [](Entry& entry) { entry.dns_names.assign(33, "a"); },
           [](Entry& entry) { entry.jwt_audiences = {""}; }}) {
    EXPECT_EQ(RefusalOf(change), "entry-invalid");
  }
}

TEST(EntryScope, IsAnyOfTheNodesOrAllOfTheLabels) {
  const NodeScope by_node{.nodes = {kNode}};
  EXPECT_TRUE(InScope(by_node, kNode, {}));
  EXPECT_FALSE(InScope(by_node, std::string(64, 'b'), {}));
  const NodeScope by_label{.labels = {{"site", "berlin"}, {"tier", "web"}}};
  EXPECT_TRUE(InScope(by_label, kNode, {{"site", "berlin"}, {"tier", "web"}, {"x", "y"}}));
  EXPECT_FALSE(InScope(by_label, kNode, {{"site", "berlin"}}));
  EXPECT_FALSE(InScope(by_label, kNode, {{"site", "berlin"}, {"tier", "db"}}));
  EXPECT_FALSE(InScope({}, kNode, {{"site", "berlin"}})) << "no scope is no node";
}

TEST(EntryTemplate, TakesTheNodesLabels) {
  Entry entry = GoodEntry();
  entry.spiffe_id = "spiffe://example.org/{{site}}/{{tier}}-web";
  const auto id = ExpandSpiffeId(entry, {{"site", "berlin"}, {"tier", "1"}});
  ASSERT_TRUE(id);
  EXPECT_EQ(id->ToString(), "spiffe://example.org/berlin/1-web");
  EXPECT_EQ(ExpandSpiffeId(entry, {{"site", "berlin"}}).error().Name(), "label-missing");
}

TEST(EntryTemplate, NeverMakesAnIdentityThatAnEntryCannotName) {
  Entry entry = GoodEntry();
  entry.spiffe_id = "spiffe://example.org/{{site}}/web";
  ASSERT_TRUE(CheckEntry(entry, "example.org"));
  for (const std::string value : {"node", "lodekey", "..", "a/b", "", "{{site}}", "ä"}) {
    const auto id = ExpandSpiffeId(entry, {{"site", value}});
    ASSERT_FALSE(id) << value;
    EXPECT_EQ(id.error().Name(), "entry-spiffe-id") << value;
  }
}

TEST(EntryMatch, NamesWhatIsMissing) {
  Entry entry = GoodEntry();
  entry.selectors.push_back(*ParseSelector("unix:path:/usr/bin/web"));
  const std::vector<GradedSelector> held = {{*ParseSelector("unix:uid:1000")},
                                            {*ParseSelector("unix:gid:1000")}};
  const auto missing = MissingSelectors(entry, held);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(FormatSelector(missing.front()), "unix:path:/usr/bin/web");
  entry.selectors.pop_back();
  EXPECT_TRUE(MissingSelectors(entry, held).empty());
}

TEST(EntryAudience, IsOneThatIsNamedOrAny) {
  Entry entry = GoodEntry();
  entry.jwt_audiences = {};
  EXPECT_FALSE(AllowsAudience(entry, "db"));
  entry.jwt_audiences = {"db", "queue"};
  EXPECT_TRUE(AllowsAudience(entry, "queue"));
  EXPECT_FALSE(AllowsAudience(entry, "vault"));
  EXPECT_FALSE(AllowsAudience(entry, "*"));
  entry.jwt_audiences = {"*"};
  EXPECT_TRUE(AllowsAudience(entry, "vault"));
}

TEST(EntryExpiry, IsAtItsTime) {
  Entry entry = GoodEntry();
  EXPECT_FALSE(HasExpired(entry, Time(Duration(int64_t{1} << 50))));
  entry.expires = Time(Duration(1000));
  EXPECT_FALSE(HasExpired(entry, Time(Duration(999))));
  EXPECT_TRUE(HasExpired(entry, Time(Duration(1000))));
}

// Stored: it must not change with the program.
TEST(EntryLikeness, IsTheDigestOfIdentityScopeAndSelectors) {
  Entry entry = GoodEntry();
  entry.scope = {.nodes = {std::string(64, 'b'), kNode}, .labels = {{"site", "berlin"}}};
  entry.selectors.push_back(*ParseSelector("unix:gid:7"));
  const auto likeness = EntryLikeness(entry);
  EXPECT_EQ(ToHex(likeness), "41fe8d57d7fa5271c545a055de578d19b4235a6863322b465e9cb01927ff4d85");
  std::swap(entry.scope.nodes[0], entry.scope.nodes[1]);
  std::swap(entry.selectors[0], entry.selectors[1]);
  entry.owner = "somebody else";
  EXPECT_EQ(EntryLikeness(entry), likeness);
  entry.selectors.pop_back();
  EXPECT_NE(EntryLikeness(entry), likeness);
}

}  // namespace
}  // namespace lodekey::attest
