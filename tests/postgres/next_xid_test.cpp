#include "postgres/next_xid.hpp"

#include <csignal>
#include <sstream>

#include "postgres/probe.hpp"
#include "postgres/promotion.hpp"
#include "postgres/receiver.hpp"
#include "postgres/world.hpp"

namespace evergres::postgres::test {
namespace {

/// Those who write WAL of their own accord, the checkpointer just after a promotion, stand still.
class Silence {
 public:
  explicit Silence(Node& node) {
    std::istringstream all(
        node.ask("SELECT string_agg(pid::text, ' ') FROM pg_stat_activity"
                 " WHERE backend_type IN ('checkpointer', 'background writer')"));
    for (pid_t pid = 0; all >> pid;) pids_.push_back(pid);
    EXPECT_EQ(2U, pids_.size());
    for (const pid_t pid : pids_) EXPECT_EQ(0, ::kill(pid, SIGSTOP));
  }
  ~Silence() {
    for (const pid_t pid : pids_) ::kill(pid, SIGCONT);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  std::vector<pid_t> pids_;
};

/// b follows a. Nothing but what a test does writes WAL on either of them.
class NextXid : public ::testing::Test {
 protected:
  void SetUp() override {
    for (Node* node : {&a, &b}) {
      node->configuration.cluster_parameters["bgwriter_delay"] = "10s";
      node->configuration.cluster_parameters["max_prepared_transactions"] = "4";
    }
    ASSERT_NO_FATAL_FAILURE(a.create());
    ASSERT_NO_FATAL_FAILURE(a.start());
    ASSERT_NO_FATAL_FAILURE(a.promote());
    a.ask("CREATE TABLE public.t(n int)");
    ASSERT_NO_FATAL_FAILURE(b.clone_from(a, "b1"));
    ASSERT_NO_FATAL_FAILURE(b.follow(a, "evg_b_1"));
    ASSERT_NO_FATAL_FAILURE(b.start());
    ASSERT_TRUE(catches_up(a, "evg_b_1"));
  }
  void cut() {
    ASSERT_TRUE(write_upstream(b.server, {}).ok());
    ASSERT_TRUE(cut_receiver(b.postmaster(), soon()).ok());
  }
  /// A committed transaction that wrote a row; its id.
  static std::uint64_t write_on(Node& node) {
    auto session = node.session();
    return write_in(session);
  }
  static std::uint64_t write_in(Session& session) {
    const auto rows =
        session.query("INSERT INTO public.t VALUES (1) RETURNING pg_current_xact_id()", soon());
    EXPECT_TRUE(rows.ok() && rows->size() == 1) << (rows ? "" : rows.error().for_people());
    return rows && !rows->empty() ? std::stoull(rows->front().front().value_or("0")) : 0;
  }
  std::string fate_on_b(std::uint64_t xid) {
    auto session = b.session();
    const auto rows =
        session.query("SELECT pg_xact_status($1::xid8)", {std::to_string(xid)}, soon());
    if (!rows) return rows.error().one_line();
    return rows->front().front().value_or("too old");
  }
  static std::optional<std::uint64_t> read(Session& session) {
    const auto next = next_xid(session, soon());
    EXPECT_TRUE(next.ok()) << next.error().for_people();
    return next ? *next : std::nullopt;
  }

  TemporaryDirectory root;
  Node a{root.path(), "a"};
  Node b{root.path(), "b"};
};

// An id that was lost with the old leader is given out again: asked about it, the new leader
// answers about somebody else's transaction. What was read at the promotion tells the two apart.
TEST_F(NextXid, TellsLostTransactionsFromThoseThatTookTheirIds) {
  const std::uint64_t shipped = write_on(a);
  a.ask("BEGIN; INSERT INTO public.t VALUES (2); PREPARE TRANSACTION 'kept'");
  auto open = a.session();
  ASSERT_TRUE(open.query("BEGIN", soon()).ok());
  const std::uint64_t unfinished = write_in(open);
  write_on(a);  // its commit record takes the open one along
  ASSERT_TRUE(catches_up(a, "evg_b_1"));
  ASSERT_NO_FATAL_FAILURE(cut());
  const std::uint64_t lost = write_on(a);
  const std::uint64_t lost_too = write_on(a);
  a.stop("immediate");

  auto session = b.session();
  EXPECT_EQ(read(session), std::nullopt) << "a standby gives out none";
  const Silence silence(b);
  ASSERT_EQ(*promote(session, soon()), Promotion::promoted);
  const Instant asked = boot_now();
  const auto next = read(session);
  report_time("next transaction id", boot_now() - asked);
  ASSERT_TRUE(next) << "nobody wrote anything";
  EXPECT_LT(shipped, *next);
  EXPECT_LT(unfinished, *next);
  EXPECT_GE(lost, *next);
  EXPECT_GE(lost_too, *next);
  EXPECT_EQ(fate_on_b(shipped), "committed");
  EXPECT_EQ(fate_on_b(unfinished), "aborted");
  EXPECT_NE(fate_on_b(lost).find("is in the future"), std::string::npos) << fate_on_b(lost);
  EXPECT_EQ(read(session), next) << "it is the same as long as nobody writes";

  EXPECT_EQ(write_on(b), *next) << "the first id that is given out";
  EXPECT_EQ(write_on(b), *next + 1);
  EXPECT_EQ(fate_on_b(lost), "committed") << "of the transaction that took its id";
}

// Whoever reads behind anything that took an id, the probe included, learns nothing.
TEST_F(NextXid, IsUnknownOnceAnIdWasTaken) {
  ASSERT_NO_FATAL_FAILURE(cut());
  a.stop("immediate");
  auto session = b.session();
  const Silence silence(b);
  ASSERT_EQ(*promote(session, soon()), Promotion::promoted);
  ASSERT_TRUE(read(session));
  auto other = b.session();
  ASSERT_TRUE(other.query("BEGIN", soon()).ok());
  ASSERT_TRUE(other.query("SELECT pg_current_xact_id()", soon()).ok());
  ASSERT_TRUE(other.query("ROLLBACK", soon()).ok());
  EXPECT_EQ(read(session), std::nullopt) << "rolled back, and without a row";
}

TEST_F(NextXid, IsUnknownBehindTheProbe) {
  ASSERT_NO_FATAL_FAILURE(cut());
  a.stop("immediate");
  auto session = b.session();
  ASSERT_EQ(*promote(session, soon()), Promotion::promoted);
  ProofRequest alone;
  alone.safety = {"", ""};
  ASSERT_TRUE(prove(b.server, alone, soon()).ok());
  EXPECT_EQ(read(session), std::nullopt);
}

TEST_F(NextXid, IsUnknownBehindACheckpointAndOnAnOldPrimary) {
  auto on_a = a.session();
  EXPECT_EQ(read(on_a), std::nullopt);
  ASSERT_NO_FATAL_FAILURE(cut());
  a.stop("immediate");
  auto session = b.session();
  ASSERT_EQ(*promote(session, soon()), Promotion::promoted);
  ASSERT_TRUE(checkpoint(session, soon()).ok());
  EXPECT_EQ(read(session), std::nullopt);
}

}  // namespace
}  // namespace evergres::postgres::test
