#include "postgres/promotion.hpp"
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
  EXPECT_TRUE(drop_idle_slot(session, "evg_d", soon()).ok());
  EXPECT_EQ(a.ask("SELECT string_agg(slot_name, ' ') FROM pg_replication_slots"), "evg_c");
}

}  // namespace
}  // namespace evergres::postgres::test
