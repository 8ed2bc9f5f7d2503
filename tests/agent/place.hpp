#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>

#include "agent/operations/operation.hpp"
#include "base/check.hpp"
#include "core/transition.hpp"
#include "postgres/versions.hpp"
#include "store/backends.hpp"

/// The ground of one agent, made of real parts: a state directory, a data directory without
/// PostgreSQL, a SQLite store. All of it is removed afterwards.
namespace evergres::agent::test {

inline constexpr Millis generous{20'000};

/// Whether `condition` came true within `generous`.
inline bool eventually(const std::function<bool()>& condition) {
  const Instant until = boot_now() + generous;
  while (!condition()) {
    if (boot_now() >= until) return false;
    std::this_thread::sleep_for(Millis{10});
  }
  return true;
}

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline void put(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

class Place : public testing::Test {
 protected:
  Place() {
    std::string pattern = (std::filesystem::temp_directory_path() / "evg-agent-XXXXXX").native();
    root_ = ::mkdtemp(pattern.data());
    auto& settings = setup_.settings;
    settings.cluster = "shop";
    settings.node = NodeName{"n1"};
    settings.state_directory = root_ / "state";
    settings.run_directory = root_ / "run";
    settings.data_directory = root_ / "data";
    settings.store = "sqlite:" + (root_ / "store.db").native();
    setup_.secret = "a secret of the tests";
    const auto programs = postgres::find_bin_directory();
    CHECK(programs.ok());
    setup_.server.bin_dir = *programs;
    setup_.major = std::stoi(programs->parent_path().filename());
    setup_.server.node = settings.node;
    setup_.server.data = settings.data_directory;
    setup_.server.state_dir = settings.state_directory;
    setup_.server.run_dir = settings.run_directory;
    std::filesystem::create_directories(settings.state_directory);
    std::filesystem::create_directories(settings.run_directory);
    std::filesystem::create_directories(setup_.server.wal());
  }
  ~Place() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& state() const {
    return setup_.settings.state_directory;
  }

  /// Another handle on the store, as another process has one. The file is made at the first call.
  cluster::ClusterStore store() {
    auto opened = store::open_store(setup_.settings.store, "shop", store::Create::yes);
    if (!opened) ADD_FAILURE() << opened.error().one_line();
    return cluster::ClusterStore(std::move(opened).value(), "shop");
  }

  /// The record of a cluster that `init` has just made: term 0, nobody leads.
  static core::Record fresh_record() {
    const Claim init{"init"};
    const core::Record claimed = core::claim_bootstrap(ClusterId{"c1"}, NodeName{"n1"}, init);
    return *core::finish_bootstrap(claimed, init, SystemId{7},
                                   core::Seat{NodeName{"n1"}, Incarnation{"i1"}});
  }

  std::filesystem::path root_;
  evergres::agent::Setup setup_;  // testing::Test reserves the bare name
};

}  // namespace evergres::agent::test
