#include "agent/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/instant.hpp"
#include "cluster/json.hpp"

namespace evergres::agent {
namespace {

constexpr std::size_t most_waiting = 1000;
constexpr std::uintmax_t largest_file = 16U << 20U;

/// A line that was cut short, by a crash or a full disk, must not swallow the next one.
void end_a_broken_line(int fd) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  char last = '\n';
  if (size <= 0 || ::pread(fd, &last, 1, size - 1) != 1 || last == '\n') return;
  [[maybe_unused]] const auto written = ::write(fd, "\n", 1);
}

}  // namespace

Journal::Journal(const std::filesystem::path& state_directory)
    : file_(state_directory / "journal.jsonl"),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Journal::~Journal() {
  thread_.request_stop();
  thread_.join();
}

void Journal::record(const core::Situation& situation, const core::Decision& decision) {
  boost::json::object line;
  line["wall"] = wall_text(wall_now_ms());
  line["rule"] = decision.rule;
  line["decision"] = core::describe(decision);
  line["facts"] = cluster::to_json(decision.facts);
  line["situation"] = cluster::to_json(situation);
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= most_waiting) {
    waiting_.pop_front();
    ++dropped_;
  }
  waiting_.push_back(boost::json::serialize(line) + "\n");
  changed_.notify_all();
}

void Journal::run(const std::stop_token& stop) {
  for (;;) {
    std::string text;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [this] { return !waiting_.empty(); });
      if (waiting_.empty()) return;
      if (dropped_ > 0) text = "{\"dropped\":" + std::to_string(dropped_) + "}\n";
      dropped_ = 0;
      for (const std::string& line : waiting_) text += line;
      waiting_.clear();
    }
    write(text);
  }
}

void Journal::write(const std::string& text) {
  std::error_code failure;
  if (std::filesystem::file_size(file_, failure) > largest_file && !failure) {
    auto older = file_;
    older.replace_filename("journal.1.jsonl");
    std::filesystem::rename(file_, older, failure);
  }
  const int fd = ::open(file_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;  // the journal is no reason to stop deciding
  end_a_broken_line(fd);
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  ::close(fd);
}

}  // namespace evergres::agent
