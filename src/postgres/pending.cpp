#include "postgres/pending.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/file.hpp"
#include "base/names.hpp"
#include "net/process.hpp"

namespace evergres::postgres {
namespace {

namespace fs = std::filesystem;

using Chosen = std::map<std::string, ChosenParameter>;

/// What stands behind the severity in a line of PostgreSQL's log; "" if it is no complaint about a
/// configuration. The last FATAL only says that there were some.
std::string complaint(std::string_view line) {
  for (const std::string_view severity : {"LOG:  ", "FATAL:  ", "WARNING:  "}) {
    const std::size_t at = line.find(severity);
    if (at == std::string_view::npos) continue;
    line.remove_prefix(at + severity.size());
    if (line.find("contains errors") != std::string_view::npos) return {};
    // The name of the file is ours and says nothing to anybody.
    if (const std::size_t in = line.find(" in file \""); in != std::string_view::npos) {
      line = line.substr(0, in);
    }
    return std::string(line);
  }
  return {};
}

int number_or(const Chosen& chosen, const char* name, int otherwise) {
  const auto found = chosen.find(name);
  if (found == chosen.end()) return otherwise;
  const std::string& text = found->second.value;
  int value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Error no_start(std::string detail, std::string hint) {
  return Error(ErrorCode::config_invalid, "PostgreSQL would not start with these settings",
               std::move(detail), std::move(hint));
}

Outcome check_connections(const Chosen& chosen) {
  const int all = number_or(chosen, "max_connections", 100);
  const int reserved = number_or(chosen, "superuser_reserved_connections", 3) +
                       number_or(chosen, "reserved_connections", 0);
  if (reserved < all) return {};
  return no_start(std::to_string(reserved) + " connections are reserved, and max_connections is " +
                      std::to_string(all) + ".",
                  "Raise max_connections or reserve fewer.");
}

/// A library that is not there keeps PostgreSQL from starting (FATAL, dfmgr.c).
Outcome check_libraries(const Server& server, const Chosen& chosen) {
  const auto found = chosen.find("shared_preload_libraries");
  const fs::path directory = server.bin_dir.parent_path() / "lib";
  std::error_code failure;
  if (found == chosen.end() || !fs::is_directory(directory, failure)) return {};
  std::string_view rest = found->second.value;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    std::string name(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    std::erase_if(name, [](char c) { return c == ' ' || c == '"'; });
    constexpr std::string_view libdir = "$libdir/";
    if (name.starts_with(libdir)) name.erase(0, libdir.size());
    if (name.empty()) continue;
    fs::path file = directory / name;  // an absolute name stays what it is
    if (!file.string().ends_with(".so")) file += ".so";
    if (fs::exists(file, failure)) continue;
    return no_start("shared_preload_libraries names \"" + name + "\", and " + file.string() +
                        " does not exist.",
                    "Install the extension on every node first.");
  }
  return {};
}

}  // namespace

std::string describe(const PendingChange& change) {
  return change.name + ": " + change.now + " -> " + change.then;
}

Result<std::vector<PendingChange>> pending_changes(Session& session, Instant deadline) {
  const auto rows = session.query(
      "SELECT s.name, current_setting(s.name), (SELECT f.setting FROM pg_file_settings f"
      " WHERE f.name = s.name ORDER BY seqno DESC LIMIT 1)"
      " FROM pg_settings s WHERE s.pending_restart AND s.name <> 'hot_standby' ORDER BY 1",
      deadline);
  if (!rows) return rows.error();
  std::vector<PendingChange> pending;
  for (const Row& row : *rows) {
    pending.push_back({row[0].value_or("?"), row[1].value_or("?"), row[2].value_or("(default)")});
  }
  return pending;
}

std::string unrecognized_name(std::string_view words) {
  constexpr std::string_view lead = "unrecognized configuration parameter \"";
  const std::size_t at = words.find(lead);
  if (at == std::string_view::npos) return {};
  words.remove_prefix(at + lead.size());
  return std::string(words.substr(0, words.find('"')));
}

Outcome try_configuration(const Server& server, const Configuration& configuration,
                          Instant deadline) {
  const Chosen chosen = chosen_parameters(configuration);
  if (auto fits = check_connections(chosen); !fits) return fits;
  if (auto fits = check_libraries(server, chosen); !fits) return fits;
  const fs::path file = server.state_dir / ("settings-" + random_hex(4) + ".conf");
  if (auto written = write_file_atomically(file, render_settings(server, configuration), 0600);
      !written) {
    return written;
  }
  std::string said;
  const net::OnLine on_line = [&](net::Stream stream, std::string_view line) {
    const std::string words = stream == net::Stream::errors ? complaint(line) : std::string();
    if (!words.empty() && said.size() < 2000) said += (said.empty() ? "" : "; ") + words;
  };
  const auto exit =
      net::run({server.bin_dir / "postgres",
                {"-D", server.data.string(), "-C", "port", "-c", "config_file=" + file.string()},
                {},
                {},
                {}},
               deadline, {}, on_line);
  std::error_code ignored;
  fs::remove(file, ignored);
  if (!exit) return exit.error();
  if (exit->success() && said.empty()) return {};
  return no_start(said.empty() ? exit->error_text() : said + ".", "Correct the value or the name.");
}

}  // namespace evergres::postgres
