#include "cli/editor.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <vector>

#include "base/file.hpp"

namespace evergres::cli {
namespace {

std::string editor_of_this_user() {
  for (const char* variable : {"VISUAL", "EDITOR"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

/// The editor may be several words ("code --wait"): a shell splits them, the file is an argument.
Outcome run_editor(const std::string& editor, const std::filesystem::path& file) {
  const std::string script = editor + " \"$1\"";
  const std::string path = file.string();
  const pid_t child = ::fork();
  if (child < 0) return error_from_errno("could not start the editor", errno);
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", script.c_str(), "sh", path.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return error_from_errno("could not wait for the editor", errno);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Error(ErrorCode::cancelled, "the editor \"" + editor + "\" failed", "Nothing was changed.",
               "Set EDITOR to an editor that is installed, or use -s and -p.");
}

std::vector<std::string> lines_in(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

Result<std::filesystem::path> edit_in_file(const std::string& text, bool has_terminal) {
  std::string editor = editor_of_this_user();
  if (editor.empty() && !has_terminal) {
    return Error(ErrorCode::usage, "evergres edit-config has no terminal for an editor", "",
                 "Use -s key=value, -p parameter=value or --replace FILE.");
  }
  if (editor.empty()) editor = "vi";
  std::string name =
      (std::filesystem::temp_directory_path() / "evergres-settings-XXXXXX.yaml").string();
  const int file = ::mkostemps(name.data(), 5, O_CLOEXEC);
  if (file < 0) return error_from_errno("could not create " + name, errno);
  ::close(file);
  const auto remove = [&](const Error& why) {
    std::error_code ignored;
    std::filesystem::remove(name, ignored);
    return why;
  };
  if (auto written = write_file_atomically(name, text, 0600); !written)
    return remove(written.error());
  if (auto edited = run_editor(editor, name); !edited) return remove(edited.error());
  return std::filesystem::path(name);
}

std::string difference(const std::string& before, const std::string& after) {
  const auto old = lines_in(before);
  const auto fresh = lines_in(after);
  // common[i][j]: how many lines the rests from i and j have in common, in order.
  std::vector<std::vector<int>> common(old.size() + 1, std::vector<int>(fresh.size() + 1, 0));
  for (std::size_t i = old.size(); i-- > 0;) {
    for (std::size_t j = fresh.size(); j-- > 0;) {
      common[i][j] = old[i] == fresh[j] ? common[i + 1][j + 1] + 1
                                        : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::string text;
  std::string above;  // the last common line that was not shown
  const auto show = [&](const char* mark, const std::string& line) {
    if (!above.empty()) text += "  " + above + "\n";
    above.clear();
    text += mark + line + "\n";
  };
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < old.size() || j < fresh.size()) {
    if (i < old.size() && j < fresh.size() && old[i] == fresh[j]) {
      above = old[i];
      ++i;
      ++j;
    } else if (i < old.size() && (j == fresh.size() || common[i + 1][j] >= common[i][j + 1])) {
      show("- ", old[i++]);
    } else {
      show("+ ", fresh[j++]);
    }
  }
  return text;
}

}  // namespace evergres::cli
