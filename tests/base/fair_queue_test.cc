#include "base/fair_queue.h"

#include <string>
#include <sys/types.h>
#include <vector>

#include <gtest/gtest.h>

namespace lodekey {
namespace {

TEST(FairQueue, GivesEachUserItsTurn) {
  FairQueue<uid_t> queue(/*share=*/8);
  std::string order;
  for (const auto& [user, name] : std::vector<std::pair<uid_t, char>>{
           {1, 'a'}, {1, 'b'}, {1, 'c'}, {2, 'x'}, {3, 'y'}, {2, 'z'}}) {
    queue.Push(user, [&order, name] { order += name; });
  }
  while (queue.ready()) {
    auto [user, work] = queue.Take();
    work();
    queue.Done(user);
  }
  EXPECT_EQ(order, "axybzc");
  EXPECT_EQ(queue.waiting(), 0u);
}

TEST(FairQueue, LetsNoUserHaveMoreThanItsShareAtOnce) {
  FairQueue<uid_t> queue(/*share=*/1);
  for (int i = 0; i < 2; ++i) queue.Push(1, [] {});
  EXPECT_EQ(queue.Take().first, 1u);
  EXPECT_FALSE(queue.ready()) << "its second waits for the first";
  queue.Push(2, [] {});
  EXPECT_EQ(queue.Take().first, 2u);
  EXPECT_FALSE(queue.ready());
  queue.Done(1);
  ASSERT_TRUE(queue.ready());
  EXPECT_EQ(queue.Take().first, 1u);
}

TEST(FairQueue, CountsWhoWaits) {
  FairQueue<std::string> queue(/*share=*/1);
  for (int i = 0; i < 2; ++i) queue.Push("a", [] {});
  EXPECT_EQ(queue.waiting("a"), 2u);
  EXPECT_EQ(queue.waiting("b"), 0u);
  EXPECT_EQ(queue.Take().first, "a");
  EXPECT_EQ(queue.waiting("a"), 1u) << "what is out waits no longer";
  EXPECT_EQ(queue.waiting(), 1u);
}

}  // namespace
}  // namespace lodekey
