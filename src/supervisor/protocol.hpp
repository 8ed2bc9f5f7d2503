#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/field.hpp"
#include "base/instant.hpp"
#include "base/names.hpp"
#include "base/result.hpp"

/// What is said on the supervisor's socket: one JSON object per line, in both directions.
///
///   request  {"id":7,"verb":"start","arguments":["-c","port=15432"]}
///   reply    {"id":7,"ok":true,…}
///            {"id":7,"ok":false,"error":{"code":"refused","message":…,"detail":…,"hint":…}}
///   event    {"event":"status",…}            only after the verb "subscribe"
///
/// Replies carry the id of their request, whatever JSON value that was. The reply to "stop" comes
/// when PostgreSQL is stopped; requests that are sent meanwhile are answered before it. A line that
/// is no JSON object or is longer than `longest_line` ends the connection.
///
/// Replies: "status" and "subscribe" answer with a Status; "start" with a Started; "stop" with a
/// Stopped; "grant" with {"deadline":nanoseconds of CLOCK_BOOTTIME}; the others with "ok" alone.
/// After "revoke" PostgreSQL is stopping; the event or "stop" tells when it has stopped.
namespace evergres::supervisor {

inline constexpr std::size_t longest_line = std::size_t{64} << 10U;

/// Where the supervisor listens: RUN_DIRECTORY/supervisor.sock.
inline std::filesystem::path socket_path(const std::filesystem::path& run_directory) {
  return run_directory / "supervisor.sock";
}

/// The libpq service file that PostgreSQL's walreceiver reads at connect; the agent writes it, the
/// supervisor names it in PostgreSQL's environment as PGSERVICEFILE.
inline std::filesystem::path upstream_service_file(const std::filesystem::path& state_directory) {
  return state_directory / "upstream.conf";
}

enum class State {
  stopped,   ///< no process of the data directory is alive
  starting,  ///< survivors are being looked for, standby.signal is being written
  running,   ///< the postmaster process lives; whether it accepts connections is not known here
  stopping,  ///< a stop is under way, or the postmaster died and its children are being killed
};
constexpr auto words(const State*) {
  return std::array{Word{"stopped", State::stopped}, Word{"starting", State::starting},
                    Word{"running", State::running}, Word{"stopping", State::stopping}};
}

enum class GrantKind {
  promote,  ///< from the order to promote until the barrier
  lead,     ///< after the barrier, extended each second
};
constexpr auto words(const GrantKind*) {
  return std::array{Word{"promote", GrantKind::promote}, Word{"lead", GrantKind::lead}};
}

enum class StopMode { fast, immediate };
constexpr auto words(const StopMode*) {
  return std::array{Word{"fast", StopMode::fast}, Word{"immediate", StopMode::immediate}};
}

/// Permission for the running postmaster to be primary in one term until `deadline`.
struct Grant {
  GrantKind kind = GrantKind::promote;
  Term term;
  Instant deadline;
  auto operator<=>(const Grant&) const = default;
};

/// How the last postmaster ended.
struct Exit {
  std::string how;  ///< "exited 0", "signal 9"
  /// It exited 0 after a fast stop that the supervisor sent: WAL ends with a shutdown checkpoint.
  bool clean = false;
  auto operator<=>(const Exit&) const = default;
};

struct Status {
  std::string supervisor_run;  ///< random id of this life of the supervisor
  std::uint64_t start_id = 0;  ///< of the newest start in this life; 0 before the first
  State state = State::stopped;
  std::optional<int> postmaster_pid;
  std::optional<Exit> exit;  ///< of the last postmaster; absent while one lives
  std::optional<Grant> grant;
  std::string last_stop_reason;  ///< "the grant of term 12 ended"; "" if nothing stopped yet
  std::optional<int> agent_pid;
  std::uint64_t agent_restarts = 0;
  std::optional<int> proxy_pid;
  std::uint64_t proxy_restarts = 0;
  std::vector<std::string> guards;  ///< in force: "subreaper", "memory locked", "oom protected"
  bool operator==(const Status&) const = default;
};
boost::json::object to_json(const Status& status);
/// Ignores members that it does not know ("id", "ok", "event").
Result<Status> status_from_json(const boost::json::object& object);

struct AskStatus {};
/// Start PostgreSQL as a standby. `arguments` follow `postgres -D DATA`; none may name another data
/// directory or another mode of the program. `forget` names history files in pg_wal that are
/// removed before, and after standby.signal is written.
struct AskStart {
  std::vector<std::string> arguments = {};
  std::vector<std::string> forget = {};
};
/// `deadline`: how long a fast stop may take before it becomes an immediate one.
struct AskStop {
  StopMode mode = StopMode::fast;
  Millis deadline{10'000};
};
struct AskReload {};
/// `asked_at` is read by the asker before it sends; the grant ends at asked_at + length.
struct AskGrant {
  GrantKind kind = GrantKind::promote;
  Term term;
  Instant asked_at;
  Millis length{5'000};
  std::optional<std::uint64_t> start_id;  ///< refused unless this is the running start
};
struct AskRevoke {};
/// The endpoint of this node reads its files anew (SIGHUP). Nothing happens if there is none.
struct AskReloadProxy {};
struct AskAlive {};
struct AskSubscribe {};
using Request = std::variant<AskStatus, AskStart, AskStop, AskReload, AskGrant, AskRevoke, AskAlive,
                             AskSubscribe, AskReloadProxy>;
/// Without an "id": the sender adds its own.
boost::json::object to_json(const Request& request);
Result<Request> request_from_json(const boost::json::object& object);

/// The reply to "start".
struct Started {
  std::string supervisor_run;
  std::uint64_t start_id = 0;
  int postmaster_pid = 0;
};
boost::json::object to_json(const Started& started);
Result<Started> started_from_json(const boost::json::object& object);

/// The reply to "stop": no process of the data directory is alive.
struct Stopped {
  bool clean = false;  ///< see Exit::clean
};
boost::json::object to_json(const Stopped& stopped);
Result<Stopped> stopped_from_json(const boost::json::object& object);

/// One line without its newline, from a hostile sender: limited in length and depth.
Result<boost::json::object> parse_line(std::string_view line);

/// {"id":…,"ok":true} and the members of `body`.
boost::json::object ok_reply(const boost::json::value& id, boost::json::object body = {});
boost::json::object error_reply(const boost::json::value& id, const Error& error);
/// For the asker: the reply itself if it is ok, else the error that it carries.
Result<boost::json::object> outcome_of_reply(boost::json::object reply);

}  // namespace evergres::supervisor
