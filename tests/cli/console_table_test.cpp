#include "cli/console_table.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace evergres::cli {
namespace {

TEST(ConsoleTables, ArePrintedForPeople) {
  const auto document = boost::json::parse(
      R"({"pools": [{"database": "app", "user": "app_rw", "pool_mode": "session", "cl_active": 3,
          "cl_waiting": 12, "maxwait": 2, "maxwait_us": 50000, "sv_active": 20, "sv_idle": 0,
          "sv_login": 1}]})");
  EXPECT_EQ(lines_of(console_rows(ConsoleTable::pools, document), false),
            " DATABASE  USER    MODE     CLIENTS  WAITING  LONGEST WAIT  SERVERS BUSY  IDLE  "
            "LOGIN\n"
            " app       app_rw  session        3       12       2.050 s            20     0      "
            "1\n");
}

TEST(ConsoleTables, BeginWithTheirNodeWhereItIsTold) {
  const auto document =
      boost::json::parse(R"({"servers": [{"node": "n1", "id": 4}, {"node": "n2", "id": 5}]})");
  const auto rows = console_rows(ConsoleTable::servers, document);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0][0].text, "NODE");
  EXPECT_EQ(rows[2][0].text, "n2");
  EXPECT_EQ(rows[2][1].text, "5");
}

TEST(ConsoleTables, WhatAProxyDoesNotSayIsADash) {
  const auto document = boost::json::parse(
      R"({"clients": [{"id": 7, "user": "a\u001b[2Jb", "wait": "x", "tls": "", "port": null},
          5]})");
  const auto rows = console_rows(ConsoleTable::clients, document);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1][0].text, "7");
  EXPECT_EQ(rows[1][1].text, "-");
  EXPECT_EQ(rows[1][2].text, "a [2Jb");
  EXPECT_EQ(rows[1][5].text, "-");
  EXPECT_EQ(rows[1][9].text, "-");
}

TEST(ConsoleTables, WithoutAListThereIsOnlyTheHeading) {
  for (const char* text : {"{}", "[]", R"({"servers": {}})", R"({"servers": []})", "null"}) {
    const auto rows = console_rows(ConsoleTable::servers, boost::json::parse(text));
    ASSERT_EQ(rows.size(), 1U) << text;
    EXPECT_EQ(rows[0].front().text, "ID");
  }
}

}  // namespace
}  // namespace evergres::cli
