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

}  // namespace
}  // namespace evergres::agent::test
