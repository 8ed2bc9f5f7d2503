#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "core/decide.hpp"

namespace evergres::agent {

/// state_directory/journal.jsonl: one line per changed decision, with the whole situation, so that
/// the decision can be made again. A thread writes; when the disk is slower than the decisions the
/// oldest lines are dropped and counted. At 16 MB the file becomes journal.1.jsonl.
class Journal {
 public:
  explicit Journal(const std::filesystem::path& state_directory);
  ~Journal();

  void record(const core::Situation& situation, const core::Decision& decision);

 private:
  void run(const std::stop_token& stop);
  void write(const std::string& line);

  std::filesystem::path file_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::string> waiting_;
  std::uint64_t dropped_ = 0;
  std::jthread thread_;
};

}  // namespace evergres::agent
