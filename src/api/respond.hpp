#pragma once

#include "agent/services.hpp"
#include "net/http.hpp"

/// Patroni's REST API as far as it reads: paths, status codes and JSON bodies. What differs is in
/// docs/decisions, "Health over HTTP". Changing anything over HTTP is answered with 501.
namespace evergres::api {

/// Pure. 200 or 503 for health checks, 200 for documents, 400 for values that cannot be understood,
/// 404 for other paths, 501 for other methods, 502 if the configuration is not known. OPTIONS has
/// no body; of the answer to HEAD the server sends none.
net::HttpAnswer respond(const net::HttpRequest& request, const agent::View& view);

}  // namespace evergres::api
