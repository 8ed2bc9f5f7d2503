#include "proxy/run.hpp"

#include <cstdio>

namespace evergres::proxy {

int run_proxy(RunPlan /*plan*/) {
  const Error error(ErrorCode::refused, "this version does not serve clients yet", "",
                    "Take \"proxy:\" out of the configuration of this node.");
  std::fputs(error.for_people().c_str(), stderr);
  return error_code_info(error.code()).exit_status;
}

}  // namespace evergres::proxy
