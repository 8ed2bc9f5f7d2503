#include <libpq-fe.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "postgres/control_file.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/history.hpp"
#include "postgres/pair.hpp"
#include "postgres/probe.hpp"
#include "postgres/promotion.hpp"
#include "postgres/receiver.hpp"
#include "postgres/slots.hpp"
#include "postgres/wal_end.hpp"

namespace evergres::postgres::test {

namespace {

/// "" if the connection works, else libpq's words.
std::string try_tcp(const Server& server, const std::string& user, const std::string& password,
                    const std::string& database) {
  const std::string text = "host=127.0.0.1 connect_timeout=10 port=" + std::to_string(server.port) +
                           " user=" + user + " password=" + password + " dbname=" + database;
  const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(text.c_str()), PQfinish);
  return PQstatus(connection.get()) == CONNECTION_OK ? "" : PQerrorMessage(connection.get());
}

TEST_F(Story, NewClusterIsAStandbyUntilPromotedAndItsGateOpens) {
  ASSERT_NO_FATAL_FAILURE(a.create(Application{"shop", "shop db", "it's a secret"}));
  const auto inspected = inspect(a.server, major_version());
  ASSERT_TRUE(inspected.ok()) << inspected.error().for_people();
  EXPECT_EQ(inspected->kind, DataKind::ours);
  const auto control = read_control_file(a.server, a.server.data, soon());
  ASSERT_TRUE(control.ok()) << control.error().for_people();
  EXPECT_EQ(control->state, "shut down");
  EXPECT_TRUE(control->checksums);
  EXPECT_EQ(control->max_connections, 40);

  ASSERT_NO_FATAL_FAILURE(a.start());
  const Observation standby = a.observe();
  EXPECT_TRUE(standby.in_recovery);
  EXPECT_EQ(standby.timeline, TimelineId{1});
  EXPECT_EQ(standby.system_id, control->system_id);
  EXPECT_EQ(standby.synchronous_standby_names, "ANY 1 (\"~nobody\")");
  EXPECT_FALSE(standby.receiver.has_value());

  a.set_names("");
  auto session = a.session();
  const Instant begun = boot_now();
  const auto promoted = promote(session, soon());
  report_time("promote", boot_now() - begun);
  ASSERT_TRUE(promoted.ok());
  EXPECT_EQ(*promoted, Promotion::promoted);
  const Observation primary = a.observe();
  EXPECT_FALSE(primary.in_recovery);
  EXPECT_EQ(primary.timeline, TimelineId{2});
  EXPECT_TRUE(primary.flush.has_value());

  const auto password = a.server.replication_password;
  const std::string secret = "'it\\'s a secret'";
  EXPECT_NE(try_tcp(a.server, "shop", secret, "'shop db'").find("reject"), std::string::npos);
  EXPECT_NE(try_tcp(a.server, "postgres", "x", "postgres").find("reject"), std::string::npos);
  EXPECT_EQ(try_tcp(a.server, replication_role, password, "postgres"), "");
  ASSERT_TRUE(write_gate(a.server, a.server.data, Gate::open, {"127.0.0.1"}).ok());
  ASSERT_TRUE(reload(session, soon()).ok());
  EXPECT_TRUE(eventually([&] { return try_tcp(a.server, "shop", secret, "'shop db'").empty(); }));
  EXPECT_NE(try_tcp(a.server, "shop", "wrong", "'shop db'").find("password"), std::string::npos);
  EXPECT_NE(try_tcp(a.server, "postgres", "x", "postgres").find("reject"), std::string::npos);
}

TEST_F(Story, ReceiverIsCutWhileReplayIsPausedAndTheEndOfWalIsItsPosition) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  b.ask("SELECT pg_wal_replay_pause()");
  a.ask("INSERT INTO public.t SELECT generate_series(1, 20000)");
  ASSERT_TRUE(catches_up(a, "evg_b_1"));
  const Observation before = b.observe();
  ASSERT_TRUE(before.receiver.has_value());
  EXPECT_EQ(before.receiver->sender_port, a.server.port);
  EXPECT_EQ(before.receiver->slot, "evg_b");
  EXPECT_TRUE(before.replay_paused);

  std::atomic<bool> enough{false};
  std::thread writer([&] {
    auto session = a.session();
    while (!enough) {
      const char* insert = "INSERT INTO public.t SELECT generate_series(1, 200)";
      EXPECT_TRUE(session.simple(insert, soon()).ok());
    }
  });
  ASSERT_TRUE(eventually([&] { return b.observe().receive > before.receive; }));
  const Instant begun = boot_now();
  ASSERT_TRUE(write_upstream(b.server, {}).ok());
  const Instant written = boot_now();
  const auto cut = cut_receiver(b.postmaster(), soon());
  report_time("empty the service file", written - begun);
  report_time("cut_receiver", boot_now() - written);
  enough = true;
  writer.join();
  ASSERT_TRUE(cut.ok()) << cut.error().for_people();
  const Observation fenced = b.observe();
  EXPECT_FALSE(fenced.receiver.has_value());
  ASSERT_TRUE(fenced.receive && fenced.replay);
  EXPECT_LT(*fenced.replay, *fenced.receive);
  const Instant reading = boot_now();
  const auto end = end_of_wal(b.server, fenced.timeline, *fenced.replay, soon());
  report_time("end_of_wal", boot_now() - reading);
  ASSERT_TRUE(end.ok()) << end.error().for_people();
  // The primary may have been cut off in the middle of a record: that one does not count.
  EXPECT_LE(*end, *fenced.receive);
  EXPECT_GT(*end, *before.receive);
  b.ask("SELECT pg_wal_replay_resume()");
  EXPECT_TRUE(eventually([&] { return b.observe().replay == *end; }))
      << b.observe().replay->text() << " is replayed, the end was read as " << end->text();
  // With nothing left to replay a receiver is tried now and then; it finds no service and ends.
  EXPECT_TRUE(eventually([&] { return receiver_processes(b.postmaster())->empty(); }));
  EXPECT_EQ(b.observe().receive, fenced.receive);
}

TEST_F(Story, EndOfWalIsExactAtTheEndOfASegment) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  const auto end_is_receive = [&] {
    const auto from = Lsn::parse(a.ask("SELECT redo_lsn FROM pg_control_checkpoint()"));
    ASSERT_TRUE(catches_up(a, "evg_b_1"));
    const auto receive = b.observe().receive;
    const Instant begun = boot_now();
    const auto end = end_of_wal(b.server, TimelineId{2}, *from, soon());
    ASSERT_TRUE(end.ok()) << end.error().for_people();
    EXPECT_EQ(end->text(), receive->text());
    EXPECT_LT(boot_now() - begun, Nanos(Millis{4000})) << "pg_waldump waited for a segment";
  };
  a.ask("CHECKPOINT");
  end_is_receive();
  a.ask("SELECT pg_switch_wal()");
  end_is_receive();
  a.ask("INSERT INTO public.t SELECT generate_series(1, 300000)");
  end_is_receive();
}

/// As PostgreSQL makes them ahead of their use: whole, and all zeros.
void make_zeroed_segments(const Server& server, TimelineId timeline, unsigned first,
                          unsigned count) {
  const auto control = read_control_file(server, server.data, soon());
  ASSERT_TRUE(control.ok()) << control.error().for_people();
  for (unsigned number = first; number < first + count; ++number) {
    char name[32];
    std::snprintf(name, sizeof name, "%08X%08X%08X", timeline.value, 0U, number);
    if (std::filesystem::exists(server.wal() / name)) continue;
    ASSERT_TRUE(std::ofstream(server.wal() / name).good());
    std::filesystem::resize_file(server.wal() / name, control->wal_segment_bytes);
  }
}

// Asked for a directory alone, pg_waldump takes the size of segments from any file in it.
TEST_F(Story, SegmentsMadeAheadOfTheirUseDoNotHideTheEndOfWal) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  a.ask("SELECT pg_switch_wal()");
  ASSERT_TRUE(catches_up(a, "evg_b_1"));
  a.stop("fast");
  ASSERT_NO_FATAL_FAILURE(make_zeroed_segments(a.server, TimelineId{2}, 0x10, 40));
  const auto control = read_control_file(a.server, a.server.data, soon());
  ASSERT_TRUE(control.ok()) << control.error().for_people();
  const auto checkpoint_end = end_of_stopped(a.server, *control, soon());
  ASSERT_TRUE(checkpoint_end.ok()) << checkpoint_end.error().for_people();
  const auto end = end_of_wal(a.server, TimelineId{2}, control->redo, soon());
  ASSERT_TRUE(end.ok()) << end.error().for_people();
  EXPECT_EQ(end->text(), checkpoint_end->lsn.text());
  // One that was never written to: nothing is behind its begin, and its middle is no position.
  const Lsn unused{0x10ULL * control->wal_segment_bytes};
  const auto begin = end_of_wal(a.server, TimelineId{2}, unused, soon());
  ASSERT_TRUE(begin.ok()) << begin.error().for_people();
  EXPECT_EQ(begin->text(), unused.text());
  EXPECT_FALSE(end_of_wal(a.server, TimelineId{2}, Lsn{unused.value + 40}, soon()).ok());
}

TEST_F(Story, EndOfWalIsReadOnADescendantThatTheControlFileDoesNotKnow) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  const auto history = read_history(a.server, TimelineId{2});
  ASSERT_TRUE(history.ok() && !history->empty());
  const Lsn fork = history->back().switch_lsn;
  a.ask("INSERT INTO public.t SELECT generate_series(1, 1000)");
  const auto flushed = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()"));
  // A placeholder is nobody's descendant.
  ASSERT_TRUE(reserve_history(a.server, TimelineId{2}, TimelineId{4}).ok());
  const auto end = end_along_timelines(a.server, TimelineId{1}, fork, soon());
  ASSERT_TRUE(end.ok()) << end.error().for_people();
  EXPECT_EQ(end->timeline, TimelineId{2});
  EXPECT_GE(end->lsn, *flushed);
  const auto received = timeline_of_received(a.server, TimelineId{1}, fork, *flushed, soon());
  ASSERT_TRUE(received.ok()) << received.error().for_people();
  EXPECT_EQ(*received, TimelineId{2});
  EXPECT_EQ(*timeline_of_received(a.server, TimelineId{1}, fork, fork, soon()), TimelineId{1});
  // Behind the fork the timeline was never left.
  EXPECT_EQ(
      *timeline_of_received(a.server, TimelineId{1}, *flushed, Lsn{flushed->value + 8}, soon()),
      TimelineId{1});
}

TEST_F(Story, CleanStopEndsWithACheckpointThatTheStandbyHas) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  a.stop("fast");
  const auto end = a.end_when_stopped();
  ASSERT_TRUE(end.ok()) << end.error().for_people();
  EXPECT_TRUE(eventually([&] { return b.observe().receive == end->lsn; }))
      << b.observe().receive->text() << " instead of " << end->lsn.text();
  // The same as pg_waldump finds, from the checkpoint on and from before it.
  const auto control = read_control_file(a.server, a.server.data, soon());
  const auto dumped = end_along_timelines(a.server, control->timeline, control->checkpoint, soon());
  ASSERT_TRUE(dumped.ok()) << dumped.error().for_people();
  EXPECT_EQ(dumped->lsn.text(), end->lsn.text());
  EXPECT_EQ(dumped->timeline, end->timeline);
}

TEST_F(Story, AKilledPrimaryEndsBehindItsLastCheckpoint) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  const auto checkpoint = read_control_file(a.server, a.server.data, soon());
  a.ask("INSERT INTO public.t SELECT generate_series(1, 1000)");
  const auto flushed = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()"));
  a.stop("immediate");
  const auto end = a.end_when_stopped();
  ASSERT_TRUE(end.ok()) << end.error().for_people();
  EXPECT_GE(end->lsn, *flushed);
  EXPECT_GT(end->lsn, checkpoint->checkpoint);
}

// Its control file says "shut down", but the checkpoint is not where it should be.
TEST_F(Story, AShutdownCheckpointThatIsNoneIsNotBelieved) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  a.stop("fast");
  auto control = read_control_file(a.server, a.server.data, soon());
  ASSERT_TRUE(control.ok()) << control.error().for_people();
  control->checkpoint = Lsn{control->checkpoint.value + 16};  // inside of the record
  const auto read = end_of_stopped(a.server, *control, soon());
  ASSERT_TRUE(read.ok()) << read.error().for_people();
  EXPECT_EQ(read->lsn, control->checkpoint) << "nothing valid follows it";
}

TEST_F(Story, PolicyIsProvenByItsVoterAndNotWithoutIt) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  ProofRequest request = voters_of("ANY 1 (\"evg_b_1\")");
  request.leaving_empty = true;
  const auto first = prove(a.server, request, soon());
  ASSERT_TRUE(first.ok()) << first.error().for_people();
  report_time("prove leaving ''", first->took);
  EXPECT_EQ(a.observe().synchronous_standby_names, "ANY 1 (\"evg_b_1\")");
  request.leaving_empty = false;
  const auto again = prove(a.server, request, soon());
  ASSERT_TRUE(again.ok()) << again.error().for_people();
  report_time("prove", again->took);
  EXPECT_GT(again->lsn, first->lsn);
  EXPECT_TRUE(again->cut.empty());

  // A stopped receiver acknowledges nothing.
  const auto receivers = receiver_processes(b.postmaster());
  ASSERT_TRUE(receivers.ok());
  ASSERT_EQ(receivers->size(), 1U);
  ASSERT_EQ(::kill(receivers->front(), SIGSTOP), 0);
  const auto frozen = prove(a.server, request, boot_now() + Millis{700});
  EXPECT_TRUE(eventually([&] {
    return a.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "0";
  })) << "the probe's backend still waits";
  ::kill(receivers->front(), SIGCONT);
  ASSERT_FALSE(frozen.ok());
  EXPECT_EQ(frozen.error().code(), ErrorCode::timed_out);

  const auto nobody = prove(a.server, voters_of("ANY 1 (\"evg_c_1\")"), boot_now() + Millis{500});
  ASSERT_FALSE(nobody.ok());
  EXPECT_EQ(nobody.error().code(), ErrorCode::timed_out);

  const auto alone = prove(a.server, voters_of(""), soon());
  ASSERT_TRUE(alone.ok()) << alone.error().for_people();
  report_time("prove alone", alone->took);
}

// Whoever released it, with what copy of the names: a voter that is gone may have asked for fewer.
TEST_F(Story, AReleasedProbeProvesNothingThatTooFewVotersHave) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  ProofRequest request = voters_of("ANY 1 (\"evg_b_1\")");
  request.new_voters = {"evg_b_1", "evg_c_1"};
  request.k = 1;
  const auto enough = prove(a.server, request, soon());
  ASSERT_TRUE(enough.ok()) << enough.error().for_people();
  request.k = 2;
  const auto one = prove(a.server, request, boot_now() + Millis{2000});
  ASSERT_FALSE(one.ok());
  EXPECT_EQ(one.error().code(), ErrorCode::timed_out);
}

TEST_F(Story, SilentWalsenderOfAnOldVoterIsEndedBeforeTheProof) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  ASSERT_TRUE(prove(a.server, voters_of("ANY 1 (\"evg_b_1\")"), soon()).ok());
  const auto receivers = receiver_processes(b.postmaster());
  ASSERT_TRUE(receivers.ok() && receivers->size() == 1);
  ASSERT_EQ(::kill(receivers->front(), SIGSTOP), 0);
  const auto alone = prove(a.server, voters_of(""), soon());
  ::kill(receivers->front(), SIGCONT);
  ASSERT_TRUE(alone.ok()) << alone.error().for_people();
  EXPECT_EQ(alone->cut, std::vector<std::string>{"evg_b_1"});
}

TEST_F(Story, CancelledWaitIsNoProof) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  std::atomic<bool> enough{false};
  std::thread canceller([&] {
    auto session = a.session();
    while (!enough) {
      EXPECT_TRUE(session
                      .simple("SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                              " WHERE wait_event = 'SyncRep'",
                              soon())
                      .ok());
    }
  });
  const auto proof = prove(a.server, voters_of("ANY 1 (\"evg_c_1\")"), soon(10));
  enough = true;
  canceller.join();
  ASSERT_FALSE(proof.ok());
  EXPECT_EQ(proof.error().message(), "the probe's wait was cancelled");
}

TEST_F(Story, PromotionUsesTheReservedTimelineAndAnotherFollowsOverTheHole) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  Node c(root.path(), "c");
  ASSERT_NO_FATAL_FAILURE(c.clone_from(a, "c1"));
  ASSERT_NO_FATAL_FAILURE(c.follow(a, "evg_c_1"));
  ASSERT_NO_FATAL_FAILURE(c.start());
  ASSERT_TRUE(catches_up(a, "evg_c_1"));
  a.stop("fast");
  const auto end = a.end_when_stopped();
  ASSERT_TRUE(end.ok());
  for (Node* node : {&b, &c}) {
    ASSERT_TRUE(eventually([&] { return node->observe().receive == end->lsn; }));
    ASSERT_TRUE(write_upstream(node->server, {}).ok());
    ASSERT_TRUE(cut_receiver(node->postmaster(), soon()).ok());
  }
  EXPECT_EQ(*newest_timeline(b.server), TimelineId{2});
  const auto reserved = reserve_history(b.server, TimelineId{2}, TimelineId{6});
  ASSERT_TRUE(reserved.ok()) << reserved.error().for_people();
  EXPECT_EQ(*reserved_histories(b.server),
            (std::vector{TimelineId{3}, TimelineId{4}, TimelineId{5}}));
  ASSERT_NO_FATAL_FAILURE(b.promote());
  EXPECT_EQ(b.observe().timeline, TimelineId{6});
  const auto history = read_history(b.server, TimelineId{6});
  ASSERT_TRUE(history.ok()) << history.error().for_people();
  ASSERT_EQ(history->size(), 2U);
  EXPECT_EQ(history->back(), (HistoryStep{TimelineId{2}, end->lsn}));
  EXPECT_EQ(reserve_history(b.server, TimelineId{2}, TimelineId{6}).error().code(),
            ErrorCode::already_exists);

  ASSERT_NO_FATAL_FAILURE(c.follow(b, "evg_c_2"));
  b.ask("INSERT INTO public.t VALUES (42)");
  EXPECT_TRUE(catches_up(b, "evg_c_2"));
  EXPECT_TRUE(eventually([&] { return c.observe().timeline == TimelineId{6}; }));
}

TEST_F(Story, MemberSlotsComeAndGo) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  auto session = b.session();
  ASSERT_TRUE(create_member_slots(session, {"evg_a", "evg_c"}, soon()).ok());
  ASSERT_TRUE(create_member_slots(session, {"evg_a", "evg_c"}, soon()).ok());
  EXPECT_EQ(b.ask("SELECT count(*) FROM pg_replication_slots WHERE restart_lsn IS NOT NULL"), "2");
  EXPECT_EQ(*drop_member_slots(session, {"evg_c"}, soon()), std::vector<std::string>{"evg_a"});
  EXPECT_EQ(b.ask("SELECT string_agg(slot_name, ' ') FROM pg_replication_slots"), "evg_c");
  auto leader = a.session();
  const auto in_use = drop_physical_slot(leader, "evg_b", soon());
  ASSERT_FALSE(in_use.ok());
  EXPECT_EQ(in_use.error().code(), ErrorCode::conflict);
  EXPECT_TRUE(drop_physical_slot(leader, "evg_c", soon()).ok()) << "it is not there";
}

TEST_F(Story, BackendThatBlocksReplayIsEnded) {
  b.configuration.parameters["max_standby_streaming_delay"] = "-1";
  ASSERT_NO_FATAL_FAILURE(make_pair());
  a.ask("INSERT INTO public.t SELECT generate_series(1, 1000)");
  ASSERT_TRUE(catches_up(a, "evg_b_1"));
  ASSERT_TRUE(eventually([&] { return b.ask("SELECT count(*) FROM public.t") == "1000"; }));
  const std::string reader = "user=postgres dbname=postgres host=" + b.server.run_dir.string() +
                             " port=" + std::to_string(b.server.port);
  const std::unique_ptr<PGconn, void (*)(PGconn*)> client(PQconnectdb(reader.c_str()), PQfinish);
  ASSERT_EQ(PQstatus(client.get()), CONNECTION_OK) << PQerrorMessage(client.get());
  PQclear(PQexec(client.get(), "BEGIN ISOLATION LEVEL REPEATABLE READ"));
  PQclear(PQexec(client.get(), "SELECT count(*) FROM public.t"));
  auto session = b.session();
  EXPECT_EQ(*terminate_blocking_backends(session, soon()), 0);
  a.ask("DELETE FROM public.t");
  a.ask("VACUUM public.t");
  ASSERT_TRUE(catches_up(a, "evg_b_1"));
  EXPECT_TRUE(eventually([&] { return *terminate_blocking_backends(session, soon()) == 1; }));
  EXPECT_TRUE(eventually([&] { return b.observe().replay == b.observe().receive; }));
  PQclear(PQexec(client.get(), "SELECT 1"));
  EXPECT_EQ(PQstatus(client.get()), CONNECTION_BAD);
  PQreset(client.get());
  ASSERT_EQ(PQstatus(client.get()), CONNECTION_OK);
  EXPECT_EQ(*terminate_clients(session, soon()), 1);
}

TEST_F(Story, ObservingIsCheap) {
  ASSERT_NO_FATAL_FAILURE(make_pair());
  a.observe();
  const Instant begun = boot_now();
  for (int turn = 0; turn < 200; ++turn) a.observe();
  const Nanos each = (boot_now() - begun) / 200;
  report_time("observe", each);
  EXPECT_LT(each, Nanos(Millis{20}));
}

TEST_F(Story, DriftOfASafetySettingIsSeenAndOverwritten) {
  ASSERT_NO_FATAL_FAILURE(a.create());
  ASSERT_NO_FATAL_FAILURE(a.start());
  const SafetySettings safety = a.configuration.safety;
  EXPECT_TRUE(differing_safety(a.server, safety, soon())->empty());
  a.ask("ALTER SYSTEM SET primary_conninfo = 'host=elsewhere'");
  a.ask("SELECT pg_reload_conf()");
  EXPECT_TRUE(eventually([&] { return !differing_safety(a.server, safety, soon())->empty(); }));
  EXPECT_EQ(differing_safety(a.server, safety, soon())->front(),
            "primary_conninfo is 'host=elsewhere' instead of 'service=evergres'");
  auto session = a.session();
  ASSERT_TRUE(set_names(a.server, session, safety, soon()).ok());
  EXPECT_TRUE(differing_safety(a.server, safety, soon())->empty());
}

}  // namespace

}  // namespace evergres::postgres::test
