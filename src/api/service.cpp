#include "api/service.hpp"

#include <spdlog/spdlog.h>

#include <boost/json/serialize.hpp>
#include <boost/system/system_error.hpp>
#include <memory>

#include "api/access.hpp"
#include "api/answers.hpp"
#include "api/change.hpp"
#include "api/endpoint_page.hpp"
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

/// Answers requests of one agent. Belongs to its control thread.
class Desk {
 public:
  Desk(agent::Services services, AccessRules rules, std::string version, std::string config_file)
      : services_(std::move(services)),
        rules_(std::move(rules)),
        version_(std::move(version)),
        config_file_(std::move(config_file)) {}

  net::awaitable<net::HttpAnswer> answer(net::HttpRequest request) {
    if (only_reads(request.method)) {
      const agent::View view = look();
      net::HttpAnswer read = respond(request, view);
      if (!wants_metrics(request) || view.settings == nullptr) co_return read;
      auto asking = endpoint_page(endpoint_, *view.settings);
      read.body += co_await std::move(asking);
      co_return read;
    }
    const Access access = access_of(request, rules_);
    const bool checked = access == Access::allowed || access == Access::wrong_credentials;
    if (checked && delayed_ >= most_delayed) {
      // Said of the right password as well: else it could be found out at any speed.
      if (access == Access::wrong_credentials) ++failures_;
      co_return too_many();
    }
    if (access == Access::allowed) {
      auto changing = change(std::move(request));
      co_return co_await std::move(changing);
    }
    if (access == Access::wrong_credentials) {
      auto delaying = delay_a_failure();
      co_await std::move(delaying);
    }
    co_return refusal_of(access, rules_);
  }

 private:
  struct Counted {
    explicit Counted(std::size_t& counter) : count(counter) { ++count; }
    ~Counted() { --count; }
    Counted(Counted&&) = delete;
    std::size_t& count;
  };

  [[nodiscard]] agent::View look() const {
    agent::View view = services_.view();
    view.version = version_;
    view.http_authentication_failures = failures_;
    view.http_changes = changes_;
    return view;
  }

  /// A guess takes a second, and only a few guess at a time: the connections are for health checks.
  net::awaitable<void> delay_a_failure() {
    ++failures_;
    const Counted counted(delayed_);
    if (boot_now() - said_ > Millis{60'000}) {
      said_ = boot_now();
      spdlog::warn("a change over HTTP was asked for with a wrong user or password");
    }
    auto pausing = net::pause_for(failure_delay);
    co_await std::move(pausing);
  }

  static net::HttpAnswer too_many() {
    net::HttpAnswer answer =
        error_answer(429, Error(ErrorCode::refused, "too many requests with a wrong password",
                                "Others wait for their answers."));
    answer.headers.emplace_back("Retry-After", "5");
    return answer;
  }

  net::awaitable<net::HttpAnswer> change(net::HttpRequest request) {
    auto wish = change_of(request, look(), config_file_);
    if (auto* const answer = std::get_if<net::HttpAnswer>(&wish)) co_return std::move(*answer);
    if (changing_ >= most_changing) {
      co_return error_answer(503, Error(ErrorCode::refused, "too many changes are under way", "",
                                        "Try again when they are done."));
    }
    const Counted counted(changing_);
    ++changes_;
    const Change& wanted = std::get<Change>(wish);
    const std::string text = boost::json::serialize(wanted.request);
    spdlog::info("asked over HTTP: {}", text);
    auto asking = services_.control(wanted.request);
    const Result<boost::json::value> result = co_await std::move(asking);
    if (!result) spdlog::info("asked over HTTP: {}: {}", text, result.error().one_line());
    co_return answer_of(wanted, result, look());
  }

  static constexpr Millis failure_delay{1000};
  static constexpr std::size_t most_delayed = 4;
  static constexpr std::size_t most_changing = 8;

  agent::Services services_;
  AccessRules rules_;
  std::string version_;
  std::string config_file_;
  std::uint64_t failures_ = 0;
  std::uint64_t changes_ = 0;
  std::size_t delayed_ = 0;
  std::size_t changing_ = 0;
  Instant said_;
  net::Worker endpoint_{"evg-endpoint", 4};  ///< asks this node's endpoint for its metrics
};

net::awaitable<void> serve(std::shared_ptr<Desk> desk, std::string host, int port) {
  const net::HttpServer::Handler handler = [desk](net::HttpRequest request) {
    return desk->answer(std::move(request));
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

agent::Service http_service(const config::NodeSettings& settings, std::string version,
                            const std::filesystem::path& config_file) {
  AccessRules rules = access_rules(settings);
  if (!rules.trouble.empty()) spdlog::error("no changes over HTTP: {}", rules.trouble);
  return [host = settings.http_host, port = settings.http_port, rules = std::move(rules),
          version = std::move(version), file = config_file.string()](agent::Services services) {
    return serve(std::make_shared<Desk>(std::move(services), rules, version, file), host, port);
  };
}

}  // namespace evergres::api
