#pragma once

#include <filesystem>
#include <optional>

#include "base/error.hpp"
#include "base/result.hpp"
#include "proxy/io/descriptor.hpp"

namespace evergres::proxy {

/// The right to become the process that serves a run directory (decision 0042): an flock() on
/// proxy.lock there, from before it looks who serves until it can be found itself. So of two that
/// start at once the second finds the first and replaces it, and never do both find nobody. It ends
/// with the object or the process.
class StartLock {
 public:
  /// Absent: another process has it. Never blocks. Errors: those of files.
  static Result<std::optional<StartLock>> try_take(const std::filesystem::path& run_directory);
  /// What is said if it could not be had in time, with the id of the process that has it.
  static Error not_given(const std::filesystem::path& run_directory);

 private:
  Descriptor file_;
};

}  // namespace evergres::proxy
