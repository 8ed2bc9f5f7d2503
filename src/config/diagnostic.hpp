#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

namespace evergres::config {

/// One thing that is wrong in a configuration file.
struct Diagnostic {
  std::string file;     ///< as the user wrote it
  int line = 0;         ///< from 1; 0 if the whole file is meant
  std::string message;  ///< short fact without a full stop
  std::string hint;     ///< what to write instead, "" if there is nothing to say
};

/// `node.yaml:7: unknown option "suspect_afetr"; did you mean "suspect_after"?`
std::string one_line(const Diagnostic& diagnostic);

/// All of them as one config_invalid error; the detail has one line for each. The list is not
/// empty.
Error config_error(const std::vector<Diagnostic>& diagnostics);

}  // namespace evergres::config
