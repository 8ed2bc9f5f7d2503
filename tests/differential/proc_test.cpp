#include "differential/proc.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace evergres::differential {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::trunc) << text;
}

std::vector<pid_t> processes_in(const fs::path& directory) {
  std::vector<pid_t> found;
  std::error_code failed;
  for (fs::directory_iterator entry("/proc", failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const pid_t pid = std::atoi(entry->path().filename().c_str());
    if (pid <= 0) continue;
    std::error_code hidden;
    if (fs::read_symlink(entry->path() / "cwd", hidden) == directory) found.push_back(pid);
  }
  return found;
}

std::vector<pid_t> processes_called(const fs::path& directory, std::string_view title) {
  std::vector<pid_t> found = processes_in(directory);
  std::erase_if(found, [&](pid_t each) {
    return !text_of(fs::path("/proc") / std::to_string(each) / "cmdline").starts_with(title);
  });
  return found;
}

namespace {

TEST(Proc, FindsThisProcessByItsDirectoryAndItsTitle) {
  const auto here = fs::current_path();
  const auto has_this = [](const std::vector<pid_t>& found) {
    return std::find(found.begin(), found.end(), ::getpid()) != found.end();
  };
  const std::string title = text_of("/proc/self/cmdline");
  EXPECT_TRUE(has_this(processes_in(here)));
  EXPECT_TRUE(has_this(processes_called(here, title)));
  EXPECT_FALSE(has_this(processes_called(here, title + "?")));
  EXPECT_FALSE(has_this(processes_in("/proc")));
}

}  // namespace
}  // namespace evergres::differential
