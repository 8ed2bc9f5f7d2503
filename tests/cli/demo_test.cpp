#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/file.hpp"
#include "cli/demo/plan.hpp"
#include "cli/demo/processes.hpp"
#include "cli/demo/row_writer.hpp"
#include "config/printer.hpp"
#include "config/reader.hpp"

namespace evergres::cli::demo {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Demo : public testing::Test {
 protected:
  Demo() {
    char name[] = "/tmp/evergres demo XXXXXX";  // a blank in the path is allowed
    if (mkdtemp(name) == nullptr) std::abort();
    root_ = name;
    plan_.directory = root_ / "demo";
    plan_.run_directory = root_ / "run";
    plan_.ports = ports_from(54900, ports_per_node * plan_.nodes);
  }
  ~Demo() override {
    for (const NodeName& node : plan_.names()) static_cast<void>(kill_node(plan_, node).ok());
    fs::remove_all(root_);
  }
  fs::path root_;
  Plan plan_;
};

mode_t mode_of(const fs::path& path) {
  struct stat seen {};
  return stat(path.c_str(), &seen) == 0 ? seen.st_mode & 07777U : 0;
}

TEST_F(Demo, WritesFilesThatReadBackAndKeepsThem) {
  ASSERT_TRUE(write_plan(plan_).ok());
  const auto read = read_plan(plan_.directory);
  ASSERT_TRUE(read.ok()) << read.error().for_people();
  ASSERT_TRUE(read->has_value());
  EXPECT_EQ((**read).ports, plan_.ports);
  EXPECT_EQ((**read).run_directory, plan_.run_directory);
  for (const NodeName& node : plan_.names()) {
    const auto settings = config::read_node_file(plan_.config_file(node));
    ASSERT_TRUE(settings.ok()) << settings.error().for_people();
    EXPECT_EQ(config::node_file_text(*settings), config::node_file_text(plan_.settings(node)));
  }
  for (const fs::path& secret :
       {plan_.directory / "secret", plan_.passfile(), plan_.password_file(), plan_.plan_file()}) {
    EXPECT_EQ(mode_of(secret), 0600U) << secret;
  }
  EXPECT_EQ(mode_of(plan_.directory), 0700U);
  const auto password = read_file(plan_.passfile());
  ASSERT_TRUE(write_plan(plan_).ok());
  EXPECT_EQ(*read_file(plan_.passfile()), *password);
}

TEST_F(Demo, APlanThatMakesNoSenseIsAnError) {
  fs::create_directories(plan_.directory);
  for (const char* text : {"nodes: many\n", "{", "run_directory: /x\nnodes: 1\nports: [1, 2, 3]\n",
                           "run_directory: /x\nnodes: 1\nports: [16320, 16321]\n",
                           "run_directory: x\nnodes: 1\nports: [16320, 16321, 16322]\n"}) {
    std::ofstream(plan_.plan_file()) << text;
    const auto read = read_plan(plan_.directory);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().code(), ErrorCode::data_invalid);
  }
}

TEST(DemoPorts, AreFreeOnesWhichNeedNotBeInARow) {
  const auto odd = [](int port) { return port % 2 == 1; };
  EXPECT_EQ(*choose_ports(3, {32768, 60999}, odd), (std::vector<int>{16321, 16323, 16325}));
}

TEST(DemoPorts, AreOutsideOfTheEphemeralOnesIfThereAreEnough) {
  const auto any = [](int) { return true; };
  EXPECT_EQ(*choose_ports(2, {16321, 60999}, any), (std::vector<int>{16320, 61000}));
  EXPECT_EQ(*choose_ports(2, {1024, 65535}, any), (std::vector<int>{16320, 16321}));
  EXPECT_EQ(*choose_ports(2, {1024, 65534}, any), (std::vector<int>{16320, 16321}));
}

TEST(DemoPorts, AreNotFoundWhereEverythingIsTaken) {
  const auto chosen = choose_ports(2, {32768, 60999}, [](int port) { return port == 20000; });
  ASSERT_FALSE(chosen.ok());
  EXPECT_EQ(chosen.error().code(), ErrorCode::port_taken);
}

TEST(DemoPorts, ThatSomebodyListensOnAreNotFree) {
  const auto port = choose_ports(1, ephemeral_ports(), is_free_port);
  ASSERT_TRUE(port.ok()) << port.error().for_people();
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port->front()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  EXPECT_FALSE(is_free_port(port->front()));
  close(listener);
  EXPECT_TRUE(is_free_port(port->front()));
}

TEST_F(Demo, TheDsnNamesAllNodes) {
  plan_.directory = "/a b/demo";
  EXPECT_EQ(plan_.dsn(),
            "postgresql://app@127.0.0.1:54909,127.0.0.1:54910,127.0.0.1:54911/app"
            "?sslmode=verify-full&sslrootcert=/a%20b/demo/n1/state/tls/ca.crt"
            "&passfile=/a%20b/demo/app.pgpass");
}

/// A stand-in for the program: a keeper with a child. What it runs is found like the real one.
void install_stand_in(const Plan& plan) {
  fs::create_directories(plan.program().parent_path());
  std::ofstream(plan.program()) << "#!/bin/sh\necho started\nsleep 1000 &\nwait\n";
  fs::permissions(plan.program(), fs::perms::owner_all);
}

std::size_t wait_for_processes(const Plan& plan, const NodeName& node, std::size_t wanted) {
  const Instant deadline = boot_now() + 20s;
  std::size_t count = 0;
  while (boot_now() < deadline) {
    count = processes_of(plan, node).size();
    if (count == wanted) break;
    std::this_thread::sleep_for(10ms);
  }
  return count;
}

TEST_F(Demo, StartsFreezesThawsAndKillsANode) {
  ASSERT_TRUE(write_plan(plan_).ok());
  install_stand_in(plan_);
  const NodeName n1("n1");
  const NodeName n2("n2");
  const auto first = start_node(plan_, n1);
  ASSERT_TRUE(first.ok()) << first.error().for_people();
  ASSERT_TRUE(start_node(plan_, n2).ok());
  ASSERT_EQ(wait_for_processes(plan_, n1, 2), 2U);
  ASSERT_EQ(wait_for_processes(plan_, n2, 2), 2U);
  EXPECT_EQ(keeper_of(processes_of(plan_, n1)), *first);
  EXPECT_EQ(getsid(*first), *first) << "it would die with its terminal";
  EXPECT_EQ(signal_node(plan_, n1, SIGSTOP), 2U);
  const auto frozen = [&] {
    return std::ranges::count(processes_of(plan_, n1), 'T', &Process::state);
  };
  const Instant deadline = boot_now() + 20s;
  while (frozen() != 2 && boot_now() < deadline) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(frozen(), 2);
  EXPECT_EQ(signal_node(plan_, n1, SIGCONT), 2U);
  EXPECT_TRUE(kill_node(plan_, n1).ok());
  EXPECT_TRUE(processes_of(plan_, n1).empty());
  EXPECT_EQ(processes_of(plan_, n2).size(), 2U) << "the other node is not concerned";
  EXPECT_EQ(*read_file(plan_.log_file(n1)), "started\n");
}

TEST_F(Demo, AProgramThatCannotRunIsAnError) {
  ASSERT_TRUE(write_plan(plan_).ok());
  const auto started = start_node(plan_, NodeName("n1"));
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code(), ErrorCode::not_found);
}

TEST(Processes, SelectsOneNodeAndItsOrphans) {
  const auto make = [](pid_t pid, pid_t parent, char state, const char* program,
                       std::vector<std::string> words) {
    return Process{pid, parent, state, program, std::move(words)};
  };
  const std::vector<Process> all{
      make(10, 1, 'S', "evergres", {"evergres", "run", "-c", "/d/n1/node.yaml"}),
      make(11, 10, 'S', "evergres", {"evergres", "run", "-c", "/d/n1/node.yaml"}),
      make(12, 11, 'S', "postgres", {"postgres", "-D", "/d/n1/data"}),
      make(13, 12, 'Z', "", {}),
      make(14, 1, 'S', "postgres", {"postgres: n1: app app idle"}),  // orphan
      make(15, 11, 'S', "pg_basebackup", {"pg_basebackup"}),
      make(20, 1, 'S', "evergres", {"evergres", "run", "-c", "/d/n2/node.yaml"}),
      make(21, 1, 'S', "postgres", {"postgres: n2: app app idle"}),
      make(30, 1, 'S', "bash", {"bash"}),  // stands in the data
      make(31, 1, 'S', "evergres", {"evergres", "list", "-c", "/d/n1/node.yaml"}),
  };
  const auto directory = [](pid_t pid) -> std::string {
    return pid == 14 || pid == 30 ? "/d/n1/data" : pid == 21 ? "/d/n2/data" : "/";
  };
  std::vector<pid_t> pids;
  const auto selected = select_node(all, "/d/n1/node.yaml", "/d/n1/data", directory);
  for (const Process& process : selected) pids.push_back(process.pid);
  EXPECT_EQ(pids, (std::vector<pid_t>{10, 11, 15, 12, 14}));
  EXPECT_EQ(keeper_of(selected), 10);
}

TEST(RowWriter, CountsOnlyAcknowledgedRowsAsLost) {
  using enum Fate;
  const std::vector<Fate> fates{acknowledged, failed, unknown, acknowledged, unknown, acknowledged};
  EXPECT_EQ(count_lost(fates, {0, 3, 5}), 0U);
  EXPECT_EQ(count_lost(fates, {0, 2, 5}), 1U);
  EXPECT_EQ(count_lost(fates, {}), 3U);
  EXPECT_EQ(count_lost({}, {7}), 0U);
}

}  // namespace
}  // namespace evergres::cli::demo
