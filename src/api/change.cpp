#include "api/change.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "api/answers.hpp"
#include "api/change_body.hpp"
#include "api/config_change.hpp"
#include "api/documents.hpp"
#include "api/health.hpp"
#include "api/query.hpp"
#include "core/intent.hpp"

namespace evergres::api {
namespace {

using agent::View;
using net::HttpAnswer;
using Wish = std::variant<Change, HttpAnswer>;

HttpAnswer bad_request(std::string message, std::string detail = {}, std::string hint = {}) {
  return error_answer(
      400, Error(ErrorCode::usage, std::move(message), std::move(detail), std::move(hint)));
}

HttpAnswer does_not_fit(std::string message, std::string detail = {}) {
  return error_answer(412, Error(ErrorCode::refused, std::move(message), std::move(detail),
                                 "See /cluster, or run `evergres list`."));
}

HttpAnswer nothing_scheduled() {
  return bad_request("nothing can be scheduled", "Evergres does at once what it is asked, or not.",
                     "Let cron or a timer of systemd send the request at the wanted time.");
}

bool is_member(const View& view, const std::string& name) {
  return std::any_of(view.cluster.nodes.begin(), view.cluster.nodes.end(),
                     [&](const cluster::NodeStatus& node) { return node.name == name; });
}

struct Names {
  std::string leader;     ///< who leads now, as the sender believes
  std::string candidate;  ///< who is to lead
};

Result<Names> names_in(const ChangeBody& body) {
  const auto leader = body.text("leader");
  if (!leader) return leader.error();
  auto candidate = body.text("candidate");
  if (candidate && candidate->empty()) candidate = body.text("member");
  if (!candidate) return candidate.error();
  return Names{*leader, *candidate};
}

/// Why these names make no sense, whatever the agents say.
std::optional<HttpAnswer> check_names(const Names& names, bool failover, const View& view) {
  if (failover && names.candidate.empty()) {
    return bad_request("Failover could be performed only to a specific candidate");
  }
  if (!failover && names.leader.empty()) {
    return bad_request("Switchover could be performed only from a specific leader");
  }
  if (view.paused && names.candidate.empty()) {
    return bad_request("Switchover is possible only to a specific candidate in a paused state");
  }
  if (names.leader == names.candidate) {
    return bad_request("Switchover target and source are the same");
  }
  if (!names.leader.empty() && view.cluster.leader != names.leader) {
    return does_not_fit(
        "leader name does not match",
        view.cluster.leader ? "\"" + *view.cluster.leader + "\" leads." : "Nobody leads now.");
  }
  if (!names.candidate.empty() && !is_member(view, names.candidate)) {
    return does_not_fit("candidate does not exists", "The cluster has no member of this name.");
  }
  if (view.cluster.request) {
    return error_answer(409, Error(ErrorCode::conflict, "another request is still pending",
                                   "It is: " + *view.cluster.request + ".",
                                   "Try again when /cluster shows that it is done."));
  }
  return std::nullopt;
}

Wish change_leader(const net::HttpRequest& request, const View& view, bool failover) {
  const auto body =
      ChangeBody::parse(request.body, {"leader", "candidate", "member", "scheduled_at"}, false);
  if (!body) return error_answer(400, body.error());
  if (body->has("scheduled_at")) return nothing_scheduled();
  const auto names = names_in(*body);
  if (!names) return error_answer(400, names.error());
  if (auto refusal = check_names(*names, failover, view)) return std::move(*refusal);
  // As with Patroni: a failover from a named leader is a switchover.
  const bool forced = failover && names->leader.empty();
  Change change;
  change.request["verb"] = forced ? "failover" : "switchover";
  if (!names->candidate.empty()) change.request["to"] = names->candidate;
  change.done =
      forced ? "Successfully failed over to \"%\"" : "Successfully switched over to \"%\"";
  change.refused = 412;
  return change;
}

/// "15.4" as server_version_num, 150004; since version 10 there are two numbers.
std::optional<int> version_number(const std::string& text) {
  int major = 0;
  int minor = 0;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, major);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, minor);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  if (major < 10 || major > 999 || minor < 0 || minor > 9999) return std::nullopt;
  return major * 10'000 + minor;
}

/// Whether this node is one of those that the body means.
Result<bool> restart_is_meant(const ChangeBody& body, const View& view) {
  const auto pending = body.flag("restart_pending");
  if (!pending) return pending.error();
  const auto role = body.text("role");
  if (!role) return role.error();
  const auto version = body.text("postgres_version");
  if (!version) return version.error();
  const bool known_role = *role == "primary" || *role == "replica" || *role == "standby_leader";
  if (!role->empty() && !known_role) {
    return Error(ErrorCode::usage,
                 "PostgreSQL role should be either primary, standby_leader, or replica");
  }
  const auto wanted = version_number(*version);
  if (!version->empty() && !wanted) {
    return Error(ErrorCode::usage, "\"postgres_version\" is no version",
                 "It is two numbers, for example \"15.4\".");
  }
  const bool waits = !view.pending_restart.empty();
  const char* const own_role = is_open_leader(view) ? "primary" : "replica";
  return (!*pending || waits) && (role->empty() || *role == own_role) &&
         (!wanted || (view.details && view.details->version < *wanted));
}

Wish restart(const net::HttpRequest& request, const View& view) {
  const auto body = ChangeBody::parse(
      request.body, {"restart_pending", "role", "postgres_version", "timeout", "schedule"}, true);
  if (!body) return error_answer(400, body.error());
  if (body->has("schedule")) return nothing_scheduled();
  if (body->has("timeout")) {
    return bad_request("a restart takes no \"timeout\"",
                       "A leader that does not come back is replaced as after any other failure.");
  }
  const auto meant = restart_is_meant(*body, view);
  if (!meant) return error_answer(400, meant.error());
  if (!*meant) {
    return error_answer(503, Error(ErrorCode::refused, "restart conditions are not satisfied"));
  }
  Change change;
  change.request["verb"] = "restart";
  change.request["node"] = view.cluster.answered_by;
  change.done = "restarted successfully";
  return change;
}

Wish reload(const std::string& config_file) {
  Change change;
  change.request["verb"] = "reload";
  change.request["config_file"] = config_file;
  change.status = 202;
  change.done = "reload scheduled";
  change.refused = 409;
  return change;
}

Wish reinitialize(const net::HttpRequest& request, const View& view) {
  const auto body = ChangeBody::parse(request.body, {"force", "from_leader", "from-leader"}, true);
  if (!body) return error_answer(400, body.error());
  for (const char* name : {"force", "from_leader", "from-leader"}) {
    if (const auto flag = body->flag(name); !flag) return error_answer(400, flag.error());
  }
  const std::string& me = view.cluster.answered_by;
  if (view.cluster.leader == me) {
    return error_answer(503, Error(ErrorCode::refused, "I am the leader, can not reinitialize",
                                   "The others have to match the data directory of this node.",
                                   "Switch over first."));
  }
  if (view.operation == core::Clone::kind) {
    return error_answer(503, Error(ErrorCode::refused, "reinitialize already in progress"));
  }
  Change change;
  change.request["verb"] = "reinit";
  change.request["node"] = me;
  change.request["wait"] = false;
  change.done = "reinitialize started";
  return change;
}

Wish delete_scheduled(const std::string& path) {
  return error_answer(
      404, Error(ErrorCode::not_found,
                 path == "/restart" ? "no restarts are scheduled" : "no switchover is scheduled"));
}

Wish not_possible(const std::string& method, const std::string& path) {
  constexpr std::array paths{"/switchover", "/failover",     "/restart",
                             "/reload",     "/reinitialize", "/config"};
  const bool known = std::find(paths.begin(), paths.end(), path) != paths.end();
  if (!known && (method == "POST" || method == "DELETE" || method == "PATCH" || method == "PUT")) {
    return error_answer(404, Error(ErrorCode::not_found, "there is nothing to change at this path",
                                   "", "See docs/reference/http.md."));
  }
  return error_answer(501, Error(ErrorCode::usage, "this path does not know that method", "",
                                 "See docs/reference/http.md."));
}

unsigned status_of(const Change& change, ErrorCode code) {
  switch (code) {
    case ErrorCode::refused: return change.refused;
    case ErrorCode::usage: return 400;
    case ErrorCode::config_invalid: return change.invalid;
    case ErrorCode::conflict:
    case ErrorCode::already_exists: return 409;
    case ErrorCode::internal: return 500;
    default: return 503;
  }
}

}  // namespace

Wish change_of(const net::HttpRequest& request, const View& view, const std::string& config_file) {
  const std::string path = parse_target(request.target).path;
  if (request.method == "POST") {
    if (path == "/switchover") return change_leader(request, view, false);
    if (path == "/failover") return change_leader(request, view, true);
    if (path == "/restart") return restart(request, view);
    if (path == "/reload") return reload(config_file);
    if (path == "/reinitialize") return reinitialize(request, view);
  }
  const bool patch = request.method == "PATCH";
  if (path == "/config" && (patch || request.method == "PUT")) {
    return change_config(request, view, !patch);
  }
  if (request.method == "DELETE" && (path == "/switchover" || path == "/restart")) {
    return delete_scheduled(path);
  }
  return not_possible(request.method, path);
}

HttpAnswer answer_of(const Change& change, const Result<boost::json::value>& result,
                     const View& after) {
  if (!result) return error_answer(status_of(change, result.error().code()), result.error());
  if (change.shows_config) {
    return json_answer(change.status, config_document(after).value_or(boost::json::object()));
  }
  std::string text = change.done;
  if (const auto mark = text.find('%'); mark != std::string::npos) {
    text.replace(mark, 1, after.cluster.leader.value_or("?"));
  }
  return text_answer(change.status, std::move(text));
}

}  // namespace evergres::api
