#include "agent/status.hpp"

#include "agent/place.hpp"

namespace evergres::agent::test {
namespace {

/// What the status of n1 says of the slots of the leader, which it is itself.
class SlotNotes : public Place {
 protected:
  SlotNotes() {
    core::Situation& s = know_.situation;
    s.me = NodeName{"n1"};
    s.record = fresh_record();
    s.record->phase = core::Phase::leading;
    s.record->leader = core::Seat{s.me, Incarnation{"i1"}};
    s.server.state = core::ServerState::primary;
    s.server.slots.emplace();
    s.wanted.slots.emplace();
    s.peers[NodeName{"n2"}];
  }
  core::Slot& add(const std::string& name, bool logical = false) {
    core::Slot slot;
    slot.name = name;
    slot.logical = logical;
    slot.ours = true;
    slot.wal_status = "reserved";
    if (logical) slot.database = "app";
    if (logical) slot.plugin = "pgoutput";
    know_.situation.server.slots->push_back(slot);
    return know_.situation.server.slots->back();
  }
  void declare(const std::string& name) {
    know_.situation.wanted.slots->push_back({name, false, "", ""});
  }
  void declare(const std::string& name, const std::string& database, const std::string& plugin) {
    know_.situation.wanted.slots->push_back({name, true, database, plugin});
  }
  void failed_with(const std::string& error) {
    core::Attempt& tried = know_.situation.attempts[std::string(core::KeepSlots::kind)];
    tried.failures = 1;
    tried.error = error;
  }
  [[nodiscard]] cluster::SlotStatus told(const std::string& name) const {
    const auto status = status_of(know_, "shop");
    const std::vector<cluster::SlotStatus> none;
    for (const cluster::SlotStatus& slot : status.slots ? *status.slots : none) {
      if (slot.name == name) return slot;
    }
    ADD_FAILURE() << "the status says nothing of " << name;
    return {};
  }
  Knowledge know_;
};

TEST_F(SlotNotes, AreEmptyForWhatIsAsDeclared) {
  add("archive");
  add("cdc", true);
  declare("archive");
  declare("cdc", "app", "pgoutput");
  EXPECT_EQ(told("archive").note, "");
  EXPECT_TRUE(told("archive").declared);
  EXPECT_EQ(told("cdc").note, "");
}

TEST_F(SlotNotes, KeepWhatTheSlotItselfSays) {
  add("cdc", true).note = "made anew at 0/3 in term 4";
  declare("cdc", "app", "test_decoding");
  EXPECT_EQ(told("cdc").note,
            "made anew at 0/3 in term 4; declared with plugin test_decoding, and it has pgoutput: "
            "it is made anew once nobody uses it");
}

TEST_F(SlotNotes, SayHowASlotIsNotWhatIsDeclared) {
  add("a");
  add("b", true);
  add("c", true);
  add("d", true).plugin.reset();  // told by an agent of before plugins were told
  declare("a", "app", "pgoutput");
  declare("b");
  declare("c", "shop", "pgoutput");
  declare("d", "app", "pgoutput");
  const std::string anew = ": it is made anew once nobody uses it";
  EXPECT_EQ(told("a").note, "declared as logical, and it is physical" + anew);
  EXPECT_EQ(told("b").note, "declared as physical, and it is logical" + anew);
  EXPECT_EQ(told("c").note, "declared in database shop, and it is of app" + anew);
  EXPECT_EQ(told("d").note, "");
}

TEST_F(SlotNotes, SayWhoDropsASlotOfOthers) {
  add("theirs").ours = false;
  add("stranger").ours = false;
  declare("theirs");
  EXPECT_EQ(told("theirs").note,
            "made by others: when it is no longer declared, Evergres does not drop it, but select "
            "pg_drop_replication_slot('theirs') does");
  EXPECT_EQ(told("stranger").note, "");
  EXPECT_FALSE(told("stranger").declared);
}

TEST_F(SlotNotes, OfAnotherKindOfOthersPromiseNothing) {
  add("theirs").ours = false;
  declare("theirs", "app", "pgoutput");
  EXPECT_EQ(told("theirs").note.find("made anew"), std::string::npos) << told("theirs").note;
}

TEST_F(SlotNotes, OfMissingSlotsSayWhy) {
  declare("archive");
  declare("cdc", "app", "pgoutput");
  EXPECT_EQ(told("archive").note, "not made yet, it is tried again within 30 s");
  EXPECT_EQ(told("cdc").note, "not made yet, it is tried again within 30 s; an open transaction "
                              "holds a logical slot up");
  EXPECT_EQ(told("cdc").type, "logical");
  const std::string full = "could not create the replication slot archive (SQLSTATE 53400)";
  failed_with(full);
  EXPECT_EQ(told("archive").note, "not made yet, it is tried again within 30 s; " + full);
  EXPECT_EQ(told("cdc").note, "not made yet, it is tried again within 30 s; " + full);
  const std::string late = "could not create the replication slot cdc (SQLSTATE 57014)";
  failed_with(late);
  EXPECT_EQ(told("cdc").note, "not made yet, it is tried again within 30 s; an open transaction "
                              "holds a logical slot up; " + late);
}

TEST_F(SlotNotes, NameTheNodeThatASlotIsOf) {
  add("evg_n2");
  add("evg_n9");
  EXPECT_EQ(told("evg_n2").node, "n2");
  EXPECT_EQ(told("evg_n9").node, "");
}

TEST_F(SlotNotes, AreOfNobodyWhileNobodyLeads) {
  declare("archive");
  know_.situation.record->phase = core::Phase::electing;
  EXPECT_FALSE(status_of(know_, "shop").slots);
}

}  // namespace
}  // namespace evergres::agent::test
