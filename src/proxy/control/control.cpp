#include "proxy/control/control.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <thread>

#include "net/local_socket.hpp"
#include "net/task_group.hpp"
#include "proxy/console/metrics_page.hpp"
#include "proxy/control/document.hpp"

namespace evergres::proxy {
namespace {

namespace asio = boost::asio;
using Answer = Result<boost::json::value>;

constexpr Millis pause_between_tries{500};
constexpr Millis shards_answer_within{2'000};

/// What the shards will say, or never.
struct Sight {
  explicit Sight(asio::any_io_executor executor)
      : taken(std::move(executor), net::Wakeup::Kind::manual) {}
  std::shared_ptr<const Snapshot> snapshot;
  net::Wakeup taken;
};

}  // namespace

struct Control::Impl {
  explicit Impl(Options wanted) : options(std::move(wanted)) {}

  net::awaitable<void> live() {
    bool said = false;
    for (;;) {
      auto opened = net::LocalServer::open(context.get_executor(), options.socket);
      if (opened) {
        net::LocalServer::Handler handler = [this](boost::json::value request,
                                                   net::LocalConversation&) {
          return answer(std::move(request));
        };
        auto serving = opened->serve(std::move(handler));
        co_await std::move(serving);
        co_return;
      }
      if (!std::exchange(said, true)) {
        options.note("cannot answer at " + options.socket.string() +
                     " yet: " + opened.error().one_line());
      }
      auto resting = net::pause_for(pause_between_tries);
      co_await std::move(resting);
    }
  }

  net::awaitable<Answer> answer(boost::json::value request) {
    const auto asked = read_question(request);
    if (!asked) co_return asked.error();
    const auto sight = std::make_shared<Sight>(context.get_executor());
    options.look(asked->connections(), [sight](std::shared_ptr<const Snapshot> snapshot) {
      sight->snapshot = std::move(snapshot);
      sight->taken.post();
    });
    auto waiting = sight->taken.wait(shards_answer_within);
    const bool came = co_await std::move(waiting);
    if (!came) {
      co_return Error(ErrorCode::timed_out, "the endpoint's threads do not answer",
                      "They were asked for their numbers and did not tell them in time.");
    }
    if (asked->show) co_return table_document(*asked, *sight->snapshot);
    metrics::Page page(options.labels);
    add_metrics(page, *sight->snapshot);
    boost::json::object result;
    result["text"] = page.text();
    co_return boost::json::value(std::move(result));
  }

  Options options;
  asio::io_context context{1};
  asio::cancellation_signal end;
  std::thread thread;
};

Control::Control(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::unique_ptr<Control> Control::start(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  Impl& control = *impl;
  const auto ended = [](const std::exception_ptr& failure) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const boost::system::system_error& what) {
      CHECK(what.code() == asio::error::operation_aborted);
    }
  };
  asio::co_spawn(control.context, control.live(),
                 asio::bind_cancellation_slot(control.end.slot(), ended));
  control.thread = std::thread([&control] { control.context.run(); });
  return std::unique_ptr<Control>(new Control(std::move(impl)));
}

void Control::shut() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->context,
             [impl = impl_.get()] { impl->end.emit(asio::cancellation_type::terminal); });
  impl_->thread.join();
}

Control::~Control() {
  shut();
}

}  // namespace evergres::proxy
