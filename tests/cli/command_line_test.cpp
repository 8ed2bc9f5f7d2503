#include "cli/command_line.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "cluster/json.hpp"
#include "cluster/status.hpp"
#include "config/printer.hpp"

namespace evergres::cli {
namespace {

namespace fs = std::filesystem;

struct Printed {
  int status = 0;
  std::string out;
  std::string err;
};

Printed call(std::vector<std::string> words) {
  Wiring wiring;
  wiring.version = "1.2.3";
  wiring.run = [](const fs::path&, const config::NodeSettings& settings) {
    return settings.node.value == "n1" ? 7 : 8;
  };
  wiring.agent = [](const fs::path&, const config::NodeSettings&,
                    const std::vector<std::string>& arguments) {
    return static_cast<int>(arguments.size());
  };
  words.insert(words.begin(), "evergres");
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Printed printed;
  printed.status = run_command_line(static_cast<int>(words.size()), pointers.data(), wiring);
  printed.out = testing::internal::GetCapturedStdout();
  printed.err = testing::internal::GetCapturedStderr();
  return printed;
}

TEST(CommandLine, UnknownWordsGetASuggestion) {
  const Printed command = call({"swichover"});
  EXPECT_EQ(command.status, 2);
  EXPECT_EQ(command.err,
            "error: evergres has no command \"swichover\"\n"
            "detail: Did you mean \"switchover\"?\n"
            "hint: `evergres --help` shows what is possible.\n");
  const Printed option = call({"switchover", "--focre"});
  EXPECT_EQ(option.status, 2);
  EXPECT_EQ(option.err,
            "error: evergres switchover has no option --focre\n"
            "detail: Did you mean \"--force\"?\n"
            "hint: `evergres switchover --help` shows what is possible.\n");
  const Printed verb = call({"demo", "frezee", "n1"});
  EXPECT_EQ(verb.status, 2);
  EXPECT_NE(verb.err.find("Did you mean \"freeze\"?"), std::string::npos) << verb.err;
  EXPECT_EQ(call({"list", "-o", "xml"}).status, 2);
  EXPECT_EQ(call({}).status, 2);
}

TEST(CommandLine, PrintsHelpAndVersion) {
  EXPECT_EQ(call({"version"}).out, "evergres 1.2.3\n");
  EXPECT_EQ(call({"--version"}).out, "evergres 1.2.3\n");
  const Printed help = call({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_NE(help.out.find("switchover"), std::string::npos);
  EXPECT_EQ(help.out.find("the supervisor starts it"), std::string::npos) << "agent is hidden";
  EXPECT_NE(call({"help", "exit-codes"}).out.find("3  refused"), std::string::npos);
  EXPECT_NE(call({"help", "failover"}).out.find("--accept-data-loss"), std::string::npos);
  EXPECT_EQ(call({"print", "sample"}).out, config::sample_file());
}

class WithNode : public testing::Test {
 protected:
  WithNode() {
    char name[] = "/tmp/evergres_cli_XXXXXX";
    if (mkdtemp(name) == nullptr) std::abort();
    directory_ = name;
    std::ofstream(file()) << "cluster: demo\nnode: n1\ndata_directory: data\n"
                             "store: sqlite:store.db\nsecret_file: secret\nrun_directory: .\n";
  }
  ~WithNode() override { fs::remove_all(directory_); }
  [[nodiscard]] std::string file() const { return (directory_ / "node.yaml").string(); }
  fs::path directory_;
};

TEST_F(WithNode, RunAndAgentGetTheSettings) {
  EXPECT_EQ(call({"run", "-c", file()}).status, 7);
  EXPECT_EQ(call({"-c", file(), "run"}).status, 7);
  EXPECT_EQ(call({"agent", "-c", file(), "--control-fd", "5"}).status, 2);
  setenv("EVERGRES_CONFIG", file().c_str(), 1);
  EXPECT_EQ(call({"run"}).status, 7);
  unsetenv("EVERGRES_CONFIG");
}

TEST_F(WithNode, AWrongFileIsAUsageError) {
  std::ofstream(file(), std::ios::app) << "suspect_afetr: 3s\n";
  const Printed printed = call({"run", "-c", file()});
  EXPECT_EQ(printed.status, 2);
  EXPECT_NE(printed.err.find(
                "node.yaml:7: unknown option \"suspect_afetr\"; did you mean \"suspect_after\"?"),
            std::string::npos)
      << printed.err;
}

TEST_F(WithNode, WithoutAnAgentTheAnswerIsUnreachable) {
  const Printed printed = call({"list", "-c", file()});
  EXPECT_EQ(printed.status, 5) << printed.err;
  EXPECT_NE(printed.err.find("hint: Is the node running?"), std::string::npos) << printed.err;
}

/// Answers `answers.size()` connections on the node's control socket, one line each.
class OneLineAgent {
 public:
  OneLineAgent(const fs::path& directory, std::vector<std::string> answers) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory / "agent.sock").string().copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool listens =
        bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        listen(listener_, 8) == 0;
    if (!listens) std::abort();
    thread_ = std::jthread([this, answers = std::move(answers)] {
      for (const std::string& answer : answers) serve(answer);
    });
  }
  ~OneLineAgent() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  [[nodiscard]] const std::vector<std::string>& asked() {
    thread_.join();
    thread_ = std::jthread([] {});
    return asked_;
  }

 private:
  void serve(const std::string& answer) {
    const int peer = accept(listener_, nullptr, nullptr);
    if (peer < 0) return;
    std::string line;
    char byte = 0;
    while (read(peer, &byte, 1) == 1 && byte != '\n') line += byte;
    asked_.push_back(line);
    if (write(peer, answer.data(), answer.size()) < 0) asked_.emplace_back("not sent");
    close(peer);
  }
  int listener_ = -1;
  std::vector<std::string> asked_;
  std::jthread thread_;
};

std::string status_answer() {
  cluster::ClusterStatus status;
  status.cluster = "demo";
  status.phase = "leading";
  status.leader = "n1";
  status.durability = "quorum";
  return "{\"result\":" + cluster::json_text(status) + "}\n";
}

TEST_F(WithNode, ListShowsWhatTheAgentSays) {
  OneLineAgent agent(directory_, {status_answer()});
  const Printed printed = call({"list", "-c", file()});
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_EQ(printed.out.substr(0, 21), "Database cluster demo");
}

TEST_F(WithNode, SwitchoverShowsImpactThenProgressThenTheResult) {
  OneLineAgent agent(directory_, {status_answer(), "{\"result\":{\"impact\":\"a short pause\"}}\n",
                                  status_answer(),
                                  "{\"progress\":\"checkpoint 0.1 s\"}\n"
                                  "{\"result\":{\"text\":\"n2 leads.\"}}\n"});
  const Printed printed = call({"switchover", "--to", "n2", "--force", "-c", file()});
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_EQ(printed.out, "Impact: a short pause\n  checkpoint 0.1 s\nn2 leads.\n");
  const auto& asked = agent.asked();
  ASSERT_EQ(asked.size(), 4U);
  EXPECT_EQ(asked[1], R"({"verb":"switchover","to":"n2","dry_run":true})");
  EXPECT_EQ(asked[3], R"({"verb":"switchover","to":"n2","dry_run":false})");
}

TEST_F(WithNode, PauseShowsItsImpactAndWaitsOnlyIfAsked) {
  OneLineAgent agent(
      directory_,
      {status_answer(), "{\"result\":{\"impact\":\"no automatic failover\"}}\n", status_answer(),
       "{\"progress\":\"waiting for n3\"}\n"
       "{\"result\":{\"text\":\"the cluster is paused\"}}\n"});
  const Printed printed = call({"pause", "--wait", "--force", "-c", file()});
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_EQ(printed.out,
            "Impact: no automatic failover\n  waiting for n3\nthe cluster is paused\n");
  const auto& asked = agent.asked();
  ASSERT_EQ(asked.size(), 4U);
  EXPECT_EQ(asked[3], R"({"verb":"pause","wait":true,"dry_run":false})");
}

TEST_F(WithNode, RestartTakesTheStandbyBeforeTheLeaderAndStopsAtAFailure) {
  cluster::ClusterStatus status;
  status.phase = "leading";
  status.leader = "n1";
  for (const char* name : {"n1", "n2"}) {
    cluster::NodeStatus node;
    node.name = name;
    node.role = std::string(name) == "n1" ? "leader" : "voter";
    node.state = std::string(name) == "n1" ? "running" : "streaming";
    status.nodes.push_back(node);
  }
  const std::string answer = "{\"result\":" + cluster::json_text(status) + "}\n";
  OneLineAgent agent(directory_,
                     {answer, "{\"result\":{\"pending_restart\":[]}}\n", answer,
                      "{\"error\":{\"code\":\"timed_out\",\"message\":\"n2 does not stream again "
                      "within 90 s\",\"detail\":\"\",\"hint\":\"\"}}\n"});
  const Printed printed = call({"restart", "n1", "n2", "--force", "-c", file()});
  EXPECT_EQ(printed.status, 4) << printed.err;
  EXPECT_EQ(printed.out.substr(0, 33), "Impact: n2: PostgreSQL restarts; ");
  const auto& asked = agent.asked();
  ASSERT_EQ(asked.size(), 4U);
  EXPECT_EQ(asked[3], R"({"verb":"restart","node":"n2","dry_run":false})");
}

TEST_F(WithNode, RestartWantsToBeToldWhat) {
  const Printed printed = call({"restart", "-c", file()});
  EXPECT_EQ(printed.status, 2);
  EXPECT_EQ(printed.err.substr(0, 48), "error: evergres restart does not know which node");
}

TEST_F(WithNode, LogsSayWhereTheyLooked) {
  const Printed printed = call({"logs", "-c", file()});
  EXPECT_EQ(printed.status, 1);
  EXPECT_NE(printed.err.find("state/log/postgres.log"), std::string::npos) << printed.err;
  EXPECT_EQ(call({"logs", "n2", "-c", file()}).status, 1);
}

TEST_F(WithNode, AReplayThatDiffersHasItsOwnStatus) {
  std::ofstream(directory_ / "empty.jsonl") << "";
  const Printed empty = call({"replay", (directory_ / "empty.jsonl").string()});
  EXPECT_EQ(empty.status, 1);
  EXPECT_NE(empty.err.find("has no decision to replay"), std::string::npos) << empty.err;
  const Printed none = call({"replay", (directory_ / "none.jsonl").string()});
  EXPECT_NE(none.err.find("could not open the journal"), std::string::npos) << none.err;
}

TEST_F(WithNode, ARefusalOfTheAgentIsTheExitStatus) {
  OneLineAgent agent(directory_,
                     {status_answer(),
                      "{\"error\":{\"code\":\"refused\",\"message\":\"n2 is too far behind\","
                      "\"detail\":\"It lacks 3 MB.\",\"hint\":\"Wait for it.\"}}\n"});
  const Printed printed = call({"switchover", "--to", "n2", "--force", "-c", file()});
  EXPECT_EQ(printed.status, 3);
  EXPECT_EQ(printed.err,
            "error: n2 is too far behind\ndetail: It lacks 3 MB.\nhint: Wait for it.\n");
}

}  // namespace
}  // namespace evergres::cli
