// What only a file can suffer: other processes, vanishing, wrong content, full disks.
#include "store/sqlite.hpp"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "store/backends.hpp"

namespace evergres::store {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
constexpr Millis soon{20'000};

/// Runs `body` in a child process; its return value is the exit status.
class Child {
 public:
  explicit Child(const std::function<int()>& body) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(body());
  }
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  void signal(int number) const { ASSERT_EQ(::kill(pid_, number), 0); }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

class SqliteStoreTest : public testing::Test {
 protected:
  SqliteStoreTest() {
    std::string pattern = (fs::temp_directory_path() / "evergres-store-XXXXXX").native();
    directory = ::mkdtemp(pattern.data());
    file = directory / "store.db";
  }
  ~SqliteStoreTest() override { fs::remove_all(directory); }

  std::unique_ptr<Store> create() {
    auto made = open_sqlite(file, "demo", Create::yes);
    EXPECT_TRUE(made) << made.error().one_line();
    return std::move(made).value();
  }
  Error open_error(const std::string& cluster = "demo") {
    auto opened = open_sqlite(file, cluster, Create::no);
    EXPECT_FALSE(opened);
    return opened ? Error(ErrorCode::internal, "it opened") : opened.error();
  }
  void put(Store& into, const std::string& key, const std::string& value) {
    auto outcome = into.put(key, value, Expect::anything(), soon);
    ASSERT_TRUE(outcome) << outcome.error().one_line();
  }
  std::string get(Store& from, const std::string& key) {
    auto entry = from.get(key, soon);
    if (!entry) return "error: " + entry.error().one_line();
    return entry.value() ? entry.value()->value : "<absent>";
  }
  void run_sql(const std::string& sql) {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &raw), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(raw);
    sqlite3_close(raw);
  }

  fs::path directory;
  fs::path file;
};

TEST_F(SqliteStoreTest, TheFileIsForItsOwnerOnlyAndSurvivesReopening) {
  ::umask(0);
  {
    auto store = create();
    put(*store, "/a", "1");
    for (const char* suffix : {"", "-wal", "-shm"}) {
      struct stat found {};
      ASSERT_EQ(::stat((file.native() + suffix).c_str(), &found), 0) << suffix;
      EXPECT_EQ(found.st_mode & 0777U, 0600U) << suffix;
    }
  }
  ::umask(022);
  auto again = open_sqlite(file, "demo", Create::no);
  ASSERT_TRUE(again) << again.error().one_line();
  EXPECT_EQ(get(*again.value(), "/a"), "1");
  auto with_create = open_sqlite(file, "demo", Create::yes);
  ASSERT_TRUE(with_create);
  EXPECT_EQ(get(*with_create.value(), "/a"), "1");
}

TEST_F(SqliteStoreTest, TheJournalIsAWriteAheadLog) {
  auto store = create();
  put(*store, "/a", "1");
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &raw), SQLITE_OK);
  std::string mode;
  const auto remember = [](void* into, int, char** values, char**) {
    *static_cast<std::string*>(into) = values[0];
    return 0;
  };
  ASSERT_EQ(sqlite3_exec(raw, "PRAGMA journal_mode", remember, &mode, nullptr), SQLITE_OK);
  sqlite3_close(raw);
  EXPECT_EQ(mode, "wal");
}

TEST_F(SqliteStoreTest, OnlyCreateMakesAFile) {
  const Error missing = open_error();
  EXPECT_EQ(missing.code(), ErrorCode::store_unavailable);
  EXPECT_EQ(missing.message(), "there is no store at " + file.native());
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(SqliteStoreTest, AMissingDirectoryIsNamed) {
  auto made = open_sqlite(directory / "no" / "store.db", "demo", Create::yes);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::store_unavailable);
  EXPECT_EQ(made.error().detail(), "Its directory does not exist.");
}

TEST_F(SqliteStoreTest, AnotherClusterIsRefused) {
  create();
  const Error refused = open_error("other");
  EXPECT_EQ(refused.code(), ErrorCode::refused);
  EXPECT_EQ(refused.message(), "the store belongs to the cluster \"demo\"");
  auto with_create = open_sqlite(file, "other", Create::yes);
  ASSERT_FALSE(with_create);
  EXPECT_EQ(with_create.error().code(), ErrorCode::refused);
}

TEST_F(SqliteStoreTest, AFileThatIsNoDatabaseIsRefusedAndKept) {
  std::ofstream(file) << std::string(8192, 'x');
  EXPECT_EQ(open_error().code(), ErrorCode::data_invalid);
  auto with_create = open_sqlite(file, "demo", Create::yes);
  ASSERT_FALSE(with_create);
  EXPECT_EQ(with_create.error().code(), ErrorCode::data_invalid);
  EXPECT_EQ(fs::file_size(file), 8192U);
}

TEST_F(SqliteStoreTest, ADatabaseOfAnotherApplicationIsRefused) {
  run_sql("CREATE TABLE shopping (item TEXT)");
  EXPECT_EQ(open_error().message(), file.native() + " is not a store of Evergres");
  auto with_create = open_sqlite(file, "demo", Create::yes);
  ASSERT_FALSE(with_create);
  EXPECT_EQ(with_create.error().code(), ErrorCode::data_invalid);
}

TEST_F(SqliteStoreTest, AnEmptyFileIsAStoreOnlyForCreate) {
  std::ofstream(file).close();  // a creation that was interrupted
  EXPECT_EQ(open_error().code(), ErrorCode::data_invalid);
  put(*create(), "/a", "1");
}

TEST_F(SqliteStoreTest, ANewerSchemaIsLeftAlone) {
  create();
  run_sql("PRAGMA user_version = 2");
  EXPECT_EQ(open_error().message(), "the store was written by another version of evergres");
}

TEST_F(SqliteStoreTest, RacingCreatorsMakeOneStore) {
  std::vector<std::unique_ptr<Child>> children;
  for (int number = 0; number < 6; ++number) {
    children.push_back(std::make_unique<Child>([this] {
      auto made = open_sqlite(file, "demo", Create::yes);
      if (!made) return 2;
      auto outcome = made.value()->put("/record", "claim", Expect::absent(), soon);
      if (!outcome) return 3;
      return std::holds_alternative<Applied>(outcome.value()) ? 1 : 0;
    }));
  }
  int winners = 0;
  for (auto& child : children) {
    const int status = child->wait();
    EXPECT_TRUE(status == 0 || status == 1) << status;
    winners += status == 1 ? 1 : 0;
  }
  EXPECT_EQ(winners, 1);
}

TEST_F(SqliteStoreTest, NoUpdateIsLostBetweenRacingProcesses) {
  put(*create(), "/count", "0");
  const auto count = [this] {
    auto store = open_sqlite(file, "demo", Create::no);
    if (!store) return 2;
    for (int done = 0; done < 40;) {
      auto entry = store.value()->get("/count", soon);
      if (!entry || !entry.value()) return 3;
      const auto next = std::to_string(std::stoi(entry.value()->value) + 1);
      auto outcome = store.value()->put("/count", next, Expect::at(entry.value()->revision), soon);
      if (!outcome) return 4;
      if (std::holds_alternative<Applied>(outcome.value())) ++done;
    }
    return 0;
  };
  std::vector<std::unique_ptr<Child>> children;
  for (int number = 0; number < 3; ++number) children.push_back(std::make_unique<Child>(count));
  for (auto& child : children) EXPECT_EQ(child->wait(), 0);
  auto store = create();
  EXPECT_EQ(get(*store, "/count"), "120");
}

TEST_F(SqliteStoreTest, AWriterThatIsFrozenLocksTheOthersOutUntilItIsKilled) {
  put(*create(), "/a", "before");
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  Child frozen([this, &ready] {
    sqlite3* raw = nullptr;
    if (sqlite3_open(file.c_str(), &raw) != SQLITE_OK) return 2;
    if (sqlite3_exec(raw, "BEGIN IMMEDIATE; UPDATE entry SET value = x'00'", nullptr, nullptr,
                     nullptr) != SQLITE_OK) {
      return 3;
    }
    if (::write(ready[1], "x", 1) != 1) return 4;
    ::pause();
    return 0;
  });
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  frozen.signal(SIGSTOP);
  auto store = open_sqlite(file, "demo", Create::no);
  ASSERT_TRUE(store) << store.error().one_line();
  EXPECT_EQ(get(*store.value(), "/a"), "before");  // readers go on
  const auto began = boot_now();
  auto outcome = store.value()->put("/a", "after", Expect::anything(), Millis(300));
  const auto took = boot_now() - began;
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), ErrorCode::store_locked);
  EXPECT_EQ(outcome.error().message(), "the store is locked by another process");
  EXPECT_TRUE(outcome.error().detail().starts_with("Waited 3")) << outcome.error().detail();
  EXPECT_GE(took, Nanos(300ms));
  EXPECT_LT(took, Nanos(5s));
  frozen.signal(SIGKILL);
  frozen.wait();
  put(*store.value(), "/a", "after");
  EXPECT_EQ(get(*store.value(), "/a"), "after");
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(SqliteStoreTest, WritersThatAreKilledAtAnyMomentLeaveAWholeStore) {
  put(*create(), "/count", "0");
  auto store = create();
  for (int round = 0; round < 8; ++round) {
    Child writer([this] {
      auto own = open_sqlite(file, "demo", Create::no);
      if (!own) return 2;
      for (int number = 0;; ++number) {
        const std::string value = std::to_string(number) + std::string(50'000, 'x');
        if (!own.value()->put("/big", value, Expect::anything(), soon)) return 3;
      }
    });
    const auto before = store->list("", soon);
    ASSERT_TRUE(before) << before.error().one_line();
    auto changed = store->changed_since("/big", before->revision, soon);
    ASSERT_TRUE(changed) << changed.error().one_line();
    EXPECT_LT(before->revision, changed.value());
    writer.signal(SIGKILL);
    EXPECT_EQ(writer.wait(), -SIGKILL);
    put(*store, "/count", std::to_string(round));
    EXPECT_EQ(get(*store, "/count"), std::to_string(round));
  }
}

TEST_F(SqliteStoreTest, AVanishedFileIsAnErrorAndItsReturnHeals) {
  auto store = create();
  put(*store, "/a", "1");
  fs::create_directory(directory / "away");
  const auto move = [&](const fs::path& from, const fs::path& to) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      fs::rename(from.native() + suffix, to.native() + suffix);
    }
  };
  move(file, directory / "away" / "store.db");
  auto outcome = store->put("/a", "2", Expect::anything(), soon);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), ErrorCode::store_unavailable);
  EXPECT_EQ(outcome.error().message(), "there is no store at " + file.native());
  EXPECT_FALSE(fs::exists(file));
  EXPECT_FALSE(store->changed_since("/", Revision{1}, soon));
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::string name = "store.db" + std::string(suffix);
    if (fs::exists(directory / "away" / name))
      fs::rename(directory / "away" / name, directory / name);
  }
  EXPECT_EQ(get(*store, "/a"), "1");
  put(*store, "/a", "2");
}

TEST_F(SqliteStoreTest, AWaiterNoticesThatTheFileVanished) {
  auto store = create();
  put(*store, "/a", "1");
  std::thread remover([this] {
    std::this_thread::sleep_for(100ms);  // most likely inside the wait; not needed to pass
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file.native() + suffix);
  });
  auto changed = store->changed_since("/", Revision{1}, soon);
  remover.join();
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), ErrorCode::store_unavailable);
}

TEST_F(SqliteStoreTest, AStoreThatWasMadeAnewLostItsHistory) {
  auto store = create();
  put(*store, "/a", "1");
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file.native() + suffix);
  auto fresh = create();
  put(*fresh, "/a", "other");
  put(*fresh, "/b", "other");
  auto outcome = store->put("/a", "2", Expect::anything(), soon);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), ErrorCode::store_unavailable);
  EXPECT_EQ(outcome.error().message(), "the store at " + file.native() + " lost its history");
  EXPECT_EQ(get(*fresh, "/a"), "other");
}

TEST_F(SqliteStoreTest, AnOlderCopyLostItsHistory) {
  auto store = create();
  put(*store, "/a", "1");
  run_sql("PRAGMA wal_checkpoint(TRUNCATE)");
  const fs::path copy = directory / "copy.db";
  fs::copy_file(file, copy);
  put(*store, "/a", "2");
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file.native() + suffix);
  fs::rename(copy, file);
  auto entry = store->get("/a", soon);
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().message(), "the store at " + file.native() + " lost its history");
  EXPECT_EQ(entry.error().detail(), "It ends at revision 1, but revision 2 was seen before.");
}

TEST_F(SqliteStoreTest, AUserWithoutPermissionIsToldSo) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  create();
  ::chmod(directory.c_str(), 0755);
  const auto as_nobody = [this] {
    if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) return 9;
    auto opened = open_sqlite(file, "demo", Create::no);
    if (opened) return 1;
    return opened.error().code() == ErrorCode::permission && !opened.error().hint().empty() ? 0 : 2;
  };
  Child unreadable(as_nobody);
  EXPECT_EQ(unreadable.wait(), 0);
  ::chmod(file.c_str(), 0644);
  Child read_only(as_nobody);
  EXPECT_EQ(read_only.wait(), 0);
  ::chmod(directory.c_str(), 0700);
  Child unreachable(as_nobody);
  EXPECT_NE(unreachable.wait(), 1);
}

TEST_F(SqliteStoreTest, AFullDiskIsNamedAndHeals) {
  if (::mount("none", directory.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "no file system can be mounted here";
  }
  {
    auto store = create();
    put(*store, "/a", "1");
    std::ofstream(directory / "filler") << std::string(2U << 20U, 'x');
    auto outcome = store->put("/a", std::string(200'000, 'v'), Expect::anything(), soon);
    EXPECT_FALSE(outcome);
    if (!outcome) {
      EXPECT_EQ(outcome.error().code(), ErrorCode::no_space);
      EXPECT_EQ(outcome.error().message(), "the disk of the store is full");
    }
    fs::remove(directory / "filler");
    EXPECT_EQ(get(*store, "/a"), "1");
    put(*store, "/a", "2");
  }
  EXPECT_EQ(::umount(directory.c_str()), 0);
}

TEST(Backends, AnUnknownSchemeListsTheKnownOnes) {
  auto opened = open_store("etcd://127.0.0.1", "demo", Create::no);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::config_invalid);
  EXPECT_EQ(opened.error().message(), "unknown kind of store \"etcd\"");
  EXPECT_EQ(opened.error().detail(), "Known are: sqlite:/var/lib/evergres/store.db.");
  EXPECT_FALSE(open_store("sqlite", "demo", Create::no));
  EXPECT_FALSE(open_store("", "demo", Create::no));
}

TEST_F(SqliteStoreTest, TheAddressNamesAnAbsolutePath) {
  auto relative = open_store("sqlite:store.db", "demo", Create::yes);
  ASSERT_FALSE(relative);
  EXPECT_EQ(relative.error().message(), "the path of the store is not absolute");
  auto absolute = open_store("sqlite:" + file.native(), "demo", Create::yes);
  ASSERT_TRUE(absolute) << absolute.error().one_line();
}

}  // namespace
}  // namespace evergres::store
