#include <utility>

#include "proxy/login/shown.hpp"
#include "proxy/session/session.hpp"
#include "proxy/session/voter_name.hpp"
#include "proxy/wire/writer.hpp"

/// Replication: a client that has one server for itself, never shared and never given back.
namespace evergres::proxy {

/// The client was let in.
void Session::begin_replication(const Admitted& admitted) {
  StartupMessage& startup = *entrance_->startup;
  std::erase_if(startup.settings, [this](const auto& setting) {
    if (setting.first != "application_name") return false;
    entrance_->application = setting.second;
    return true;
  });
  if (is_voter_name(entrance_->application)) {
    return end("42501",
               Error(ErrorCode::refused, "this application_name belongs to the cluster",
                     "Names that begin with evg_ are those of standbys that acknowledge commits.",
                     "Choose another name."));
  }
  // Always said, and last: else the role's or the options' would count.
  startup.settings.emplace_back("application_name", entrance_->application);
  entrance_->credential = host_.credential(user_);
  if (!std::holds_alternative<ScramPassword>(entrance_->credential) && admitted.keys) {
    entrance_->credential = *admitted.keys;
  }
  replication_ = startup.replication;
  stage_ = Stage::greeting;
  open_passage();
}

/// As soon as somebody leads.
void Session::open_passage() {
  if (passage_) return;
  const bool its_turn = std::exchange(its_turn_, false) && host_.around().route(port_).node;
  if (!its_turn && !host_.may_pass(port_)) {
    if (!wants_since) wants_since = host_.around().reactor.now();
    held_ = host_.hold(*this, port_);
    if (!held_) end("53300", Error(ErrorCode::refused, "too many clients wait for a primary"));
    return;
  }
  wants_since.reset();
  Surroundings& around = host_.around();
  const Route route = around.route(port_);
  const ServerNode* node = route.node ? around.world->node(*route.node) : nullptr;
  if (node == nullptr || node->resolved.empty()) {
    return end("57P03", Error(ErrorCode::unreachable, "the address of the server is not known", {},
                              "Try again. `evergres list` shows the cluster."));
  }
  const StartupMessage& startup = *entrance_->startup;
  Passage::Plan plan{node->resolved.front(),
                     node->address,
                     {},
                     around.server_tls ? &*around.server_tls : nullptr,
                     around.reactor.now() + around.configuration->server_connect_timeout};
  const bool local = node->address.host.starts_with('/');
  plan.login.tls = local || !around.server_tls ? ServerTls::disable : ServerTls::require;
  plan.login.user = startup.user;
  plan.login.database = startup.database;
  plan.login.replication = startup.replication;
  plan.login.settings = startup.settings;
  plan.login.credential = entrance_->credential;
  plan.login.nonce = random_hex(18);
  passage_term_ = around.world->highest;
  passage_ = std::make_unique<Passage>(around.reactor, *this, std::move(plan));
  passage_->number = ++around.last_number;
  passage_->begin();
}

void Session::opened(ServerReady ready) {
  const auto [pid, key] = host_.cancel_key(*this, entrance_->startup->spoken);
  std::string welcome;
  write_welcome(welcome, ready.parameters, pid, key);
  if (const std::string* name = ready.parameters.find("application_name");
      name != nullptr && is_voter_name(*name)) {
    return closed("42501", Error(ErrorCode::refused, "this application_name belongs to the cluster",
                                 "The server reports " + shown_name(*name) + "."));
  }
  told_ = std::make_shared<const Settings>(std::move(ready.parameters));
  stage_ = Stage::passing;
  entrance_.reset();
  host_.around().say(Loudness::info,
                     "replication of " + shown_name(user_) + " from " + address_ + " goes through");
  if (!tell(welcome)) return gone();
  resume();
}

void Session::goes_on() {
  resume();
}

bool Session::arrived(std::string_view bytes) {
  if (tell(bytes)) return true;
  gone();
  return false;
}

void Session::closed(const std::string& sqlstate, const Error& error) {
  if (!sqlstate.empty()) return end(sqlstate, error);
  // It has said why itself; what is unsent of that goes first.
  passage_->close();
  closing_ = true;
  closing_since_ = host_.around().reactor.now();
  if (stream_.unsent() == 0) finish();
}

/// What the client sends to its server.
void Session::pass_on(std::string_view& input) {
  while (!input.empty()) {
    if (walker_.between_messages() && !passage_->may_take(input.front())) return;
    const Frame next = walker_.next(input);
    if (next.kind == FrameKind::more) return;
    if (next.kind == FrameKind::violation) {
      return end("08P01", Error(ErrorCode::data_invalid, "the client broke the protocol",
                                std::string(next.why) + "."));
    }
    passage_->take(next);
    if (next.first && next.type == 'X') return gone();
  }
}

/// Whether what the client sends now has to stay where it is.
bool Session::passage_waits() const {
  if (stage_ != Stage::passing) return false;
  if (pending_.empty()) return !passage_->may_take('d');
  return has_message(pending_) && walker_.between_messages() &&
         !passage_->may_take(pending_.front());
}

void Session::passage_cancel_over() {
  if (!passage_ || passage_->cancels == 0) return;
  --passage_->cancels;
  resume();
}

/// Its leader may not lead any more: like every connection of an older term it ends.
void Session::passage_looks() {
  if (!passage_ || stage_ == Stage::over || closing_) return;
  if (passage_term_ != host_.around().world->highest) {
    return end("57P01", Error(ErrorCode::unreachable, "the term of the leader is over",
                              "A replication connection belongs to one server.", "Connect again."));
  }
  if (passage_->late()) {
    end("57P03", Error(ErrorCode::timed_out, "the server did not answer in time",
                       "It did not let us in within server_connect_timeout.", "Try again."));
  }
}

}  // namespace evergres::proxy
