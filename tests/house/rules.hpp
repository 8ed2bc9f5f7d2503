#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

/// The rules of the house, as functions from file contents to findings. A finding is a sentence
/// that says what is wrong and what to do. Nothing here touches the disk except load_tree() and
/// dead_links(), so that layers_test.cpp can plant violations.
namespace evergres::house {

/// One text file; `path` is relative to the folder that the rule is about, with '/' between parts.
struct SourceFile {
  std::string path;
  std::vector<std::string> lines;
};

using Findings = std::vector<std::string>;
using Layers = std::map<std::string, std::set<std::string>>;

inline std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline SourceFile file(std::string path, const std::string& text) {
  return SourceFile{std::move(path), split_lines(text)};
}

/// Reads every file below `root` whose extension is in `extensions`, sorted by path.
inline std::vector<SourceFile> load_tree(const std::filesystem::path& root,
                                         const std::set<std::string>& extensions) {
  std::map<std::string, SourceFile> sorted;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || !extensions.contains(entry.path().extension())) continue;
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    auto path = std::filesystem::relative(entry.path(), root).generic_string();
    sorted.emplace(path, file(path, text.str()));
  }
  std::vector<SourceFile> files;
  for (auto& [path, source] : sorted) files.push_back(std::move(source));
  return files;
}

/// The code of a line: without its // comment and with empty string literals.
inline std::string code_of(const std::string& line) {
  std::string code;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"' && !(i > 0 && line[i - 1] == '\'')) {
      quoted = !quoted;
      code += '"';
    } else if (!quoted && line.compare(i, 2, "//") == 0) {
      break;
    } else if (!quoted) {
      code += line[i];
    }
  }
  return code;
}

inline std::string folder_of(const std::string& path) {
  return path.substr(0, path.find('/'));
}

inline std::string join(const std::set<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "nothing" : text;
}

/// Parses layers.txt: "folder: folder folder/header.hpp …", `*` allows everything.
inline Layers parse_layers(const std::string& text) {
  Layers layers;
  for (const auto& line : split_lines(text)) {
    const auto colon = line.find(':');
    if (line.empty() || line[0] == '#' || colon == std::string::npos) continue;
    auto& allowed = layers[line.substr(0, colon)];
    std::istringstream words(line.substr(colon + 1));
    for (std::string word; words >> word;) allowed.insert(word);
  }
  return layers;
}

/// The header that a line includes and whether it stands in quotes.
inline std::optional<std::pair<std::string, bool>> included(const std::string& line) {
  static const std::regex pattern(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
  std::smatch match;
  if (!std::regex_search(line, match, pattern)) return std::nullopt;
  return std::pair{match[2].str(), match[1].str() == "\""};
}

inline Findings check_layers(const std::vector<SourceFile>& src, const Layers& layers) {
  Findings findings;
  for (const auto& source : src) {
    const auto folder = folder_of(source.path);
    const auto layer = layers.find(folder);
    if (layer == layers.end()) {
      findings.push_back(source.path +
                         " lies in a folder without a line in tests/house/layers.txt. "
                         "Add one line that says whom it may include.");
      continue;
    }
    for (const auto& line : source.lines) {
      const auto header = included(line);
      if (!header || !header->second) continue;
      const auto& name = header->first;
      const auto& allowed = layer->second;
      if (name.find('/') == std::string::npos) {
        findings.push_back(source.path + " includes \"" + name + "\" without its folder. Write \"" +
                           folder + "/" + name + "\".");
      } else if (folder_of(name) != folder && !allowed.contains(folder_of(name)) &&
                 !allowed.contains(name) && !allowed.contains("*")) {
        findings.push_back(source.path + " includes " + name + "; " + folder + " may include " +
                           join(allowed) + ". Move the shared type down or pass it in from app.");
      }
    }
  }
  return findings;
}

/// core/ is pure: the standard library without its clocks' owners, threads, files and chance.
inline Findings check_core_is_pure(const std::vector<SourceFile>& src) {
  static const std::regex standard("^[a-z_0-9]+$");
  static const std::set<std::string> impure{
      "thread",  "mutex",  "shared_mutex", "condition_variable", "future",
      "random",  "atomic", "fstream",      "iostream",           "filesystem",
      "cstdlib", "ctime",  "semaphore"};
  Findings findings;
  for (const auto& source : src) {
    if (folder_of(source.path) != "core") continue;
    for (const auto& line : source.lines) {
      const auto header = included(line);
      if (!header || header->second) continue;
      if (!std::regex_match(header->first, standard) || impure.contains(header->first)) {
        findings.push_back(
            source.path + " includes <" + header->first +
            ">; core/ decides in values and includes only base/ and the pure part of "
            "the standard library. Move the effect to a port, pass the value in.");
      }
    }
  }
  return findings;
}

struct Ban {
  std::string word;
  std::regex pattern;
  std::string instead;
  std::string only_in;  ///< a folder, or "" for the whole of src/
};

inline const std::vector<Ban>& bans() {
  static const std::vector<Ban> list{
      {"detached", std::regex(R"(\bdetached\b)"),
       "Spawn it in a TaskGroup, so that it does not outlive its scope.", ""},
      {"detach", std::regex(R"(\.\s*detach\s*\()"), "Join the thread where it was started.", ""},
      {"awaitable_operators", std::regex(R"(\bawaitable_operators\b)"),
       "Use within(deadline, operation); the operators are not a timeout.", ""},
      {"system", std::regex(R"((^|[^\w.>])system\s*\()"),
       "Run a child process with an argument list and a deadline (net/).", ""},
      {"popen", std::regex(R"(\bpopen\s*\()"),
       "Run a child process with an argument list and a deadline (net/).", ""},
      {"sleep_for",
       std::regex(R"(\b(sleep_for|sleep_until|usleep|nanosleep)\s*\(|(^|[^\w.>])sleep\s*\()"),
       "Wait for the condition with a deadline (poll, a timer, a condition variable).", ""},
      {"rand", std::regex(R"(\b(s?rand|rand_r|random|srandom|drand48)\s*\()"),
       "Take bytes from getrandom() in a port and pass the value in.", ""},
      {"clock::now",
       std::regex(R"(_clock\s*::\s*now\b|\b(boot_now|wall_now_ms|clock_gettime)\s*\()"),
       "Time is an Instant in the input of core/.", "core"},
      {"stdio", std::regex(R"(\b(printf|fprintf|puts|fputs|fopen)\s*\()"),
       "core/ returns text, it prints none.", "core"},
      {"strcpy", std::regex(R"(\b(strcpy|strcat|sprintf|vsprintf|gets)\s*\()"),
       "Use std::string or fmt::format.", ""},
      // CVE-2026-6478 of PostgreSQL.
      {"secret==",
       std::regex(R"(\b\w*(secret|password|proof|signature|_mac|stored_key|client_key|server_key))"
                  R"(\w*(\(\)|\.view\(\))?\s*[!=]=|\bmemcmp\s*\(|\.view\(\)\s*[!=]=)"),
       "Compare secrets with same_secret() or Key::same(), which take the same time for all.", ""},
  };
  return list;
}

/// "RULE FILE" -> reason, from exceptions.txt. `used` collects those that a rule needed.
struct Exceptions {
  std::map<std::string, std::string> reasons;
  mutable std::set<std::string> used;

  bool allow(const std::string& rule, const std::string& path) const {
    const auto key = rule + " " + path;
    if (!reasons.contains(key)) return false;
    used.insert(key);
    return true;
  }
};

inline Exceptions parse_exceptions(const std::string& text) {
  Exceptions exceptions;
  for (const auto& line : split_lines(text)) {
    const auto colon = line.find(": ");
    if (line.empty() || line[0] == '#' || colon == std::string::npos) continue;
    exceptions.reasons[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return exceptions;
}

inline Findings check_exceptions_used(const Exceptions& exceptions) {
  Findings findings;
  for (const auto& [key, reason] : exceptions.reasons) {
    if (exceptions.used.contains(key)) continue;
    findings.push_back("tests/house/exceptions.txt allows \"" + key +
                       "\", which nothing needs any more. Remove the line.");
  }
  return findings;
}

inline Findings check_banned(const std::vector<SourceFile>& src, const Exceptions& exceptions) {
  Findings findings;
  for (const auto& source : src) {
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      const auto code = code_of(source.lines[i]);
      for (const auto& ban : bans()) {
        if (!ban.only_in.empty() && folder_of(source.path) != ban.only_in) continue;
        if (!std::regex_search(code, ban.pattern)) continue;
        if (exceptions.allow(ban.word, source.path)) continue;
        findings.push_back(source.path + ":" + std::to_string(i + 1) + " uses " + ban.word + ". " +
                           ban.instead);
      }
    }
  }
  return findings;
}

inline Findings check_shape(const std::vector<SourceFile>& files, const Exceptions& exceptions) {
  static const std::regex unfinished(R"(\b(TODO|FIXME|XXX)\b)");
  static constexpr std::size_t most_lines = 500;
  Findings findings;
  for (const auto& source : files) {
    if (source.lines.size() > most_lines && !exceptions.allow("lines", source.path)) {
      findings.push_back(source.path + " has " + std::to_string(source.lines.size()) +
                         " lines. Look for the second subject in it, or give the reason in "
                         "tests/house/exceptions.txt.");
    }
    bool once = !source.path.ends_with(".hpp");
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      const auto& line = source.lines[i];
      const auto where = source.path + ":" + std::to_string(i + 1);
      once = once || line == "#pragma once";
      if (std::regex_search(line, unfinished)) {
        findings.push_back(where + " leaves something to do. Do it, or write an issue.");
      }
    }
    if (!once) findings.push_back(source.path + " has no line \"#pragma once\".");
  }
  return findings;
}

/// Links of Markdown files that name no file. `root` is the folder that the paths are relative to.
inline Findings dead_links(const std::vector<SourceFile>& pages,
                           const std::filesystem::path& root) {
  static const std::regex link(R"(\]\(([^)\s]+)\))");
  Findings findings;
  for (const auto& page : pages) {
    for (const auto& line : page.lines) {
      for (std::sregex_iterator it(line.begin(), line.end(), link), end; it != end; ++it) {
        auto target = (*it)[1].str();
        target = target.substr(0, target.find('#'));
        if (target.empty() || target.find("://") != std::string::npos ||
            target.starts_with("mailto:")) {
          continue;
        }
        if (!std::filesystem::exists(root / std::filesystem::path(page.path).parent_path() /
                                     target)) {
          findings.push_back(page.path + " links to " + target + ", which does not exist.");
        }
      }
    }
  }
  return findings;
}

/// Every folder of src/ is described in docs/ARCHITECTURE.md as `src/NAME/`.
inline Findings check_described(const std::set<std::string>& folders, const std::string& page) {
  Findings findings;
  for (const auto& folder : folders) {
    if (page.find("`src/" + folder + "/`") == std::string::npos) {
      findings.push_back("docs/ARCHITECTURE.md does not describe `src/" + folder +
                         "/`. Say in one line what the folder is for.");
    }
  }
  return findings;
}

}  // namespace evergres::house
