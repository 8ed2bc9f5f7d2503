#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "proxy/console/command.hpp"
#include "proxy/console/snapshot.hpp"

/// What is asked and answered at the endpoint's control socket, as JSON.
namespace evergres::proxy {

struct Question {
  std::optional<Show> show;  ///< absent: the metrics page
  std::uint64_t after = 0;   ///< only connections with a greater id

  /// Whether clients and servers are wanted one by one.
  [[nodiscard]] bool connections() const;
};

/// Errors: usage.
Result<Question> read_question(const boost::json::value& request);

/// The rows of the console's table, with its columns as names; numbers as numbers. Of connections
/// at most `most_rows`, ascending by id, and whether there are more.
inline constexpr std::size_t most_rows = 500;
boost::json::value table_document(const Question& question, const Snapshot& snapshot);

}  // namespace evergres::proxy
