#include "supervisor/protocol.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <limits>
#include <type_traits>

#include "supervisor/data_directory.hpp"

namespace evergres::supervisor {

namespace json = boost::json;

namespace {

constexpr std::size_t most_arguments = 256;
constexpr std::size_t longest_argument = 8 * 1024;
constexpr std::int64_t longest_span_ms = 24LL * 3'600'000;
/// Far away, and a span may be added to it.
constexpr std::int64_t latest_instant = std::numeric_limits<std::int64_t>::max() / 2;

/// Reads the members of one object and remembers the first that is missing or wrong.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(object) {}

  std::string text(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->is_string()) return std::string(value->get_string());
    return fail<std::string>(name, "must be a string");
  }
  bool boolean(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->is_bool()) return value->get_bool();
    return fail<bool>(name, "must be true or false");
  }
  std::int64_t integer(const char* name, std::int64_t least, std::int64_t most) {
    const auto* value = find(name);
    std::optional<std::int64_t> number;
    if (value != nullptr && value->is_int64()) number = value->get_int64();
    if (number && *number >= least && *number <= most) return *number;
    return fail<std::int64_t>(
        name, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
  }
  std::uint64_t natural(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->is_uint64()) return value->get_uint64();
    return static_cast<std::uint64_t>(integer(name, 0, std::numeric_limits<std::int64_t>::max()));
  }
  template <typename Enum>
  Enum word(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->is_string()) {
      for (const auto& entry : words(static_cast<const Enum*>(nullptr))) {
        if (entry.word == std::string_view(value->get_string())) return entry.value;
      }
    }
    return fail<Enum>(name, "is none of the known words");
  }
  std::vector<std::string> texts(const char* name) {
    const auto* value = find(name);
    std::vector<std::string> found;
    if (value == nullptr || !value->is_array()) {
      return fail<std::vector<std::string>>(name, "must be an array of strings");
    }
    for (const auto& element : value->get_array()) {
      if (!element.is_string()) {
        return fail<std::vector<std::string>>(name, "must be an array of strings");
      }
      found.emplace_back(element.get_string());
    }
    return found;
  }
  const json::object* object(const char* name) {
    const auto* value = find(name);
    if (value != nullptr && value->is_object()) return &value->get_object();
    return fail<const json::object*>(name, "must be an object");
  }
  /// Whether the member is there and not null.
  bool has(const char* name) const {
    const auto* value = find(name);
    return value != nullptr && !value->is_null();
  }
  void join(const Reader& inner) {
    if (problem_.empty()) problem_ = inner.problem_;
  }
  template <typename T>
  T fail(const char* name, const std::string& why) {
    if (problem_.empty()) problem_ = "The member \"" + std::string(name) + "\" " + why + ".";
    return T{};
  }
  template <typename T>
  Result<T> finish(T value) const {
    if (problem_.empty()) return value;
    return Error(ErrorCode::data_invalid, "the message is not valid", problem_);
  }

 private:
  const json::value* find(const char* name) const { return object_.if_contains(name); }

  const json::object& object_;
  std::string problem_;
};

json::array array_of(const std::vector<std::string>& texts) {
  json::array array;
  for (const auto& text : texts) array.emplace_back(text);
  return array;
}

json::object verb(const char* word) {
  return json::object{{"verb", word}};
}

struct RequestPrinter {
  json::object operator()(const AskStatus&) const { return verb("status"); }
  json::object operator()(const AskStart& start) const {
    auto object = verb("start");
    object["arguments"] = array_of(start.arguments);
    if (!start.forget.empty()) object["forget"] = array_of(start.forget);
    return object;
  }
  json::object operator()(const AskStop& stop) const {
    auto object = verb("stop");
    object["mode"] = word_of(stop.mode);
    object["deadline_ms"] = stop.deadline.count();
    return object;
  }
  json::object operator()(const AskReload&) const { return verb("reload"); }
  json::object operator()(const AskGrant& grant) const {
    auto object = verb("grant");
    object["kind"] = word_of(grant.kind);
    object["term"] = grant.term.value;
    object["asked_at"] = grant.asked_at.nanos;
    object["length_ms"] = grant.length.count();
    if (grant.start_id) object["start_id"] = *grant.start_id;
    return object;
  }
  json::object operator()(const AskRevoke&) const { return verb("revoke"); }
  json::object operator()(const AskAlive&) const { return verb("alive"); }
  json::object operator()(const AskSubscribe&) const { return verb("subscribe"); }
  json::object operator()(const AskReloadProxy&) const { return verb("reload-proxy"); }
};

/// Whether an argument would make `postgres` use another data directory or be no server at all.
bool is_forbidden_argument(const std::string& argument) {
  if (argument.find('\0') != std::string::npos) return true;
  for (const char* start : {"-D", "-C", "--single", "--boot", "--check", "--fork",
                            "--describe-config", "--version", "--help", "-V", "-?"}) {
    if (argument.starts_with(start)) return true;
  }
  return argument.find("data_directory") != std::string::npos ||
         argument.find("data-directory") != std::string::npos;
}

Result<Request> start_from(Reader& reader) {
  AskStart start;
  if (reader.has("arguments")) start.arguments = reader.texts("arguments");
  if (start.arguments.size() > most_arguments) {
    reader.fail<int>("arguments", "has too many elements");
  }
  for (const auto& argument : start.arguments) {
    if (argument.size() > longest_argument || is_forbidden_argument(argument)) {
      reader.fail<int>("arguments", "holds one that is not allowed");
    }
  }
  if (reader.has("forget")) start.forget = reader.texts("forget");
  if (!std::ranges::all_of(start.forget, is_history_file)) {
    reader.fail<int>("forget", "names something else than timeline histories");
  }
  return reader.finish<Request>(start);
}

Result<Request> stop_from(Reader& reader) {
  AskStop stop;
  stop.mode = reader.word<StopMode>("mode");
  if (reader.has("deadline_ms")) {
    stop.deadline = Millis{reader.integer("deadline_ms", 0, longest_span_ms)};
  }
  return reader.finish<Request>(stop);
}

Result<Request> grant_from(Reader& reader) {
  AskGrant grant;
  grant.kind = reader.word<GrantKind>("kind");
  grant.term = Term{reader.natural("term")};
  grant.asked_at = Instant{reader.integer("asked_at", 0, latest_instant)};
  grant.length = Millis{reader.integer("length_ms", 1, longest_span_ms)};
  if (reader.has("start_id")) grant.start_id = reader.natural("start_id");
  return reader.finish<Request>(grant);
}

json::object grant_to_json(const Grant& grant) {
  return json::object{{"kind", word_of(grant.kind)},
                      {"term", grant.term.value},
                      {"deadline", grant.deadline.nanos}};
}

}  // namespace

json::object to_json(const Request& request) {
  return std::visit(RequestPrinter{}, request);
}

Result<Request> request_from_json(const json::object& object) {
  Reader reader(object);
  const std::string word = reader.text("verb");
  if (word == "start") return start_from(reader);
  if (word == "stop") return stop_from(reader);
  if (word == "grant") return grant_from(reader);
  if (word == "status") return Request(AskStatus{});
  if (word == "reload") return Request(AskReload{});
  if (word == "revoke") return Request(AskRevoke{});
  if (word == "alive") return Request(AskAlive{});
  if (word == "subscribe") return Request(AskSubscribe{});
  if (word == "reload-proxy") return Request(AskReloadProxy{});
  reader.fail<int>("verb", "is none of the known verbs");
  return reader.finish<Request>(AskStatus{});
}

json::object to_json(const Status& status) {
  json::object object;
  object["supervisor_run"] = status.supervisor_run;
  object["start_id"] = status.start_id;
  object["state"] = word_of(status.state);
  object["postmaster_pid"] = status.postmaster_pid ? json::value(*status.postmaster_pid) : nullptr;
  object["exit"] = nullptr;
  if (status.exit) {
    object["exit"] = json::object{{"how", status.exit->how}, {"clean", status.exit->clean}};
  }
  object["grant"] = nullptr;
  if (status.grant) object["grant"] = grant_to_json(*status.grant);
  object["last_stop_reason"] = status.last_stop_reason;
  object["agent_pid"] = status.agent_pid ? json::value(*status.agent_pid) : nullptr;
  object["agent_restarts"] = status.agent_restarts;
  object["proxy_pid"] = status.proxy_pid ? json::value(*status.proxy_pid) : nullptr;
  object["proxy_restarts"] = status.proxy_restarts;
  object["guards"] = array_of(status.guards);
  return object;
}

Result<Status> status_from_json(const json::object& object) {
  constexpr std::int64_t greatest_pid = std::numeric_limits<int>::max();
  Reader reader(object);
  Status status;
  status.supervisor_run = reader.text("supervisor_run");
  status.start_id = reader.natural("start_id");
  status.state = reader.word<State>("state");
  if (reader.has("postmaster_pid")) {
    status.postmaster_pid = static_cast<int>(reader.integer("postmaster_pid", 1, greatest_pid));
  }
  if (reader.has("exit")) {
    if (const auto* exit = reader.object("exit")) {
      Reader inner(*exit);
      status.exit = Exit{inner.text("how"), inner.boolean("clean")};
      reader.join(inner);
    }
  }
  if (reader.has("grant")) {
    if (const auto* grant = reader.object("grant")) {
      Reader inner(*grant);
      status.grant = Grant{inner.word<GrantKind>("kind"), Term{inner.natural("term")},
                           Instant{inner.integer("deadline", 0, latest_instant * 2)}};
      reader.join(inner);
    }
  }
  status.last_stop_reason = reader.text("last_stop_reason");
  if (reader.has("agent_pid")) {
    status.agent_pid = static_cast<int>(reader.integer("agent_pid", 1, greatest_pid));
  }
  status.agent_restarts = reader.natural("agent_restarts");
  // Absent from a supervisor that began before there were endpoints.
  if (reader.has("proxy_pid")) {
    status.proxy_pid = static_cast<int>(reader.integer("proxy_pid", 1, greatest_pid));
  }
  if (reader.has("proxy_restarts")) status.proxy_restarts = reader.natural("proxy_restarts");
  status.guards = reader.texts("guards");
  return reader.finish(status);
}

json::object to_json(const Started& started) {
  return json::object{{"supervisor_run", started.supervisor_run},
                      {"start_id", started.start_id},
                      {"postmaster_pid", started.postmaster_pid}};
}

Result<Started> started_from_json(const json::object& object) {
  Reader reader(object);
  Started started;
  started.supervisor_run = reader.text("supervisor_run");
  started.start_id = reader.natural("start_id");
  started.postmaster_pid =
      static_cast<int>(reader.integer("postmaster_pid", 1, std::numeric_limits<int>::max()));
  return reader.finish(started);
}

json::object to_json(const Stopped& stopped) {
  return json::object{{"clean", stopped.clean}};
}

Result<Stopped> stopped_from_json(const json::object& object) {
  Reader reader(object);
  Stopped stopped;
  stopped.clean = reader.boolean("clean");
  return reader.finish(stopped);
}

Result<json::object> parse_line(std::string_view line) {
  const Error invalid(ErrorCode::data_invalid, "the line is not one JSON object");
  if (line.size() > longest_line) return invalid;
  json::parse_options options;
  options.max_depth = 8;
  boost::system::error_code error;
  json::value value =
      json::parse(json::string_view(line.data(), line.size()), error, json::storage_ptr(), options);
  if (error || !value.is_object()) return invalid;
  return std::move(value.get_object());
}

json::object ok_reply(const json::value& id, json::object body) {
  body["id"] = id;
  body["ok"] = true;
  return body;
}

json::object error_reply(const json::value& id, const Error& error) {
  json::object inner{{"code", error_code_info(error.code()).word},
                     {"message", error.message()},
                     {"detail", error.detail()},
                     {"hint", error.hint()}};
  return json::object{{"id", id}, {"ok", false}, {"error", std::move(inner)}};
}

Result<json::object> outcome_of_reply(json::object reply) {
  Reader reader(reply);
  if (reader.boolean("ok")) return reply;
  const auto* error = reader.object("error");
  if (error == nullptr) {
    return Error(ErrorCode::data_invalid, "the supervisor's reply is not valid");
  }
  Reader inner(*error);
  const std::string word = inner.text("code");
  ErrorCode code = ErrorCode::internal;
  for (int number = 0; number <= static_cast<int>(ErrorCode::authentication); ++number) {
    if (error_code_info(static_cast<ErrorCode>(number)).word == word) {
      code = static_cast<ErrorCode>(number);
    }
  }
  std::string message = inner.text("message");
  std::string detail = inner.text("detail");
  return Error(code, std::move(message), std::move(detail), inner.text("hint"));
}

}  // namespace evergres::supervisor
