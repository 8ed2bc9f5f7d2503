#pragma once

#include "agent/services.hpp"
#include "net/http.hpp"

/// Patroni's REST API as far as it reads: paths, status codes and JSON bodies. What differs is in
/// docs/decisions, "Health over HTTP". What changes something is in change.hpp.
namespace evergres::api {

/// GET, HEAD and OPTIONS.
bool only_reads(const std::string& method);

/// Whether it asks for the metrics page, to which the endpoint's is appended.
bool wants_metrics(const net::HttpRequest& request);

/// Pure; for methods that only read. 200 or 503 for health checks, 200 for documents, 400 for
/// values that cannot be understood, 404 for other paths, 502 if the configuration is not known.
/// OPTIONS has no body; of the answer to HEAD the server sends none.
net::HttpAnswer respond(const net::HttpRequest& request, const agent::View& view);

}  // namespace evergres::api
