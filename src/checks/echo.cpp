#include "checks/echo.hpp"

namespace evergres::checks {

Anomalies check_echo(const std::vector<Echo>& echoes) {
  std::vector<std::string> foreign, wrong_count;
  for (const Echo& echo : echoes) {
    std::uint64_t rows = 0;
    for (const auto& [answer, count] : echo.answers) rows += count;
    for (const auto& [answer, count] : echo.answers) {
      if (answer == echo.token) continue;
      foreign.push_back(echo.token + " was answered with " + answer);
      break;
    }
    if (rows != echo.rows) wrong_count.push_back(echo.token);
  }
  Anomalies anomalies;
  if (!foreign.empty()) {
    anomalies.push_back({"foreign", std::to_string(foreign.size()) +
                                        " clients saw rows of another: " + examples(foreign)});
  }
  if (!wrong_count.empty()) {
    anomalies.push_back(
        {"short", std::to_string(wrong_count.size()) +
                      " answers have another number of rows: " + examples(wrong_count)});
  }
  return anomalies;
}

}  // namespace evergres::checks
