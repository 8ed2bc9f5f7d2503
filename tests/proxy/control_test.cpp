#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <filesystem>
#include <thread>

#include "net/local_client.hpp"
#include "proxy/control/control.hpp"
#include "proxy/control/document.hpp"

namespace evergres::proxy {
namespace {

namespace json = boost::json;

class ControlTest : public ::testing::Test {
 protected:
  ControlTest() {
    std::string name = (std::filesystem::temp_directory_path() / "evg-control-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    options_.socket = directory_ / "proxy.sock";
    options_.labels = {{"scope", "main"}, {"name", "n1"}};
    options_.look = [this](bool connections, auto then) {
      connections_ = connections;
      if (!silent_) then(std::make_shared<const Snapshot>(snapshot_));
    };
    options_.note = [](const std::string&) {};
  }
  ~ControlTest() override { std::filesystem::remove_all(directory_); }

  /// It listens in the background.
  Result<json::value> ask(const json::value& request) {
    const Instant deadline = boot_now() + Millis{10'000};
    for (;;) {
      auto answer = net::LocalClient::ask(options_.socket, request, Millis{10'000});
      const bool later = !answer && answer.error().code() == ErrorCode::unreachable;
      if (!later || boot_now() > deadline) return answer;
      ::usleep(2000);
    }
  }

  std::filesystem::path directory_;
  Control::Options options_;
  Snapshot snapshot_;
  std::atomic<bool> connections_{false};
  std::atomic<bool> silent_{false};
};

TEST_F(ControlTest, TellsTablesAndMetrics) {
  PoolFacts pool;
  pool.database = "app";
  pool.user = "app_rw";
  pool.clients_active = 3;
  snapshot_.all.pools.push_back(pool);
  const auto control = Control::start(options_);
  const auto pools = ask({{"verb", "show"}, {"what", "pools"}});
  ASSERT_TRUE(pools) << pools.error().one_line();
  const json::value& row = pools->at("rows").at(0);
  EXPECT_EQ("app", row.at("database"));
  EXPECT_EQ(3, row.at("cl_active"));
  EXPECT_EQ(false, pools->at("more"));
  EXPECT_FALSE(connections_);
  const auto metrics = ask({{"verb", "metrics"}});
  ASSERT_TRUE(metrics) << metrics.error().one_line();
  const std::string text(metrics->at("text").as_string());
  EXPECT_NE(std::string::npos,
            text.find("{scope=\"main\",name=\"n1\",database=\"app\",user=\"app_rw\""))
      << text;
  struct stat found {};
  ASSERT_EQ(0, ::stat(options_.socket.c_str(), &found));
  EXPECT_EQ(0600U, found.st_mode & 0777U);
}

TEST_F(ControlTest, CutsLongListsAtTheirIds) {
  for (std::uint64_t id = 1203; id > 0; --id) {
    SocketFacts client;
    client.id = id;
    snapshot_.all.clients.push_back(client);
  }
  const auto control = Control::start(options_);
  std::int64_t after = 0;
  std::size_t rows = 0;
  bool more = true;
  for (int page = 0; page < 3; ++page) {
    ASSERT_TRUE(more);
    const auto answer = ask({{"verb", "show"}, {"what", "clients"}, {"after", after}});
    ASSERT_TRUE(answer) << answer.error().one_line();
    for (const json::value& row : answer->at("rows").as_array()) {
      EXPECT_EQ(after + 1, row.at("id").as_int64());
      after = row.at("id").as_int64();
      ++rows;
    }
    more = answer->at("more").as_bool();
  }
  EXPECT_FALSE(more);
  EXPECT_EQ(1203U, rows);
  EXPECT_TRUE(connections_);
}

TEST_F(ControlTest, RefusesWhatItDoesNotUnderstand) {
  const auto control = Control::start(options_);
  for (const char* text :
       {"1", "{}", R"({"verb": "pause"})", R"({"verb": "show"})",
        R"({"verb": "show", "what": "everything"})", R"({"verb": "show", "what": "sockets"})",
        R"({"verb": "show", "what": "clients", "after": -1})",
        R"({"verb": "show", "what": "clients", "after": "x"})"}) {
    const auto answer = ask(json::parse(text));
    ASSERT_FALSE(answer) << text;
    EXPECT_EQ(ErrorCode::usage, answer.error().code()) << text;
  }
}

TEST_F(ControlTest, DoesNotWaitForEverForThreadsThatAreStuck) {
  silent_ = true;
  const auto control = Control::start(options_);
  const auto answer = ask({{"verb", "metrics"}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(ErrorCode::timed_out, answer.error().code());
}

/// A replaced process leaves the socket while its shards may be about to answer.
TEST_F(ControlTest, AnAnswerThatComesAfterItWasShutDoesNoHarm) {
  std::function<void(std::shared_ptr<const Snapshot>)> late;
  std::atomic<bool> asked{false};
  const auto answers = options_.look;
  options_.look = [&](bool, auto then) {
    late = std::move(then);
    asked = true;
  };
  const auto older = Control::start(options_);
  while (!std::filesystem::exists(options_.socket)) ::usleep(1000);
  std::thread asking([this] {
    const json::value request{{"verb", "metrics"}};
    EXPECT_FALSE(net::LocalClient::ask(options_.socket, request, Millis{10'000}));
  });
  const Instant deadline = boot_now() + Millis{10'000};
  while (!asked && boot_now() < deadline) ::usleep(1000);
  ASSERT_TRUE(asked);
  older->shut();
  asking.join();
  options_.look = answers;
  const auto successor = Control::start(options_);
  EXPECT_TRUE(ask({{"verb", "metrics"}})) << "the socket is free";
  late(std::make_shared<const Snapshot>(snapshot_));
  EXPECT_TRUE(ask({{"verb", "metrics"}}));
}

TEST_F(ControlTest, TakesOverWhenTheOlderOneIsGone) {
  auto older = Control::start(options_);
  ASSERT_TRUE(ask({{"verb", "metrics"}}));
  const auto control = Control::start(options_);
  older.reset();
  EXPECT_TRUE(ask({{"verb", "metrics"}}));
}

}  // namespace
}  // namespace evergres::proxy
