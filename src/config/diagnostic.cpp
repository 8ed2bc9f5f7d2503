#include "config/diagnostic.hpp"

#include <fmt/format.h>

#include "base/check.hpp"

namespace evergres::config {

std::string one_line(const Diagnostic& diagnostic) {
  std::string place = diagnostic.file;
  if (diagnostic.line > 0) place += fmt::format(":{}", diagnostic.line);
  std::string line = place + ": " + diagnostic.message;
  if (!diagnostic.hint.empty()) line += "; " + diagnostic.hint;
  return line;
}

Error config_error(const std::vector<Diagnostic>& diagnostics) {
  CHECK(!diagnostics.empty());
  const std::string& file = diagnostics.front().file;
  std::string message = diagnostics.size() == 1
                            ? fmt::format("{} has a problem", file)
                            : fmt::format("{} has {} problems", file, diagnostics.size());
  std::string detail;
  for (const Diagnostic& diagnostic : diagnostics) detail += "\n  " + one_line(diagnostic);
  return Error(ErrorCode::config_invalid, std::move(message), std::move(detail),
               "`evergres print options` explains every option, `evergres print sample` prints a "
               "file to start from.");
}

}  // namespace evergres::config
