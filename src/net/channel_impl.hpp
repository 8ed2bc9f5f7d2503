#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "net/channel.hpp"
#include "net/handshake.hpp"
#include "net/task_group.hpp"

/// The inside of a Channel, shared by channel.cpp (messages) and peering.cpp (how channels come
/// about).
namespace evergres::net {

struct Channel::Impl {
  Impl(boost::asio::ip::tcp::socket connected, const Hello& other, std::string address,
       const HandshakeKeys& keys, Side own)
      : socket(std::move(connected)),
        peer(other.name),
        kind(other.kind),
        peer_address(std::move(address)),
        out(keys.session_key_of(own)),
        in(keys.session_key_of(own == Side::client ? Side::server : Side::client)),
        turn(socket.get_executor()) {}

  boost::asio::ip::tcp::socket socket;
  NodeName peer;
  CallerKind kind;
  std::string peer_address;
  FrameKey out;
  FrameKey in;
  bool sending = false;
  Wakeup turn;  ///< a send has ended
};

/// Reads exactly `size` bytes. Error unreachable at the end of the stream. Throws operation_aborted
/// when the task is cancelled.
awaitable<Result<std::string>> read_bytes(boost::asio::ip::tcp::socket& socket, std::size_t size);
/// Writes all bytes. Throws like read_bytes.
awaitable<Outcome> write_bytes(boost::asio::ip::tcp::socket& socket, std::string bytes);

}  // namespace evergres::net
