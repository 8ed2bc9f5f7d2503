#include "cli/agents.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "cluster/json.hpp"
#include "net/local_client.hpp"

namespace evergres::cli {
namespace {

namespace json = boost::json;

struct Answer {
  const KnownNode* node;
  json::value result;
};

bool tries_the_next(ErrorCode code) {
  return code == ErrorCode::unreachable || code == ErrorCode::timed_out ||
         code == ErrorCode::not_found;
}

Error nobody(const Place& place, const Error& last) {
  std::string hint = "Is the node running? Start it with `evergres run` or its service.";
  if (place.demo)
    hint = "`evergres demo status` shows the processes, `evergres demo up` starts them.";
  if (place.nodes.size() == 1) return Error(last.code(), last.message(), last.detail(), hint);
  return Error(ErrorCode::unreachable,
               fmt::format("none of the {} agents answers", place.nodes.size()),
               "The last one: " + last.one_line() + ".", hint);
}

Result<Answer> first_status(const Place& place, Millis patience) {
  const json::value request = json::object{{"verb", "status"}};
  std::optional<Error> last;
  for (const KnownNode& node : place.nodes) {
    Result<json::value> result =
        net::LocalClient::ask(agent_socket(node.settings), request, patience);
    if (result) return Answer{&node, std::move(*result)};
    last = result.error();
    if (!tries_the_next(last->code())) return *last;
  }
  CHECK(last.has_value());
  return nobody(place, *last);
}

}  // namespace

Result<cluster::ClusterStatus> ask_status(const Place& place, Millis patience) {
  Result<Answer> answer = first_status(place, patience);
  if (!answer) return answer.error();
  return cluster::from_json<cluster::ClusterStatus>(answer->result, "status");
}

Result<std::vector<cluster::HistoryEntry>> ask_history(const Place& place) {
  const json::value request = json::object{{"verb", "history"}};
  Result<json::value> answer = ask_one(place, request, std::chrono::seconds(5));
  if (!answer) return answer.error();
  const json::object* const object = answer->if_object();
  const json::value* const entries = object != nullptr ? object->if_contains("entries") : nullptr;
  if (entries == nullptr) {
    return Error(ErrorCode::data_invalid, "the agent's answer has no entries");
  }
  return cluster::from_json<std::vector<cluster::HistoryEntry>>(*entries, "history");
}

Result<json::value> ask_one(const Place& place, const json::value& request, Millis patience,
                            const OnProgress& on_progress) {
  Result<Answer> alive = first_status(place, Millis{1500});
  if (!alive) return alive.error();
  return ask_node(*alive->node, request, patience, on_progress);
}

Result<json::value> ask_node(const KnownNode& node, const json::value& request, Millis patience,
                             const OnProgress& on_progress) {
  net::LocalClient::OnProgress progress;
  if (on_progress) progress = [&](const std::string& line) { on_progress(line); };
  return net::LocalClient::ask(agent_socket(node.settings), request, patience, progress);
}

Result<std::vector<std::string>> texts_of(const json::value& result, std::string_view name) {
  const json::object* const object = result.if_object();
  const json::value* const member =
      object != nullptr ? object->if_contains(json::string_view(name.data(), name.size()))
                        : nullptr;
  if (member == nullptr) {
    return Error(ErrorCode::data_invalid, fmt::format("the agent's answer has no \"{}\"", name));
  }
  return cluster::from_json<std::vector<std::string>>(*member, name);
}

Result<std::string> text_of(const json::value& result, std::string_view name) {
  const json::object* const object = result.if_object();
  const json::value* const member =
      object != nullptr ? object->if_contains(json::string_view(name.data(), name.size()))
                        : nullptr;
  const json::string* const text = member != nullptr ? member->if_string() : nullptr;
  if (text == nullptr) {
    return Error(ErrorCode::data_invalid,
                 fmt::format("the agent's answer has no text \"{}\"", name));
  }
  return std::string(text->data(), text->size());
}

}  // namespace evergres::cli
