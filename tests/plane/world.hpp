#pragma once

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "proxy/worker/proxy.hpp"

/// The data plane in this process, real PostgreSQL servers behind it, and clients in front of it.
/// Who leads is said by the tests. Started as root, the servers run as the user `postgres`.
namespace evergres::proxy::test {

/// Asks again until the answer is yes; 30 seconds at most.
::testing::AssertionResult eventually(const std::function<bool()>& condition);

/// What a client was told to one request, or to one segment of a pipeline.
struct Told {
  bool fine = false;
  std::string sqlstate;  ///< "stuck": no answer in 20 seconds; "gone": no connection any more
  std::string message;
  std::string tag;
  std::vector<std::vector<std::string>> rows;
  std::string first() const { return rows.empty() || rows[0].empty() ? "" : rows[0][0]; }
};
std::ostream& operator<<(std::ostream& to, const Told& told);

/// An application's connection, with libpq. Never waits for longer than 20 seconds.
class Client {
 public:
  explicit Client(const std::string& conninfo);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool connected() const;
  [[nodiscard]] std::string problem() const;
  /// Simple protocol. Of several results the first error, else the last.
  Told ask(const std::string& sql);
  /// The first value; fails the test on an error.
  std::string value(const std::string& sql);
  /// Extended protocol.
  Told ask_with(const std::string& sql, const std::vector<std::string>& values);
  Told prepare(const std::string& name, const std::string& sql);
  Told execute(const std::string& name, const std::vector<std::string>& values = {});
  /// Sent and not waited for.
  void begin(const std::string& sql);
  /// What begin() is told.
  Told end();
  /// One result, waiting as long as ask(); nullptr at the end of a request.
  PGresult* next();
  bool cancel();
  /// Bytes as they are, past libpq.
  void raw_send(std::string_view bytes);
  /// What arrives until `ends` messages of type `type` have come, or the end of the connection;
  /// with "stuck" behind it if neither comes.
  std::string raw_read(char type, int ends = 1, int milliseconds = 20'000);
  /// The connection is gone, without a word.
  void drop();
  PGconn* connection() { return connection_; }

 private:
  PGconn* connection_;
  std::string stuck_;  ///< what to say of a wait that was too long
};

/// What is answered, as maps from column to value.
using Row = std::map<std::string, std::string>;
std::vector<Row> table(Client& client, const std::string& show);

/// The directory of PostgreSQL's programs, with a slash behind it.
const std::string& programs();
/// Runs a program as `postgres`, silently. Its exit status; without `wait` 0, and its id.
int run(const std::vector<std::string>& words, bool wait = true, pid_t* child = nullptr);

/// One PostgreSQL server.
class Node {
 public:
  Node(std::string name, std::filesystem::path directory);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void start();
  /// "fast" or "immediate"; waits.
  void stop(const std::string& mode);
  /// The postmaster and its children, at once, with this signal to each.
  void kill_all(int signal);
  void promote();
  /// As superuser, past the endpoint.
  Told ask(const std::string& sql);
  std::string value(const std::string& sql);
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] bool running() const { return postmaster_ > 0; }
  void forget_children();

 private:
  std::string name_;
  std::filesystem::path directory_;
  int port_;
  pid_t postmaster_ = -1;
};

/// The server that most tests use, with the database "app", the roles alice, bob and asker, whose
/// passwords are their names. Running.
Node& primary();
/// A copy of it that streams from it.
std::unique_ptr<Node> standby();
std::filesystem::path scratch_directory();
/// Commits on primary() wait for a standby that is not there, until let_commits_go().
void let_commits_wait();
void let_commits_go();
/// Until a commit waits.
::testing::AssertionResult somebody_waits();

/// The directory of an authority (ca.crt, and another: ca2.crt), a server's certificate for
/// localhost (server.crt, server.key) and those of clients: NAME.crt and NAME.key with the common
/// name NAME, for alice, ops-laptop and, by the other authority, stranger.
std::filesystem::path certificates();

/// A TCP relay in front of a node that can lose what the server says.
class Relay {
 public:
  explicit Relay(int to_port);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  [[nodiscard]] int port() const { return port_; }
  /// New connections lead there.
  void lead_to(int port) { to_port_ = port; }
  /// From now on nothing of the server's arrives.
  void mute() { mute_ = true; }
  /// All connections end; new ones are as ever.
  void cut();
  [[nodiscard]] std::size_t connections() const { return connections_; }

 private:
  struct Pair;
  void run();
  std::atomic<int> to_port_;
  int listening_ = -1;
  int port_ = 0;
  std::atomic<bool> mute_{false}, cut_{false}, stop_{false};
  std::atomic<std::size_t> connections_{0};
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::thread thread_;
};

/// The configuration that tests change: one thread, alice, bob and asker from auth_file.
Configuration usual(PoolMode mode);

class Endpoint {
 public:
  /// `change`: what the process around it would hook in.
  explicit Endpoint(Configuration configuration,
                    const std::function<void(Proxy::Hooks&)>& change = {});
  ~Endpoint();

  /// `node` is the open leader of a new term, reached at `port` (0: its own).
  void lead(Node& node, int port = 0);
  /// A new term, and nobody leads.
  void vacant();
  /// The same leader, about to hand over, or not any more.
  void drain(bool draining);
  /// Also on the read-only port. `name` and `port`: as another one, reached there.
  void add_replica(Node& node, const std::string& name = "", int port = 0);
  /// How many bytes of WAL it has not replayed, as agents say.
  void lag(const std::string& name, std::uint64_t bytes);
  /// The endpoint of another node is there.
  void add_endpoint(const std::string& node, int port);
  [[nodiscard]] std::string dsn(const std::string& user = "alice",
                                const std::string& more = "") const;
  [[nodiscard]] int port(std::size_t which = 0) const { return proxy_->ports()[which]; }
  Proxy& proxy() { return *proxy_; }
  std::string log();
  /// Of each thread: how many of its transactions were running when the last word was told.
  std::vector<std::uint32_t> busy();

 private:
  void tell();
  std::mutex mutex_;
  std::string log_;
  std::vector<std::uint64_t> applied_;  ///< the World that each shard has
  std::vector<std::uint32_t> busy_;
  World world_;
  std::unique_ptr<Proxy> proxy_;
};

/// A listening socket on a port of the kernel's choice.
int listen_somewhere(int& port);
/// Resident memory of this process in bytes.
std::size_t resident();
/// All of a file; "" without one.
std::string text_of(const std::filesystem::path& file);
/// A message of the protocol: type, length, body.
std::string message(char type, std::string_view body);

}  // namespace evergres::proxy::test
