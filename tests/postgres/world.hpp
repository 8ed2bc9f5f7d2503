#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "postgres/initialise.hpp"
#include "postgres/observe.hpp"
#include "postgres/session.hpp"
#include "postgres/settings.hpp"
#include "postgres/upstream.hpp"
#include "postgres/wal_end.hpp"

/// Real PostgreSQL servers in a temporary directory. Started as root, the test program becomes the
/// user of EVERGRES_TEST_USER ("postgres" if unset) before the first test.
namespace evergres::postgres::test {

/// Of the programs that all nodes run.
int major_version();

inline Instant soon(std::int64_t seconds = 60) {
  return boot_now() + Millis{seconds * 1000};
}

/// Asks again until the answer is yes; 60 seconds at most.
::testing::AssertionResult eventually(const std::function<bool()>& condition);

/// A directory that is removed when it goes out of scope.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// One server. Stopped at once when it goes out of scope.
class Node {
 public:
  Node(const std::filesystem::path& root, const std::string& name);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// initdb and put in place.
  void create(const std::optional<Application>& application = {});
  /// As standby, with the upstream that the service file names. Waits until it accepts connections.
  void start();
  void stop(const std::string& mode);
  void clone_from(const Node& source, const std::string& incarnation);
  void follow(const Node& source, const std::string& application_name);
  /// Promotes and waits; '' in force.
  void promote();
  void set_names(const std::string& names);

  Session session(const std::string& synchronous_commit = "local");
  /// First column of the first row, "" for NULL. Fails the test on an error.
  std::string ask(const std::string& sql);
  Observation observe();
  [[nodiscard]] Upstream as_upstream(const std::string& application_name) const;
  [[nodiscard]] pid_t postmaster() const;
  [[nodiscard]] Result<WalEnd> end_when_stopped() const;

  Server server;
  Configuration configuration;

 private:
  std::filesystem::path log_;
  Observer observer_;
};

/// Until `standby` streams under `name` and has flushed what `primary` has flushed now.
::testing::AssertionResult catches_up(Node& primary, const std::string& name);

/// "  [ timing ] promote 52.1 ms"
void report_time(const std::string& what, Nanos took);

}  // namespace evergres::postgres::test
