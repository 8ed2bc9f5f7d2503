#include "api/respond.hpp"

#include <array>
#include <variant>

#include "api/answers.hpp"
#include "api/documents.hpp"
#include "api/health.hpp"
#include "api/metrics_page.hpp"
#include "metrics/page.hpp"

namespace evergres::api {
namespace {

using agent::View;
using net::HttpAnswer;

enum class Document { patroni, cluster, history, config, metrics };

struct Route {
  std::string_view path;
  std::variant<Check, Document> what;
};

constexpr std::array routes{
    Route{"/", Check::primary},
    Route{"/primary", Check::primary},
    Route{"/read-write", Check::primary},
    Route{"/master", Check::primary},
    Route{"/leader", Check::leader},
    Route{"/standby-leader", Check::standby_leader},
    Route{"/standby_leader", Check::standby_leader},
    Route{"/replica", Check::replica},
    Route{"/read-only", Check::read_only},
    Route{"/sync", Check::sync},
    Route{"/synchronous", Check::sync},
    Route{"/read-only-sync", Check::read_only_sync},
    Route{"/read-only-synchronous", Check::read_only_sync},
    Route{"/quorum", Check::quorum},
    Route{"/read-only-quorum", Check::read_only_quorum},
    Route{"/async", Check::async},
    Route{"/asynchronous", Check::async},
    Route{"/health", Check::health},
    Route{"/liveness", Check::liveness},
    Route{"/readiness", Check::readiness},
    Route{"/patroni", Document::patroni},
    Route{"/cluster", Document::cluster},
    Route{"/history", Document::history},
    Route{"/config", Document::config},
    Route{"/metrics", Document::metrics},
};

HttpAnswer answer_check(Check check, const Query& query, const View& view) {
  const auto yes = passes(check, query, view);
  if (!yes) return error_answer(400, yes.error());
  const unsigned status = *yes ? 200 : 503;
  const bool is_probe = check == Check::liveness || check == Check::readiness;
  return is_probe ? HttpAnswer{status, "", ""} : json_answer(status, node_document(view));
}

HttpAnswer answer_document(Document document, const View& view) {
  switch (document) {
    case Document::patroni: return json_answer(200, node_document(view));
    case Document::cluster: return json_answer(200, cluster_document(view));
    case Document::history: return json_answer(200, history_document(view));
    case Document::metrics: return HttpAnswer{200, metrics::content_type, metrics_page(view)};
    case Document::config: break;
  }
  const auto config = config_document(view);
  if (config) return json_answer(200, *config);
  return error_answer(502, Error(ErrorCode::store_unavailable, "the record is not known",
                                 "This node has not read the store yet."));
}

const Route* find_route(const std::string& path) {
  for (const Route& route : routes) {
    if (route.path == path) return &route;
  }
  return nullptr;
}

}  // namespace

bool only_reads(const std::string& method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

bool wants_metrics(const net::HttpRequest& request) {
  const Route* const route = find_route(parse_target(request.target).path);
  const Document* const document = route != nullptr ? std::get_if<Document>(&route->what) : nullptr;
  return request.method == "GET" && document != nullptr && *document == Document::metrics;
}

HttpAnswer respond(const net::HttpRequest& request, const View& view) {
  const Query query = parse_target(request.target);
  const Route* const route = find_route(query.path);
  HttpAnswer answer;
  if (route == nullptr) {
    answer = error_answer(404, Error(ErrorCode::not_found, "there is no such path"));
  } else if (const auto* check = std::get_if<Check>(&route->what)) {
    answer = answer_check(*check, query, view);
  } else {
    answer = answer_document(std::get<Document>(route->what), view);
  }
  if (request.method == "OPTIONS") return HttpAnswer{answer.status, "", ""};
  return answer;
}

}  // namespace evergres::api
