#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/instant.hpp"
#include "core/situation.hpp"

namespace evergres::agent {

/// What the log of our PostgreSQL says of why its upstream gives it no WAL.
struct UpstreamRefusal {
  Instant since;         ///< it was written after this
  bool removed = false;  ///< the upstream no longer has what we need
  bool diverged = false;
  bool off_branch = false;  ///< its newest timeline does not come from the one that is followed
};

/// Reads what PostgreSQL appended to its log since the last look. Used by one thread.
class UpstreamWords {
 public:
  /// Once a second; nothing when it is too early or nothing was said. The first look only notes
  /// where the log ends, and never more than the last 64 KB are read: PostgreSQL repeats itself
  /// with every try.
  std::optional<UpstreamRefusal> read(const std::filesystem::path& log, Instant now);

 private:
  std::uintmax_t read_to_ = 0;
  Instant looked_at_;
};

/// A refusal counts for the upstream that we have now, and only since it gives us nothing: what was
/// written before that may be another one's word, or long out of date.
void learn_refusal(core::Server& server, const UpstreamRefusal& said);

}  // namespace evergres::agent
