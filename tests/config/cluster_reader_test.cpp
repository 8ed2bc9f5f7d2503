#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/cluster_printer.hpp"
#include "config/cluster_reader.hpp"

namespace evergres::config {
namespace {

ClusterSettings full() {
  ClusterSettings settings;
  settings.durability = "strict";
  settings.acknowledgements = 2;
  settings.max_loss = "64MB";
  settings.parameters = {{"work_mem", "8MB"}, {"log_line_prefix", "it's %m: "}};
  settings.allow = {{"10.0.0.0/8", "app", "app", "scram-sha-256", false},
                    {"::/0", "all", "all", "scram-sha-256", true}};
  return settings;
}

/// The first line of what is wrong with a text, "" if nothing is.
std::string complaint(const std::string& text) {
  const ClusterReading reading = parse_cluster_text(text, "file");
  return reading.diagnostics.empty() ? "" : one_line(reading.diagnostics.front());
}

TEST(ClusterFile, ReadsBackWhatIsPrinted) {
  for (const ClusterSettings& settings : {ClusterSettings{}, full()}) {
    for (const std::string& text :
         {cluster_text(settings), cluster_edit_text(settings, "Settings of a cluster.")}) {
      const ClusterReading reading = parse_cluster_text(text, "file");
      EXPECT_TRUE(reading.diagnostics.empty()) << one_line(reading.diagnostics.front());
      EXPECT_EQ(reading.settings, settings) << text;
    }
  }
  EXPECT_EQ(cluster_text({}), "");
}

TEST(ClusterFile, TheSamplesInTheEditorAreValid) {
  std::istringstream in(cluster_edit_text({}, ""));
  std::string text;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("#") && !line.starts_with("# ")) text += line.substr(1) + "\n";
    if (line.starts_with("#  ")) text += line.substr(1) + "\n";
  }
  const ClusterReading reading = parse_cluster_text(text, "file");
  EXPECT_TRUE(reading.diagnostics.empty()) << one_line(reading.diagnostics.front()) << text;
  EXPECT_EQ(reading.settings.parameters.size(), 2U) << text;
  EXPECT_EQ(reading.settings.allow.size(), 1U) << text;
}

TEST(ClusterFile, WhatIsWrongIsNamedWithItsLineAndWhatToWrite) {
  EXPECT_EQ(complaint("durabilty: strict\n"),
            "file:1: unknown option \"durabilty\"; did you mean \"durability\"?");
  EXPECT_EQ(complaint("\ndurability: fast\n"),
            "file:2: \"fast\" is no value for durability; write quorum, strict or async");
  EXPECT_EQ(complaint("max_loss: 5 miles\n"),
            "file:1: \"5 miles\" is no value for max_loss; write a number of bytes with kB, MB or "
            "GB, or unlimited");
  EXPECT_EQ(complaint("acknowledgements: 9\n"),
            "file:1: \"9\" is no value for acknowledgements; write a whole number from 0 to 8");
  EXPECT_EQ(complaint("parameters: {a: b}\n"),
            "file:1: unknown option \"parameters\"; it stands below \"postgresql\"");
  EXPECT_EQ(complaint("postgresql: {parameters: {work_mem: 1, WORK_MEM: 2}}\n"),
            "file:1: option \"parameters.work_mem\" is given twice");
  EXPECT_NE(complaint("postgresql: {parameters: {work_mem: \"1\\nfsync = off\"}}\n"), "");
  EXPECT_NE(complaint("postgresql: {parameters: {\"a = b\": 1}}\n"), "");
  EXPECT_NE(complaint("durability: [\n"), "");
  EXPECT_NE(complaint("- a\n"), "");
  EXPECT_NE(complaint("durability: quorum\ndurability: strict\n"), "");
  EXPECT_NE(complaint(std::string(cluster_text_limit + 1, '#')), "");
  EXPECT_NE(complaint(std::string(30'000, '[')), "");
}

TEST(ClusterFile, AllowOpensNothingByMistake) {
  EXPECT_EQ(complaint("allow:\n  - {address: 10.1.2.3/32}\n"), "");
  EXPECT_EQ(complaint("allow:\n  - {address: 0.0.0.0/0}\n"),
            "file:2: 0.0.0.0/0 lets everybody try a password; narrow it, or add \"world_open: "
            "yes\" to this line");
  EXPECT_EQ(complaint("allow:\n  - {address: 0.0.0.0/0, world_open: yes}\n"), "");
  for (const char* world : {"::/0", "128.0.0.0/1", "8000::/1"}) {
    EXPECT_NE(complaint(std::string("allow: [{address: '") + world + "'}]"), "") << world;
  }
  for (const char* line :
       {"{}", "{database: app}", "{address: all}", "{address: samenet}", "{address: 10.0.0.0}",
        "{address: 10.0.0.1/8}", "{address: 10.0.0.0/33}", "{address: 10.0.0.0/+8}",
        "{address: 10.0.0.0/8, method: trust}", "{address: 10.0.0.0/8, user: '+staff'}",
        "{address: 10.0.0.0/8, user: 'a b'}", "{address: 10.0.0.0/8, database: 'a\"b'}",
        "{address: 10.0.0.0/8, databse: app}", "{address: 10.0.0.0/8, user: [a]}", "word"}) {
    EXPECT_NE(complaint(std::string("allow:\n  - ") + line + "\n"), "") << line;
  }
  EXPECT_EQ(complaint("allow: [{address: 10.0.0.0/8, method: md5}]\n"),
            "file:1: the method \"md5\" is refused; scram-sha-256 is the only one");
  for (const char* all : {"", ", user: all"}) {
    EXPECT_EQ(complaint(std::string("allow: [{address: 10.0.0.0/8, database: replication") + all +
                        "}]\n"),
              "file:1: a line of allow for replication names no user; add \"user: \" and the role "
              "that receives WAL: it can read everything");
  }
  EXPECT_EQ(complaint("allow: [{address: 10.0.0.0/8, database: replication, user: archiver}]\n"),
            "");
}

TEST(ClusterFile, SlotsAreNamedAsPostgresNamesThem) {
  const auto reading = parse_cluster_text(
      "slots: {archive: {type: physical}, cdc: {type: logical, database: app}}\n", "file");
  ASSERT_TRUE(reading.diagnostics.empty()) << reading.diagnostics.front().message;
  EXPECT_EQ(reading.settings.slots.at("archive"), DeclaredSlot{});
  EXPECT_EQ(reading.settings.slots.at("cdc"), (DeclaredSlot{true, "app", "pgoutput"}));
  EXPECT_EQ(parse_cluster_text(cluster_text(reading.settings), "again").settings,
            reading.settings);
  EXPECT_EQ(complaint("slots: {Archive: {type: physical}}\n"),
            "file:1: \"Archive\" cannot be the name of a slot; write 1 to 63 of a-z, 0-9 and _");
  EXPECT_EQ(complaint("slots: {evg_n1: {type: physical}}\n"),
            "file:1: \"evg_n1\" cannot be the name of a slot; names that begin with evg_ are those "
            "of the nodes");
  EXPECT_EQ(complaint("slots: {a: {typ: physical}}\n"),
            "file:1: unknown option \"slots.a.typ\"; did you mean \"type\"?");
  EXPECT_EQ(complaint("slots: {a: {type: logicl}}\n"),
            "file:1: \"logicl\" is no value for slots.a.type; write physical or logical");
  EXPECT_EQ(complaint("slots: {a: {type: logical}}\n"),
            "file:1: slots.a is logical and names no database; add \"database: NAME\" to it");
  EXPECT_EQ(complaint("slots: {a: {type: physical, database: app}}\n"),
            "file:1: slots.a is physical: it has no database and no plugin; write \"type: "
            "logical\", or take both away");
  EXPECT_EQ(complaint("slots: {a: physical}\n"),
            "file:1: slots.a has no type; write {type: physical} behind it");
  EXPECT_EQ(complaint("slots: [a]\n"),
            "file:1: \"slots\" is not a list of names; write below it, for example, \"archive: "
            "{type: physical}\"");
  std::string many = "slots:\n";
  for (int i = 0; i < 9; ++i) many += "  s" + std::to_string(i) + ": {type: physical}\n";
  EXPECT_EQ(complaint(many), "file:1: more than 8 slots");
  EXPECT_EQ(complaint("member_slot_limit: some\n"),
            "file:1: \"some\" is no value for member_slot_limit; write a number of bytes with kB, "
            "MB or GB, or unlimited");
  EXPECT_EQ(complaint("member_slot_limit: 31MB\n"),
            "file:1: \"31MB\" is no value for member_slot_limit; write at least 32MB");
  EXPECT_EQ(complaint("member_slot_limit: 32MB\n"), "");
}

TEST(ClusterFile, SingleOptionsAreSetAndTakenAway) {
  ClusterSettings settings;
  ASSERT_TRUE(set_option(settings, "durability=strict"));
  ASSERT_TRUE(set_option(settings, "postgresql.parameters.work_mem=8MB"));
  ASSERT_TRUE(set_option(settings, "allow=[{address: 10.0.0.0/8, user: app}]"));
  ASSERT_TRUE(set_parameter(settings, "Log_Line_Prefix=a=b"));
  ASSERT_TRUE(set_parameter(settings, "search_path=''"));
  EXPECT_EQ(settings.durability, "strict");
  EXPECT_EQ(settings.parameters,
            (std::map<std::string, std::string>{
                {"work_mem", "8MB"}, {"log_line_prefix", "a=b"}, {"search_path", ""}}));
  EXPECT_EQ(settings.allow.size(), 1U);
  ASSERT_TRUE(set_option(settings, "durability="));
  ASSERT_TRUE(set_option(settings, "allow="));
  ASSERT_TRUE(set_parameter(settings, "work_mem="));
  EXPECT_FALSE(settings.durability);
  EXPECT_TRUE(settings.allow.empty());
  EXPECT_FALSE(settings.parameters.contains("work_mem"));
  const ClusterSettings before = settings;
  for (const char* wrong : {"durability", "=strict", "durabilty=strict", "durability=fast",
                            "acknowledgements=two", "allow=[{address: 0.0.0.0/0}]"}) {
    EXPECT_EQ(set_option(settings, wrong).error().code(), ErrorCode::usage) << wrong;
  }
  EXPECT_EQ(set_option(settings, "durabilty=strict").error().hint(),
            "did you mean \"durability\"?");
  for (const char* wrong : {"work_mem", "=1", "a b=1", "work_mem=1\nfsync=off"}) {
    EXPECT_EQ(set_parameter(settings, wrong).error().code(), ErrorCode::usage) << wrong;
  }
  EXPECT_EQ(settings, before);
}

TEST(ClusterFile, ThePageIsTheReference) {
  std::ifstream in(std::filesystem::path(EVERGRES_SOURCE_DIR) /
                   "docs/reference/cluster-options.md");
  std::ostringstream page;
  page << in.rdbuf();
  EXPECT_EQ(page.str(), cluster_reference())
      << "evergres print cluster-options > docs/reference/cluster-options.md";
}

}  // namespace
}  // namespace evergres::config
