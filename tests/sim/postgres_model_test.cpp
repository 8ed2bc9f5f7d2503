#include <gtest/gtest.h>

#include "sim/postgres_model.hpp"

/// The habits of PostgreSQL that cost commits, one by one. docs/RELIABILITY.md says which of them
/// were measured on real servers.
namespace evergres::sim {
namespace {

constexpr const char* nobody = "ANY 1 (\"~nobody\")";

struct Servers : PostgresWatcher {
  EventQueue events;
  Choices choices = Choices::of_seed(1);
  Network network{events, choices, 4};
  std::vector<std::unique_ptr<PostgresModel>> all;
  std::vector<core::Fork> promotions;
  std::uint64_t records = 0;
  int attachments = 0;

  Servers() {
    for (Place place = 0; place < 3; ++place) {
      all.push_back(std::make_unique<PostgresModel>(
          events, network, choices, place, [this](Place at) { return all[at].get(); }, *this));
      DataDirectory& disk = all[place]->disk;
      disk.kind = DataDirectory::Kind::valid;
      disk.wal.push_back({1000, TimelineId{1}});
      disk.flushed = disk.durable = 1;
    }
  }
  void promoted(Place, const core::Fork& fork) override { promotions.push_back(fork); }
  void attached(Place, Place, const std::string&) override { ++attachments; }
  std::uint64_t next_record() override { return ++records; }

  void run(Nanos span) {
    const Moment end = events.now() + span;
    while (events.step(end)) {
    }
  }
  PostgresModel& started(Place place) {
    EXPECT_TRUE(all[place]->start());
    run(Millis{5000});
    return *all[place];
  }
  PostgresModel& primary(Place place, const std::string& names) {
    all[place]->disk.names = names;
    PostgresModel& server = started(place);
    server.promote();
    run(Millis{3000});
    EXPECT_EQ(server.state(), PostgresModel::State::primary);
    return server;
  }
  void follow(Place place, Place upstream, const std::string& name) {
    all[place]->disk.upstream = ServiceFile{upstream, name};
    started(place);
  }
  std::shared_ptr<bool> commit(PostgresModel& server, bool has_wal = true) {
    auto done = std::make_shared<bool>(false);
    server.commit(has_wal, [done](PostgresModel::Answer answer, std::uint64_t, std::uint64_t) {
      *done = answer == PostgresModel::Answer::acknowledged;
    });
    run(Millis{200});
    return done;
  }
};

TEST(PostgresModel, ACommitWaitsForItsStandby) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, "ANY 1 (\"a\", \"b\")");
  const auto done = servers.commit(leader);
  EXPECT_FALSE(*done);
  servers.follow(1, 0, "somebody_else");
  EXPECT_FALSE(*done) << "another name does not count";
  servers.follow(2, 0, "b");
  EXPECT_TRUE(*done);
}

TEST(PostgresModel, WithTheImpossibleNameNobodyAcknowledgesAndAnXidAloneNeverWaits) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, nobody);
  servers.follow(1, 0, "a");
  EXPECT_FALSE(*servers.commit(leader));
  EXPECT_TRUE(*servers.commit(leader, false)) << "a probe with only an xid proves nothing";
}

TEST(PostgresModel, EmptyNamesReleaseWhoeverWaits) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, nobody);
  const auto done = servers.commit(leader);
  leader.disk.names.clear();
  leader.reload();
  servers.run(Millis{200});
  EXPECT_TRUE(*done);
}

TEST(PostgresModel, ACancelRequestEndsAWaitWithAWarning) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, nobody);
  std::vector<PostgresModel::Answer> answers;
  const auto keep = [&](PostgresModel::Answer answer, std::uint64_t, std::uint64_t) {
    answers.push_back(answer);
  };
  const std::uint64_t cancelled = leader.commit_in_session(keep);
  leader.commit_in_session(keep);
  leader.cancel(cancelled);
  EXPECT_TRUE(answers.empty()) << "it does not wait yet: its own disk is written";
  servers.run(Millis{200});
  EXPECT_TRUE(answers.empty());
  leader.cancel(cancelled);
  EXPECT_EQ(answers, std::vector{PostgresModel::Answer::warned}) << "and the other one waits on";
  leader.cancel(cancelled);
  EXPECT_EQ(answers.size(), 1U);
  EXPECT_EQ(leader.disk.wal.back().id, cancelled + 1) << "both are in the WAL all the same";
}

TEST(PostgresModel, ABusyCheckpointerPublishesTheNamesLate) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, "");
  leader.ails.checkpointer_busy = 1;
  leader.disk.names = nobody;
  leader.reload();
  servers.run(Millis{100});
  EXPECT_EQ(leader.names_shown(), nobody);
  EXPECT_TRUE(*servers.commit(leader)) << "shown to new connections, and not yet in force";
  leader.ails.checkpointer_busy = 0;
  servers.run(Millis{200});
  EXPECT_FALSE(*servers.commit(leader));
}

/// walreceiver.c:413 and syncrep.c: the flush position of a receiver that attaches is its replay
/// position, and what it released stays released when it is gone.
TEST(PostgresModel, ADivergedStandbyReleasesCommitsThatItDoesNotHave) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, "ANY 1 (\"a\")");
  DataDirectory& diverged = servers.all[1]->disk;
  for (std::uint64_t i = 0; i < 10; ++i) diverged.wal.push_back({500 + i, TimelineId{1}});
  servers.follow(1, 0, "a");
  EXPECT_TRUE(*servers.commit(leader)) << "below its position everything counts as flushed there";
  servers.all[1]->reap();
  servers.run(Millis{1000});
  EXPECT_TRUE(*servers.commit(leader)) << "also when it is gone";
}

TEST(PostgresModel, AWalsenderReleasesByItsOwnCopyOfTheNames) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, "ANY 1 (\"a\", \"b\")");
  servers.follow(1, 0, "a");
  EXPECT_TRUE(*servers.commit(leader));
  leader.disk.names = "ANY 2 (\"a\", \"b\")";
  leader.ails.senders_frozen = 1;
  leader.reload();
  servers.run(Millis{300});
  const auto done = servers.commit(leader);
  leader.ails.senders_frozen = 0;
  servers.run(Millis{50});
  EXPECT_EQ(leader.names_shown(), "ANY 2 (\"a\", \"b\")");
  servers.run(Millis{2000});
  EXPECT_FALSE(*servers.commit(leader)) << "in the end the new names hold";
  static_cast<void>(done);  // released or not: both happen
}

TEST(PostgresModel, OrphansGoOnUntilTheyAreReaped) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, "ANY 1 (\"a\")");
  const auto done = servers.commit(leader);
  servers.follow(1, 0, "b");
  leader.kill_postmaster();
  EXPECT_FALSE(leader.answers());
  EXPECT_TRUE(leader.anything_alive());
  EXPECT_FALSE(leader.start()) << "a postmaster does not start beside survivors";
  leader.reap();
  EXPECT_FALSE(leader.anything_alive());
  EXPECT_FALSE(*done);
}

TEST(PostgresModel, APromotionTakesEffectAfterItsAskerGaveUp) {
  Servers servers;
  PostgresModel& server = servers.started(0);
  server.ails.replay_blocked = 1;
  server.promote();
  servers.run(Millis{10'000});
  EXPECT_EQ(server.state(), PostgresModel::State::standby);
  server.ails.replay_blocked = 0;
  servers.run(Millis{3000});
  EXPECT_EQ(server.state(), PostgresModel::State::primary);
}

// pmdie(SIGINT) waits for the startup process, and a promotion that has begun asks for no signal:
// it takes effect, the shutdown checkpoint is one of a primary.
TEST(PostgresModel, AFastStopWaitsForAPromotionThatHasBegun) {
  Servers servers;
  PostgresModel& server = servers.started(0);
  server.ails.recovery_held = 1;
  server.promote();
  servers.run(Millis{3000});
  ASSERT_TRUE(server.disk.histories.contains(TimelineId{2}));
  EXPECT_EQ(server.state(), PostgresModel::State::standby);
  std::optional<bool> clean;
  server.stop_fast(Millis{60'000}, [&](bool was) { clean = was; });
  servers.run(Millis{1000});
  EXPECT_EQ(server.state(), PostgresModel::State::stopping);
  EXPECT_FALSE(clean);
  server.ails.recovery_held = 0;
  servers.run(Millis{1000});
  EXPECT_EQ(clean, true);
  EXPECT_EQ(server.state(), PostgresModel::State::stopped);
  EXPECT_TRUE(server.disk.led);
  EXPECT_EQ(server.disk.timeline_at(server.disk.end()), TimelineId{2});
}

// "shut down in recovery", with the exit status of an orderly end: redo begins where it did.
TEST(PostgresModel, AFastStopGivesUpARecovery) {
  Servers servers;
  PostgresModel& server = *servers.all[0];
  server.disk.wal.push_back({1001, TimelineId{1}});
  server.disk.flushed = server.disk.durable = 2;
  server.ails.slow_disk = 15;
  ASSERT_TRUE(server.start());
  std::optional<bool> clean;
  server.stop_fast(Millis{60'000}, [&](bool was) { clean = was; });
  servers.run(Millis{100});
  EXPECT_EQ(clean, true);
  EXPECT_EQ(server.state(), PostgresModel::State::stopped);
  EXPECT_EQ(server.disk.redo, 0U);
  servers.run(Millis{60'000});
  EXPECT_EQ(server.state(), PostgresModel::State::stopped);
}

TEST(PostgresModel, AFastStopGivesUpAPromotionThatWaitsForTheReplay) {
  Servers servers;
  PostgresModel& server = servers.started(0);
  server.ails.replay_blocked = 1;
  server.promote();
  servers.run(Millis{1000});
  std::optional<bool> clean;
  server.stop_fast(Millis{60'000}, [&](bool was) { clean = was; });
  server.ails.replay_blocked = 0;
  servers.run(Millis{3000});
  EXPECT_EQ(clean, true);
  EXPECT_TRUE(servers.promotions.empty());
  EXPECT_TRUE(server.disk.histories.empty());
}

TEST(PostgresModel, APromotionTakesTheNextTimelineAndPlaceholdersReserveIds) {
  Servers servers;
  servers.primary(0, nobody);
  servers.all[1]->disk.reserve(TimelineId{1}, TimelineId{4});
  PostgresModel& second = servers.started(1);
  servers.run(Millis{5000});
  EXPECT_EQ(second.state(), PostgresModel::State::starting) << "it seeks its checkpoint for ever";
  second.reap();
  second.disk.led = true;  // it crashed as a primary
  servers.started(1);
  servers.run(Millis{5000});
  EXPECT_EQ(second.state(), PostgresModel::State::stopped) << "a leftover placeholder is fatal";
  second.disk.remove_leftover_placeholders();
  servers.started(1);
  second.disk.reserve(TimelineId{1}, TimelineId{4});
  second.promote();
  servers.run(Millis{3000});
  ASSERT_EQ(servers.promotions.size(), 2U);
  EXPECT_EQ(servers.promotions[0].timeline, TimelineId{2});
  EXPECT_EQ(servers.promotions[1].timeline, TimelineId{4});
}

TEST(PostgresModel, AHistoryFileNamesAllAncestorsAndTheNewestTimelineIsSoughtUpToAGap) {
  DataDirectory disk;
  disk.histories[TimelineId{2}].steps = {{TimelineId{1}, Lsn{3}}};
  disk.histories[TimelineId{4}].steps = {
      {TimelineId{1}, Lsn{3}}, {TimelineId{2}, Lsn{7}}, {TimelineId{3}, Lsn{9}}};
  const std::vector<core::Fork> all{{TimelineId{4}, TimelineId{3}, Lsn{9}},
                                    {TimelineId{3}, TimelineId{2}, Lsn{7}},
                                    {TimelineId{2}, TimelineId{1}, Lsn{3}}};
  EXPECT_EQ(disk.history_of(TimelineId{4}), all);
  EXPECT_TRUE(disk.history_of(TimelineId{3}).empty());
  EXPECT_EQ(disk.newest_from(TimelineId{1}), TimelineId{2});
  EXPECT_EQ(disk.newest_from(TimelineId{4}), TimelineId{4});
  for (const auto& [lsn, timeline] : std::map<std::uint64_t, std::uint32_t>{
           {0, 1}, {2, 1}, {3, 2}, {6, 2}, {7, 3}, {8, 3}, {9, 4}, {100, 4}}) {
    EXPECT_EQ(disk.timeline_in(TimelineId{4}, lsn), TimelineId{timeline}) << lsn;
  }
  disk.histories[TimelineId{4}].steps[2].at = Lsn{5};
  EXPECT_EQ(disk.timeline_in(TimelineId{4}, 6), TimelineId{4}) << "it goes backwards";
  EXPECT_EQ(disk.timeline_in(TimelineId{4}, 4), TimelineId{2}) << "and never was on timeline 3";
}

TEST(PostgresModel, ALateReceiverReadsTheServiceFileWhenItConnects) {
  for (const bool copied : {false, true}) {
    Servers servers;
    servers.primary(0, nobody);
    PostgresModel& standby = *servers.all[1];
    standby.conninfo_is_copied_early = copied;
    standby.ails.late_receivers = 1;
    servers.started(1);
    standby.disk.upstream = ServiceFile{0, "a"};
    standby.wake_startup();
    servers.run(Millis{10});
    EXPECT_FALSE(standby.receiver_process());
    standby.disk.upstream.reset();
    servers.run(Millis{1000});
    EXPECT_EQ(servers.attachments > 0, copied);
  }
}

TEST(PostgresModel, PowerLossTakesWhatWasNotOnDisk) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, "");
  EXPECT_TRUE(*servers.commit(leader));
  const std::uint64_t end = leader.disk.end();
  leader.ails.fsync_lies = true;
  EXPECT_TRUE(*servers.commit(leader));
  leader.lose_power();
  EXPECT_EQ(leader.disk.end(), end);
}

TEST(PostgresModel, AFastStopWaitsForAFrozenWalsender) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, "");
  servers.follow(1, 0, "a");
  leader.ails.senders_frozen = 1;
  std::optional<bool> clean;
  leader.stop_fast(Millis{1000}, [&](bool was) { clean = was; });
  servers.run(Millis{900});
  EXPECT_FALSE(clean);
  servers.run(Millis{200});
  EXPECT_EQ(clean, false);
}

// A request that was under way through a cut is not served when its receiver has given up.
TEST(PostgresModel, AReceiverThatGaveUpIsNotServedLater) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, nobody);
  servers.network.cut(1, 0, Traffic::replication, 1);
  servers.follow(1, 0, "a");
  servers.network.cut(1, 0, Traffic::replication, -1);
  servers.run(Millis{8000});
  EXPECT_EQ(leader.observe(Instant{})->senders.size(), 1U);
}

TEST(PostgresModel, AWalsenderWhosePeerIsGoneEnds) {
  Servers servers;
  PostgresModel& leader = servers.primary(0, nobody);
  servers.follow(1, 0, "a");
  for (const int by : {1, -1}) {
    servers.network.cut(0, 1, Traffic::replication, by);
    servers.network.cut(1, 0, Traffic::replication, by);
    if (by == 1) {
      servers.all[1]->reap();
      servers.run(Millis{1000});
    }
  }
  servers.run(Millis{65'000});
  EXPECT_TRUE(leader.observe(Instant{})->senders.empty());
}

}  // namespace
}  // namespace evergres::sim
