#include "proxy/worker/desk.hpp"

#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace evergres::proxy {
namespace {

/// One shard without clients, whose thread begins when the test says so: until then everything that
/// is posted keeps its order.
class DeskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Configuration configuration;
    configuration.databases["app"] = {};
    auto guard = Guard::make(configuration, sha256("of this test"));
    ASSERT_TRUE(guard) << guard.error().for_people();
    const auto shared = std::make_shared<const Configuration>(configuration);
    Shard::Plan plan;
    plan.configuration = shared;
    plan.guard = *guard;
    plan.permits = std::make_shared<Permits>();
    plan.say = [](Loudness, const std::string&) {};
    auto shard = Shard::make(std::move(plan));
    ASSERT_TRUE(shard) << shard.error().for_people();
    shard_ = std::move(*shard);
    desk_ = std::make_unique<Desk>(std::vector<Shard*>{shard_.get()}, Desk::Hooks{}, "1", shared);
  }
  void TearDown() override {
    shard_->reactor().stop();
    if (thread_.joinable()) thread_.join();
  }
  void run() {
    thread_ = std::thread([this] { shard_->reactor().run(); });
  }
  bool is_paused() {
    std::promise<bool> told;
    auto answer = told.get_future();
    desk_->look(false, [&told](std::shared_ptr<const Snapshot> seen) {
      for (const DatabaseFacts& database : seen->all.databases) {
        if (database.name == "app") return told.set_value(database.paused);
      }
      told.set_value(false);
    });
    return answer.get();
  }
  static Command pause() {
    Command command;
    command.verb = Verb::pause;
    command.database = "app";
    return command;
  }

  std::unique_ptr<Shard> shard_;
  std::unique_ptr<Desk> desk_;
  std::thread thread_;
};

TEST_F(DeskTest, APauseHolds) {
  desk_->ask({0, 1}, pause());
  run();
  is_paused();
  is_paused();
  EXPECT_TRUE(is_paused());
}

/// The threads are still being asked whether they know the database.
TEST_F(DeskTest, APauseWhoseAdminGoesBeforeItHasBegunIsNone) {
  desk_->ask({0, 1}, pause());
  desk_->give_up({0, 1});
  run();
  // Each look takes as many turns of the threads as the question of the pause.
  is_paused();
  is_paused();
  EXPECT_FALSE(is_paused());
}

}  // namespace
}  // namespace evergres::proxy
