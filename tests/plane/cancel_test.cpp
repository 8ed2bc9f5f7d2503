#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plane/world.hpp"
#include "proxy/login/server_login.hpp"
#include "proxy/wire/writer.hpp"
#include "proxy/worker/cancel_forwards.hpp"

/// Cancel requests that reach another endpoint than their client's.
namespace evergres::proxy::test {
namespace {

/// A blocking connection that says what it is told, without libpq.
class Line {
 public:
  explicit Line(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    EXPECT_EQ(0, ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address));
  }
  ~Line() { ::close(socket_); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void say(std::string_view bytes) const { ::send(socket_, bytes.data(), bytes.size(), 0); }
  /// What arrives next; "" at the end, "stuck" after so long.
  std::string hear(int milliseconds = 20'000) const {
    pollfd waiting{socket_, POLLIN, 0};
    if (poll(&waiting, 1, milliseconds) != 1) return "stuck";
    char some[8192];
    const ssize_t got = ::recv(socket_, some, sizeof some, 0);
    return got > 0 ? std::string(some, static_cast<std::size_t>(got)) : std::string();
  }
  [[nodiscard]] int number() const { return socket_; }

 private:
  int socket_;
};

/// A client of protocol 3.2, which the libpq of this machine does not speak.
class NewClient {
 public:
  explicit NewClient(int port, const std::string& user = "alice",
                     Replication replication = Replication::none)
      : line_(port) {
    ServerLoginPlan plan;
    plan.tls = ServerTls::disable;
    plan.user = user;
    plan.database = "app";
    plan.replication = replication;
    plan.newest = true;
    plan.credential = ScramPassword{user};
    plan.nonce = "onlyForThisTestAndNeverAgain";
    ServerLogin login(std::move(plan));
    std::string out;
    ServerStep step = login.start(out);
    std::string arrived;
    while (std::holds_alternative<ServerLacks>(step)) {
      line_.say(out);
      out.clear();
      const std::string more = line_.hear();
      if (more.empty() || more == "stuck") return;
      arrived += more;
      std::string_view input = arrived;
      step = login.feed(input, out);
      arrived.erase(0, arrived.size() - input.size());
    }
    if (auto* ready = std::get_if<ServerReady>(&step)) told_ = std::move(*ready);
  }
  [[nodiscard]] const ServerReady& told() const { return told_; }
  /// What is answered up to ReadyForQuery.
  std::string ask(const std::string& sql) const {
    line_.say(message('Q', sql + '\0'));
    std::string all;
    while (all.find(std::string("Z\0\0\0\5", 5)) == std::string::npos) {
      const std::string more = line_.hear();
      if (more.empty() || more == "stuck") return all + more;
      all += more;
    }
    return all;
  }

 private:
  Line line_;
  ServerReady told_;
};

bool somebody_sleeps() {
  return primary().value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") ==
         "1";
}

/// Endpoints of two nodes in front of one leader.
class PlaneCancelElsewhere : public ::testing::TestWithParam<bool> {
 protected:
  static Configuration of_node(const std::string& name, bool tls) {
    Configuration configuration = usual(PoolMode::transaction);
    configuration.node = name;
    configuration.cluster_key = "known to the endpoints of this cluster";
    if (tls) {
      configuration.certificate = certificates() / "server.crt";
      configuration.certificate_key = certificates() / "server.key";
    }
    return configuration;
  }
  void SetUp() override {
    for (Endpoint* each : {&east, &west}) {
      each->lead(primary());
      each->add_endpoint("east", east.port());
      each->add_endpoint("west", west.port());
    }
  }
  Endpoint east{of_node("east", GetParam())};
  Endpoint west{of_node("west", GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Tls, PlaneCancelElsewhere, ::testing::Bool());

TEST_P(PlaneCancelElsewhere, FindsItsClientOnTheOtherEndpoint) {
  Relay relay(east.port());
  Client client(east.dsn("alice", "port=" + std::to_string(relay.port())));
  ASSERT_TRUE(client.connected()) << client.problem();
  relay.lead_to(west.port());
  for (int round = 0; round < 20; ++round) {
    client.begin("SELECT pg_sleep(60)");
    ASSERT_TRUE(eventually(somebody_sleeps));
    EXPECT_TRUE(client.cancel());
    EXPECT_EQ("57014", client.end().sqlstate);
    // PQcancel() has returned: nothing that comes later may be hit.
    EXPECT_EQ("1", client.value("SELECT 1 FROM pg_sleep(0.002)"));
  }
}

TEST_P(PlaneCancelElsewhere, LongKeysOfProtocol32) {
  const NewClient client(east.port());
  ASSERT_EQ(client.told().spoken, newest_protocol);
  ASSERT_EQ(client.told().key.size(), CancelKeys::long_key);
  std::string told;
  std::thread asking([&] { told = client.ask("SELECT pg_sleep(60)"); });
  EXPECT_TRUE(eventually(somebody_sleeps));
  std::string forged;
  std::string wrong = client.told().key;
  wrong.back() = static_cast<char>(wrong.back() ^ 1);
  write_cancel(forged, client.told().pid, wrong);
  for (Endpoint* each : {&east, &west}) {
    const Line line(each->port());
    line.say(forged);
    EXPECT_EQ("", line.hear());
  }
  EXPECT_TRUE(somebody_sleeps());
  std::string request;
  write_cancel(request, client.told().pid, client.told().key);
  const Line line(west.port());
  line.say(request);
  EXPECT_EQ("", line.hear());
  asking.join();
  EXPECT_NE(std::string::npos, told.find("57014")) << told;
  EXPECT_NE(std::string::npos, client.ask("SELECT 41 + 1").find("42"));
}

/// Whoever cancels may take the end of its connection for the word that nothing is hit any more: it
/// comes when the server has had the request, and not before.
class PlaneCancelArrives : public ::testing::Test {
 protected:
  /// A statement runs, and whoever cancels it does not reach the server.
  void begin(unsigned threads, const std::string& user, Replication replication) {
    Configuration configuration = usual(PoolMode::session);
    configuration.threads = threads;
    endpoint_.emplace(configuration);
    endpoint_->lead(primary(), relay_.port());
    client_.emplace(endpoint_->port(), user, replication);
    ASSERT_EQ(client_->told().spoken, newest_protocol);
    asking_ = std::thread([this] { told_ = client_->ask("SELECT pg_sleep(60)"); });
    ASSERT_TRUE(eventually(somebody_sleeps));
    silent_ = listen_somewhere(silent_port_);
    relay_.lead_to(silent_port_);
    request_.clear();
    write_cancel(request_, client_->told().pid, client_->told().key);
    canceller_.emplace(endpoint_->port());
    canceller_->say(request_);
    EXPECT_EQ("stuck", canceller_->hear(400)) << "it was answered before it had arrived";
  }
  /// The first request is lost, which counts too. The second one arrives.
  void arrive() {
    relay_.lead_to(primary().port());
    ::close(std::exchange(silent_, -1));
    EXPECT_EQ("", canceller_->hear());
    const Line again(endpoint_->port());
    again.say(request_);
    EXPECT_EQ("", again.hear());
    asking_.join();
    EXPECT_NE(std::string::npos, told_.find("57014")) << told_;
    EXPECT_NE(std::string::npos, client_->ask("SELECT 41 + 1").find("42"));
  }
  void TearDown() override {
    if (silent_ >= 0) ::close(silent_);
    endpoint_.reset();  // the client is told so
    if (asking_.joinable()) asking_.join();
    primary().ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = "
        "'PgSleep'");
  }

  Relay relay_{primary().port()};
  int silent_ = -1;
  int silent_port_ = 0;
  std::optional<Endpoint> endpoint_;
  std::optional<NewClient> client_;
  std::string request_, told_;
  std::thread asking_;
  std::optional<Line> canceller_;
};

TEST_F(PlaneCancelArrives, OnTheThreadOfItsClient) {
  begin(1, "alice", Replication::none);
  if (!HasFatalFailure()) arrive();
}

TEST_F(PlaneCancelArrives, OnAnotherThread) {
  begin(2, "alice", Replication::none);
  if (!HasFatalFailure()) arrive();
}

TEST_F(PlaneCancelArrives, AtTheServerOfOneWhoReplicates) {
  begin(2, "repl", Replication::logical);
  if (!HasFatalFailure()) arrive();
}

TEST_F(PlaneCancelArrives, OrIsGivenUpAfterFiveSeconds) {
  begin(2, "alice", Replication::none);
  if (HasFatalFailure()) return;
  EXPECT_EQ("", canceller_->hear());
  EXPECT_TRUE(somebody_sleeps());
}

/// Again and again, on two threads: what is sent behind the cancel is never hit.
TEST_F(PlaneCancelArrives, BeforeTheNextStatement) {
  Configuration configuration = usual(PoolMode::session);
  configuration.threads = 2;
  endpoint_.emplace(configuration);
  endpoint_->lead(primary());
  for (const std::string user : {"alice", "repl"}) {
    Client client(endpoint_->dsn(user, user == "repl" ? "replication=database" : ""));
    ASSERT_TRUE(client.connected()) << client.problem();
    for (int round = 0; round < 30; ++round) {
      client.begin("SELECT pg_sleep(60)");
      ASSERT_TRUE(eventually(somebody_sleeps));
      EXPECT_TRUE(client.cancel());
      EXPECT_EQ("57014", client.end().sqlstate);
      EXPECT_EQ("", client.ask("SELECT pg_sleep(0.002)").sqlstate) << user << round;
    }
  }
}

/// A request for an endpoint that does not answer, and very many of them: each ends, and most at
/// once, since only 64 are passed on at a time.
/// A commit that waits for standbys is not cancelled where that can be seen. Where it cannot, the
/// client is not told a success that a failover may take back, nor a failure.
TEST(PlaneCancelHits, ACommitThatWaitsAndIsToldAsUnknown) {
  primary().ask(
      "CREATE OR REPLACE FUNCTION writes(text) RETURNS text LANGUAGE sql AS "
      "'INSERT INTO journal VALUES ($1) RETURNING token'");
  primary().ask("TRUNCATE journal");
  Endpoint endpoint(usual(PoolMode::transaction));
  endpoint.lead(primary());
  Client client(endpoint.dsn());
  EXPECT_TRUE(client.ask("SELECT 1").fine);
  // Nobody else may look at what it does.
  primary().ask("ALTER ROLE alice CONNECTION LIMIT 1");
  for (const char* sql : {"SELECT writes('called')", "INSERT INTO journal VALUES ('unseen')"}) {
    let_commits_wait();
    client.begin(sql);
    EXPECT_TRUE(somebody_waits());
    EXPECT_TRUE(client.cancel());
    const Told told = client.end();
    EXPECT_EQ("08007", told.sqlstate) << sql << ": " << told;
    let_commits_go();
    EXPECT_EQ("5", client.value("SELECT 5"));
  }
  EXPECT_EQ("2", primary().value("SELECT count(*) FROM journal"));
  primary().ask("ALTER ROLE alice CONNECTION LIMIT -1");
  primary().ask("TRUNCATE journal");
}

TEST(PlaneCancelNowhere, EndsAndIsBounded) {
  Configuration configuration = usual(PoolMode::transaction);
  configuration.node = "east";
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  int silent_port = 0;
  const int silent = listen_somewhere(silent_port);
  endpoint.add_endpoint("north", silent_port);
  std::string request;
  const auto pid = static_cast<std::int32_t>(std::uint32_t{proxy_number("north")} << 20U);
  write_cancel(request, pid, "abcd");
  std::vector<std::unique_ptr<Line>> lines;
  for (int i = 0; i < 100; ++i) {
    lines.push_back(std::make_unique<Line>(endpoint.port()));
    lines.back()->say(request);
  }
  const auto open = [&] {
    std::size_t count = 0;
    for (const auto& line : lines) {
      pollfd waiting{line->number(), POLLIN, 0};
      if (poll(&waiting, 1, 0) == 0) ++count;
    }
    return count;
  };
  // Short keys anybody can write: half of the room is kept for those that are proven.
  EXPECT_TRUE(eventually([&] { return open() == 32; })) << open();
  Client client(endpoint.dsn());
  EXPECT_EQ("1", client.value("SELECT 1"));
  EXPECT_TRUE(eventually([&] { return open() == 0; }));
  ::close(silent);
}

TEST(ProxyNumber, IsThatOfTheNode) {
  EXPECT_EQ(proxy_number(""), 1);
  EXPECT_EQ(proxy_number("n1"), proxy_number("n1"));
  EXPECT_NE(proxy_number("n1"), proxy_number("n2"));
  for (int i = 0; i < 5000; ++i) {
    const std::uint16_t number = proxy_number("n" + std::to_string(i));
    EXPECT_TRUE(number >= 2 && number < CancelKeys::proxies_most) << i;
  }
}

}  // namespace
}  // namespace evergres::proxy::test
