#include "api/service.hpp"

#include <spdlog/spdlog.h>

#include <boost/system/system_error.hpp>

#include "api/respond.hpp"
#include "net/http_server.hpp"
#include "net/task_group.hpp"

namespace evergres::api {
namespace {

constexpr Millis pause_after_failure{1000};

/// Serves until it is cancelled or something breaks; what broke is the result.
net::awaitable<Outcome> serve_once(std::string host, int port, net::HttpServer::Handler handler) {
  const net::HttpLimits limits;
  auto opening = net::HttpServer::open(std::move(host), port, limits);
  auto server = co_await std::move(opening);
  if (!server) co_return server.error();
  auto serving = server->serve(std::move(handler));
  co_await std::move(serving);
  co_return Error(ErrorCode::internal, "the HTTP server ended");
}

net::awaitable<void> serve(agent::Services services, std::string host, int port,
                           std::string version) {
  const net::HttpServer::Handler handler = [&](const net::HttpRequest& request) {
    agent::View view = services.view();
    view.version = version;
    return respond(request, view);
  };
  std::string said;
  for (;;) {
    Outcome outcome = Error(ErrorCode::internal, "the HTTP server failed");
    try {
      auto serving = serve_once(host, port, handler);
      outcome = co_await std::move(serving);
    } catch (const boost::system::system_error& failure) {
      if (failure.code() == boost::asio::error::operation_aborted) throw;
      outcome = Error(ErrorCode::internal, "the HTTP server failed", failure.what());
    } catch (const std::exception& failure) {
      outcome = Error(ErrorCode::internal, "the HTTP server failed", failure.what());
    }
    const std::string text = outcome.error().one_line();
    if (text != said) spdlog::error("{}; trying again", text);
    said = text;
    auto pausing = net::pause_for(pause_after_failure);
    co_await std::move(pausing);
  }
}

}  // namespace

agent::Service http_service(const config::NodeSettings& settings, std::string version) {
  return [host = settings.http_host, port = settings.http_port, version = std::move(version)](
             agent::Services services) { return serve(std::move(services), host, port, version); };
}

}  // namespace evergres::api
