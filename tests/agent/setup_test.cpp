#include "agent/setup.hpp"

#include <sqlite3.h>
#include <sys/wait.h>

#include "agent/own_card.hpp"
#include "agent/place.hpp"
#include "agent/promise_file.hpp"

namespace evergres::agent::test {
namespace {

class SetupTest : public Place {
 protected:
  SetupTest() {
    std::filesystem::remove_all(setup_.server.data);  // absent: it is to be cloned
    setup_.settings.peer_port = 8009;
  }
  Outcome check() {
    return check_store(setup_, [this](const std::string& text) { said_.push_back(text); });
  }
  void make_record() { ASSERT_TRUE(store().write_record(fresh_record(), std::nullopt, generous)); }

  std::vector<std::string> said_;
};

/// Holds the store's write lock in another process, as an agent that hangs in a transaction does.
class LockHolder {
 public:
  explicit LockHolder(const std::filesystem::path& file) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    pid_ = fork();
    if (pid_ == 0) {
      sqlite3* connection = nullptr;
      // EXCLUSIVE keeps readers out as well.
      const bool held = sqlite3_open(file.c_str(), &connection) == SQLITE_OK &&
                        sqlite3_exec(connection, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE",
                                     nullptr, nullptr, nullptr) == SQLITE_OK;
      [[maybe_unused]] const auto told = write(ready[1], held ? "y" : "n", 1);
      while (true) pause();
    }
    char answer = 0;
    EXPECT_EQ(read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    close(ready[0]);
    close(ready[1]);
  }
  ~LockHolder() { release(); }
  void release() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

TEST_F(SetupTest, ALockedStoreIsWaitedForAndSaysSo) {
  make_record();
  LockHolder holder(root_ / "store.db");
  Outcome outcome = Error(ErrorCode::internal, "not yet");
  std::atomic<bool> done = false;
  std::atomic<int> sentences = 0;
  std::thread checking([&] {
    outcome = check_store(setup_, [&](const std::string& text) {
      said_.push_back(text);
      ++sentences;
    });
    done = true;
  });
  const bool waits = eventually([&] { return sentences >= 2 || done; });
  const bool too_early = done;
  holder.release();
  checking.join();
  EXPECT_TRUE(waits);
  EXPECT_FALSE(too_early) << "it did not wait";
  EXPECT_TRUE(outcome) << outcome.error().one_line();
  ASSERT_GE(said_.size(), 2U);
  for (const std::string& text : said_) {
    EXPECT_TRUE(text.starts_with("the store is locked by another process since ")) << text;
    EXPECT_TRUE(text.ends_with(" s; waiting")) << text;
  }
}

TEST_F(SetupTest, AStoreThatIsNotThereIsRefusedAtOnce) {
  const std::vector<std::string> addresses{"sqlite:/nonexistent/dir/store.db",
                                           "sqlite:" + (root_ / "absent.db").native()};
  for (const std::string& address : addresses) {
    setup_.settings.store = address;
    const auto checked = check();
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), ErrorCode::store_unavailable);
  }
  EXPECT_TRUE(said_.empty());
}

TEST_F(SetupTest, AStoreOfAnotherClusterIsRefusedAtOnce) {
  make_record();
  setup_.settings.cluster = "bank";
  const auto checked = check();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), ErrorCode::refused);
  EXPECT_NE(checked.error().message().find("belongs to the cluster \"shop\""), std::string::npos);
  EXPECT_TRUE(said_.empty());
}

TEST_F(SetupTest, AStoreWithoutARecordIsRefusedAtOnce) {
  static_cast<void>(store());
  const auto checked = check();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), ErrorCode::not_found);
}

TEST_F(SetupTest, AStateDirectoryOfAnotherClusterIsRefused) {
  make_record();
  ASSERT_TRUE(bind_to_cluster(state(), ClusterId{"another"}));
  ASSERT_TRUE(write_promise(state(), core::Promise{Term{9}, Claim{"aa"}}));
  const auto checked = check();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), ErrorCode::wrong_data_directory);
  EXPECT_EQ(read_promise(state())->term, Term{9});
}

/// Announces "n1" with this id and port until it ends.
class Announcer {
 public:
  Announcer(cluster::ClusterStore opened, const std::string& id, int port)
      : thread_([store = std::move(opened), id, port](const std::stop_token& stop) mutable {
          OwnCard own;
          cluster::NodeCard card;
          card.name = "n1";
          card.node_id = id;
          card.peer_host = "127.0.0.1";
          card.peer_port = port;
          card.agent = "theirs";
          while (!stop.stop_requested()) {
            ++card.beat;
            EXPECT_TRUE(own.announce(store, card, generous));
            std::this_thread::sleep_for(Millis{100});
          }
        }) {}

 private:
  std::jthread thread_;
};

TEST_F(SetupTest, ALivingNodeOfThisNameIsRefusedAlsoWithOurOwnId) {
  make_record();
  const std::string own = *node_id(state());
  for (const std::string& id : {own, std::string("another")}) {
    const Announcer other(store(), id, 9009);
    ASSERT_TRUE(eventually([&] { return !store().list_cards(generous)->cards.empty(); }));
    const auto checked = check();
    ASSERT_FALSE(checked) << id;
    EXPECT_EQ(checked.error().message(), "another node is called \"n1\" and runs");
    const bool copied =
        checked.error().detail().find("the state directory of one is a copy") != std::string::npos;
    EXPECT_EQ(copied, id == own) << checked.error().detail();
  }
}

TEST_F(SetupTest, TheCardOfADeadNodeOfThisNameDoesNotPreventTheStart) {
  make_record();
  { const Announcer dead(store(), "another", 9009); }
  EXPECT_TRUE(check());
}

TEST_F(SetupTest, OurOwnCardCostsNoWait) {
  make_record();
  { const Announcer before(store(), *node_id(state()), setup_.settings.peer_port); }
  const Instant began = boot_now();
  EXPECT_TRUE(check());
  EXPECT_LT(boot_now() - began, Millis{2000});
}

}  // namespace
}  // namespace evergres::agent::test
