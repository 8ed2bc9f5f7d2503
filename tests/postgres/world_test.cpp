#include "postgres/world.hpp"

#include <arpa/inet.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "net/process.hpp"
#include "postgres/clone.hpp"
#include "postgres/credentials.hpp"
#include "postgres/data_directory.hpp"
#include "postgres/promotion.hpp"
#include "postgres/versions.hpp"

namespace evergres::postgres::test {

namespace {

/// PostgreSQL refuses to run as root.
class NotRoot : public ::testing::Environment {
 public:
  void SetUp() override {
    if (::geteuid() != 0) return;
    const char* wanted = ::getenv("EVERGRES_TEST_USER");
    const passwd* user = ::getpwnam(wanted == nullptr ? "postgres" : wanted);
    ASSERT_NE(user, nullptr) << "the user to run PostgreSQL does not exist";
    ASSERT_EQ(::initgroups(user->pw_name, user->pw_gid), 0);
    ASSERT_EQ(::setgid(user->pw_gid), 0);
    ASSERT_EQ(::setuid(user->pw_uid), 0);
    ASSERT_EQ(::chdir("/"), 0);
  }
};
[[maybe_unused]] const auto* not_root = ::testing::AddGlobalTestEnvironment(new NotRoot);

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

std::string tail_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  return text.size() > 4000 ? text.substr(text.size() - 4000) : text;
}

}  // namespace

::testing::AssertionResult eventually(const std::function<bool()>& condition) {
  const Instant end = soon();
  while (boot_now() < end) {
    if (condition()) return ::testing::AssertionSuccess();
    std::this_thread::sleep_for(Millis{10});
  }
  return ::testing::AssertionFailure() << "did not come true in 60 seconds";
}

TemporaryDirectory::TemporaryDirectory() {
  char pattern[] = "/tmp/evg-pg-XXXXXX";
  const char* made = ::mkdtemp(pattern);
  CHECK(made != nullptr);
  path_ = made;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

int major_version() {
  static const int major = [] {
    const auto bin_dir = find_bin_directory();
    CHECK(bin_dir.ok());
    const auto found = program_major(*bin_dir, soon());
    CHECK(found.ok());
    return *found;
  }();
  return major;
}

Node::Node(const std::filesystem::path& root, const std::string& name)
    : server([&] {
        Server made;
        made.node = NodeName(name);
        made.data = root / name / "data";
        made.state_dir = root / name / "state";
        made.run_dir = root / name / "run";
        auto bin_dir = find_bin_directory();
        CHECK(bin_dir.ok());
        made.bin_dir = *bin_dir;
        made.host = "127.0.0.1";
        made.port = free_port();
        made.replication_password = replication_password("a secret of the test");
        return made;
      }()),
      log_(root / name / "log"),
      observer_(server) {
  for (const auto& directory : {server.state_dir, server.run_dir}) {
    std::filesystem::create_directories(directory);
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all);
  }
  configuration.cluster_name = "evergres";
  configuration.parameters = {{"max_connections", "40"}, {"shared_buffers", "16MB"}};
  configuration.safety = {"ANY 1 (\"~nobody\")", ""};
  configuration.member_hosts = {"127.0.0.1"};
}

Node::~Node() {
  if (postmaster_pid(server)) stop("immediate");
}

void Node::create(const std::optional<Application>& application) {
  InitialiseRequest request;
  request.claim = Claim("c1");
  request.incarnation = Incarnation("first");
  request.configuration = configuration;
  request.application = application;
  request.major = major_version();
  const auto made = initialise(server, request, soon(120));
  ASSERT_TRUE(made.ok()) << made.error().for_people();
  const auto placed = put_in_place(server, made->directory, "c1");
  ASSERT_TRUE(placed.ok()) << placed.error().for_people();
  ASSERT_TRUE(write_upstream(server, {}).ok());
}

void Node::start() {
  std::ofstream(server.data / "standby.signal").close();
  const net::Command command{
      server.program("pg_ctl"),
      {"-D", server.data.string(), "-w", "-t", "60", "-l", log_.string(), "start"},
      {{"PGSERVICEFILE", server.upstream_file().string()}},
      {},
      {}};
  const auto exit = net::run(command, soon(90));
  ASSERT_TRUE(exit.ok()) << exit.error().for_people();
  ASSERT_TRUE(exit->success()) << exit->error_text() << tail_of(log_);
}

void Node::stop(const std::string& mode) {
  const net::Command command{
      server.program("pg_ctl"), {"-D", server.data.string(), "-w", "-m", mode, "stop"}, {}, {}, {}};
  const auto exit = net::run(command, soon(90));
  EXPECT_TRUE(exit.ok() && exit->success()) << tail_of(log_);
}

Result<WalEnd> Node::end_when_stopped() const {
  const auto control = read_control_file(server, server.data, soon());
  if (!control) return control.error();
  return end_of_stopped(server, *control, soon());
}

void Node::clone_from(const Node& source, const std::string& incarnation) {
  CloneRequest request;
  request.source = source.as_upstream("clone");
  request.incarnation = Incarnation(incarnation);
  request.slot = configuration.safety.primary_slot_name;
  request.configuration = configuration;
  request.major = major_version();
  std::string last;
  const OnProgress on_progress = [&](const std::string& text) { last = text; };
  const auto done = clone(server, request, on_progress, soon(120));
  ASSERT_TRUE(done.ok()) << done.error().for_people();
  EXPECT_TRUE(last.starts_with("cloning ")) << last;
}

void Node::follow(const Node& source, const std::string& application_name) {
  const auto written = write_upstream(server, source.as_upstream(application_name));
  ASSERT_TRUE(written.ok()) << written.error().for_people();
}

void Node::promote() {
  set_names("");
  auto control = session();
  const auto done = postgres::promote(control, soon());
  ASSERT_TRUE(done.ok()) << done.error().for_people();
  ASSERT_EQ(*done, Promotion::promoted);
}

void Node::set_names(const std::string& names) {
  auto control = session();
  const auto set = postgres::set_names(server, control, {names, ""}, soon());
  ASSERT_TRUE(set.ok()) << set.error().for_people();
}

Session Node::session(const std::string& synchronous_commit) {
  SessionOptions options;
  options.synchronous_commit = synchronous_commit;
  auto made = Session::connect(server, options, soon());
  if (!made) ADD_FAILURE() << made.error().for_people() << tail_of(log_);
  return std::move(made).value();
}

std::string Node::ask(const std::string& sql) {
  auto asked = session();
  const auto rows = asked.simple(sql, soon());
  if (!rows) {
    ADD_FAILURE() << sql << ": " << rows.error().for_people();
    return {};
  }
  return rows->empty() || rows->front().empty() ? "" : rows->front().front().value_or("");
}

Observation Node::observe() {
  auto seen = observer_.observe(soon());
  if (!seen) seen = observer_.observe(soon());  // the first one found the server restarted
  if (!seen) ADD_FAILURE() << seen.error().for_people() << tail_of(log_);
  return std::move(seen).value();
}

Upstream Node::as_upstream(const std::string& application_name) const {
  return {server.host, server.port, application_name};
}

pid_t Node::postmaster() const {
  return postmaster_pid(server).value_or(0);
}

::testing::AssertionResult catches_up(Node& primary, const std::string& name) {
  const auto flush = primary.observe().flush;
  return eventually([&] {
    for (const auto& sender : primary.observe().senders) {
      const bool streams = sender.application_name == name && sender.state == "streaming";
      if (streams && sender.flushed >= flush) return true;
    }
    return false;
  });
}

void report_time(const std::string& what, Nanos took) {
  std::printf("[ timing   ] %s %.1f ms\n", what.c_str(), static_cast<double>(took.count()) / 1e6);
}

}  // namespace evergres::postgres::test
