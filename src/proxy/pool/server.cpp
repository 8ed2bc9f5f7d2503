#include "proxy/pool/server.hpp"

#include <utility>

#include "proxy/auth/end_point.hpp"
#include "proxy/wire/writer.hpp"

namespace evergres::proxy {
namespace {

constexpr Owed ours_query{'Q', Owner::us, Target::statement, 0};

}  // namespace

Server::Server(Reactor& reactor, ServerKeeper& keeper, Birth birth)
    : reactor_(reactor),
      keeper_(keeper),
      birth_(std::move(birth)),
      stream_(Descriptor{}),
      statements_(birth_.statements_most) {
  born = used = lent = reactor.now();
}

Server::~Server() {
  *alive_ = false;
  reactor_.forget(watch_);
  stream_.close();
}

void Server::connect() {
  auto socket = begin_connect(birth_.address);
  if (!socket) return end({false, false, {}, socket.error().one_line()});
  stream_ = Stream(std::move(*socket));
  auto watch = reactor_.watch(stream_.descriptor(), *this);
  if (!watch) return end({false, false, {}, watch.error().one_line()});
  watch_ = *watch;
}

void Server::ready(Ready what) {
  const std::shared_ptr<bool> alive = alive_;
  if (what.hung_up) stream_.hung_up();
  switch (state_) {
    case State::connecting: {
      // The result is asked for through the descriptor, which stays the stream's.
      Descriptor borrowed(stream_.descriptor());
      const std::optional<Outcome> connected = connect_result(borrowed);
      borrowed.release();
      if (!connected) return;
      if (!*connected) return end({false, false, {}, connected->error().one_line()});
      stream_.tune({});
      login_ = std::make_unique<ServerLogin>(std::move(birth_.plan));
      state_ = State::login;
      step(login_->start(out_));
      return;
    }
    case State::handshake: return shake_hands();
    case State::login:
      if (what.writable && stream_.unsent() > 0 && !stream_.flush()) {
        return end({false, false, {}, "The connection broke during the login."});
      }
      if (what.readable || what.hung_up) log_in_further();
      return;
    case State::session:
      if (stream_.unsent() > 0) {
        const bool was = congested();
        if (!stream_.flush()) return end({false, false, {}, "The connection broke."});
        if (was && !congested() && borrower_ != nullptr) borrower_->heard_all(*this);
        if (!*alive) return;
      }
      if (what.readable || what.hung_up) read();
      return;
    case State::over: return;
  }
}

void Server::shake_hands() {
  switch (stream_.handshake()) {
    case Stream::Handshake::going_on: return;
    case Stream::Handshake::failed:
      return end({false, false, {}, "TLS failed: " + stream_.handshake_problem()});
    case Stream::Handshake::done: break;
  }
  state_ = State::login;
  std::optional<std::string> binding;
  if (const auto certificate = stream_.peer_certificate()) binding = end_point_hash(*certificate);
  step(login_->tls_established(std::move(binding), out_));
}

void Server::log_in_further() {
  for (;;) {
    const Stream::Got got = stream_.read(reactor_.scratch());
    pending_.append(reactor_.scratch().data(), got.bytes);
    std::string_view input = pending_;
    ServerStep next = login_->feed(input, out_);
    pending_.erase(0, pending_.size() - input.size());
    const bool lacks = std::holds_alternative<ServerLacks>(next);
    step(std::move(next));
    if (state_ == State::over || !lacks) return;
    if (got.closed) {
      return end({false, false, {}, "The server closed the connection during the login."});
    }
    if (!got.more) return;
  }
}

void Server::step(ServerStep step) {
  if (!out_.empty() && !stream_.write(out_)) {
    return end({false, false, {}, "The connection broke during the login."});
  }
  out_.clear();
  if (std::holds_alternative<ServerLacks>(step)) return;
  if (std::get_if<ServerBeginTls>(&step) != nullptr) {
    if (birth_.tls == nullptr) return end({false, false, {}, "There is no TLS toward servers."});
    stream_.connect_tls(*birth_.tls, birth_.named.host);
    state_ = State::handshake;
    return shake_hands();
  }
  if (auto* refused = std::get_if<ServerRefused>(&step)) {
    const std::shared_ptr<bool> alive = alive_;
    keeper_.refused(*this, *refused);
    if (*alive) end({false, false, {}, refused->error.one_line()});
    return;
  }
  auto& ready = std::get<ServerReady>(step);
  settings_ = std::move(ready.parameters);
  statement_timeout_ = std::move(ready.statement_timeout);
  pid_ = ready.pid;
  key_ = std::move(ready.key);
  state_ = State::session;
  was_ready_ = true;
  login_.reset();
  out_ = {};
  const std::shared_ptr<bool> alive = alive_;
  keeper_.ready(*this);
  if (*alive && state_ == State::session) read();
}

void Server::sending(const Owed& message) {
  skipped_.clear();
  ledger_.sent(message, skipped_);
  if (message.type == 'S' || message.type == 'Q') statements_.segment_ends();
  tell_skipped();
}

void Server::send(Batch& batch) {
  if (state_ == State::over) return batch.clear();
  if (batch.send(stream_)) return;
  // What it said before it broke still counts, but is not read inside of whatever is going on now.
  const std::shared_ptr<bool> alive = alive_;
  reactor_.defer([this, alive] {
    if (!*alive || state_ != State::session) return;
    read();
    if (*alive && state_ == State::session) end({false, false, {}, "The connection broke."});
  });
}

bool Server::free() const {
  return state_ == State::session && ledger_.releasable() && pending_.empty() && !reading_ &&
         walker_.between_messages() && stream_.unsent() == 0 && cancels == 0;
}

void Server::cancel_over() {
  if (cancels > 0) --cancels;
  if (cancels > 0 || state_ != State::session) return;
  if (borrower_ != nullptr) return borrower_->heard_all(*this);
  if (free()) keeper_.free(*this);
}

void Server::resume() {
  if (std::exchange(unread_, false)) reactor_.again(watch_);
}

void Server::read() {
  const std::shared_ptr<bool> alive = alive_;
  for (int turn = 0; turn < 8; ++turn) {
    unread_ = borrower_ != nullptr && !borrower_->takes();
    if (unread_) return;
    Stream::Got got;
    std::string_view input;
    // What is told may be viewed until heard_all().
    std::string arrived = std::exchange(pending_, {});
    if (arrived.empty()) {
      got = stream_.read(reactor_.scratch());
      input = std::string_view(reactor_.scratch().data(), got.bytes);
    } else {
      const std::size_t before = arrived.size();
      arrived.resize(before + Reactor::scratch_bytes);
      got = stream_.read(std::span<char>(arrived).subspan(before));
      arrived.resize(before + got.bytes);
      input = arrived;
    }
    reading_ = true;
    const bool goes_on = take(input);
    if (!*alive) return;
    if (!goes_on) {
      reading_ = false;
      // What came before is sent as long as its bytes are there.
      if (borrower_ != nullptr) borrower_->heard_all(*this);
      return;
    }
    pending_.assign(input);
    reading_ = got.more || got.closed;
    if (borrower_ != nullptr) {
      borrower_->heard_all(*this);
      if (!*alive || state_ == State::over) return;
    }
    if (got.closed) {
      end_.reason = end_.reason.empty() ? "The server closed the connection." : end_.reason;
      return end(std::move(end_));
    }
    if (!got.more) break;
    if (turn == 7) reactor_.again(watch_);
  }
  reading_ = false;
  if (borrower_ != nullptr) return;
  if (free()) return keeper_.free(*this);
  end_if_nobody_ends_it();
}

void Server::end_if_nobody_ends_it() {
  if (!needs_reset || state_ != State::session) return;
  // In a transaction, or skipping everything up to a Sync that its client never sent.
  const bool open = ledger_.owed() == 0 && !ledger_.releasable();
  if (!open && !ledger_.takes_copy_data() && !ledger_.doubtful()) return;
  end({false, false, {}, "Its client has gone in the middle of a transaction."});
}

/// False if it is over.
bool Server::take(std::string_view& input) {
  for (;;) {
    const Frame frame = walker_.next(input);
    if (frame.kind == FrameKind::more) return true;
    if (frame.kind == FrameKind::violation) {
      end({false, false, {}, "The server broke the protocol: " + std::string(frame.why) + "."});
      return false;
    }
    if (frame.first) {
      first_piece(frame);
    } else if (borrower_ != nullptr) {
      borrower_->heard(*this, frame, answer_);
    }
    if (state_ == State::over) return false;
  }
}

void Server::first_piece(const Frame& frame) {
  skipped_.clear();
  const std::string_view body = frame.payload();
  answer_ = ledger_.received(frame.type, body, skipped_);
  if (answer_.to == Answer::To::violation) {
    return end({false,
                false,
                {},
                std::string("The server answered what nobody had asked: ") + frame.type + "."});
  }
  if (frame.type == 'S') {
    agreed.reset();
    const auto parameter = read_parameter(body);
    if (!parameter || !settings_.note(parameter->name, parameter->value)) {
      return end({false, false, {}, "The server reported a setting that cannot be."});
    }
  }
  // A last word is told with the end that follows it.
  if (frame.type == 'E' && error_answered(frame)) return;
  if (frame.type == '1' || frame.type == '3') statement_answered(frame.type);
  if (state_ == State::over) return;
  if (borrower_ != nullptr) borrower_->heard(*this, frame, answer_);
  tell_skipped();
}

void Server::statement_answered(char type) {
  const Owed& owed = ledger_.answered();
  const StatementId id = owed.note & note::id_mask;
  if (id == 0 || (owed.note & (note::close_for_parse | note::close_for_close)) != 0) return;
  if (type == '1') statements_.parsed(id);
  if (type == '3') statements_.closed(id);
}

/// True if it was the server's last word.
bool Server::error_answered(const Frame& frame) {
  const FieldsView fields = read_fields(frame.payload());
  if (!fields.fatal()) {
    if (borrower_ == nullptr) {
      end({false, false, {}, "The server failed while nobody used it."});
    }
    return false;
  }
  if (fields.code == "57P01") {
    end_.shut_down = true;
  } else {
    end_.spoke = true;
    end_.last_word.assign(frame.bytes);
  }
  end_.reason.assign(fields.message.substr(0, 200));
  answer_.to = Answer::To::nobody;
  return true;
}

void Server::tell_skipped() {
  if (skipped_.empty()) return;
  // The callbacks may send and skip more.
  std::vector<Owed> told = std::exchange(skipped_, {});
  for (const Owed& message : told) {
    const StatementId id = message.note & note::id_mask;
    const bool stands_in = (message.note & (note::close_for_parse | note::close_for_close)) != 0;
    if (id != 0 && !stands_in && message.type == 'P') statements_.parse_failed(id);
    if (id != 0 && !stands_in && message.type == 'C') statements_.close_skipped(id);
    if (borrower_ != nullptr) borrower_->skipped(*this, message);
  }
  told.clear();
  skipped_.swap(told);
}

bool Server::reset(ResetMode mode, Batch& batch) {
  const Reset what = decide_reset(traces, mode);
  traces = {};
  unnamed_of = 0;
  if (what.close) {
    retire();
    return false;
  }
  if (what.statements.empty()) return true;
  for (const std::string_view statement : what.statements) {
    if (statement == "RESET ALL" || statement == "DISCARD ALL") sets.clear();
  }
  if (what.forgets_statements) {
    statements_.clear();
    knows_xid_statement = false;
  }
  for (const std::string_view statement : what.statements) {
    batch.add([&](std::string& to) { write_query(to, statement); });
    sending(ours_query);
  }
  send(batch);
  return false;
}

void Server::end(ServerEnd end) {
  if (state_ == State::over) return;
  state_ = State::over;
  end_ = std::move(end);
  reactor_.forget(watch_);
  stream_.close();
  const std::shared_ptr<bool> alive = alive_;
  reactor_.defer([this, alive] {
    if (*alive) settle_end();
  });
}

void Server::settle_end() {
  if (std::exchange(end_told_, true)) return;
  const std::shared_ptr<bool> alive = alive_;
  if (Borrower* borrower = std::exchange(borrower_, nullptr)) borrower->lost(*this, end_);
  if (*alive) keeper_.ended(*this, end_);
}

void Server::retire() {
  std::string bye;
  write_terminate(bye);
  stream_.write(bye);
  end({false, false, {}, "It is not needed any more."});
}

}  // namespace evergres::proxy
