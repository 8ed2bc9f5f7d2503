#include "agent/differences.hpp"

#include <sstream>

#include "base/file.hpp"

namespace evergres::agent {
namespace {

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

std::map<std::string, std::string> by_name(const std::string& text, char separator) {
  std::map<std::string, std::string> values;
  std::istringstream in(text);
  std::string parent;
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find(separator);
    if (line.empty() || line.front() == '#' || at == std::string::npos) continue;
    const bool below = line.front() == ' ';
    const std::string name = trimmed(line.substr(0, at));
    const std::string value = trimmed(line.substr(at + 1));
    if (!below) parent = name;
    if (!value.empty()) values[below ? parent + "." + name : name] = value;
  }
  return values;
}

Lines differences(const std::map<std::string, std::string>& before,
                  const std::map<std::string, std::string>& after) {
  const auto text = [](const std::map<std::string, std::string>& values, const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::string("(unset)") : found->second;
  };
  std::map<std::string, std::string> all = before;
  all.insert(after.begin(), after.end());
  Lines lines;
  for (const auto& [name, ignored] : all) {
    const std::string old = text(before, name);
    const std::string fresh = text(after, name);
    if (old != fresh) lines.push_back(name + ": " + old + " -> " + fresh);
  }
  return lines;
}

Lines drift_of(const postgres::Server& server, const std::string& rendered) {
  const auto found = read_file(server.data / "postgresql.conf", 1U << 20U);
  if (!found) return {"postgresql.conf: " + found.error().message()};
  return differences(by_name(rendered, '='), by_name(*found, '='));
}

}  // namespace evergres::agent
