#include "supervisor/node.hpp"

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "base/check.hpp"
#include "supervisor/keeper.hpp"
#include "supervisor/processes.hpp"

namespace evergres::supervisor::test {

namespace fs = std::filesystem;

namespace {

void become_postgres() {
  if (geteuid() != 0) return;
  const passwd* user = getpwnam("postgres");
  if (user == nullptr || initgroups("postgres", user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
      setuid(user->pw_uid) != 0) {
    _exit(3);
  }
}

/// One initdb for the whole program; every test gets a copy.
class Template : public testing::Environment {
 public:
  void SetUp() override {
    std::string pattern = "/tmp/evg-sup-template.XXXXXX";
    path_ = mkdtemp(pattern.data());
    [[maybe_unused]] const int owned = std::system(("chown postgres " + path_).c_str());
    const auto said = shell(program("initdb") + " -N -A trust -D " + path_ + "/data");
    ASSERT_FALSE(said.starts_with("failed")) << said;
  }
  void TearDown() override {
    if (!path_.empty()) fs::remove_all(path_);
  }
  static std::string path_;
};
std::string Template::path_;

[[maybe_unused]] const auto* const registered =
    testing::AddGlobalTestEnvironment(new Template);  // gtest owns it

}  // namespace

std::string program(const std::string& name) {
  std::map<int, fs::path> found;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql")) {
    const fs::path bin = entry.path() / "bin";
    if (fs::exists(bin / "postgres")) found[std::stoi(entry.path().filename())] = bin;
  }
  CHECK(!found.empty());
  return (found.rbegin()->second / name).string();
}

bool eventually(const std::function<bool()>& condition) {
  const Instant until = boot_now() + generous;
  while (!condition()) {
    if (boot_now() >= until) return false;
    poll(nullptr, 0, 10);
  }
  return true;
}

std::string shell(const std::string& command) {
  std::string quoted = command;
  for (std::size_t at = 0; (at = quoted.find('\'', at)) != std::string::npos; at += 4) {
    quoted.replace(at, 1, "'\\''");
  }
  const std::string whole = geteuid() == 0
                                ? "cd / && runuser -u postgres -- sh -c '" + quoted + "' 2>&1"
                                : "(" + command + ") 2>&1";
  FILE* pipe = popen(whole.c_str(), "re");
  std::string said;
  std::array<char, 512> buffer{};
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) said += buffer.data();
  if (pclose(pipe) != 0) return "failed: " + said;
  while (said.ends_with('\n')) said.pop_back();
  return said;
}

void Node::SetUp() {
  static int number = 0;
  port_ = 26400 + number++;
  std::string pattern = "/tmp/evg-sup.XXXXXX";
  root_ = mkdtemp(pattern.data());
  [[maybe_unused]] const int owned = std::system(("chown postgres " + root_.string()).c_str());
  const auto said =
      shell("cd " + root_.string() + " && cp -a " + Template::path_ + "/data data && mkdir state");
  ASSERT_FALSE(said.starts_with("failed")) << said;
  settings_.data_directory = root_ / "data";
  settings_.state_directory = root_ / "state";
  settings_.run_directory = root_ / "run";
  settings_.log_directory = root_ / "log";
  settings_.postgres_program = program("postgres");
  settings_.agent_program = "/bin/sleep";
  settings_.agent_argv = {"sleep", "10000"};
  settings_.silent_agent_limit = Millis{600'000};
  settings_.stop_deadline = generous;
}

void Node::TearDown() {
  if (keeper_ != 0) {
    kill(keeper_, SIGTERM);
    int wait_status = 0;
    waitpid(keeper_, &wait_status, 0);
  }
  if (root_.empty()) return;
  if (HasFailure()) {
    std::ifstream log(root_ / "keeper.log");
    std::fprintf(stderr, "%s\n", std::string(std::istreambuf_iterator<char>(log), {}).c_str());
  }
  for (const auto& server : servers_in(settings_.data_directory)) kill(server.pid, SIGKILL);
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

void Node::start_keeper() {
  const pid_t self = getpid();
  keeper_ = fork();
  ASSERT_GE(keeper_, 0);
  if (keeper_ == 0) {
    become_postgres();
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // after the change of user, which clears it
    if (getppid() != self) _exit(3);
    FILE* log = std::freopen((root_ / "keeper.log").c_str(), "a", stderr);
    _exit(log == nullptr ? 3 : run_keeper(settings_));
  }
}

Client Node::client() {
  auto connected = Client::connect(socket_path(settings_.run_directory), generous);
  if (!connected) ADD_FAILURE() << connected.error().one_line();
  return std::move(connected).value();
}

Status Node::status() {
  const auto read = client().status(generous);
  if (!read) ADD_FAILURE() << read.error().one_line();
  return read.value();
}

Result<boost::json::object> Node::ask(const Request& request) {
  return client().ask(request, generous);
}

Result<boost::json::object> Node::grant(GrantKind kind, std::uint64_t term, Millis length,
                                        std::optional<std::uint64_t> start_id) {
  return ask(AskGrant{kind, Term{term}, boot_now(), length, start_id});
}

Result<Stopped> Node::stop(StopMode mode, Millis deadline) {
  const auto reply = client().ask(Request(AskStop{mode, deadline}), generous * 2);
  if (!reply) return reply.error();
  return stopped_from_json(*reply);
}

Started Node::start_postgres() {
  const auto reply = ask(AskStart{{"-c", "port=" + std::to_string(port_), "-c",
                                   "listen_addresses=", "-c", "restart_after_crash=off", "-c",
                                   "unix_socket_directories=" + settings_.run_directory.string()}});
  if (!reply) ADD_FAILURE() << reply.error().one_line();
  const auto started = started_from_json(reply.value());
  EXPECT_TRUE(eventually([&] { return sql("select 1") == "1"; })) << sql("select 1");
  return started.value();
}

Started Node::start_primary(std::uint64_t term, Millis grant_length) {
  const auto started = start_postgres();
  const auto given = grant(GrantKind::promote, term, grant_length, started.start_id);
  if (!given) ADD_FAILURE() << given.error().one_line();
  EXPECT_EQ(sql("select pg_promote()"), "t");
  EXPECT_TRUE(eventually([&] { return sql("select pg_is_in_recovery()") == "f"; }));
  return started;
}

std::string Node::sql(const std::string& statement) {
  return shell(program("psql") + " -X -A -t -h " + settings_.run_directory.string() + " -p " +
               std::to_string(port_) + " -U postgres -c \"" + statement + "\" postgres");
}

pid_t Node::begin_statement(const std::string& statement) {
  shell("PGAPPNAME=busy " + program("psql") + " -X -h " + settings_.run_directory.string() +
        " -p " + std::to_string(port_) + " -U postgres -c \"" + statement +
        "\" postgres >/dev/null 2>&1 &");
  std::string pid;
  EXPECT_TRUE(eventually([&] {
    pid =
        sql("select pid from pg_stat_activity where application_name = 'busy'"
            " and state = 'active'");
    return !pid.empty() && pid.find_first_not_of("0123456789") == std::string::npos;
  })) << pid;
  return static_cast<pid_t>(std::atoi(pid.c_str()));
}

bool Node::wait_for_state(State state) {
  return eventually([&] { return status().state == state; });
}

std::size_t Node::servers() const {
  return servers_in(settings_.data_directory).size();
}

pid_t Node::supervisor_pid() const {
  const auto children = children_of(keeper_);
  return children.size() == 1 ? children.front() : 0;
}

}  // namespace evergres::supervisor::test
