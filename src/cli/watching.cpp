#include "cli/watching.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>

#include "cluster/json.hpp"
#include "net/channel.hpp"

namespace evergres::cli {
namespace {

using net::awaitable;

constexpr Millis connect_deadline{1500};
constexpr Millis longest_silence{3000};

awaitable<Outcome> listen(net::Channel& channel, const OnWord& on_word) {
  for (;;) {
    auto receiving = channel.receive(longest_silence, cluster::longest_route_word);
    auto text = co_await std::move(receiving);
    if (!text) co_return text.error();
    auto word = cluster::parse_route_word(*text);
    if (!word) co_return word.error();
    // Nothing runs through us: no handover has to wait.
    auto sending = channel.send(cluster::json_text(cluster::RouteAck{word->number, 0}));
    const Outcome sent = co_await std::move(sending);
    if (!sent) co_return sent.error();
    if (!on_word(*word)) co_return Outcome{};
  }
}

awaitable<Outcome> watch(const config::NodeSettings& node, net::ChannelIdentity identity,
                         const OnWord& on_word, bool& connected) {
  auto connecting = net::connect_channel(node.peer_host, node.peer_port, std::move(identity),
                                         node.node, connect_deadline);
  auto channel = co_await std::move(connecting);
  if (!channel) co_return channel.error();
  connected = true;
  auto listening = listen(*channel, on_word);
  co_return co_await std::move(listening);
}

}  // namespace

Outcome watch_an_agent(const Place& place, const OnWord& on_word) {
  Outcome last;
  for (const KnownNode& node : place.nodes) {
    auto secret = net::load_secret(node.settings.secret_file);
    if (!secret) return secret.error();
    net::ChannelIdentity identity;
    identity.cluster = node.settings.cluster;
    identity.self = NodeName("watch-" + random_hex(4));
    identity.secret = net::watch_secret(*secret);
    identity.kind = net::CallerKind::watcher;
    boost::asio::io_context context{1};
    bool connected = false;
    std::optional<Outcome> outcome;
    const auto on_end = [&outcome](const std::exception_ptr& failure, Outcome ended) {
      if (failure) std::rethrow_exception(failure);
      outcome = std::move(ended);
    };
    boost::asio::co_spawn(context, watch(node.settings, identity, on_word, connected), on_end);
    context.run();
    last = *outcome;
    if (connected) return last;
  }
  return last;
}

}  // namespace evergres::cli
