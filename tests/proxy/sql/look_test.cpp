#include "proxy/sql/look.hpp"

#include <gtest/gtest.h>

namespace evergres::proxy {
namespace {

std::string kind(std::string_view sql) {
  return std::string(word_of(look_at(sql).kind));
}

TEST(Sql, StatementsAreKnownByTheirWords) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"", "empty"},
      {" ; -- x\n ;; /* ; */", "empty"},
      {"select 1", "read"},
      {"SELECT 1;", "read"},
      {"/* hint */ SeLeCt 1", "read"},
      {"values (1)", "read"},
      {"show all", "read"},
      {"explain insert into t values (1)", "write"},
      {"explain select 1", "read"},
      {"explain (analyze) select f()", "write"},
      {"with x as (select 1) select * from x", "read"},
      {"with x as (delete from t returning *) select * from x", "write"},
      {"select * from t for update", "write"},
      {"select 1 into t", "write"},
      {"select 'insert; delete'", "read"},
      {"insert into t values (1)", "write"},
      {"vacuum", "several"},
      {"create index concurrently i on t (a)", "several"},
      {"create index i on t (a)", "write"},
      {"create table t (a int)", "write"},
      {"begin", "begin"},
      {"BEGIN WORK", "begin"},
      {"start transaction read only", "begin"},
      {"commit", "commit"},
      {"end transaction;", "commit"},
      {"commit and no chain", "several"},
      {"commit and chain", "several"},
      {"rollback", "rollback"},
      {"abort", "rollback"},
      {"rollback to s", "within"},
      {"rollback work to savepoint s", "within"},
      {"savepoint s", "within"},
      {"release s", "within"},
      {"prepare transaction 'x'", "two_phase"},
      {"commit prepared 'x'", "two_phase"},
      {"rollback prepared 'x'", "two_phase"},
      {"prepare p as select 1", "session"},
      {"execute p", "write"},
      {"set local x = 1", "within"},
      {"set transaction read only", "within"},
      {"set x = 1", "session"},
      {"reset all", "session"},
      {"listen c", "session"},
      {"discard all", "session"},
      {"copy t from stdin", "copy"},
      {"call p()", "several"},
      {"do $$ begin commit; end $$", "several"},
      {"begin; commit", "several"},
      {"select 1; select 2", "several"},
      {"select 'open", "several"},
      {"select \"open", "several"},
      {"select $a$ open $b$", "several"},
      {"select /* open", "several"},
      {"select 'a\\'", "several"},
      {"select E'a\\';b'", "read"},
      {"select 'it''s; fine'", "read"},
      {"select $$;$$, $x$;$$;$x$", "read"},
      {"select a$b$;", "read"},
      {"select $1; select $2", "several"},
      {"select U&\"a\"", "several"},
      {"select 1 -- a;\r; select 2", "several"},
      {"select /* /* ; */ ; */ 1", "read"},
  };
  for (const auto& [sql, expected] : cases) EXPECT_EQ(kind(sql), expected) << sql;
}

TEST(Sql, OnlyABareBeginMayBeDeferred) {
  EXPECT_TRUE(look_at("begin").plain_begin);
  EXPECT_TRUE(look_at("/* x */ BEGIN;").plain_begin);
  EXPECT_FALSE(look_at("begin isolation level serializable").plain_begin);
  EXPECT_FALSE(look_at("start transaction").plain_begin);
  EXPECT_TRUE(look_at("begin isolation level serializable, read only").read_only);
  EXPECT_FALSE(look_at("begin read write").read_only);
  EXPECT_FALSE(look_at("begin read only, read write").read_only) << "the last one counts";
}

TEST(Sql, WhatMayMakeAReadOnlyTransactionWriteIsSeen) {
  for (const std::string_view sql :
       {"set transaction read write", "SET LOCAL TRANSACTION READ WRITE",
        "set session transaction read write", "set transaction_read_only = off",
        "set local \"Transaction_Read_Only\" to off", "reset transaction_read_only",
        "select set_config('transaction_read_only', 'off', true)",
        "update pg_settings set setting = 'off' where name = 'transaction_read_only'",
        "begin read only; set transaction read write", "do $$ begin end $$", "execute p"}) {
    EXPECT_TRUE(look_at(sql).changes_mode) << sql;
  }
  EXPECT_TRUE(look_at("select 1", false).changes_mode);
  for (const std::string_view sql : {"begin read only", "select 1", "set local work_mem = '1MB'",
                                     "commit", "start transaction read only"}) {
    EXPECT_FALSE(look_at(sql).changes_mode) << sql;
  }
}

TEST(Sql, WhatALongStatementHidesIsNotGuessed) {
  const SqlLook look = look_at("select 1", false);
  EXPECT_EQ(look.kind, SqlKind::several);
  EXPECT_TRUE(look.traces.opaque);
}

struct Left {
  std::string_view sql;
  bool Traces::*trace;
};

TEST(Sql, WhatAStatementLeavesBehindIsSeen) {
  const std::vector<Left> cases{
      {"set x = 1", &Traces::settings},
      {"reset x", &Traces::settings},
      {"set session characteristics as transaction read only", &Traces::settings},
      {"set role x", &Traces::role},
      {"set session role x", &Traces::role},
      {"SET \"role\" = x", &Traces::role},
      {"set session \"ROLE\" to x", &Traces::role},
      {"set session authorization x", &Traces::role},
      {"set session session authorization x", &Traces::role},
      {"set session_authorization = x", &Traces::role},
      {"listen c", &Traces::channels},
      {"load 'x'", &Traces::loaded},
      {"prepare p as select 1", &Traces::prepared},
      {"deallocate all", &Traces::prepared},
      {"DEALLOCATE evergres_1", &Traces::prepared},
      {"discard all", &Traces::prepared},
      {"select 1; deallocate p", &Traces::prepared},
      {"execute p", &Traces::opaque},
      {"declare c cursor with hold for select 1", &Traces::cursors},
      {"create temp table t (a int)", &Traces::temporary},
      {"create temporary view v as select 1", &Traces::temporary},
      {"select 1 into temp t", &Traces::temporary},
      {"create table pg_temp.t (a int)", &Traces::temporary},
      {"create table \"pg_temp_3\".t (a int)", &Traces::temporary},
      {"create table PG_Temp_3.t (a int)", &Traces::temporary},
      {"set search_path to pg_temp, public", &Traces::temporary},
      {"set local search_path = \"pg_temp\"", &Traces::temporary},
      {"set search_path = 'PG_temp'", &Traces::opaque},
      {"set local search_path = 'pg_temp'", &Traces::opaque},
      {"set schema $$pg_temp$$", &Traces::opaque},
      {"set search_path = E'pg\\x5ftemp'", &Traces::opaque},
      {"set search_path = 'pg_'\n'temp'", &Traces::opaque},
      {"prepare p as create temp table t (a int)", &Traces::temporary},
      {"update pg_catalog.pg_settings set setting = 'x' where name = 'role'", &Traces::opaque},
      {"select 1; load 'x'", &Traces::loaded},
      {"/* a */ ; LOAD 'x'; select 1", &Traces::loaded},
      {"select set_config('role', 'x', false)", &Traces::opaque},
      {"select pg_catalog.\"set_config\"('role', 'x', false)", &Traces::opaque},
      {"select PG_ADVISORY_LOCK(1)", &Traces::advisory_locks},
      {"select pg_try_advisory_lock_shared(1)", &Traces::advisory_locks},
      {"select nextval('s')", &Traces::sequences},
      {"do $$ begin end $$", &Traces::opaque},
      {"call p()", &Traces::opaque},
      {"select 1; select 2", &Traces::opaque},
      {"select U&\"set\\005fconfig\"(1)", &Traces::opaque},
  };
  for (const Left& left : cases) EXPECT_TRUE(look_at(left.sql).traces.*left.trace) << left.sql;
}

TEST(Sql, WhatLeavesNothingBehindLeavesNoTrace) {
  Traces only_any;
  only_any.any = true;
  for (const std::string_view sql :
       {"select 1", "select * from pg_settings", "insert into t values ('set role x')", "begin",
        "commit", "set local x = 1", "set local search_path = 'public', 'app'",
        "set local role x", "select pg_advisory_xact_lock(1)", "update t set role = 1",
        "declare c cursor for select 1", "listening", "fetch 1 from c"}) {
    EXPECT_EQ(look_at(sql).traces, only_any) << sql;
  }
  EXPECT_EQ(look_at(" -- nothing").traces, Traces{});
}

TEST(Sql, ALetterOfTwoBytesHidesNoQuote) {
  // In SJIS the backslash is the second half of a katakana, and the string ends before the ;
  const SqlLook look = look_at("select E'\x83\\'; set role x; --'");
  EXPECT_EQ(look.kind, SqlKind::several);
  EXPECT_TRUE(look.traces.opaque);
}

}  // namespace
}  // namespace evergres::proxy
