#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace evergres::postgres {

/// What differs per major version and matters to us. Everything else is the same from 14 to 18 or
/// is read tolerantly (message texts of pg_waldump).
struct MajorVersion {
  int major;
  std::span<const std::string_view> removed;  ///< parameters that 14 knew and this major refuses
  std::span<const std::string_view> added;    ///< parameters that the major before does not know
  std::string_view debian_package;
};

std::span<const MajorVersion> major_versions();
/// The row of a major version, or nothing if this program does not know it.
const MajorVersion* find_major(int major);

/// The first of these majors that knows a parameter: 14 for everything that has no row.
int since_major(std::string_view parameter);

/// The newest known /usr/lib/postgresql/<major>/bin that has initdb, postgres, pg_rewind,
/// pg_basebackup, pg_controldata and pg_waldump. None: `missing_program`, with the package to
/// install.
Result<std::filesystem::path> find_bin_directory(
    const std::filesystem::path& root = "/usr/lib/postgresql");

/// Asks `postgres --version`. `missing_program` if it is not there, `postgres_failed` if it says
/// something else than a version.
Result<int> program_major(const std::filesystem::path& bin_dir, Instant deadline);

/// "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)" -> 15.
std::optional<int> parse_program_major(std::string_view text);

}  // namespace evergres::postgres
