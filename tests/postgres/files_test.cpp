#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/file.hpp"
#include "postgres/begun.hpp"
#include "postgres/clone.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/hba.hpp"
#include "postgres/standstill.hpp"
#include "postgres/world.hpp"

namespace evergres::postgres::test {

namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void put(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void make_data() {
    put(node.server.data / "PG_VERSION", "15\n");
    put(node.server.data / "global" / "pg_control", "x");
    fs::permissions(node.server.data, fs::perms::owner_all);
  }
  std::string refusal() {
    const auto inspected = inspect(node.server, 15);
    if (inspected) return "";
    EXPECT_EQ(inspected.error().code(), ErrorCode::wrong_data_directory);
    EXPECT_FALSE(inspected.error().hint().empty());
    const std::string message = inspected.error().message();
    return message.substr(message.find(' ') + 1);
  }

  TemporaryDirectory root;
  Node node{root.path(), "a"};
};

TEST_F(Files, InspectKnowsAbsentEmptyOursAndIncomplete) {
  EXPECT_EQ(inspect(node.server, 15)->kind, DataKind::absent);
  fs::create_directory(node.server.data);
  fs::permissions(node.server.data, fs::perms::owner_all);
  EXPECT_EQ(inspect(node.server, 15)->kind, DataKind::empty);
  make_data();
  EXPECT_EQ(inspect(node.server, 15)->kind, DataKind::ours);
  ASSERT_TRUE(write_rebuilding(node.server, {"rewind", Incarnation("x")}).ok());
  EXPECT_EQ(inspect(node.server, 15)->why, "A rewind did not finish.");
  EXPECT_EQ((*read_rebuilding(node.server))->incarnation, Incarnation("x"));
  ASSERT_TRUE(remove_rebuilding(node.server).ok());
  ASSERT_TRUE(remove_rebuilding(node.server).ok());
  fs::remove(node.server.data / "global" / "pg_control");
  EXPECT_EQ(inspect(node.server, 15)->kind, DataKind::incomplete);
}

TEST_F(Files, WhereStandbySignalIsGoneTheNewestTimelineBeganHere) {
  make_data();
  const auto wal = [&](const std::string& name, const std::string& text) {
    put(node.server.data / "pg_wal" / name, text);
  };
  using Ids = std::vector<TimelineId>;
  wal("00000002.history", "1\t0/3000000\tno recovery target specified\n");
  wal("00000005.history", "# evergres reserved\n1\t0/3000000\tx\n");
  EXPECT_EQ(*timelines_begun(node.server), Ids{TimelineId{2}}) << "5 is a placeholder";
  ASSERT_TRUE(note_timelines_begun(node.server));
  put(node.server.data / "standby.signal", "");
  EXPECT_EQ(*timelines_begun(node.server), Ids{TimelineId{2}});

  wal("00000006.history", "1\t0/3000000\tx\n2\t0/5000000\tx\n");
  EXPECT_EQ(*timelines_begun(node.server), Ids{TimelineId{2}}) << "6 was fetched from a leader";
  fs::remove(node.server.data / "standby.signal");
  EXPECT_EQ(*timelines_begun(node.server), (Ids{TimelineId{2}, TimelineId{6}}));
  ASSERT_TRUE(note_timelines_begun(node.server));
  put(node.server.data / "standby.signal", "");

  Node copy{root.path(), "b"};
  fs::copy(node.server.data, copy.server.data, fs::copy_options::recursive);
  EXPECT_EQ(*timelines_begun(copy.server), Ids{}) << "they began on another node";
  ASSERT_TRUE(forget_timelines_begun(node.server.data));
  ASSERT_TRUE(forget_timelines_begun(node.server.data));
  EXPECT_EQ(*timelines_begun(node.server), Ids{});
}

TEST_F(Files, APromotionThatWasCutOffBeganNothing) {
  make_data();
  const auto wal = [&](const std::string& name, const std::string& text) {
    put(node.server.data / "pg_wal" / name, text);
  };
  using Ids = std::vector<TimelineId>;
  wal("00000002.history", "1\t0/3000000\tx\n");  // the parent's, which streamed it
  wal("000000020000000000000004", "");
  wal("000000030000000000000004", "");  // made before the signal goes, the history file after it
  for (int look = 0; look < 3; ++look) {
    EXPECT_EQ(*timelines_begun(node.server), Ids{}) << "the start failed " << look << " times";
    ASSERT_TRUE(note_timelines_begun(node.server));
  }
  put(node.server.data / "standby.signal", "");
  EXPECT_EQ(*timelines_begun(node.server), Ids{});

  // The segment stays. The next promotion is seen all the same, and one that is cut off as well.
  wal("00000003.history", "1\t0/3000000\tx\n2\t0/4000000\tx\n");
  fs::remove(node.server.data / "standby.signal");
  EXPECT_EQ(*timelines_begun(node.server), Ids{TimelineId{3}});
  ASSERT_TRUE(note_timelines_begun(node.server));
  wal("000000070000000000000004", "");
  EXPECT_EQ(*timelines_begun(node.server), Ids{TimelineId{3}});
  ASSERT_TRUE(note_timelines_begun(node.server));
  wal("00000005.history", "1\t0/3000000\tx\n2\t0/4000000\tx\n3\t0/4000000\tx\n");
  EXPECT_EQ(*timelines_begun(node.server), (Ids{TimelineId{3}, TimelineId{5}}));
}

TEST_F(Files, WhatItsWalDoesNotHoldBeganElsewhereWhenItIsStreamed) {
  make_data();
  put(node.server.data / "standby.signal", "");
  fs::create_directory(node.server.data / "pg_wal");
  put(node.server.data / "evergres.begun",
      "node " + node.server.node.value + "\ntimeline 3\ntimeline 5\ncut 9 5\n");
  using Ids = std::vector<TimelineId>;
  ASSERT_TRUE(keep_timelines_begun(node.server, Ids{TimelineId{3}, TimelineId{8}}));
  EXPECT_EQ(*timelines_begun(node.server), Ids{TimelineId{3}});
  ASSERT_TRUE(keep_timelines_begun(node.server, {}));
  EXPECT_EQ(*timelines_begun(node.server), Ids{});
}

TEST_F(Files, WhatBeganHereIsNotReadFromADamagedFile) {
  make_data();
  put(node.server.data / "standby.signal", "");
  fs::create_directory(node.server.data / "pg_wal");
  const std::string name = "node " + node.server.node.value + "\n";
  for (const std::string& text :
       {std::string("timeline 2\n"), name + "timeline 0\n", name + "timeline -1\n",
        name + "timeline 2", name + "timeline 99999999999\n", name + "cut 5\n", name + "cut 5 \n",
        name + "\n", name + "tli 2\n"}) {
    put(node.server.data / "evergres.begun", text);
    EXPECT_FALSE(timelines_begun(node.server)) << text;
    EXPECT_FALSE(note_timelines_begun(node.server)) << text;
  }
}

TEST_F(Files, InspectRefusesWhatIsNotOurs) {
  put(node.server.data, "a file");
  EXPECT_EQ(refusal(), "is not a directory");
  fs::remove(node.server.data);
  fs::create_directory(node.server.data);
  fs::permissions(node.server.data, fs::perms::owner_all);
  put(node.server.data / "photo.jpg", "x");
  EXPECT_EQ(refusal(), "is not a PostgreSQL data directory");
  make_data();
  put(node.server.data / "PG_VERSION", "14\n");
  EXPECT_EQ(refusal(), "is of PostgreSQL 14");
  put(node.server.data / "PG_VERSION", "new\n");
  EXPECT_EQ(refusal(), "has a PG_VERSION that is no version");
  make_data();
  fs::permissions(node.server.data, fs::perms(0755));
  EXPECT_EQ(refusal(), "is open to other users");
  node.server.data = "/etc";
  EXPECT_EQ(refusal(), "belongs to another user");
  node.server.data = "/nowhere/data";
  EXPECT_EQ(inspect(node.server, 15).error().code(), ErrorCode::not_found);
}

TEST_F(Files, IncarnationIsReadOnlyUnderItsOwnName) {
  fs::create_directory(node.server.data);
  EXPECT_FALSE(read_incarnation(node.server.data, NodeName("a"))->has_value());
  ASSERT_TRUE(replace_incarnation(node.server.data, NodeName("a"), Incarnation("7f3a")).ok());
  EXPECT_EQ(*read_incarnation(node.server.data, NodeName("a")), Incarnation("7f3a"));
  EXPECT_FALSE(read_incarnation(node.server.data, NodeName("b"))->has_value());
  put(node.server.data / "evergres.incarnation", "node a\n");
  EXPECT_EQ(read_incarnation(node.server.data, NodeName("a")).error().code(),
            ErrorCode::data_invalid);
}

TEST_F(Files, DurableFilesAreReplacedWithTheirModeAndNothingIsLeft) {
  const fs::path path = root.path() / "x" / "file";
  EXPECT_FALSE(write_file_durably(path, "1", 0600).ok());
  fs::create_directory(path.parent_path());
  ASSERT_TRUE(write_file_durably(path, "1", 0600).ok());
  ASSERT_TRUE(write_file_durably(path, "22", 0640).ok());
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
  EXPECT_EQ(*read_file(path), "22");
  EXPECT_EQ(read_file(path, 1).error().code(), ErrorCode::data_invalid);
  EXPECT_EQ(std::distance(fs::directory_iterator(path.parent_path()), {}), 1);
  ASSERT_TRUE(remove_durably(path).ok());
  EXPECT_FALSE(read_file_if_present(path)->has_value());
  EXPECT_EQ(read_file(path).error().code(), ErrorCode::not_found);
}

TEST_F(Files, PutInPlaceExchangesAndRemovesTheOldOne) {
  put(root.path() / "a" / "data.clone-1" / "new", "1");
  ASSERT_TRUE(put_in_place(node.server, node.server.beside("clone-1"), "1").ok());
  put(root.path() / "a" / "data.clone-2" / "newer", "2");
  ASSERT_TRUE(put_in_place(node.server, node.server.beside("clone-2"), "2").ok());
  EXPECT_TRUE(fs::exists(node.server.data / "newer"));
  EXPECT_FALSE(fs::exists(node.server.data / "new"));
  EXPECT_FALSE(put_in_place(node.server, node.server.beside("clone-3"), "3").ok());
  EXPECT_TRUE(fs::exists(node.server.data / "newer"));
  put(root.path() / "a" / "data.clone-4" / "half", "");
  put(root.path() / "a" / "data.init-1" / "other", "");
  ASSERT_TRUE(set_copies_aside(node.server).ok());
  EXPECT_FALSE(fs::exists(node.server.beside("clone-4")));
  std::stop_source given_up;
  given_up.request_stop();
  EXPECT_EQ(remove_replaced(node.server, given_up.get_token()).error().code(),
            ErrorCode::cancelled);
  EXPECT_TRUE(*has_replaced(node.server));
  ASSERT_TRUE(remove_replaced(node.server).ok());
  EXPECT_FALSE(*has_replaced(node.server));
  EXPECT_TRUE(fs::exists(node.server.beside("init-1")));
  EXPECT_TRUE(fs::exists(node.server.data / "newer"));
}

TEST_F(Files, FailedCloneTouchesOnlyItsOwnDirectory) {
  put(node.server.data / "precious", "1");
  CloneRequest request;
  request.source = {"127.0.0.1", 1, ""};
  request.incarnation = Incarnation("x");
  request.configuration = node.configuration;
  request.major = 15;
  const auto done = clone(node.server, request, {}, soon());
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().message(), "pg_basebackup failed");
  EXPECT_NE(done.error().detail().find("Connection refused"), std::string::npos);
  EXPECT_EQ(done.error().detail().find(node.server.replication_password), std::string::npos);
  EXPECT_TRUE(fs::exists(node.server.data / "precious"));
  EXPECT_FALSE(fs::exists(node.server.beside("clone-x")));
  EXPECT_FALSE(fs::exists(node.server.source_file()));
}

TEST_F(Files, OwnedImpossibleAndRemovedParametersAreRefused) {
  using Parameters = std::map<std::string, std::string>;
  EXPECT_TRUE(check_parameters({{"work_mem", "8MB"},
                                {"recovery_min_apply_delay", "5min"},
                                {"pg_stat_statements.max", "100"},
                                {"wal_level", "logical"}},
                               15)
                  .ok());
  for (const Parameters& wrong : std::vector<Parameters>{{{"synchronous_standby_names", ""}},
                                                         {{"FSYNC", "off"}},
                                                         {{"recovery_target_xid", "1"}},
                                                         {{"include_dir", "x"}},
                                                         {{"wal_level", "minimal"}},
                                                         {{"a b", "1"}},
                                                         {{"", "1"}},
                                                         {{"work_mem", "8MB\nfsync = off"}},
                                                         {{"stats_temp_directory", "x"}}}) {
    const auto checked = check_parameters(wrong, 15);
    ASSERT_FALSE(checked.ok()) << wrong.begin()->first;
    EXPECT_EQ(checked.error().message(),
              "the parameter \"" + wrong.begin()->first + "\" is refused");
  }
  EXPECT_TRUE(check_parameters({{"stats_temp_directory", "x"}}, 14).ok());
}

TEST_F(Files, RenderedSettingsQuoteAndTheOperatorOverrulesDefaults) {
  node.configuration.parameters = {{"Max_WAL_Senders", "20"}, {"log_line_prefix", "it's \\ %m"}};
  const std::string text = render_settings(node.server, node.configuration);
  EXPECT_NE(text.find("max_wal_senders = '20'\n"), std::string::npos);
  EXPECT_EQ(text.find("max_wal_senders = '16'\n"), std::string::npos);
  EXPECT_NE(text.find("log_line_prefix = 'it''s \\\\ %m'\n"), std::string::npos);
  EXPECT_NE(text.find("unix_socket_directories = '" + node.server.run_dir.string()),
            std::string::npos);
  const std::string safety = render_safety({"ANY 1 (\"evg_b\")", "evg_a"});
  EXPECT_NE(safety.find("synchronous_standby_names = 'ANY 1 (\"evg_b\")'\n"), std::string::npos);
  EXPECT_NE(safety.find("primary_slot_name = 'evg_a'\n"), std::string::npos);
}

TEST_F(Files, AGateWithEndpointsAdmitsApplicationsThroughThemOnly) {
  const std::vector<Admission> admissions{{"10.0.0.0/8", "app", "all"}};
  const Endpoints endpoints{{"10.0.0.7"}};
  const auto open = render_hba(node.server, Gate::open, {"10.0.0.1"}, admissions, endpoints);
  ASSERT_TRUE(open.ok());
  for (const char* line :
       {"\nlocal  postgres  evergres_auth  scram-sha-256\n", "\nlocal  all  all  scram-sha-256\n",
        "\nhostssl  postgres  evergres_auth  10.0.0.1/32  scram-sha-256 clientcert=verify-ca\n",
        "\nhostssl  all  all  10.0.0.1/32  scram-sha-256 clientcert=verify-ca\n",
        "\nhostssl  all  all  10.0.0.7/32  scram-sha-256 clientcert=verify-ca\n"}) {
    EXPECT_NE(open->find(line), std::string::npos) << line;
  }
  // What asks for secrets goes nowhere else, whatever comes behind it.
  EXPECT_LT(open->find("all,replication  evergres_auth  all  reject"),
            open->find("hostssl  all  all"));
  EXPECT_LT(open->find("local  all,replication  evergres_auth  reject"),
            open->find("local  all  all  scram"));
  // No line for applications without a certificate, also not for those of `allow`.
  EXPECT_EQ(open->find("\nhost  all  all  127"), std::string::npos);
  EXPECT_EQ(open->find("10.0.0.0/8"), std::string::npos);
  const auto closed = render_hba(node.server, Gate::closed, {"10.0.0.1"}, admissions, endpoints);
  EXPECT_EQ(*closed, *render_hba(node.server, Gate::closed, {"10.0.0.1"}));
  EXPECT_EQ(closed->find("hostssl"), std::string::npos);
  for (const char* host : {"all", "10.0.0.1 trust", "0.0.0.0/0"}) {
    EXPECT_FALSE(render_hba(node.server, Gate::open, {}, {}, Endpoints{{host}}).ok()) << host;
  }
}

/// The endpoint's side is tested with the same text, in RulesOfTheAgent.AreUnderstood.
TEST_F(Files, TheRulesOfTheEndpointAreThoseOfAllowWithoutOurOwnRoles) {
  const auto rules = render_endpoint_hba("postgres", {{"10.0.0.0/8", "app", "all"}});
  ASSERT_TRUE(rules.ok());
  EXPECT_EQ(*rules,
            "# Written by evergres; every change here is overwritten.\n\n"
            "host  all,replication  \"postgres\"  all  reject\n"
            "host  all,replication  evergres_replication  all  reject\n"
            "host  all,replication  evergres_auth  all  reject\n"
            "\n# Applications.\n"
            "host  all  all  127.0.0.1/32  scram-sha-256\n"
            "host  all  all  ::1/128  scram-sha-256\n"
            "\n# Applications of other machines (allow).\n"
            "host  \"app\"  all  10.0.0.0/8  scram-sha-256\n");
  EXPECT_FALSE(render_endpoint_hba("postgres", {{"all", "all", "all"}}).ok());
}

TEST_F(Files, TlsIsOnWhereThereAreCertificates) {
  Configuration configuration;
  EXPECT_EQ(render_settings(node.server, configuration).find("\nssl"), std::string::npos);
  configuration.certificates = net::certificate_files("/s");
  const std::string text = render_settings(node.server, configuration);
  for (const char* line :
       {"\nssl = 'on'\n", "\nssl_cert_file = '/s/tls/server.crt'\n",
        "\nssl_key_file = '/s/tls/server.key'\n", "\nssl_ca_file = '/s/tls/ca.crt'\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

TEST_F(Files, ClosedGateHasNoLineForApplications) {
  const auto closed = render_hba(node.server, Gate::closed, {"10.0.0.1", "fd00::1", "db3.example"});
  ASSERT_TRUE(closed.ok());
  EXPECT_NE(closed->find("evergres_replication  10.0.0.1/32  scram"), std::string::npos);
  EXPECT_NE(closed->find("evergres_replication  fd00::1/128  scram"), std::string::npos);
  EXPECT_NE(closed->find("evergres_replication  db3.example  scram"), std::string::npos);
  EXPECT_EQ(closed->find("all  all  127.0.0.1/32"), std::string::npos);
  const auto open = render_hba(node.server, Gate::open, {});
  EXPECT_NE(open->find("all  all  127.0.0.1/32"), std::string::npos);
  const std::vector<Admission> admissions{{"10.0.0.0/8", "app", "all"}, {"::/0", "all", "it-s"}};
  const auto closed_still = render_hba(node.server, Gate::closed, {}, admissions);
  EXPECT_EQ(closed_still->find("10.0.0.0/8"), std::string::npos);
  const auto wide = render_hba(node.server, Gate::open, {}, admissions);
  ASSERT_TRUE(wide.ok());
  const auto first = wide->find("host  \"app\"  all  10.0.0.0/8  scram-sha-256\n");
  ASSERT_NE(first, std::string::npos);
  EXPECT_NE(wide->find("host  all  \"it-s\"  ::/0  scram-sha-256\n"), std::string::npos);
  // Superuser and replication are rejected before, everybody else after.
  EXPECT_LT(wide->find("all,replication  \"postgres\"  all  reject"), first);
  EXPECT_LT(wide->find("all,replication  evergres_replication  all  reject"), first);
  EXPECT_GT(wide->find("all,replication  all  all  reject"), first);
  for (const Admission& wrong : std::vector<Admission>{{"all", "all", "all"},
                                                       {"10.0.0.0", "all", "all"},
                                                       {"10.0.0.0/33", "all", "all"},
                                                       {"10.0.0.0/8 trust", "all", "all"},
                                                       {"10.0.0.0/8", "a\"b", "all"},
                                                       {"10.0.0.0/8", "all", "+staff"},
                                                       {"10.0.0.0/8", "", "all"}}) {
    EXPECT_FALSE(render_hba(node.server, Gate::open, {}, {wrong}).ok()) << wrong.address;
  }
  for (const char* host : {"", "all", "samenet", "a b", "10.0.0.1 trust", "x\ny", "0.0.0.0/0"}) {
    EXPECT_FALSE(render_hba(node.server, Gate::closed, {host}).ok()) << host;
  }
}

TEST_F(Files, ReplicationIsForOneUserByName) {
  const Admission archiver{"10.0.0.0/8", "replication", "archiver"};
  const std::string line = "host  replication  \"archiver\"  10.0.0.0/8  scram-sha-256\n";
  const auto open = render_hba(node.server, Gate::open, {}, {archiver});
  ASSERT_TRUE(open.ok()) << open.error().one_line();
  EXPECT_NE(open->find(line), std::string::npos);
  EXPECT_LT(open->find("all,replication  \"postgres\"  all  reject"), open->find(line));
  EXPECT_LT(open->find("all,replication  evergres_replication  all  reject"), open->find(line));
  EXPECT_EQ(render_hba(node.server, Gate::closed, {}, {archiver})->find("archiver"),
            std::string::npos);
  const Admission everybody{"10.0.0.0/8", "replication", "all"};
  const auto refused = render_hba(node.server, Gate::open, {}, {everybody});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::config_invalid);
}

/// Bitnami's pgpool CVE-2025-22248: a service user was trusted.
TEST_F(Files, NoRuleTrustsAnybody) {
  const std::vector<Admission> admissions = {{"10.0.0.0/8", "app", "all"},
                                             {"10.0.0.0/8", "replication", "wal"}};
  std::vector<std::string> texts;
  for (const Gate gate : {Gate::open, Gate::closed}) {
    for (const auto& endpoints : {std::optional<Endpoints>(), std::optional(Endpoints{{"n9"}})}) {
      const auto text = render_hba(node.server, gate, {"10.0.0.1"}, admissions, endpoints);
      ASSERT_TRUE(text.ok());
      texts.push_back(*text);
    }
  }
  const auto own = render_endpoint_hba("postgres", admissions);
  ASSERT_TRUE(own.ok());
  texts.push_back(*own);
  for (const std::string& text : texts) {
    for (std::istringstream lines(text); !lines.eof();) {
      std::string line;
      std::getline(lines, line);
      if (line.empty() || line.starts_with('#')) continue;
      const bool proves = line.find("  scram-sha-256") != std::string::npos ||
                          line.ends_with("  reject") || line.ends_with("  peer map=evergres");
      EXPECT_TRUE(proves) << line;
    }
  }
}

TEST_F(Files, UpstreamFileIsPrivateAndReadBack) {
  EXPECT_FALSE(read_upstream(node.server)->has_value());
  const Upstream upstream{"10.0.0.2", 15432, "evg_a_7f3a_t12"};
  ASSERT_TRUE(write_upstream(node.server, upstream).ok());
  EXPECT_EQ(*read_upstream(node.server), upstream);
  struct stat status {};
  ASSERT_EQ(::stat(node.server.upstream_file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_FALSE(write_upstream(node.server, Upstream{"a\nhost=b", 1, ""}).ok());
  EXPECT_EQ(*read_upstream(node.server), upstream);
  ASSERT_TRUE(write_upstream(node.server, {}).ok());
  EXPECT_FALSE(read_upstream(node.server)->has_value());
}

// Wherever the walk meets them, directories that cannot be read do not end it.
TEST_F(Files, WhatWasWrittenIsCountedAroundWhatCannotBeRead) {
  const fs::path data = node.server.data;
  const auto seen = [&](bool streams_wal) {
    const std::string all = what_was_written(data, streams_wal);
    return all.substr(0, all.rfind(' '));
  };
  EXPECT_EQ(seen(false), "0 0") << "there is nothing yet";
  for (int i = 0; i < 10; ++i) {
    const std::string at = std::to_string(i);
    put(data / ("base" + at) / "1" / "16384", "12345");
    fs::create_directory(data / ("closed" + at));
    fs::permissions(data / ("closed" + at), fs::perms::none);
    fs::create_symlink("nowhere", data / ("link" + at));
  }
  fs::create_directory_symlink(root.path(), data / "loop");
  EXPECT_EQ(seen(false), "51 50");
  put(data / "pg_wal" / "000000010000000000000001", "123");
  EXPECT_EQ(seen(false), "51 50") << "WAL is not a file that is copied";
  EXPECT_EQ(seen(true), "1 3");
  std::stop_source stop;
  EXPECT_NE(what_was_written(data, false, stop.get_token()), "");
  stop.request_stop();
  EXPECT_EQ(what_was_written(data, false, stop.get_token()), "");
  for (int i = 0; i < 10; ++i) {
    fs::permissions(data / ("closed" + std::to_string(i)), fs::perms::owner_all);
  }
}

}  // namespace

}  // namespace evergres::postgres::test
