#include "supervisor/log.hpp"

#include <unistd.h>

#include <string>

#include "base/instant.hpp"

namespace evergres::supervisor {

void say(std::string_view who, std::string_view text) {
  std::string line = wall_text(wall_now_ms());
  line.append(" ").append(who).append(": ").append(text).append("\n");
  // One write, so that lines of several processes do not mix. A full or closed stderr must not
  // stop the supervisor from doing its work.
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace evergres::supervisor
