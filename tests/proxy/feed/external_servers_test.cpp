#include "proxy/feed/external_servers.hpp"

#include <gtest/gtest.h>

namespace evergres::proxy {
namespace {

std::string refused(const std::string& text) {
  const auto read = read_external_servers(text);
  if (read) return "accepted";
  EXPECT_EQ(read.error().code(), ErrorCode::config_invalid);
  EXPECT_EQ(read.error().for_people().find("s3cret"), std::string::npos) << "no secret is quoted";
  return read.error().message();
}

TEST(ExternalServers, BothFormsOfAConnectionStringAreRead) {
  for (const char* text :
       {"host=db1,db2 port=5432,6000 user=asker dbname=app sslrootcert=/ca.crt",
        "postgresql://asker@db1:5432,db2:6000/app?sslmode=verify-full&sslrootcert=/ca.crt"}) {
    const auto is = read_external_servers(text);
    ASSERT_TRUE(is) << is.error().for_people();
    ASSERT_EQ(is->hosts.size(), 2U);
    EXPECT_EQ(external_name(is->hosts[0]), "db1:5432");
    EXPECT_EQ(external_name(is->hosts[1]), "db2:6000");
    EXPECT_EQ(is->user, "asker");
    EXPECT_EQ(is->database, "app");
    EXPECT_TRUE(is->tls) << "it is the default";
    EXPECT_EQ(is->authority, "/ca.crt");
    EXPECT_TRUE(is->must_write);
  }
  const auto one = read_external_servers(
      "host=::1 user=a sslmode=disable target_session_attrs=primary");
  ASSERT_TRUE(one) << one.error().for_people();
  EXPECT_EQ(external_name(one->hosts[0]), "[::1]:5432");
  EXPECT_EQ(one->database, "postgres");
  EXPECT_FALSE(one->must_write);
  EXPECT_FALSE(one->tls);
}

TEST(ExternalServers, WhatCannotBeMeantIsRefused) {
  EXPECT_EQ(refused("host"), "it is no connection string");
  EXPECT_EQ(refused("host=a user=u password=s3cret sslmode=disable"),
            "a connection string in a configuration file holds no password");
  EXPECT_EQ(refused("host=a user=u password='s3cret"), "it is no connection string");
  EXPECT_EQ(refused("host=a user=u sslmode=require"),
            "sslmode is require, and only verify-full and disable are possible");
  EXPECT_EQ(refused("host=a user=u"), "verify-full needs sslrootcert");
  EXPECT_EQ(refused("host=a user=u sslrootcert=ca.crt"), "the path ca.crt is not absolute");
  EXPECT_EQ(refused("host=a sslmode=disable"), "it names no user");
  EXPECT_EQ(refused("user=u sslmode=disable"), "a host or a port is missing or impossible");
  EXPECT_EQ(refused("host=a,a user=u sslmode=disable"), "the server a:5432 is named twice");
  EXPECT_EQ(refused("host=a port=1,2 user=u sslmode=disable"),
            "hosts and ports do not fit together");
  EXPECT_EQ(refused("host=a port=x user=u sslmode=disable"),
            "a host or a port is missing or impossible");
  EXPECT_EQ(refused("host=a user=u sslmode=disable options=-csearch_path=x"),
            "\"options\" is not understood here");
  EXPECT_EQ(refused("host=a user=u sslmode=disable target_session_attrs=any"),
            "target_session_attrs is any");
  EXPECT_EQ(refused("host=/run/x user=u sslrootcert=/ca.crt"), "a unix socket has no TLS");
  EXPECT_EQ(refused("host=a user=u sslrootcert=/ca.crt sslcert=/me.crt"),
            "sslcert and sslkey belong together");
}

}  // namespace
}  // namespace evergres::proxy
