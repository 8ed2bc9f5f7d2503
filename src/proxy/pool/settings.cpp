#include "proxy/pool/settings.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/check.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

/// Facts about the server, which no session can change (guc_tables.c, PGC_INTERNAL).
constexpr std::array facts{std::string_view("in_hot_standby"),
                           std::string_view("integer_datetimes"), std::string_view("is_superuser"),
                           std::string_view("server_version")};
/// A session with another value of these is another session.
constexpr std::array identity{std::string_view("server_encoding"),
                              std::string_view("session_authorization")};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

int compare(std::string_view a, std::string_view b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const char x = lower(a[i]);
    const char y = lower(b[i]);
    if (x != y) return x < y ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

template <std::size_t Count>
bool is_one_of(const std::array<std::string_view, Count>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view known) { return compare(known, name) == 0; });
}

}  // namespace

bool Settings::note(std::string_view name, std::string_view value) {
  const auto at = std::lower_bound(
      all_.begin(), all_.end(), name,
      [](const auto& entry, std::string_view wanted) { return compare(entry.first, wanted) < 0; });
  const bool known = at != all_.end() && compare(at->first, name) == 0;
  const std::size_t before = known ? at->first.size() + at->second.size() : 0;
  const std::size_t bytes = bytes_ - before + name.size() + value.size();
  if (bytes > bytes_most || (!known && all_.size() >= most)) return false;
  if (known) {
    at->first = name;
    at->second = value;
  } else {
    all_.emplace(at, name, value);
  }
  bytes_ = bytes;
  return true;
}

const std::string* Settings::find(std::string_view name) const {
  const auto at = std::lower_bound(
      all_.begin(), all_.end(), name,
      [](const auto& entry, std::string_view wanted) { return compare(entry.first, wanted) < 0; });
  return at != all_.end() && compare(at->first, name) == 0 ? &at->second : nullptr;
}

Restoration restoration(const Settings& client, const Settings& server) {
  Restoration result;
  for (const auto& [name, value] : client.all()) {
    const std::string* there = server.find(name);
    if (there == nullptr || *there == value || is_one_of(facts, name)) continue;
    if (is_one_of(identity, name)) {
      result.unfit = true;
    } else if (compare(name, "client_encoding") == 0) {
      // First: the client's other values are spelled in its encoding.
      result.set.emplace(result.set.begin(), name, value);
    } else {
      result.set.emplace_back(name, value);
    }
  }
  return result;
}

void write_restoration(std::string& to, const Restoration& what) {
  CHECK(!what.unfit);
  if (what.set.empty()) return;
  write_parse(to, "", "SELECT pg_catalog.set_config($1, $2, false)");
  for (const auto& [name, value] : what.set) {
    const std::array<std::optional<std::string_view>, 2> values{name, value};
    write_bind(to, "", "", values);
    write_execute(to, "");
  }
  write_sync(to);
}

std::vector<std::pair<std::string, std::string>> changes(const Settings& told,
                                                         const Settings& now) {
  std::vector<std::pair<std::string, std::string>> different;
  for (const auto& [name, value] : now.all()) {
    const std::string* known = told.find(name);
    if (known == nullptr || *known != value) different.emplace_back(name, value);
  }
  return different;
}

}  // namespace evergres::proxy
