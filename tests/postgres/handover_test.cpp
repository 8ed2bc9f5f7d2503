#include <signal.h>

#include "postgres/pair.hpp"
#include "postgres/receiver.hpp"
#include "postgres/slots.hpp"

/// What a handover asks of PostgreSQL while clients wait.
namespace evergres::postgres::test {

namespace {

class Handover : public Story {};

TEST_F(Handover, SendersOfOthersAreEndedAndNotTheOneThatObserves) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  a.observe();
  auto session = a.session();
  EXPECT_EQ(*terminate_other_senders(session, "evg_b_", soon()), 0);
  EXPECT_EQ(*terminate_other_senders(session, "", soon()), 0);
  const std::string sender =
      a.ask("SELECT pid FROM pg_stat_replication WHERE application_name = 'evg_b_1'");
  EXPECT_EQ(*terminate_other_senders(session, "evg_c_", soon()), 1);
  EXPECT_TRUE(eventually([&] {
    return a.ask("SELECT count(*) FROM pg_stat_replication WHERE pid = " + sender) == "0";
  }));
  EXPECT_EQ(a.ask("SELECT count(*) FROM pg_stat_replication WHERE application_name = "
                  "'evergres agent'"),
            "1");
}

TEST_F(Handover, TheSessionOfAPromotionProvesItsBarrier) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  a.stop("fast");
  ProofRequest request;
  request.safety = {"ANY 1 (\"evg_a_1\")", ""};
  request.voters = {"evg_a_1"};
  ASSERT_NO_FATAL_FAILURE(b.set_names(request.safety.synchronous_standby_names));
  const auto over = [&] {
    auto session = session_that_shows(b.server, request.safety, soon());
    EXPECT_TRUE(session.ok()) << session.error().for_people();
    return std::move(session).value();
  };
  Session session = over();
  EXPECT_EQ(*promote(session, soon()), Promotion::promoted);
  ASSERT_NO_FATAL_FAILURE(a.follow(b, "evg_a_1"));
  ASSERT_NO_FATAL_FAILURE(a.start());
  const auto proof = prove(b.server, request, soon(), {}, std::move(session));
  ASSERT_TRUE(proof.ok()) << proof.error().for_people();
  EXPECT_TRUE(proof->cut.empty());

  // It waits for its voter as a new one does.
  const auto receivers = receiver_processes(a.postmaster());
  ASSERT_TRUE(receivers.ok());
  ASSERT_EQ(receivers->size(), 1U);
  ASSERT_EQ(::kill(receivers->front(), SIGSTOP), 0);
  const auto frozen = prove(b.server, request, boot_now() + Millis{700}, {}, over());
  ::kill(receivers->front(), SIGCONT);
  ASSERT_FALSE(frozen.ok());
  EXPECT_EQ(frozen.error().code(), ErrorCode::timed_out);

  // One that showed other names proves nothing: they are written, and a new one is opened.
  Session old = over();
  request.safety.synchronous_standby_names = "ANY 1 (\"evg_c_1\")";
  const auto nobody = prove(b.server, request, boot_now() + Millis{500}, {}, std::move(old));
  ASSERT_FALSE(nobody.ok());
  EXPECT_EQ(nobody.error().code(), ErrorCode::timed_out);
  EXPECT_EQ(b.observe().synchronous_standby_names, "ANY 1 (\"evg_c_1\")");
}

TEST_F(Handover, ALookLeavesWhatIsSeldomAskedToTheNextObservation) {
  ASSERT_NO_FATAL_FAILURE(a.create());
  ASSERT_NO_FATAL_FAILURE(a.start());
  Observer observer(a.server);
  const auto looked = observer.look(soon());
  ASSERT_TRUE(looked.ok()) << looked.error().for_people();
  EXPECT_TRUE(looked->in_recovery);
  EXPECT_TRUE(looked->system_id == a.observe().system_id);
  EXPECT_FALSE(looked->slots);
  const auto observed = observer.observe(soon());
  ASSERT_TRUE(observed.ok());
  EXPECT_TRUE(observed->slots);
}

}  // namespace

}  // namespace evergres::postgres::test
