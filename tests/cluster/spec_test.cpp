#include "cluster/spec.hpp"

#include <gtest/gtest.h>

#include "cluster/cluster_store.hpp"
#include "store/memory.hpp"

namespace evergres::cluster {
namespace {

constexpr Millis soon{1000};

Spec some(std::uint64_t generation) {
  Spec spec;
  spec.generation = generation;
  spec.changed_by = "ann@db1";
  spec.changed_wall_ms = 17;
  spec.settings.durability = "strict";
  spec.settings.parameters = {{"work_mem", "8MB"}};
  spec.settings.allow = {{"10.0.0.0/8", "app", "app", "scram-sha-256", false}};
  return spec;
}

class SpecStore : public testing::Test {
 protected:
  std::shared_ptr<store::MemoryContent> content = store::make_memory_content();
  std::unique_ptr<store::Store> raw = store::open_memory(content);
  ClusterStore cluster{store::open_memory(content), "demo"};
};

TEST(SpecText, ReadsBack) {
  const auto back = parse_spec(spec_text(some(3)));
  ASSERT_TRUE(back) << back.error().one_line();
  EXPECT_EQ(*back, some(3));
}

TEST(SpecText, NothingOfADoubtfulDocumentIsUsed) {
  const std::string good = spec_text(some(3));
  const auto spoilt = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    const auto parsed = parse_spec(text);
    EXPECT_FALSE(parsed) << text;
    return parsed ? "" : parsed.error().one_line();
  };
  EXPECT_NE(spoilt("durability", "duration").find("unknown option \"duration\""),
            std::string::npos);
  spoilt("10.0.0.0/8", "0.0.0.0/0");
  spoilt("\"generation\":3", "\"generation\":0");
  spoilt("\"generation\":3", "\"generation\":-1");
  spoilt("\"reverted\":0", "\"reverted\":4");
  spoilt("\"changed_by\":\"ann@db1\",", "");
  EXPECT_FALSE(parse_spec(""));
  EXPECT_FALSE(parse_spec("{}"));
  EXPECT_FALSE(parse_spec(std::string(200'000, ' ') + good));
}

TEST_F(SpecStore, ChangesByCompareAndSet) {
  EXPECT_FALSE(*cluster.read_spec(soon));
  EXPECT_FALSE(*cluster.spec_revision(soon));
  auto first = cluster.write_spec(some(1), std::nullopt, soon);
  ASSERT_TRUE(first);
  const Revision revision = std::get<SpecApplied>(*first).revision;
  EXPECT_EQ((*cluster.read_spec(soon))->value, some(1));
  EXPECT_EQ(*cluster.spec_revision(soon), revision);
  auto late = cluster.write_spec(some(1), std::nullopt, soon);
  ASSERT_TRUE(late);
  EXPECT_EQ(std::get<SpecConflict>(*late).current->value, some(1));
  EXPECT_TRUE(std::holds_alternative<SpecApplied>(*cluster.write_spec(some(2), revision, soon)));
  EXPECT_TRUE(std::holds_alternative<SpecConflict>(*cluster.write_spec(some(2), revision, soon)));
}

TEST_F(SpecStore, ABrokenDocumentIsSaidAndCanBeReplaced) {
  ASSERT_TRUE(raw->put("/evergres/demo/spec", "{\"generation\":", store::Expect::anything(), soon));
  EXPECT_EQ(cluster.read_spec(soon).error().code(), ErrorCode::data_invalid);
  const auto revision = cluster.spec_revision(soon);
  ASSERT_TRUE(revision && *revision);
  EXPECT_TRUE(std::holds_alternative<SpecApplied>(*cluster.write_spec(some(9), **revision, soon)));
  Spec wrong = some(10);
  wrong.settings.durability = "fast";
  EXPECT_FALSE(cluster.write_spec(wrong, **revision, soon));
}

}  // namespace
}  // namespace evergres::cluster
