#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "net/task_group.hpp"

namespace evergres::net {

/// The next connection, or nothing once the acceptor is closed. After a failure (no descriptor is
/// left, say) it rests for 50 ms and tries again. Throws operation_aborted when the task is
/// cancelled.
template <class Acceptor>
awaitable<std::optional<typename Acceptor::protocol_type::socket>> next_connection(
    Acceptor& acceptor) {
  while (true) {
    typename Acceptor::protocol_type::socket socket(acceptor.get_executor());
    boost::system::error_code failure;
    auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failure);
    co_await acceptor.async_accept(socket, token);
    if (!failure) co_return std::move(socket);
    if (!acceptor.is_open()) co_return std::nullopt;
    auto resting = pause_for(Millis{50});
    co_await std::move(resting);  // throws if the failure was our cancellation
  }
}

}  // namespace evergres::net
