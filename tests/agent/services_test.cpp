#include "agent/services.hpp"

#include "agent/place.hpp"

namespace evergres::agent::test {
namespace {

class ServicesTest : public Place {
 protected:
  ServicesTest() {
    core::Situation& s = know_.situation;
    s.me = NodeName{"n1"};
    s.server.incarnation = Incarnation{"i1"};
    s.server.position = core::Position{TimelineId{2}, Lsn{100}};
    core::Heartbeat beat;
    beat.position = core::Position{TimelineId{2}, Lsn{300}};
    s.peers[NodeName{"n2"}].said = beat;
    beat.position->lsn = Lsn{200};
    s.peers[NodeName{"n3"}].said = beat;
    s.peers[NodeName{"n4"}];  // never heard
  }
  View view() { return view_of(know_, setup_, Instant{50}); }
  void set_record(core::Phase phase, const char* leader, const char* incarnation) {
    core::Record record = fresh_record();
    record.term = Term{3};
    record.phase = phase;
    record.leader = core::Seat{NodeName{leader}, Incarnation{incarnation}};
    know_.situation.record = record;
  }
  Knowledge know_;
};

TEST_F(ServicesTest, OnlyTheIncarnationThatTheRecordNamesIsTheLeader) {
  EXPECT_FALSE(view().record_known);
  set_record(core::Phase::leading, "n1", "i1");
  EXPECT_TRUE(view().named_leader);
  EXPECT_TRUE(view().leader_is_open);
  set_record(core::Phase::leading, "n1", "another");
  EXPECT_FALSE(view().named_leader);
  EXPECT_TRUE(view().leader_is_open);
  set_record(core::Phase::electing, "n1", "i1");
  EXPECT_FALSE(view().named_leader);
  EXPECT_TRUE(view().named_heir);
  set_record(core::Phase::handover, "n1", "i1");
  EXPECT_FALSE(view().named_leader);
  EXPECT_FALSE(view().named_heir);
}

TEST_F(ServicesTest, LagIsMeasuredAgainstTheLeaderElseAgainstTheNewestKnownEnd) {
  EXPECT_EQ(view().leader_end, Lsn{300});
  set_record(core::Phase::leading, "n3", "x");
  EXPECT_EQ(view().leader_end, Lsn{200});
  set_record(core::Phase::leading, "n1", "i1");
  EXPECT_EQ(view().leader_end, Lsn{100});
  set_record(core::Phase::leading, "n4", "x");
  EXPECT_EQ(view().leader_end, Lsn{300});
  know_.situation.peers.clear();
  know_.situation.server.position.reset();
  EXPECT_FALSE(view().leader_end);
}

TEST_F(ServicesTest, AnAgeIsUnknownUntilSomethingWasRead) {
  EXPECT_FALSE(view().store_age);
  EXPECT_FALSE(view().yields);
  know_.situation.store_read_at = Instant{20};
  know_.loop.began = Instant{45};
  know_.yields = "an older agent lives";
  EXPECT_EQ(view().store_age, Nanos{30});
  EXPECT_EQ(view().loop_age, Nanos{5});
  EXPECT_TRUE(view().yields);
}

TEST_F(ServicesTest, TheUrlIsWhereOthersReachIt) {
  config::NodeSettings settings;
  EXPECT_EQ(api_url(settings), "http://127.0.0.1:8008/patroni");
  settings.http_host = "::1";
  EXPECT_EQ(api_url(settings), "http://[::1]:8008/patroni");
  settings.http_host = "0.0.0.0";
  settings.peer_host = "db-1.example.org";
  EXPECT_EQ(api_url(settings), "http://db-1.example.org:8008/patroni");
}

}  // namespace
}  // namespace evergres::agent::test
