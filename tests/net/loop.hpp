#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <optional>

#include "net/task_group.hpp"

namespace evergres::net {

/// Runs one task on an io_context of its own until nothing is left to do; a failure if that takes
/// longer than 30 s.
class Loop {
 public:
  void run(awaitable<void> task) {
    bool ended = false;
    const auto on_end = [&ended](std::exception_ptr failure) {
      ended = true;
      if (failure) std::rethrow_exception(failure);
    };
    boost::asio::co_spawn(context_, std::move(task), on_end);
    context_.restart();
    context_.run_for(std::chrono::seconds(30));
    ASSERT_TRUE(ended) << "the task hangs";
  }
  boost::asio::any_io_executor executor() { return context_.get_executor(); }

 private:
  boost::asio::io_context context_;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "evg-net-XXXXXX").native();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace evergres::net
