#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "differential/history_files.hpp"
#include "differential/proc.hpp"
#include "differential/relay.hpp"
#include "differential/server.hpp"
#include "differential/server_log.hpp"
#include "differential/surroundings.hpp"
#include "net/process.hpp"
#include "postgres/history.hpp"
#include "postgres/receiver.hpp"
#include "postgres/session.hpp"
#include "postgres/wal_end.hpp"

/// PostgreSQL as a story sees it.
namespace evergres::differential {
namespace {

namespace fs = std::filesystem;

/// Not a port of this machine: no server listens on TCP. It only names the socket.
constexpr int port = 26000;

constexpr const char* settings = R"(
listen_addresses = ''
shared_buffers = '2MB'
autovacuum = off
fsync = off
jit = off
checkpoint_timeout = '1h'
restart_after_crash = off
dynamic_shared_memory_type = 'mmap'
wal_retrieve_retry_interval = '100ms'
wal_receiver_status_interval = '1s'
wal_sender_timeout = '3s'
primary_conninfo = 'service=upstream'
)";

class RealServer : public Server {
 public:
  RealServer(const fs::path& root, const std::string& name, const fs::path& programs);
  ~RealServer() override { kill_everything(); }

  void write_names(const std::string& names) override;
  void write_upstream(const std::optional<Upstream>& upstream) override;
  void reserve(TimelineId next) override;
  void take_histories(Server& from) override;
  void lose_history(TimelineId timeline) override;
  void forget_what_is_no_child(bool of_all_wal) override;
  bool rewind(Server& source) override;
  bool clone(Server& source) override;
  void start() override;
  std::string life() override;
  void begin_fast_stop(Millis patience) override;
  bool end_fast_stop() override;
  void stop_immediately() override;
  void kill_postmaster() override;
  void kill_everything() override;
  void reload() override { ::kill(postmaster_, SIGHUP); }
  int commit(bool has_wal) override;
  int commit_later() override;
  void finish_computing() override { write_text(server_.data / "go", ""); }
  Fate fate(int commit) override;
  void end_sessions() override;
  void promote() override { ask("SELECT pg_promote(false)"); }
  bool promote_and_wait() override { return ask("SELECT pg_promote(true, 1)") == "t"; }
  void hold_recovery() override;
  void let_recovery_end() override { fs::remove(held()); }
  void pause_replay() override { ask("SELECT pg_wal_replay_pause()"); }
  void resume_replay() override { ask("SELECT pg_wal_replay_resume()"); }
  void checkpoint() override { ask("CHECKPOINT"); }
  void make_slot(const std::string& name) override;
  void freeze(Part part) override;
  void thaw(Part part) override;
  void freeze_sender(const std::string& name) override;
  void thaw_sender(const std::string& name) override;
  void end_receiver() override;
  bool receiver_process() override { return !receivers().empty(); }
  std::string last_refusal() override { return last_refusal_in(text_of(log())); }
  void hold_wal() override { relay_->hold_wal(); }
  void cut_reply() override { relay_->cut_reply(); }
  bool reply_is_cut() override { return relay_->reply_is_cut(); }
  void complete_reply() override { relay_->complete_reply(); }
  std::optional<postgres::Observation> observe() override;
  std::vector<History> histories() override { return histories_in(server_.wal()); }
  std::uint64_t end_when_stopped() override;

 private:
  struct Commit {
    std::unique_ptr<postgres::Session> session;
    Fate fate = Fate::waits;
  };
  void prepare();
  void configure();
  void write_auto_conf();
  int begin(const std::string& sql);
  std::string ask(const std::string& sql);
  bool postmaster_runs();
  bool gone_in_time(Millis patience, bool all);
  [[nodiscard]] std::vector<pid_t> processes() const { return processes_in(server_.data); }
  [[nodiscard]] std::vector<pid_t> processes_of(Part part);
  [[nodiscard]] std::vector<pid_t> receivers() const;
  std::vector<postgres::SenderFacts> senders();
  [[nodiscard]] fs::path way_to(const Upstream& upstream);
  [[nodiscard]] fs::path held() const { return server_.state_dir / "held"; }
  [[nodiscard]] fs::path log() const { return server_.state_dir / "log"; }

  postgres::Server server_;
  std::unique_ptr<postgres::Observer> observer_;
  std::string names_ = "ANY 1 (\"~nobody\")";
  std::string slot_;
  pid_t postmaster_ = -1;
  Millis patience_{0};
  bool was_ready_ = false;
  std::string refused_;
  std::map<Part, std::vector<pid_t>> frozen_;
  std::map<std::string, pid_t> frozen_senders_;
  std::unique_ptr<Relay> relay_;
  std::vector<Commit> commits_;
};

RealServer::RealServer(const fs::path& root, const std::string& name, const fs::path& programs)
    : Server(name) {
  server_.node = NodeName(name);
  server_.data = root / name / "data";
  server_.state_dir = root / name;
  server_.run_dir = root / name;
  server_.bin_dir = programs;
  server_.port = port;
  fs::create_directories(server_.state_dir);
  write_upstream(std::nullopt);
}

/// Many stories need only one server or two.
void RealServer::prepare() {
  if (fs::exists(server_.data)) return;
  fs::copy(prototype(server_.bin_dir), server_.data, fs::copy_options::recursive);
  configure();
}

void RealServer::configure() {
  std::ofstream(server_.data / "postgresql.conf", std::ios::app)
      << settings << "port = " << port << "\nunix_socket_directories = '"
      << server_.run_dir.string() << "'\n";
  write_auto_conf();
}

void RealServer::write_auto_conf() {
  if (!fs::exists(server_.data)) return;
  std::string text =
      "synchronous_standby_names = '" + names_ + "'\nprimary_slot_name = '" + slot_ + "'\n";
  // The postmaster sends its SIGTERM to what the startup process runs as well.
  if (fs::exists(held())) {
    text += "recovery_end_command = 'trap \"\" TERM; while test -e " + held().string() +
            "; do sleep 0.02; done'\n";
  }
  write_text(server_.data / "postgresql.auto.conf", text);
}

void RealServer::hold_recovery() {
  write_text(held(), "");
  write_auto_conf();
}

void RealServer::write_names(const std::string& names) {
  names_ = names;
  write_auto_conf();
}

// Renamed into place: a receiver may read it at any moment.
void RealServer::write_upstream(const std::optional<Upstream>& upstream) {
  std::string text = "[nobody]\n";
  slot_ = upstream ? upstream->slot : "";
  if (upstream) {
    text = "[upstream]\nhost=" + way_to(*upstream).string() + "\nport=" + std::to_string(port) +
           "\nuser=postgres\napplication_name=" + upstream->application_name + "\n";
  }
  write_auto_conf();
  write_text(server_.state_dir / "service.new", text);
  fs::rename(server_.state_dir / "service.new", server_.upstream_file());
}

fs::path RealServer::way_to(const Upstream& upstream) {
  const fs::path there = server_.state_dir.parent_path() / upstream.server;
  if (!upstream.relayed) return there;
  const fs::path here = server_.state_dir / "relay";
  fs::create_directories(here);
  const std::string socket = ".s.PGSQL." + std::to_string(port);
  relay_ = std::make_unique<Relay>(here / socket, there / socket);
  return here;
}

void RealServer::reserve(TimelineId next) {
  const auto own = histories().empty() ? TimelineId{1} : histories().back().timeline;
  EXPECT_TRUE(postgres::reserve_history(server_, own, next).ok());
}

void RealServer::take_histories(Server& from) {
  for (const auto& history : from.histories()) {
    const auto file = server_.wal() / postgres::history_file_name(history.timeline);
    const auto& source = dynamic_cast<RealServer&>(from).server_;
    fs::copy_file(source.wal() / file.filename(), file, fs::copy_options::overwrite_existing);
  }
}

void RealServer::lose_history(TimelineId timeline) {
  EXPECT_TRUE(fs::remove(server_.wal() / postgres::history_file_name(timeline)));
}

void RealServer::forget_what_is_no_child(bool of_all_wal) {
  const auto control = postgres::read_control_file(server_, server_.data, soon()).value();
  const auto end = postgres::end_of_stopped(server_, control, soon());
  const auto until = of_all_wal ? std::optional(end.value()) : std::nullopt;
  const auto gone = postgres::what_is_no_child(server_, control, until);
  for (const TimelineId id : *gone) lose_history(id);
}

// Both bring the configuration of their source along.
bool RealServer::rewind(Server& source) {
  const std::string from = "host=" + dynamic_cast<RealServer&>(source).server_.run_dir.string() +
                           " port=" + std::to_string(port) + " user=postgres dbname=postgres";
  const net::Command command{server_.program("pg_rewind"),
                             {"-D", server_.data.string(), "--source-server=" + from},
                             {},
                             {},
                             {}};
  const auto exit = net::run(command, soon());
  configure();
  write_upstream(std::nullopt);
  return exit.ok() && exit->success();
}

bool RealServer::clone(Server& source) {
  fs::remove_all(server_.data);
  const net::Command command{server_.program("pg_basebackup"),
                             {"-D", server_.data.string(), "-h",
                              dynamic_cast<RealServer&>(source).server_.run_dir.string(), "-p",
                              std::to_string(port), "-U", "postgres", "-c", "fast", "-X", "stream"},
                             {},
                             {},
                             {}};
  const auto exit = net::run(command, soon());
  configure();
  write_upstream(std::nullopt);
  return exit.ok() && exit->success();
}

// The postmaster ends with this thread. Between fork and exec only what a signal handler may do.
void RealServer::start() {
  prepare();
  write_text(server_.data / "standby.signal", "");
  const std::string program = server_.program("postgres").string();
  const std::string data = server_.data.string();
  const std::string service = "PGSERVICEFILE=" + server_.upstream_file().string();
  std::vector<char*> words;
  std::vector<char*> environment;
  const auto text = [](const std::string& word) { return const_cast<char*>(word.c_str()); };
  const std::string option = "-D";
  const std::string locale = "LC_ALL=C";
  for (const auto* word : {&program, &option, &data}) words.push_back(text(*word));
  for (const auto* word : {&service, &locale}) environment.push_back(text(*word));
  words.push_back(nullptr);
  environment.push_back(nullptr);
  const int out = ::open(log().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  was_ready_ = false;
  refused_.clear();
  observer_ = std::make_unique<postgres::Observer>(server_);
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execve(program.c_str(), words.data(), environment.data());
    ::_exit(127);
  }
  ::close(out);
  ::close(in);
  postmaster_ = child;
}

bool RealServer::postmaster_runs() {
  if (postmaster_ <= 0) return false;
  if (::waitpid(postmaster_, nullptr, WNOHANG) == 0) return true;
  postmaster_ = -1;
  if (!was_ready_) refused_ = "refused: " + why_it_ended(text_of(log()));
  return false;
}

std::string RealServer::life() {
  if (postmaster_runs()) {
    const auto seen = observe();
    if (seen) return seen->in_recovery ? "standby" : "primary";
    if (postmaster_runs()) return was_ready_ ? "stopping" : "starting";
  }
  if (!refused_.empty()) return refused_;
  return processes().empty() ? "stopped" : "survivors";
}

bool RealServer::gone_in_time(Millis patience, bool all) {
  const Instant end = boot_now() + patience;
  while (postmaster_runs() || (all && !processes().empty())) {
    if (end < boot_now()) return false;
    std::this_thread::sleep_for(Millis{5});
  }
  return true;
}

void RealServer::begin_fast_stop(Millis patience) {
  patience_ = patience;
  ::kill(postmaster_, SIGINT);
}

bool RealServer::end_fast_stop() {
  const bool clean = gone_in_time(patience_, true);
  if (!clean) kill_everything();
  return clean;
}

void RealServer::stop_immediately() {
  ::kill(postmaster_, SIGQUIT);
  if (!gone_in_time(Millis{20'000}, true)) kill_everything();
}

void RealServer::kill_postmaster() {
  ::kill(postmaster_, SIGKILL);
  ::waitpid(postmaster_, nullptr, 0);
  postmaster_ = -1;
}

void RealServer::kill_everything() {
  if (postmaster_runs()) kill_postmaster();
  for (auto left = processes(); !left.empty(); left = processes()) {
    for (const pid_t each : left) ::kill(each, SIGKILL);
    std::this_thread::sleep_for(Millis{2});
  }
  refused_.clear();
}

int RealServer::begin(const std::string& sql) {
  postgres::SessionOptions options;
  options.synchronous_commit = "on";
  options.statement_timeout = Millis{120'000};
  Commit begun;
  auto session = postgres::Session::connect(server_, options, soon());
  if (!session || !session->send(sql, soon())) begun.fate = Fate::lost;
  if (session) begun.session = std::make_unique<postgres::Session>(std::move(*session));
  commits_.push_back(std::move(begun));
  return static_cast<int>(commits_.size());
}

int RealServer::commit(bool has_wal) {
  return begin(has_wal ? "SELECT pg_logical_emit_message(true, 'story', 'commit')"
                       : "SELECT pg_current_xact_id()");
}

// Nothing in this loop waits, so that nothing notices the end of the postmaster.
int RealServer::commit_later() {
  return begin(
      "DO $$ BEGIN WHILE (pg_stat_file('go', true)).size IS NULL LOOP END LOOP; "
      "PERFORM pg_logical_emit_message(true, 'story', 'later'); END $$");
}

Fate RealServer::fate(int number) {
  Commit& commit = commits_.at(static_cast<std::size_t>(number) - 1);
  if (commit.fate != Fate::waits) return commit.fate;
  const auto rows = commit.session->finish(boot_now());
  const bool warned =
      commit.session->last_warning().find("synchronous replication") != std::string::npos;
  if (!rows) {
    commit.fate = warned ? Fate::warned : Fate::lost;
  } else if (*rows) {
    commit.fate = warned ? Fate::warned : Fate::acknowledged;
  }
  return commit.fate;
}

void RealServer::end_sessions() {
  ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
}

std::string RealServer::ask(const std::string& sql) {
  auto session = postgres::Session::connect(server_, {}, soon());
  if (!session) return session.error().for_people();
  const auto rows = session->simple(sql, soon());
  if (!rows) return rows.error().for_people();
  return rows->empty() || rows->front().empty() ? "" : rows->front().front().value_or("");
}

void RealServer::make_slot(const std::string& name) {
  ask("SELECT pg_create_physical_replication_slot('" + name + "', true)");
}

std::vector<pid_t> RealServer::receivers() const {
  if (postmaster_ <= 0) return {};
  auto found = postgres::receiver_processes(postmaster_);
  return found ? std::move(*found) : std::vector<pid_t>{};
}

std::vector<postgres::SenderFacts> RealServer::senders() {
  auto seen = observe();
  return seen ? std::move(seen->senders) : std::vector<postgres::SenderFacts>{};
}

std::vector<pid_t> RealServer::processes_of(Part part) {
  if (part == Part::postmaster) return {postmaster_};
  if (part == Part::everything) return processes();
  if (part == Part::startup) return processes_called(server_.data, "postgres: startup");
  if (part == Part::checkpointer) return processes_called(server_.data, "postgres: checkpointer");
  std::vector<pid_t> found;
  for (const auto& row : senders()) found.push_back(row.pid);
  return found;
}

void RealServer::freeze(Part part) {
  for (const pid_t each : processes_of(part)) {
    if (::kill(each, SIGSTOP) == 0) frozen_[part].push_back(each);
  }
}

void RealServer::thaw(Part part) {
  for (const pid_t each : frozen_[part]) ::kill(each, SIGCONT);
  frozen_[part].clear();
}

void RealServer::freeze_sender(const std::string& name) {
  for (const auto& row : senders()) {
    if (row.application_name == name && ::kill(row.pid, SIGSTOP) == 0) {
      frozen_senders_[name] = row.pid;
    }
  }
  EXPECT_TRUE(frozen_senders_.contains(name));
}

void RealServer::thaw_sender(const std::string& name) {
  ::kill(frozen_senders_.at(name), SIGCONT);
  frozen_senders_.erase(name);
}

void RealServer::end_receiver() {
  for (const pid_t each : receivers()) ::kill(each, SIGTERM);
}

// Without the walsender of the observer itself, and those that are about to be refused, or not.
std::optional<postgres::Observation> RealServer::observe() {
  if (!postmaster_runs()) return std::nullopt;
  auto seen = observer_->observe(boot_now() + Millis{5000});
  if (!seen) return std::nullopt;
  was_ready_ = true;
  std::erase_if(seen->senders, [](const postgres::SenderFacts& row) {
    return row.application_name == "evergres agent" || row.state == "startup";
  });
  return std::move(*seen);
}

std::uint64_t RealServer::end_when_stopped() {
  const auto control = postgres::read_control_file(server_, server_.data, soon()).value();
  return postgres::end_of_stopped(server_, control, soon()).value().lsn.value;
}

struct RealWorld : World {
  RealWorld(const fs::path& below, const fs::path& programs) : root(below) {
    for (const char* name : {"n1", "n2", "n3"}) {
      servers.push_back(std::make_unique<RealServer>(root, name, programs));
    }
  }
  ~RealWorld() override {
    servers.clear();
    remove_servers(root);
  }
  Server& at(std::size_t index) override { return *servers[index]; }
  void pass() override { std::this_thread::sleep_for(Millis{10}); }
  Instant now() override { return boot_now(); }

  fs::path root;
  std::vector<std::unique_ptr<RealServer>> servers;
};

}  // namespace

std::unique_ptr<World> make_real(const std::string& programs) {
  static std::atomic<int> worlds{0};
  const fs::path root = scratch() / std::to_string(++worlds);
  return std::make_unique<RealWorld>(root, programs);
}

}  // namespace evergres::differential
