#include <gtest/gtest.h>

#include <array>

#include "postgres/clone.hpp"
#include "postgres/control_file.hpp"
#include "postgres/credentials.hpp"
#include "postgres/history.hpp"
#include "postgres/receiver.hpp"
#include "postgres/rewind.hpp"
#include "postgres/standstill.hpp"
#include "postgres/versions.hpp"
#include "postgres/wal_end.hpp"

namespace evergres::postgres {

namespace {

constexpr const char* control_text =
    "pg_control version number:            1300\n"
    "Catalog version number:               202209061\n"
    "Database system identifier:           7571234567890123456\n"
    "Database cluster state:               in archive recovery\n"
    "pg_control last modified:             Sat 21 Nov 2026 06:50:00 AM UTC\n"
    "Latest checkpoint location:           0/3000060\n"
    "Latest checkpoint's REDO location:    0/3000028\n"
    "Latest checkpoint's REDO WAL file:    000000020000000000000003\n"
    "Latest checkpoint's TimeLineID:       2\n"
    "Latest checkpoint's PrevTimeLineID:   1\n"
    "Minimum recovery ending location:     1A/3000138\n"
    "Min recovery ending loc's timeline:   2\n"
    "wal_level setting:                    replica\n"
    "wal_log_hints setting:                on\n"
    "max_connections setting:              100\n"
    "max_worker_processes setting:         8\n"
    "max_wal_senders setting:              16\n"
    "max_prepared_xacts setting:           0\n"
    "max_locks_per_xact setting:           64\n"
    "WAL block size:                       8192\n"
    "Bytes per WAL segment:                16777216\n"
    "Data page checksum version:           1\n";

TEST(ControlFile, IsReadFromTheText) {
  const auto control = parse_control_file(control_text);
  ASSERT_TRUE(control.ok()) << control.error().for_people();
  EXPECT_EQ(control->system_id, SystemId{7571234567890123456});
  EXPECT_EQ(control->state, "in archive recovery");
  EXPECT_FALSE(control->cleanly_stopped());
  EXPECT_EQ(control->checkpoint, Lsn{0x3000060});
  EXPECT_EQ(control->redo, Lsn{0x3000028});
  EXPECT_EQ(control->timeline, TimelineId{2});
  EXPECT_EQ(control->minimum_recovery_end, Lsn{0x1A03000138});
  EXPECT_TRUE(control->checksums);
  EXPECT_EQ(control->max_wal_senders, 16);
}

TEST(ControlFile, EveryMissingOrBrokenLineIsNamed) {
  const std::string whole = control_text;
  for (const std::string name : {"Database system identifier", "Latest checkpoint location",
                                 "Min recovery ending loc's timeline", "Bytes per WAL segment"}) {
    std::string text = whole;
    text.replace(text.find(name), 4, "????");
    const auto missing = parse_control_file(text);
    ASSERT_FALSE(missing.ok()) << name;
    EXPECT_EQ(missing.error().detail(), "\"" + name + "\" is missing.");
    text = whole;
    text.insert(text.find('\n', text.find(name)), "x");
    EXPECT_FALSE(parse_control_file(text).ok()) << name;
  }
  EXPECT_FALSE(parse_control_file("").ok());
}

TEST(History, Table) {
  struct Case {
    const char* text;
    std::optional<std::vector<HistoryStep>> steps;
  };
  const std::vector<HistoryStep> two{{TimelineId{1}, Lsn{0x3000000}},
                                     {TimelineId{4}, Lsn{0x5000028}}};
  const Case cases[] = {
      {"", std::vector<HistoryStep>{}},
      {"# evergres reserved\n", std::vector<HistoryStep>{}},
      {"1\t0/3000000\tno recovery target specified\n\n4\t0/5000028\tx\n", two},
      {"  1 0/3000000\r\n # comment\n4\t0/5000028", two},
      {"x\t0/3000000\n", std::nullopt},
      {"0\t0/3000000\n", std::nullopt},
      {"1\n", std::nullopt},
      {"1x\t0/3000000\n", std::nullopt},
      {"1\t3000000\n", std::nullopt},
      {"4\t0/3000000\n1\t0/4000000\n", std::nullopt},
      {"1\t0/3000000\n1\t0/4000000\n", std::nullopt},
      {"1\t0/5000028\n2\t0/3000000\n",
       std::vector<HistoryStep>{{TimelineId{1}, Lsn{0x5000028}}, {TimelineId{2}, Lsn{0x3000000}}}},
      {"99999999999\t0/3000000\n", std::nullopt},
  };
  for (const auto& [text, steps] : cases) {
    const auto parsed = parse_history(text);
    ASSERT_EQ(parsed.ok(), steps.has_value()) << text;
    if (steps) {
      EXPECT_EQ(*parsed, *steps) << text;
    }
  }
  EXPECT_EQ(history_file_name(TimelineId{0x1A}), "0000001A.history");
}

TEST(WalDump, RecordLines) {
  const auto record = parse_record_line(
      "rmgr: Heap        len (rec/tot):     59/  8231, tx:        736, lsn: 1/03000148, prev "
      "0/03000110, desc: INSERT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 0 FPW");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->begin, Lsn{0x103000148});
  EXPECT_EQ(record->total_bytes, 8231U);
  EXPECT_FALSE(record->is_switch);
  EXPECT_TRUE(parse_record_line("rmgr: XLOG        len (rec/tot):     24/    24, tx:          0, "
                                "lsn: 0/03000148, prev 0/03000110, desc: SWITCH ")
                  ->is_switch);
  for (const char* line : {"", "rmgr: ", "pg_waldump: error: error in WAL record at 0/3000148",
                           "rmgr: XLOG len (rec/tot): 24/ x, tx: 0, lsn: 0/03000148, prev 0/0",
                           "rmgr: XLOG len (rec/tot): 24/ 24, tx: 0, lsn: 03000148, prev 0/0"}) {
    EXPECT_FALSE(parse_record_line(line).has_value()) << line;
  }
}

TEST(WalDump, EndOfARecordCountsPageHeaders) {
  struct Case {
    std::uint64_t begin;
    std::uint32_t bytes;
    std::uint64_t end;
  };
  const Case cases[] = {
      {0x1000028, 50, 0x1000060},     // rounded up to 8
      {0x1001FC8, 56, 0x1002000},     // up to the end of a page: no header yet
      {0x1001FC8, 57, 0x1002020},     // 24 bytes of header and 8 of record on the next page
      {0x1FFFFC8, 64, 0x2000030},     // 40 bytes of header at the begin of a segment
      {0x1000028, 20000, 0x1004E78},  // two headers in between
  };
  for (const auto& [begin, bytes, end] : cases) {
    EXPECT_EQ(end_of_record({Lsn{begin}, bytes, false}, 8192, 16U << 20U).text(), Lsn{end}.text());
  }
  EXPECT_EQ(end_of_record({Lsn{0x1000148}, 24, true}, 8192, 16U << 20U), Lsn{0x2000000});
}

TEST(Receiver, Titles) {
  EXPECT_TRUE(is_receiver_title("postgres: walreceiver "));
  EXPECT_TRUE(is_receiver_title("postgres: evergres: walreceiver streaming 0/3000148"));
  EXPECT_TRUE(is_receiver_title("postgres: evergres: walreceiver"));
  EXPECT_TRUE(is_receiver_title("postgres: walreceiver: walreceiver "));
  EXPECT_FALSE(is_receiver_title("postgres: evergres: walsender evg ::1(40000) streaming"));
  EXPECT_FALSE(is_receiver_title("postgres: evergres: shop walreceiver [local] idle"));
  EXPECT_FALSE(is_receiver_title("vim walreceiver.c"));
  EXPECT_FALSE(is_receiver_title(""));
}

constexpr std::array some_stages{CopyStage{"", "the source to answer", Millis{60'000}},
                                 CopyStage{"waiting for it", "the last WAL", Millis{60'000}, true},
                                 CopyStage{"syncing", "our own disk", std::nullopt}};

/// A program that copies, watched each second.
struct Watched {
  Instant now = Instant{} + Millis{1'000'000};
  std::string files = "1";
  std::string wal = "1";
  Millis walk{0};  ///< that it takes to look at the files
  Standstill standstill{"copier", some_stages,
                        [this](bool wal_only) {
                          now = now + walk;
                          return wal_only ? wal : files;
                        },
                        [this] { return now; }};

  /// Seconds until it is said to stand still; absent: not within these.
  std::optional<int> ends_within(int seconds) {
    for (int second = 1; second <= seconds; ++second) {
      now = now + Millis{1000};
      error = standstill.look();
      if (error) return second;
    }
    return std::nullopt;
  }
  std::optional<Error> error;
};

TEST(Standstill, EndsWhatShowsNothingForAMinute) {
  Watched copy;
  EXPECT_EQ(copy.ends_within(100), 60);
  EXPECT_EQ(copy.error->code(), ErrorCode::timed_out);
  EXPECT_EQ(copy.error->message(), "copier stood still and was killed");
  EXPECT_EQ(copy.error->detail(), "It waited for the source to answer, and nothing came for 60 s.");
}

TEST(Standstill, ANewLineOrAChangeOfTheFilesIsASignOfLife) {
  Watched copy;
  EXPECT_EQ(copy.ends_within(55), std::nullopt);
  copy.standstill.heard(" 5/10 kB");
  EXPECT_EQ(copy.ends_within(55), std::nullopt);
  copy.standstill.heard(" 5/10 kB");  // nothing new
  EXPECT_EQ(copy.ends_within(20), 5);
  copy.standstill.heard(" 6/10 kB");
  EXPECT_EQ(copy.ends_within(35), std::nullopt);
  copy.files = "2";
  EXPECT_EQ(copy.ends_within(60), std::nullopt);
  copy.wal = "2";
  EXPECT_TRUE(copy.ends_within(10).has_value()) << "WAL does not copy the files";
}

TEST(Standstill, EachStageHasItsOwnPatience) {
  Watched copy;
  copy.standstill.heard("copier: waiting for it to come");
  EXPECT_EQ(copy.ends_within(35), std::nullopt);
  copy.wal = "2";
  EXPECT_EQ(copy.ends_within(60), std::nullopt);
  copy.files = "2";
  EXPECT_TRUE(copy.ends_within(10).has_value()) << "only WAL is waited for";
  copy.standstill.heard("  1/1 kB (copier: syncing)");  // the name of a file
  EXPECT_EQ(copy.ends_within(100), 60);
  copy.standstill.heard("copier: syncing data");
  EXPECT_EQ(copy.ends_within(10'000), std::nullopt);
}

TEST(Standstill, ANodeThatWasFrozenItselfBeginsAnew) {
  Watched copy;
  EXPECT_EQ(copy.ends_within(20), std::nullopt);
  copy.now = copy.now + Millis{3600'000};
  EXPECT_EQ(copy.ends_within(100), 61);
}

// 40 s for each look at the files of a large database: the source hangs all the same.
TEST(Standstill, ALongWalkIsNoSignOfLife) {
  Watched copy;
  copy.walk = Millis{40'000};
  EXPECT_EQ(copy.ends_within(100), 20);
  Watched alive;
  alive.walk = Millis{40'000};
  for (int part = 1; part < 20; ++part) {
    EXPECT_EQ(alive.ends_within(10), std::nullopt) << part;
    alive.files += "1";
  }
}

/// pg_rewind 15 against the source at hand, from its first line to its last.
TEST(Standstill, OnlyOurOwnDiskMayKeepARewindSilent) {
  struct Said {
    const char* line;
    bool waits_for_the_source;
  };
  Instant now = Instant{} + Millis{1'000'000};
  Standstill rewinding(
      "pg_rewind", rewind_stages(), [](bool) { return "1"; }, [&now] { return now; });
  const auto hour_passes = [&] {
    for (int second = 0; second < 3600; ++second) {
      now = now + Millis{1000};
      if (rewinding.look()) return false;
    }
    return true;
  };
  EXPECT_FALSE(hour_passes()) << "connecting";
  for (const auto& [line, waits_for_the_source] :
       std::array{Said{"connected to server", true},
                  Said{"servers diverged at WAL location 0/3000000 on timeline 1", false},
                  Said{"rewinding from last common checkpoint at 0/2000060 on timeline 1", false},
                  Said{"reading source file list", true}, Said{"reading target file list", false},
                  Said{"reading WAL in target", false},
                  Said{"need to copy 52 MB (total source directory size is 70 MB)", true},
                  Said{"syncing target data directory", false}, Said{"Done!", false}}) {
    rewinding.heard("pg_rewind: " + std::string(line));
    EXPECT_EQ(hour_passes(), !waits_for_the_source) << line;
  }
}

TEST(Clone, Progress) {
  EXPECT_EQ(parse_clone_progress("  12345/31745 kB (38%), 0/1 tablespace"),
            "cloning 12 of 31 MB (38 %)");
  EXPECT_EQ(parse_clone_progress("31745/31745 kB (100%), 1/1 tablespace"),
            "cloning 31 of 31 MB (100 %)");
  EXPECT_FALSE(parse_clone_progress("pg_basebackup: initiating base backup").has_value());
  EXPECT_FALSE(parse_clone_progress("").has_value());
}

TEST(Versions, ProgramMajor) {
  EXPECT_EQ(parse_program_major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), 15);
  EXPECT_EQ(parse_program_major("postgres (PostgreSQL) 18beta1"), 18);
  EXPECT_FALSE(parse_program_major("postgres (PostgreSQL) 9.6.1").has_value());
  EXPECT_FALSE(parse_program_major("pg_ctl (PostgreSQL) 15.1").has_value());
  const auto none = find_bin_directory("/nowhere");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), ErrorCode::missing_program);
  EXPECT_NE(none.error().hint().find("postgresql-15"), std::string::npos);
}

TEST(Credentials, PasswordsOfTheMembersAreEqualAndOfOneLine) {
  const std::string password = replication_password("secret");
  EXPECT_EQ(password, replication_password("secret"));
  EXPECT_NE(password, replication_password("secret2"));
  EXPECT_EQ(password.size(), 43U);
  EXPECT_EQ(password.find_first_of("+/=\n "), std::string::npos);
  EXPECT_NE(*scram_verifier("x"), *scram_verifier("x"));
  EXPECT_TRUE(scram_verifier("x")->starts_with("SCRAM-SHA-256$4096:"));
  EXPECT_TRUE(is_verifier_of(*scram_verifier("x"), "x"));
  EXPECT_FALSE(is_verifier_of(*scram_verifier("x"), "y"));
  for (const char* other : {"", "md5a", "SCRAM-SHA-256$4096:", "SCRAM-SHA-256$4096:?$a:b"}) {
    EXPECT_FALSE(is_verifier_of(other, "x")) << other;
  }
  EXPECT_FALSE(scram_verifier("").ok());
  EXPECT_FALSE(scram_verifier("line\nbreak").ok());
}

}  // namespace

}  // namespace evergres::postgres
