#include "agent/made_slots.hpp"

#include "agent/place.hpp"
#include "base/file.hpp"

namespace evergres::agent::test {
namespace {

class MadeSlotsTest : public Place {};

TEST_F(MadeSlotsTest, WhatIsNotedIsReadAgain) {
  EXPECT_EQ(read_made_slots(state()).value(), MadeSlots());
  const MadeSlot archive{"archive", false, false, 4, ""};
  const MadeSlot cdc{"cdc", true, true, 5, "0/3000060"};
  ASSERT_TRUE(change_made_slots(state(), [&](MadeSlots& slots) { slots = {archive, cdc}; }));
  EXPECT_EQ(read_made_slots(state()).value(), (MadeSlots{archive, cdc}));
  ASSERT_TRUE(change_made_slots(state(), [&](MadeSlots& slots) { slots.pop_back(); }));
  EXPECT_EQ(read_made_slots(state()).value(), MadeSlots{archive});
}

// Then nothing is taken for ours, so that nothing is dropped.
TEST_F(MadeSlotsTest, ADamagedFileSaysNothing) {
  ASSERT_TRUE(write_file_durably(state() / "slots.json", "{\"slots\": 7}", 0600));
  EXPECT_EQ(read_made_slots(state()).error().code(), ErrorCode::data_invalid);
  const MadeSlot archive{"archive", false, false, 4, ""};
  ASSERT_TRUE(change_made_slots(state(), [&](MadeSlots& slots) {
    EXPECT_TRUE(slots.empty());
    slots.push_back(archive);
  }));
  EXPECT_EQ(read_made_slots(state()).value(), MadeSlots{archive});
}

/// The beginning of PostgreSQL's state file: 16 bytes of header, 64 of name, the database.
std::string state_file(char database) {
  return std::string(80, 'x') + std::string{database, 0, 0, 0} + "more";
}

// PostgreSQL does not start with them when wal_level is not logical.
TEST_F(MadeSlotsTest, OnlyOurLogicalSlotsAreRemovedFromAStoppedServer) {
  const auto slots = state() / "data" / "pg_replslot";
  for (const char* name : {"cdc", "archive", "theirs", "other"}) {
    std::filesystem::create_directories(slots / name);
    const bool logical = name != std::string_view("archive") && name != std::string_view("other");
    ASSERT_TRUE(write_file_durably(slots / name / "state", state_file(logical ? 5 : 0), 0600));
  }
  const MadeSlot archive{"archive", false, false, 4, ""};
  const MadeSlot cdc{"cdc", true, false, 4, "0/3000060"};
  const MadeSlot other{"other", true, false, 4, "0/3000060"};  // made anew as a physical one
  const MadeSlot damaged{"../../data", true, false, 4, ""};
  ASSERT_TRUE(change_made_slots(state(), [&](MadeSlots& all) {
    all = {archive, cdc, other, damaged};
  }));
  const auto removed = remove_logical_slots(state(), state() / "data");
  ASSERT_TRUE(removed.ok()) << removed.error().one_line();
  EXPECT_EQ(*removed, std::vector<std::string>{"cdc"});
  EXPECT_FALSE(std::filesystem::exists(slots / "cdc"));
  for (const char* name : {"archive", "theirs", "other"})
    EXPECT_TRUE(std::filesystem::exists(slots / name / "state")) << name;
  EXPECT_EQ(read_made_slots(state()).value(), (MadeSlots{archive, other, damaged}));
  ASSERT_TRUE(note_made_slot(state(), cdc));
  EXPECT_TRUE(read_made_slots(state()).value().back().anew) << "its consumer is not told";
}

TEST_F(MadeSlotsTest, ALogicalSlotThatWasOwedCountsAsMadeAnewOnce) {
  const MadeSlot first{"cdc", true, false, 4, "0/3000060"};
  const core::PermanentSlot cdc{"cdc", true, "app", "pgoutput"};
  ASSERT_TRUE(note_made_slot(state(), first));
  EXPECT_FALSE(read_made_slots(state()).value().back().anew) << "the first lacks nothing";
  ASSERT_TRUE(owe_slot(state(), "cdc", {cdc}));
  ASSERT_TRUE(owe_slot(state(), "cdc", {cdc}));
  EXPECT_EQ(read_made_slots(state()).value(), MadeSlots{first}) << "nothing is ours but what is";
  const MadeSlot second{"cdc", true, false, 4, "0/5000060"};
  ASSERT_TRUE(note_made_slot(state(), second));
  const MadeSlot told{"cdc", true, true, 4, "0/5000060"};
  EXPECT_EQ(read_made_slots(state()).value(), MadeSlots{told});
  ASSERT_TRUE(note_made_slot(state(), first));
  EXPECT_EQ(read_made_slots(state()).value(), MadeSlots{first}) << "owed twice";
}

TEST_F(MadeSlotsTest, WhatIsNotDeclaredAnyMoreIsNotOwed) {
  const core::PermanentSlot cdc{"cdc", true, "app", "pgoutput"};
  const core::PermanentSlot feed{"feed", true, "app", "pgoutput"};
  ASSERT_TRUE(owe_slot(state(), "cdc", {cdc, feed}));
  ASSERT_TRUE(owe_slot(state(), "feed", {feed}));
  ASSERT_TRUE(note_made_slot(state(), {"cdc", true, false, 4, "0/3000060"}));
  ASSERT_TRUE(note_made_slot(state(), {"feed", true, false, 4, "0/3000060"}));
  EXPECT_FALSE(read_made_slots(state()).value().front().anew);
  EXPECT_TRUE(read_made_slots(state()).value().back().anew);
}

}  // namespace
}  // namespace evergres::agent::test
