#include "postgres/promotion.hpp"
#include "postgres/slots.hpp"
#include "postgres/world.hpp"

namespace evergres::postgres::test {
namespace {

using Names = std::vector<std::string>;

/// A new observer asks for everything at once, an old one each tenth time.
Names slots_of(const Node& node) {
  const auto seen = Observer(node.server).observe(soon());
  return seen && seen->slots ? *seen->slots : Names{"not asked"};
}

// A slot whose WAL was removed serves nobody (PostgreSQL: wal_status, max_slot_wal_keep_size).
TEST(RealSlots, OneThatLostItsWalIsMadeAnew) {
  const TemporaryDirectory root;
  Node a(root.path(), "a");
  ASSERT_NO_FATAL_FAILURE(a.create());
  ASSERT_NO_FATAL_FAILURE(a.start());
  ASSERT_NO_FATAL_FAILURE(a.promote());
  auto session = a.session();
  ASSERT_TRUE(create_member_slots(session, {"evg_c", "evg_d"}, soon()).ok());
  EXPECT_EQ(slots_of(a), (Names{"evg_c", "evg_d"}));
  a.ask("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
  a.ask("ALTER SYSTEM SET wal_keep_size = 0");
  a.ask("SELECT pg_reload_conf()");
  a.ask("CREATE TABLE public.t(n int)");
  const char* status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'evg_c'";
  EXPECT_TRUE(eventually([&] {
    a.ask("INSERT INTO public.t VALUES (7)");
    a.ask("SELECT pg_switch_wal()");
    a.ask("CHECKPOINT");
    return a.ask(status) == "lost";
  }));
  EXPECT_EQ(slots_of(a), Names{}) << "they keep no WAL";
  ASSERT_TRUE(create_member_slot(session, "evg_c", soon()).ok());
  EXPECT_NE(a.ask(status), "lost");
  EXPECT_EQ(slots_of(a), Names{"evg_c"});
  ASSERT_TRUE(create_member_slot(session, "evg_c", soon()).ok()) << "one that is good stays";
  EXPECT_TRUE(drop_physical_slot(session, "evg_d", soon()).ok());
  EXPECT_EQ(a.ask("SELECT string_agg(slot_name, ' ') FROM pg_replication_slots"), "evg_c");
}

// Permanent slots may have used the limit up: a leader that cannot have those of its nodes is none.
TEST(RealSlots, ThoseOfTheNodesComeFirstWhereThereIsNoRoom) {
  const TemporaryDirectory root;
  Node a(root.path(), "a");
  a.configuration.cluster_parameters["max_replication_slots"] = "3";
  ASSERT_NO_FATAL_FAILURE(a.create());
  ASSERT_NO_FATAL_FAILURE(a.start());
  auto session = a.session();
  for (const char* name : {"archive", "theirs"})
    ASSERT_TRUE(make_physical_slot(session, name, soon()).ok());
  const auto with_room = create_member_slots_first(session, {"evg_b"}, {"archive"}, soon());
  ASSERT_TRUE(with_room.ok());
  EXPECT_EQ(*with_room, Names{}) << "nothing goes while there is room";
  EXPECT_FALSE(create_member_slots(session, {"evg_c"}, soon()).ok());
  EXPECT_FALSE(create_member_slots_first(session, {"evg_c"}, {}, soon()).ok());
  const auto done = create_member_slots_first(session, {"evg_b", "evg_c"}, {"archive"}, soon());
  ASSERT_TRUE(done.ok()) << done.error().one_line();
  EXPECT_EQ(*done, Names{"archive"});
  EXPECT_EQ(a.ask("SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots"),
            "evg_b evg_c theirs");
}

std::optional<SlotFacts> slot_of(Node& node, const std::string& name) {
  auto session = node.session();
  const auto slots = list_slots(session, soon());
  EXPECT_TRUE(slots.ok());
  for (const SlotFacts& slot : slots ? *slots : std::vector<SlotFacts>()) {
    if (slot.name == name) return slot;
  }
  return std::nullopt;
}

TEST(RealSlots, APhysicalOneOnAStandbyMovesForwardOnly) {
  const TemporaryDirectory root;
  Node a(root.path(), "a");
  ASSERT_NO_FATAL_FAILURE(a.create());
  ASSERT_NO_FATAL_FAILURE(a.start());
  ASSERT_NO_FATAL_FAILURE(a.promote());
  auto on_primary = a.session();
  ASSERT_TRUE(create_member_slots(on_primary, {"evg_b"}, soon()).ok());
  Node b(root.path(), "b");
  b.configuration.safety.primary_slot_name = "evg_b";
  ASSERT_NO_FATAL_FAILURE(b.clone_from(a, "i2"));
  b.follow(a, "evg_b");
  ASSERT_NO_FATAL_FAILURE(b.start());
  auto on_standby = b.session();
  ASSERT_TRUE(make_physical_slot(on_standby, "archive", soon()).ok());
  EXPECT_EQ(make_physical_slot(on_standby, "archive", soon()).error().code(), ErrorCode::conflict);
  const auto made = slot_of(b, "archive");
  ASSERT_TRUE(made && made->restart);
  EXPECT_EQ(made->wal_status, "reserved");
  a.ask("CREATE TABLE public.t AS SELECT generate_series(1, 1000) AS n");
  const Lsn end = *Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()"));
  ASSERT_TRUE(eventually([&] {
    return b.ask("SELECT pg_last_wal_replay_lsn() >= '" + end.text() + "'") == "t";
  }));
  EXPECT_GT(slot_of(b, "archive")->retained_bytes, 0U);
  ASSERT_TRUE(advance_slot(on_standby, "archive", end, soon()).ok());
  EXPECT_EQ(slot_of(b, "archive")->restart, end);
  ASSERT_TRUE(advance_slot(on_standby, "archive", *made->restart, soon()).ok());
  EXPECT_EQ(slot_of(b, "archive")->restart, end) << "never back";
  ASSERT_TRUE(advance_slot(on_standby, "nobody", end, soon()).ok());
  EXPECT_TRUE(drop_slot(on_standby, "archive", soon()).ok());
  EXPECT_TRUE(drop_slot(on_standby, "archive", soon()).ok()) << "gone is gone";
  EXPECT_FALSE(slot_of(b, "archive"));
  const auto of_b = slot_of(a, "evg_b");
  ASSERT_TRUE(of_b && of_b->active);
  EXPECT_EQ(drop_slot(on_primary, "evg_b", soon()).error().code(), ErrorCode::conflict);
  EXPECT_TRUE(drop_used_slot(on_primary, "evg_b", soon(10)).ok());
  EXPECT_FALSE(slot_of(a, "evg_b"));
}

TEST(RealSlots, ALogicalOneIsMadeInItsDatabaseOrNotAtAll) {
  const TemporaryDirectory root;
  Node a(root.path(), "a");
  ASSERT_NO_FATAL_FAILURE(a.create());
  ASSERT_NO_FATAL_FAILURE(a.start());
  ASSERT_NO_FATAL_FAILURE(a.promote());
  EXPECT_EQ(make_logical_slot(a.server, "cdc", "postgres", "pgoutput", soon()).error().code(),
            ErrorCode::postgres_failed)
      << "wal_level is replica";
  EXPECT_FALSE(slot_of(a, "cdc"));
  a.ask("ALTER SYSTEM SET wal_level = logical");
  a.stop("fast");
  ASSERT_NO_FATAL_FAILURE(a.start());
  ASSERT_NO_FATAL_FAILURE(a.promote());
  const auto begins = make_logical_slot(a.server, "cdc", "postgres", "pgoutput", soon());
  ASSERT_TRUE(begins.ok()) << begins.error().one_line();
  const auto made = slot_of(a, "cdc");
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->logical);
  EXPECT_EQ(made->database, "postgres");
  EXPECT_EQ(made->plugin, "pgoutput");
  EXPECT_EQ(make_logical_slot(a.server, "cdc", "postgres", "pgoutput", soon()).error().code(),
            ErrorCode::conflict);
  EXPECT_FALSE(make_logical_slot(a.server, "other", "nowhere", "pgoutput", soon()).ok());
  // A transaction that stays open holds a new slot up; at the deadline there is none.
  auto open = a.session();
  ASSERT_TRUE(open.query("BEGIN", soon()).ok());
  ASSERT_TRUE(open.query("SELECT pg_current_xact_id()", soon()).ok());
  EXPECT_FALSE(make_logical_slot(a.server, "late", "postgres", "pgoutput",
                                 boot_now() + Millis{400}).ok());
  EXPECT_FALSE(slot_of(a, "late"));
  const auto on_disk = a.server.data / "pg_replslot";
  auto another = a.session();
  ASSERT_TRUE(make_physical_slot(another, "archive", soon()).ok());
  EXPECT_TRUE(is_logical_on_disk(on_disk / "cdc"));
  EXPECT_FALSE(is_logical_on_disk(on_disk / "archive"));
  EXPECT_FALSE(is_logical_on_disk(on_disk / "nobody"));
  EXPECT_EQ(make_logical_slot(a.server, "later", "postgres", "pgoutput", boot_now() + Millis{40})
                .error().code(),
            ErrorCode::timed_out);
  auto session = a.session();
  EXPECT_TRUE(drop_slot(session, "cdc", soon()).ok());
  EXPECT_FALSE(slot_of(a, "cdc"));
}

}  // namespace
}  // namespace evergres::postgres::test
