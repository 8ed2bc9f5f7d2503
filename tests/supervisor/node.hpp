#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>

#include "supervisor/client.hpp"
#include "supervisor/settings.hpp"

/// A keeper with real PostgreSQL, as the user `postgres`, in a directory that is removed after it.
namespace evergres::supervisor::test {

inline constexpr Millis generous{20'000};

/// Whether `condition` came true within `generous`.
bool eventually(const std::function<bool()>& condition);

/// The path of one of the newest installed PostgreSQL's programs. Without any the tests fail.
std::string program(const std::string& name);

/// Runs a shell command as the user `postgres`; returns its output, "failed: …" if it failed.
std::string shell(const std::string& command);

class Node : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// Forks the keeper, which drops to `postgres`. Default agent: `sleep`.
  void start_keeper();
  Client client();
  Status status();
  /// Starts PostgreSQL and waits until it answers queries.
  Started start_postgres();
  /// Like start_postgres(), then grants `term` and promotes.
  Started start_primary(std::uint64_t term, Millis grant_length);
  Result<boost::json::object> ask(const Request& request);
  Result<boost::json::object> grant(GrantKind kind, std::uint64_t term, Millis length,
                                    std::optional<std::uint64_t> start_id = {});
  Result<Stopped> stop(StopMode mode, Millis deadline = generous);
  std::string sql(const std::string& statement);
  /// Begins a statement in a psql of its own; returns the backend's pid once it is at work.
  pid_t begin_statement(const std::string& statement);
  bool wait_for_state(State state);
  /// How many processes of the data directory are alive.
  std::size_t servers() const;
  pid_t supervisor_pid() const;

  std::filesystem::path root_;
  Settings settings_;
  pid_t keeper_ = 0;
  int port_ = 0;
};

}  // namespace evergres::supervisor::test
