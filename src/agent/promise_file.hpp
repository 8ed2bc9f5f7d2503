#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "core/situation.hpp"

/// What an agent must remember across its own death. Every write is durable before it returns.
namespace evergres::agent {

/// state_directory/promise. Absent: term 0. A file that is damaged or cut short is data_invalid,
/// never "no promise".
Result<core::Promise> read_promise(const std::filesystem::path& state_directory);
/// Refused if the promise on disk is of a higher term.
Outcome write_promise(const std::filesystem::path& state_directory, const core::Promise& promise);

/// Whether a promise could be written now: a file as long is written durably beside it, and removed.
Outcome try_promise(const std::filesystem::path& state_directory);

/// Survives the death of this agent; a crash of the machine ends that run of PostgreSQL as well.
/// state_directory/asked_to_promote names the run of PostgreSQL that was asked to promote itself:
/// from then on it may become primary at any time, whatever it answered.
Outcome note_asked_to_promote(const std::filesystem::path& state_directory, const std::string& run);
Result<bool> was_asked_to_promote(const std::filesystem::path& state_directory,
                                  const std::string& run);

/// state_directory/cluster_id: the cluster to which everything here was promised; written if
/// absent. Refused if it is another one.
Outcome bind_to_cluster(const std::filesystem::path& state_directory, const ClusterId& cluster);

/// state_directory/node_id: a random id made at the first start; two nodes of one name differ in
/// it.
Result<std::string> node_id(const std::filesystem::path& state_directory);

}  // namespace evergres::agent
