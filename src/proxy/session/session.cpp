#include "proxy/session/session.hpp"

#include <utility>

#include "proxy/wire/writer.hpp"

namespace evergres::proxy {

Session::Session(SessionHost& host, Accepted accepted, Port port, std::uint64_t number)
    : host_(host),
      stream_(std::move(accepted.socket)),
      number_(number),
      address_(std::move(accepted.address)),
      client_port_(accepted.port),
      port_(port) {
  connected_ = login_since_ = asked_ = idle_since_ = host.around().reactor.now();
  entrance_ = std::make_unique<Entrance>(host.around().client_tls.has_value());
}

Session::~Session() {
  *alive_ = false;
  if (was_put_) host_.around().outbox.forget(*this);
  host_.around().reactor.forget(watch_);
  statements_.reset();
  if (pool_ != nullptr) {
    if (bucket != nullptr) pool_->release_bucket(bucket);
    pool_->let_out();
  }
}

void Session::start() {
  stream_.tune({});
  auto watch = host_.around().reactor.watch(stream_.descriptor(), *this);
  if (!watch) return gone();
  watch_ = *watch;
}

void Session::ready(Ready what) {
  if (stage_ == Stage::over) return;
  const std::shared_ptr<bool> alive = alive_;
  if (what.hung_up) {
    hung_up_ = true;
    stream_.hung_up();
  }
  if (stage_ == Stage::handshake) return shake_hands();
  if ((what.writable || what.readable) && stream_.unsent() > 0) {
    const bool was_full = !takes();
    if (!stream_.flush()) return gone();
    if (closing_ && stream_.unsent() == 0) return finish();
    if (was_full && takes()) {
      if (server_ != nullptr) server_->resume();
      if (passage_) passage_->resume();
      resume();
    }
    if (!*alive || stage_ == Stage::over) return;
  }
  if (closing_) {
    if (hung_up_) finish();
    return;
  }
  readable_ = readable_ || what.readable || what.hung_up;
  // Whoever waits, or sends faster than its server reads, may go away while nothing is read of it.
  const bool asks = console_ && console_->busy();
  const bool unread = asks || waits() || (server_ != nullptr && server_->congested());
  if (hung_up_ && unread && stage_ == Stage::ready && pending_.empty()) return gone();
  if (hung_up_ && passage_waits()) return gone();
  read();
}

/// Reads as long as what arrives can be used.
void Session::read() {
  const std::shared_ptr<bool> alive = alive_;
  for (int turn = 0; turn < 8; ++turn) {
    if (!readable_ || stage_ == Stage::over || closing_) return;
    // What is there first has to find its way.
    if (!pending_.empty() && stage_ == Stage::ready && has_message(pending_) &&
        !may_go_on(pending_.front())) {
      // Whatever they wait for, nobody waits for their answer.
      if (*alive && hung_up_ && stage_ == Stage::ready) gone();
      return;
    }
    if (!*alive || stage_ == Stage::over) return;
    if (passage_waits()) return;
    const bool logs_in = stage_ != Stage::ready && stage_ != Stage::passing;
    if (logs_in && pending_.size() >= login_most) return;
    // Also in the middle of a message: heard_all() follows when the server has read.
    if (server_ != nullptr && server_->congested()) return;
    Reactor& reactor = host_.around().reactor;
    Stream::Got got;
    std::string_view input;
    if (entrance_ && !std::exchange(entrance_->looked, true)) {
      // A TLS handshake is not ours to read.
      got = stream_.peek(reactor.scratch().first(1));
      input = std::string_view(reactor.scratch().data(), got.bytes);
      if (got.bytes == 0) entrance_->looked = false;
      if (got.bytes == 1 && input.front() == '\x16') return open(input);
      if (got.bytes == 0 && !got.closed) {
        readable_ = false;
        return;
      }
    }
    if (pending_.empty()) {
      got = stream_.read(reactor.scratch());
      input = std::string_view(reactor.scratch().data(), got.bytes);
    } else {
      const std::size_t before = pending_.size();
      pending_.resize(before + 16U * 1024U);
      got = stream_.read(std::span<char>(pending_).subspan(before));
      pending_.resize(before + got.bytes);
      input = pending_;
    }
    if (pool_ != nullptr) pool_->totals.received += got.bytes;
    readable_ = got.more;
    const bool in_pending = !pending_.empty();
    consume(input);
    if (!*alive || stage_ == Stage::over) return;
    if (in_pending) {
      pending_.erase(0, pending_.size() - input.size());
    } else {
      pending_.assign(input);
    }
    if (pending_.empty() && pending_.capacity() > 1024) pending_ = {};
    if (got.closed) return gone();
    if (turn == 7 && got.more) reactor.again(watch_);
  }
}

/// Whether enough has arrived to use some of it.
bool Session::has_message(std::string_view ahead) const {
  Walker look = walker_;
  return !look.between_messages() || look.next(ahead).kind != FrameKind::more;
}

/// What has arrived before and could not be used.
void Session::resume() {
  const std::shared_ptr<bool> alive = alive_;
  if (stage_ == Stage::over || closing_ || consuming_) return;
  if (!pending_.empty()) {
    std::string arrived = std::exchange(pending_, {});
    std::string_view input = arrived;
    consume(input);
    if (!*alive || stage_ == Stage::over) return;
    // A replay may have put bytes back in front.
    pending_.append(input);
  }
  if (readable_) read();
}

/// Takes from the front what can be used now.
void Session::consume(std::string_view& input) {
  const std::shared_ptr<bool> alive = alive_;
  consuming_ = true;
  use(input);
  if (*alive) consuming_ = false;
}

void Session::use(std::string_view& input) {
  if (stage_ == Stage::passing) return pass_on(input);
  const std::shared_ptr<bool> alive = alive_;
  while (stage_ != Stage::ready) {
    const std::size_t before = input.size();
    const Stage stage = stage_;
    if (stage_ == Stage::opening) open(input);
    if (stage_ == Stage::login) feed_login(input);
    if (!*alive || stage_ == Stage::over || closing_) return;
    if (stage_ == stage && (input.size() == before || input.empty())) return;
    if (stage_ == Stage::handshake || stage_ == Stage::greeting) return;
  }
  while (!input.empty()) {
    if (walker_.between_messages()) {
      // Half a message wants no server yet.
      if (server_ == nullptr && !has_message(input)) break;
      if (!may_go_on(input.front())) break;
    }
    if (!*alive || stage_ == Stage::over) return;
    const Frame next = walker_.next(input);
    if (next.kind == FrameKind::more) break;
    if (next.kind == FrameKind::violation) {
      return end("08P01", Error(ErrorCode::data_invalid, "the client broke the protocol",
                                std::string(next.why) + "."));
    }
    frame(next);
    if (!*alive || stage_ == Stage::over || closing_) return;
  }
  hand_in();
}

/// Sends what was gathered for the server.
void Session::hand_in() {
  Batch& batch = host_.around().to_server;
  if (batch.empty()) return;
  if (server_ == nullptr) return batch.clear();
  server_->send(batch);
}

/// Whether a new transaction may begin on the server that the session has: its leader may be about
/// to go, its replica may have fallen behind.
bool Session::server_stays() const {
  const Server::Birth& birth = server_->birth();
  if (port_ == Port::read_only) return host_.around().may_read_from(birth.node);
  const Route route = host_.around().route(port_);
  return route.node == birth.node && route.term == birth.term;
}

/// Whether a message of this type may be taken now. Asks for a server if it needs one.
bool Session::may_go_on(char type) {
  if (!takes()) return false;
  if (console_) return !console_->busy();
  if (type == 'X' || surrender_.on()) return true;
  if (fate_.sent_in != Term{}) return false;  // the fate of its last commit comes first
  if (server_ == nullptr) {
    // A lone Sync, Flush, or the rest of a COPY that has failed.
    if (type == 'S' || type == 'H' || type == 'd' || type == 'c' || type == 'f') return true;
    return want_server() && settling_ == Settling::no;
  }
  // One that has ended tells so soon.
  if (settling_ != Settling::no || server_->ending()) return false;
  // Which statements it has afterwards is known when it has answered.
  const bool forgets = !segments_.empty() && segments_.back().forgets && segments_.back().ended;
  if (forgets && !server_->ledger().skips()) return false;
  // A cancel request that is on its way was meant for what has been answered meanwhile.
  if (segments_.empty() && server_->cancels > 0) return false;
  if (segments_.empty() && server_->ledger().releasable()) {
    if ((!server_stays() || server_->retire_when_free) && !pinned()) {
      let_go();
      return want_server() && settling_ == Settling::no;
    }
  }
  Ledger& ledger = server_->ledger();
  if (ledger.full()) {
    if (ledger.wants_flush()) {
      host_.around().to_server.add([](std::string& to) { write_flush(to); });
      server_->sending({'H', Owner::us, Target::statement, 0});
      hand_in();
    }
    return false;
  }
  return !server_->congested() && segments_.size() < 1000;
}

void Session::send_to_client() {
  Batch& batch = host_.around().to_client;
  if (batch.empty()) return;
  send_what_was_put();
  if (pool_ != nullptr) pool_->totals.sent += batch.size();
  if (!batch.send(stream_)) gone_later();
}

/// At the end of the turn.
void Session::put_into_outbox() {
  Batch& batch = host_.around().to_client;
  if (batch.empty()) return;
  // Within a transaction the server stays this client's, with what it has locked.
  if (batch.size() > Outbox::longest || in_transaction()) return send_to_client();
  if (pool_ != nullptr) pool_->totals.sent += batch.size();
  host_.around().outbox.put(*this, batch);
  was_put_ = true;
}

void Session::deliver(std::string_view bytes) {
  was_put_ = false;
  if (!stream_.write(bytes)) gone_later();
}

/// At once, after what was put into the outbox. False if the stream is broken.
bool Session::tell(std::string_view bytes) {
  send_what_was_put();
  return stream_.write(bytes);
}

/// With what is for others: it is seldom that somebody cannot wait.
void Session::send_what_was_put() {
  if (was_put_) host_.around().outbox.send();
}

/// Not inside of whatever is going on.
void Session::gone_later() {
  const std::shared_ptr<bool> alive = alive_;
  host_.around().reactor.defer([this, alive] {
    if (*alive) gone();
  });
}

void Session::end(std::string_view sqlstate, const Error& error) {
  if (stage_ == Stage::over || closing_) return;
  // In the middle of a message, of WAL say, an error would be taken for the rest of it.
  if (stage_ == Stage::passing && passage_ && !passage_->between_messages()) return gone();
  std::string last;
  write_error(last, Severity::fatal, sqlstate, error);
  host_.around().to_client.clear();
  const bool sent = tell(last);
  let_go();
  closing_ = true;
  closing_since_ = host_.around().reactor.now();
  if (!sent || stream_.unsent() == 0) finish();
}

/// The client has gone, or wants to.
void Session::gone() {
  if (stage_ == Stage::over) return;
  let_go();
  finish();
}

void Session::finish() {
  if (stage_ == Stage::over) return;
  stage_ = Stage::over;
  if (console_ && console_->busy()) host_.console_gives_up(*this);
  send_what_was_put();
  host_.around().reactor.forget(watch_);
  stream_.close();
  host_.over(*this);
}

bool Session::in_transaction() const {
  return server_ != nullptr && server_->ledger().status() != TransactionStatus::idle;
}

}  // namespace evergres::proxy
