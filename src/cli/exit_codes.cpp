#include "cli/exit_codes.hpp"

#include <fmt/format.h>

#include <array>

#include "base/error.hpp"

namespace evergres::cli {

std::string exit_codes_text() {
  struct Status {
    int number;
    std::string_view meaning;
  };
  static constexpr std::array statuses{
      Status{0, "done"},
      Status{1, "failed"},
      Status{2, "usage: the command line or the configuration is wrong"},
      Status{3, "refused: a rule says no and nothing was changed"},
      Status{4, "timed out: the outcome may be unknown"},
      Status{5, "unreachable: nobody answers"}};
  constexpr auto last_code = static_cast<int>(ErrorCode::authentication);
  std::string text = "# Exit codes\n\n";
  for (const Status& status : statuses) {
    text += fmt::format("{}  {}\n", status.number, status.meaning);
    for (int i = 0; i <= last_code; ++i) {
      const ErrorCodeInfo& info = error_code_info(static_cast<ErrorCode>(i));
      if (info.exit_status == status.number) {
        text += fmt::format("     {:<22}{}\n", info.word, info.meaning);
      }
    }
  }
  return text;
}

}  // namespace evergres::cli
