#include "differential/surroundings.hpp"

#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <mutex>

#include "differential/server.hpp"
#include "net/process.hpp"

namespace evergres::differential {

namespace fs = std::filesystem;

Instant soon() {
  return boot_now() + Millis{45'000};
}

fs::path& scratch() {
  static fs::path path;
  return path;
}

// postmaster.pid (miscinit.c): the seventh line has the key and the id of the segment.
void remove_servers(const fs::path& root) {
  std::error_code ignored;
  for (const auto& server : fs::directory_iterator(root, ignored)) {
    std::ifstream file(server.path() / "data" / "postmaster.pid");
    std::string line;
    for (int i = 0; i < 6; ++i) std::getline(file, line);
    unsigned long key = 0;
    int id = -1;
    if (file >> key >> id) ::shmctl(id, IPC_RMID, nullptr);
  }
  fs::remove_all(root, ignored);
}

namespace {

class Surroundings : public ::testing::Environment {
 public:
  void SetUp() override {
    if (::geteuid() == 0) {
      const char* wanted = ::getenv("EVERGRES_TEST_USER");
      const passwd* user = ::getpwnam(wanted == nullptr ? "postgres" : wanted);
      ASSERT_NE(user, nullptr) << "the user to run PostgreSQL does not exist";
      ASSERT_EQ(::initgroups(user->pw_name, user->pw_gid), 0);
      ASSERT_EQ(::setgid(user->pw_gid), 0);
      ASSERT_EQ(::setuid(user->pw_uid), 0);
      ASSERT_EQ(::chdir("/"), 0);
    }
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    char pattern[] = "/tmp/evg-diff-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    scratch() = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(scratch(), ignored);
  }
};
[[maybe_unused]] const auto* surroundings = ::testing::AddGlobalTestEnvironment(new Surroundings);

}  // namespace

fs::path prototype(const fs::path& programs) {
  static std::mutex mutex;
  static std::map<fs::path, fs::path> made;
  const std::lock_guard lock(mutex);
  const auto known = made.find(programs);
  if (known != made.end()) return known->second;
  const fs::path data = scratch() / ("prototype" + std::to_string(made.size()));
  const net::Command command{programs / "initdb",
                             {"-D", data.string(), "-U", "postgres", "-A", "trust", "-N", "-k",
                              "--wal-segsize=4", "--locale=C", "-E", "UTF8"},
                             {},
                             {},
                             {}};
  const auto exit = net::run(command, soon());
  EXPECT_TRUE(exit.ok() && exit->success()) << (exit.ok() ? exit->error_text() : "");
  // A third of the files: each server of each story is a copy.
  const net::Command single{programs / "postgres",
                            {"--single", "-D", data.string(), "postgres"},
                            {},
                            {},
                            "UPDATE pg_database SET datistemplate = false\n"
                            "DROP DATABASE template0\n"
                            "DROP DATABASE template1\n"};
  const auto smaller = net::run(single, soon());
  EXPECT_TRUE(smaller.ok() && smaller->success()) << (smaller.ok() ? smaller->error_text() : "");
  return made[programs] = data;
}

std::vector<std::string> installed_programs() {
  std::vector<std::string> found;
  for (int major = 14; major <= 30; ++major) {
    const fs::path programs = fs::path("/usr/lib/postgresql") / std::to_string(major) / "bin";
    if (fs::exists(programs / "initdb") && fs::exists(programs / "postgres")) {
      found.push_back(programs.string());
    }
  }
  return found;
}

}  // namespace evergres::differential
