#include "agent/known_settings.hpp"

#include "agent/knowledge.hpp"
#include "agent/place.hpp"
#include "cluster/json.hpp"

namespace evergres::agent::test {
namespace {

cluster::Spec spec(std::uint64_t generation, const std::string& work_mem) {
  cluster::Spec spec;
  spec.generation = generation;
  spec.settings.parameters = {{"work_mem", work_mem}};
  return spec;
}

std::shared_ptr<const cluster::Spec> shared(cluster::Spec spec) {
  return std::make_shared<const cluster::Spec>(std::move(spec));
}

class KnownSettingsTest : public Place {
 protected:
  KnownSettings known_;
};

TEST_F(KnownSettingsTest, WithoutSettingsNodeYamlSaysEverything) {
  known_.node_wanted.acknowledgements = 2;
  known_.node_wanted.durability = core::Durability::strict;
  EXPECT_EQ(settings_in_use(known_), nullptr);
  EXPECT_FALSE(settings_due(known_));
  // The store may hold another wish: nobody's wish for durability counts before it was read.
  EXPECT_FALSE(wanted_of(known_).durability);
  EXPECT_EQ(wanted_of(known_).acknowledgements, 2U);
  known_.store_read = true;
  EXPECT_EQ(wanted_of(known_), known_.node_wanted);
  learn_settings(known_, spec(1, "8MB"));
  core::Wanted no_slots = known_.node_wanted;
  no_slots.slots.emplace();
  EXPECT_EQ(wanted_of(known_), no_slots);
  cluster::Spec said = spec(2, "8MB");
  said.settings.acknowledgements = 1;
  said.settings.durability = "quorum";
  learn_settings(known_, said);
  EXPECT_EQ(wanted_of(known_).acknowledgements, 1U);
  EXPECT_EQ(wanted_of(known_).durability, core::Durability::quorum);
  known_.newest.reset();
  postgres::Configuration configuration;
  fill_in(configuration, settings_in_use(known_));
  EXPECT_TRUE(configuration.cluster_parameters.empty() && configuration.admissions.empty());
}

TEST_F(KnownSettingsTest, TheNewestIsDueUntilItIsAppliedOrRefused) {
  learn_settings(known_, spec(3, "8MB"));
  EXPECT_EQ(settings_due(known_), 3U);
  EXPECT_EQ(settings_in_use(known_)->generation, 3U);
  known_.applied = known_.newest;
  EXPECT_FALSE(settings_due(known_));
  learn_settings(known_, spec(4, "9MB"));
  EXPECT_EQ(settings_due(known_), 4U);
  EXPECT_EQ(settings_in_use(known_)->generation, 3U);
  known_.refused = 4;
  known_.refusal = "no";
  learn_settings(known_, spec(4, "9MB"));
  EXPECT_FALSE(settings_due(known_));
  learn_settings(known_, spec(5, "9MB"));
  EXPECT_EQ(settings_due(known_), 5U);
  EXPECT_TRUE(known_.refusal.empty());
}

TEST_F(KnownSettingsTest, AStoreThatShowsLessIsNotBelieved) {
  learn_settings(known_, spec(5, "8MB"));
  learn_settings(known_, spec(4, "1MB"));
  EXPECT_EQ(known_.newest->generation, 5U);
  EXPECT_NE(known_.store_trouble.find("generation 5, which stays in force"), std::string::npos);
  learn_settings(known_, spec(5, "8MB"));
  EXPECT_TRUE(known_.store_trouble.empty());
}

TEST_F(KnownSettingsTest, TheAppliedOnesSurviveTheAgent) {
  const std::filesystem::path state = setup_.settings.state_directory;
  std::filesystem::create_directories(state);
  EXPECT_FALSE(read_settings_file(state));
  ASSERT_TRUE(write_settings_file(state, spec(7, "8MB")));
  EXPECT_EQ(read_settings_file(state), spec(7, "8MB"));
  std::ofstream(state / "settings.json") << "{\"generation\":";
  EXPECT_FALSE(read_settings_file(state));
}

TEST_F(KnownSettingsTest, WhatACardTellsIsBoundedAndNeverCutShortForAdoption) {
  known_.applied = shared(spec(7, "8MB"));
  known_.altered["big"] = std::string(5000, 'x');
  known_.refusal = std::string(5000, 'x');
  for (int i = 0; i < 1000; ++i) {
    known_.altered["a" + std::to_string(i)] = std::string(200, 'y');
    known_.pending_restart.push_back({"work_mem", std::string(5000, 'z'), "1MB"});
    known_.edited.push_back(std::string(5000, 'z'));
  }
  const cluster::SettingsOfNode told = settings_of_node(known_);
  EXPECT_FALSE(told.altered.contains("big"));
  EXPECT_EQ(told.altered.begin()->second.size(), 200U);
  EXPECT_LT(cluster::json_text(told).size(), 12'000U);
  EXPECT_EQ(told.generation, 7U);
}

// As long as nobody knows what is declared, no slot is taken for one that is no longer.
TEST_F(KnownSettingsTest, SlotsAreWantedOnceTheSettingsAreKnown) {
  known_.store_read = true;
  EXPECT_FALSE(wanted_of(known_).slots);
  cluster::Spec said = spec(1, "8MB");
  said.settings.slots["cdc"] = {true, "app", "pgoutput"};
  said.settings.slots["archive"] = {};
  said.settings.member_slot_limit = "10GB";
  learn_settings(known_, said);
  const auto wanted = wanted_of(known_);
  EXPECT_EQ(wanted.slots, (std::vector<core::PermanentSlot>{{"archive", false, "", ""},
                                                            {"cdc", true, "app", "pgoutput"}}));
  EXPECT_EQ(wanted.member_slot_limit, std::uint64_t{10} << 30U);
}

}  // namespace
}  // namespace evergres::agent::test
