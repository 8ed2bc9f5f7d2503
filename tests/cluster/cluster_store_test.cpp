#include "cluster/cluster_store.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "cluster/json.hpp"
#include "store/memory.hpp"

namespace evergres::cluster {
namespace {

constexpr Millis soon{1000};

core::Seat seat(const std::string& node) {
  return core::Seat{NodeName(node), Incarnation("7f3a91c2")};
}

core::Record sound_record() {
  core::Record record;
  record.cluster_id = ClusterId("c0ffee");
  record.term = Term{3};
  record.phase = core::Phase::leading;
  record.leader = seat("n1");
  record.policy.current.term = Term{3};
  record.policy.current.leader = seat("n1");
  record.policy.current.voters = {seat("n2"), seat("n3")};
  record.policy.current.k = 1;
  record.lineage = {
      core::Lineage{Term{1}, TimelineId{1}, TimelineId{0}, std::nullopt, NodeName("n2")},
      core::Lineage{Term{3}, TimelineId{2}, TimelineId{1}, Lsn{0x5000000}, NodeName("n1")}};
  record.members = {NodeName("n1"), NodeName("n2"), NodeName("n3")};
  return record;
}

class ClusterStoreTest : public testing::Test {
 protected:
  std::shared_ptr<store::MemoryContent> content = store::make_memory_content();
  std::unique_ptr<store::Store> raw = store::open_memory(content);
  ClusterStore cluster{store::open_memory(content), "demo"};

  void put_raw(const std::string& key, const std::string& value) {
    ASSERT_TRUE(raw->put(key, value, store::Expect::anything(), soon));
  }
  std::string refusal(const std::function<void(core::Record&)>& spoil) {
    core::Record record = sound_record();
    spoil(record);
    auto written = cluster.write_record(record, std::nullopt, soon);
    put_raw("/evergres/demo/record", json_text(record));
    auto read = cluster.read_record(soon);
    EXPECT_FALSE(written);
    EXPECT_FALSE(read);
    if (read || written) return "accepted";
    EXPECT_EQ(read.error().code(), ErrorCode::data_invalid);
    EXPECT_EQ(written.error().code(), ErrorCode::data_invalid);
    auto checked = check_record(record);
    return checked ? "accepted" : checked.error().detail();
  }
};

TEST_F(ClusterStoreTest, NoRecordIsNothing) {
  auto read = cluster.read_record(soon);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read.value());
}

TEST_F(ClusterStoreTest, ARecordIsWrittenByCompareAndSet) {
  auto first = cluster.write_record(sound_record(), std::nullopt, soon);
  ASSERT_TRUE(first) << first.error().one_line();
  const auto revision = std::get<RecordApplied>(first.value()).revision;
  auto read = cluster.read_record(soon);
  ASSERT_TRUE(read && read.value()) << read.error().one_line();
  EXPECT_EQ(read.value()->value, sound_record());
  EXPECT_EQ(read.value()->revision, revision);
  core::Record next = sound_record();
  next.renewed = 1;
  ASSERT_TRUE(
      std::holds_alternative<RecordApplied>(cluster.write_record(next, revision, soon).value()));
  auto lost = cluster.write_record(sound_record(), revision, soon);
  ASSERT_TRUE(lost);
  const auto& conflict = std::get<RecordConflict>(lost.value());
  ASSERT_TRUE(conflict.current);
  EXPECT_EQ(conflict.current->value.renewed, 1U);
  auto again = cluster.write_record(sound_record(), conflict.current->revision, soon);
  EXPECT_TRUE(std::holds_alternative<RecordApplied>(again.value()));
}

TEST_F(ClusterStoreTest, AnEmptyRecordOfABootstrapIsSound) {
  EXPECT_TRUE(check_record(core::Record{}));
}

TEST_F(ClusterStoreTest, ContradictionsAreRefusedOnTheWayInAndOut) {
  using core::Record;
  EXPECT_EQ(refusal([](Record& r) { r.policy.current.k = 3; }),
            "record.policy.current.k is 3 with 2 voters.");
  EXPECT_EQ(refusal([](Record& r) { r.policy.current.k = 0; }),
            "record.policy.current.k is 0 with 2 voters.");
  EXPECT_EQ(
      refusal([](Record& r) { std::swap(r.policy.current.voters[0], r.policy.current.voters[1]); }),
      "record.policy.current.voters is not sorted, or names a seat twice.");
  EXPECT_EQ(refusal([](Record& r) {
              r.policy.current.voters[1] = r.policy.current.voters[0];
            }),
            "record.policy.current.voters is not sorted, or names a seat twice.");
  EXPECT_EQ(refusal([](Record& r) { r.policy.current.leader = seat("n2"); }),
            "record.policy.current.voters contains the leader.");
  EXPECT_EQ(refusal([](Record& r) {
              r.policy.unproven = {r.policy.current};
              r.policy.unproven[0].leader.node = NodeName("N 1");
            }),
            "record.policy.unproven[0].leader is no node.");
  EXPECT_EQ(refusal([](Record& r) { std::swap(r.lineage[0], r.lineage[1]); }),
            "record.lineage at timeline 1 does not ascend.");
  EXPECT_EQ(refusal([](Record& r) { r.lineage[1].parent = TimelineId{2}; }),
            "record.lineage at timeline 2 descends from a later timeline.");
  EXPECT_EQ(refusal([](Record& r) { r.members[0] = NodeName("n2"); }),
            "record.members is not sorted, or names a node twice.");
  EXPECT_EQ(refusal([](Record& r) {
              r.hand_fences = {{NodeName("n2"), "a", "", 0}, {NodeName("n2"), "b", "", 0}};
            }),
            "record.hand_fences is not sorted, or names a node twice.");
  EXPECT_EQ(refusal([](Record& r) {
              r.hand_fences = {{NodeName("-"), "a", "", 0}};
            }),
            "record.hand_fences holds something that is no node name.");
  EXPECT_EQ(refusal([](Record& r) { r.members[0] = NodeName("../n1"); }),
            "record.members holds something that is no node name.");
  EXPECT_EQ(refusal([](Record& r) { r.leader.reset(); }),
            "record.phase is leading, but record.leader is nobody.");
  EXPECT_EQ(refusal([](Record& r) { r.leader->incarnation = Incarnation("a\"b"); }),
            "record.leader is no node.");
  for (const std::uint64_t lease : {std::uint64_t{0}, UINT64_MAX}) {
    EXPECT_EQ(refusal([&](Record& r) { r.lease_ms = lease; }), "record.lease_ms is no lease.");
  }
  const auto make_async = [](core::Policy& policy) {
    policy.mode = core::Durability::async;
    policy.voters.clear();
    policy.k = 0;
  };
  EXPECT_EQ(refusal([](Record& r) {
              r.lease_ms = 5000;
              r.policy.current.mode = core::Durability::async;
            }),
            "record.policy.current is async and has voters.");
  const std::string no_lease =
      "record.policy has an async policy, and there is no record.lease_ms.";
  EXPECT_EQ(refusal([&](Record& r) { make_async(r.policy.current); }), no_lease);
  EXPECT_EQ(refusal([&](Record& r) {
              r.policy.unproven = {r.policy.current};
              make_async(r.policy.unproven[0]);
            }),
            no_lease);
  Record async = sound_record();
  make_async(async.policy.current);
  async.lease_ms = 5000;
  EXPECT_TRUE(check_record(async));
}

TEST_F(ClusterStoreTest, SizesHaveLimits) {
  using core::Record;
  EXPECT_EQ(refusal([](Record& r) { r.policy.unproven.assign(65, r.policy.current); }),
            "record.policy.unproven has too many policies.");
  core::Record many = sound_record();
  many.lineage.clear();
  for (std::uint32_t number = 1; number <= 4097; ++number) {
    many.lineage.push_back(core::Lineage{Term{number}, TimelineId{number}, TimelineId{number - 1},
                                         std::nullopt, NodeName("n1")});
  }
  EXPECT_FALSE(check_record(many));
  many.lineage.pop_back();
  EXPECT_TRUE(check_record(many));
  core::Record crowd = sound_record();
  crowd.members.clear();
  for (int number = 100; number < 165; ++number)
    crowd.members.emplace_back("n" + std::to_string(number));
  EXPECT_FALSE(check_record(crowd));
}

TEST_F(ClusterStoreTest, GarbageIsAnErrorAndIsNotOverwritten) {
  put_raw("/evergres/demo/record", "{\"term\":");
  auto read = cluster.read_record(soon);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message(), "the record in the store cannot be read");
  auto written = cluster.write_record(sound_record(), std::nullopt, soon);
  EXPECT_FALSE(written);
}

TEST_F(ClusterStoreTest, CardsAreListedAndBadOnesNamed) {
  NodeCard card;
  card.name = "n2";
  card.peer_port = 8009;
  auto put = cluster.put_card(card, store::Expect::absent(), soon);
  ASSERT_TRUE(put);
  card.name = "n1";
  ASSERT_TRUE(cluster.put_card(card, store::Expect::absent(), soon));
  auto conflict = cluster.put_card(card, store::Expect::absent(), soon);
  ASSERT_TRUE(conflict);
  EXPECT_EQ(std::get<CardConflict>(conflict.value()).current->value.name, "n1");
  put_raw("/evergres/demo/nodes/n3", json_text(card));
  put_raw("/evergres/demo/nodes/n4", "[]");
  put_raw("/evergres/demonstration/nodes/n5", json_text(card));
  auto cards = cluster.list_cards(soon);
  ASSERT_TRUE(cards);
  ASSERT_EQ(cards->cards.size(), 2U);
  EXPECT_EQ(cards->cards[0].value.name, "n1");
  EXPECT_EQ(cards->cards[1].value.peer_port, 8009);
  EXPECT_EQ(cards->unreadable.size(), 2U);
  ASSERT_TRUE(
      cluster.remove_card(NodeName("n1"), store::Expect::at(cards->cards[0].revision), soon));
  EXPECT_EQ(cluster.list_cards(soon)->cards.size(), 1U);
}

TEST_F(ClusterStoreTest, WhatWasLostIsKnownBetterLater) {
  core::Loss loss;
  loss.leader = {NodeName("n1"), Incarnation("i1")};
  loss.term = Term{3};
  loss.from = Lsn{0x1000};
  HistoryEntry entry;
  entry.term = 3;
  entry.kind = "failover";
  entry.lost = lost_tail(loss);
  EXPECT_FALSE(entry.lost->bytes);
  ASSERT_TRUE(cluster.append_history(entry, soon));
  loss.to = Lsn{0x1800};
  loss.measured = true;
  ASSERT_TRUE(cluster.amend_history(3, lost_tail(loss), soon));
  ASSERT_TRUE(cluster.amend_history(4, lost_tail(loss), soon));  // a term without an entry
  const auto history = cluster.list_history(soon);
  ASSERT_TRUE(history);
  ASSERT_EQ(history->size(), 1U);
  ASSERT_TRUE(history->front().lost);
  EXPECT_EQ(history->front().lost->bytes, 0x800U);
  EXPECT_EQ(history->front().lost->to, "0/1800");
  EXPECT_TRUE(history->front().lost->measured);
  EXPECT_EQ(history->front().kind, "failover");
}

/// The leader notes in the record that it is measured only after this succeeded, and the old leader
/// rewinds only then.
TEST_F(ClusterStoreTest, AnUnreadableEntryDoesNotHoldUpWhatWasMeasured) {
  const std::string entry = "/evergres/demo/events/00000000000000000003";
  put_raw(entry, "garbage");
  EXPECT_TRUE(cluster.amend_history(3, LostTail{}, soon));
  const auto kept = raw->get(entry, soon);
  ASSERT_TRUE(kept && *kept);
  EXPECT_EQ((*kept)->value, "garbage");
}

TEST_F(ClusterStoreTest, HistoryIsOrderedByTermAndIdempotent) {
  for (const std::uint64_t term : {10U, 2U, 1U}) {
    HistoryEntry entry;
    entry.term = term;
    entry.kind = "failover";
    ASSERT_TRUE(cluster.append_history(entry, soon));
    ASSERT_TRUE(cluster.append_history(entry, soon));
    entry.kind = "switchover";
    auto other = cluster.append_history(entry, soon);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code(), ErrorCode::already_exists);
  }
  put_raw("/evergres/demo/events/00000000000000000005", "garbage");
  auto history = cluster.list_history(soon);
  ASSERT_TRUE(history);
  ASSERT_EQ(history->size(), 3U);
  EXPECT_EQ(history->at(0).term, 1U);
  EXPECT_EQ(history->at(2).term, 10U);
  EXPECT_EQ(history->at(2).kind, "failover");
  EXPECT_TRUE(raw->get("/evergres/demo/events/00000000000000000010", soon).value());
}

TEST_F(ClusterStoreTest, WaitingSeesAChangeOfItsOwnClusterOnly) {
  put_raw("/evergres/demo/record", "x");
  const auto seen = raw->list("", soon)->revision;
  put_raw("/evergres/other/record", "x");
  EXPECT_EQ(cluster.wait_for_change(seen, Millis(10)).value(), seen);
  put_raw("/evergres/demo/record", "y");
  EXPECT_LT(seen, cluster.wait_for_change(seen, soon).value());
}

}  // namespace
}  // namespace evergres::cluster
