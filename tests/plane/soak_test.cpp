#include <poll.h>

#include <map>
#include <mutex>
#include <random>
#include <set>

#include "plane/world.hpp"

/// Everybody at once: clients of all kinds, while leaders, servers and clients come and go. The
/// choices follow from one seed.
namespace evergres::proxy::test {
namespace {

struct Book {
  std::mutex mutex;
  std::set<std::string> told_fine;    ///< has to be there
  std::set<std::string> told_failed;  ///< must not be there
  std::set<std::string> unknown;
  std::map<std::string, int> codes;
  void note(const std::string& token, const Told& told) {
    const std::lock_guard lock(mutex);
    ++codes[told.fine ? "fine" : told.sqlstate];
    if (told.fine) {
      told_fine.insert(token);
    } else if (told.sqlstate == "08007" || told.sqlstate == "gone") {
      unknown.insert(token);
    } else {
      EXPECT_NE("stuck", told.sqlstate) << told;
      told_failed.insert(token);
    }
  }
};

class Worker {
 public:
  Worker(Endpoint& endpoint, Book& book, unsigned number)
      : endpoint_(endpoint), book_(book), number_(number), chance_(number * 7919 + 1) {}

  void run(const std::atomic<bool>& stop) {
    while (!stop) {
      if (!client_ || !client_->connected()) begin();
      if (!client_->connected()) continue;
      step();
    }
  }
  int steps = 0;

 private:
  void begin() {
    client_.emplace(endpoint_.dsn(number_ % 3 == 0 ? "bob" : "alice"));
    if (!client_->connected()) {
      EXPECT_NE(std::string::npos, client_->problem().find("primary")) << client_->problem();
      return;
    }
    memory_ = std::to_string(1 + number_) + "MB";
    if (!client_->ask("SET work_mem = '" + memory_ + "'").fine) memory_.clear();
    prepared_ = client_->prepare("mine", "SELECT $1::text || '-" + me() + "'").fine;
  }
  std::string me() const { return std::to_string(number_); }
  std::string token() { return me() + "-" + std::to_string(++tokens_); }

  void step() {
    ++steps;
    switch (chance_() % 8) {
      case 0: return single();
      case 1:
      case 2: return transaction();
      case 3: return echo();
      case 4: return prepared();
      case 5: return setting();
      case 6: return pipeline();
      default:
        if (chance_() % 10 == 0) leave();
    }
  }
  void single() {
    const std::string mine = token();
    book_.note(mine, client_->ask("INSERT INTO journal VALUES ('" + mine + "')"));
  }
  void transaction() {
    const std::string mine = token();
    if (!client_->ask("BEGIN").fine) return roll_back();
    const Told inserted = client_->ask("INSERT INTO journal VALUES ('" + mine + "')");
    if (!inserted.fine) {
      book_.note(mine, inserted);
      return roll_back();
    }
    if (chance_() % 4 == 0) {
      EXPECT_EQ("stuck", client_->ask("ROLLBACK").sqlstate == "stuck" ? "no" : "stuck");
      const std::lock_guard lock(book_.mutex);
      book_.told_failed.insert(mine);
      return;
    }
    const Told told = client_->ask("COMMIT");
    // A COMMIT that is answered with ROLLBACK did not commit.
    book_.note(mine, told.tag == "ROLLBACK" ? Told{false, "rolled back", {}, {}, {}} : told);
    roll_back();
  }
  void roll_back() {
    if (client_->connected() && PQtransactionStatus(client_->connection()) != PQTRANS_IDLE) {
      client_->ask("ROLLBACK");
    }
  }
  void echo() {
    const std::string mine = token();
    const Told told = chance_() % 2 == 0 ? client_->ask("SELECT '" + mine + "', repeat('x', " +
                                                        std::to_string(chance_() % 100'000) + ")")
                                         : client_->ask_with("SELECT $1::text", {mine});
    if (told.fine) {
      EXPECT_EQ(mine, told.first());
    }
  }
  void prepared() {
    if (!prepared_) return;
    const std::string mine = token();
    const Told told = client_->execute("mine", {mine});
    if (told.fine) {
      EXPECT_EQ(mine + "-" + me(), told.first());
    }
    EXPECT_NE("26000", told.sqlstate) << told;
  }
  void setting() {
    if (memory_.empty()) return;
    const Told told = client_->ask("SHOW work_mem");
    if (told.fine) {
      EXPECT_EQ(memory_, told.first());
    }
  }
  void pipeline() {
    PQenterPipelineMode(client_->connection());
    std::vector<std::string> mine;
    for (int i = 0; i < 5; ++i) {
      mine.push_back(token());
      const char* value = mine.back().c_str();
      PQsendQueryParams(client_->connection(), "SELECT $1::text", 1, nullptr, &value, nullptr,
                        nullptr, 0);
      if (i % 2 == 1) PQpipelineSync(client_->connection());
    }
    PQpipelineSync(client_->connection());
    std::size_t at = 0;
    const Instant deadline = boot_now() + Millis{20'000};
    for (int ends = 0; ends < 3 && client_->connected();) {
      ASSERT_LT(boot_now(), deadline) << "a pipeline is stuck";
      PGresult* result = client_->next();
      if (result == nullptr) continue;
      const ExecStatusType status = PQresultStatus(result);
      if (status == PGRES_PIPELINE_SYNC) ++ends;
      if (status == PGRES_TUPLES_OK) {
        EXPECT_EQ(mine[at], PQgetvalue(result, 0, 0));
      }
      if (status != PGRES_PIPELINE_SYNC) ++at;
      PQclear(result);
    }
    PQexitPipelineMode(client_->connection());
  }
  void leave() {
    if (chance_() % 2 == 0) client_->raw_send(message('Q', std::string("BEGIN; SELECT 1\0", 16)));
    client_->drop();
    client_.reset();
  }

  Endpoint& endpoint_;
  Book& book_;
  unsigned number_;
  std::mt19937 chance_;
  std::optional<Client> client_;
  std::string memory_;
  bool prepared_ = false;
  int tokens_ = 0;
};

class PlaneSoak : public ::testing::TestWithParam<PoolMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, PlaneSoak,
                         ::testing::Values(PoolMode::transaction, PoolMode::session));

TEST_P(PlaneSoak, NothingIsLostDoubledMixedUpOrStuck) {
  primary().ask("TRUNCATE journal");
  Configuration configuration = usual(GetParam());
  configuration.threads = 2;
  configuration.pool_size = GetParam() == PoolMode::session ? 8 : 3;
  Endpoint endpoint(configuration);
  endpoint.lead(primary());
  Book book;
  std::atomic<bool> stop{false};
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  for (unsigned number = 0; number < 10; ++number) {
    workers.push_back(std::make_unique<Worker>(endpoint, book, number));
    threads.emplace_back([&, raw = workers.back().get()] { raw->run(stop); });
  }
  std::mt19937 chance(11);
  const char* seconds = std::getenv("EVERGRES_SOAK_SECONDS");
  const Instant deadline =
      boot_now() + Millis{1000 * (seconds != nullptr ? std::atoi(seconds) : 5)};
  while (boot_now() < deadline) {
    poll(nullptr, 0, static_cast<int>(30 + chance() % 150));
    switch (chance() % 5) {
      case 0:
        endpoint.vacant();
        poll(nullptr, 0, static_cast<int>(chance() % 60));
        endpoint.lead(primary());
        break;
      case 1: endpoint.lead(primary()); break;
      case 2:
        endpoint.drain(true);
        poll(nullptr, 0, static_cast<int>(chance() % 60));
        endpoint.drain(false);
        break;
      default:
        primary().ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN "
            "('alice', 'bob') ORDER BY random() LIMIT 2");
    }
  }
  stop = true;
  for (std::thread& each : threads) each.join();
  std::set<std::string> there;
  const Told all = primary().ask("SELECT token FROM journal");
  for (const auto& row : all.rows) there.insert(row[0]);
  for (const std::string& token : book.told_fine)
    EXPECT_TRUE(there.contains(token)) << token << " is lost";
  for (const std::string& token : book.told_failed) {
    EXPECT_FALSE(there.contains(token)) << token << " is there";
  }
  int steps = 0;
  for (const auto& worker : workers) steps += worker->steps;
  for (const auto& [code, count] : book.codes)
    std::cout << "  [ told ] " << code << " " << count << "\n";
  std::cout << "  [ steps ] " << steps << "\n";
  EXPECT_GT(book.told_fine.size(), 20U);
  // Whatever happened, everybody is served afterwards.
  for (int i = 0; i < 10; ++i) {
    Client client(endpoint.dsn());
    EXPECT_EQ("4MB", client.value("SHOW work_mem"));
  }
}

}  // namespace
}  // namespace evergres::proxy::test
