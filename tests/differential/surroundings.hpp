#pragma once

#include <filesystem>

#include "base/instant.hpp"

namespace evergres::differential {

/// A generous deadline for one step.
Instant soon();

/// Everything of this run is below this directory, which is removed at its end. Started as root,
/// the program becomes the user of EVERGRES_TEST_USER ("postgres" if unset) before the first test.
std::filesystem::path& scratch();

/// Removes a directory of servers that are not running. Who was killed has left a segment of shared
/// memory, which only its next start would remove, and a machine has room for 4096.
void remove_servers(const std::filesystem::path& root);

/// What initdb of this version made, once for all servers. Fails the test if it could not.
std::filesystem::path prototype(const std::filesystem::path& programs);

}  // namespace evergres::differential
