#include <algorithm>

#include "agent/upstream_words.hpp"
#include "core/view.hpp"
#include "sim/agent_model.hpp"

/// What the agent is told and what it tells: its supervisor, its server, its peers, the store.
namespace evergres::sim {
namespace {

constexpr Millis heartbeat{200};
constexpr Millis store_round_length{1000};
constexpr Millis store_step{1000};

}  // namespace

void AgentModel::take_status(const supervisor::Status& status) {
  if (know_.supervisor.state != status.state) {
    world_.trace.mark(Mark::Kind::server, home_.place, home_.place,
                      "PostgreSQL: " + std::string(word_of(status.state)));
  }
  agent::learn_status(know_, status);
  think_soon();
}

// --- peers -------------------------------------------------------------------------------------

void AgentModel::speak(bool to_all_at_once) {
  const bool open = know_.situation.record && know_.situation.record->phase == core::Phase::leading;
  core::Heartbeat now = agent::what_matters(agent::heartbeat_of(know_), !open);
  bool news = now != told_;
  const auto& record = know_.situation.record;
  if (know_.situation.revision != told_revision_ && record) {
    told_revision_ = know_.situation.revision;
    if (!told_record_ || !core::differs_only_in_small_things(*told_record_, *record)) news = true;
    told_record_ = record;
  }
  told_ = std::move(now);
  if (news || to_all_at_once) {
    for (const auto& [name, peer] : know_.situation.peers) speak_to(name);
  }
  if (to_all_at_once) home_.process.after(heartbeat, [this] { speak(true); });
}

// A process that is not there refuses; a machine that is off, or cut off, is silent.
void AgentModel::speak_to(const NodeName& peer) {
  Letter letter;
  letter.from = home_.name;
  letter.run = runs_;
  letter.number = ++letters_;
  letter.sent = home_.clock();
  letter.word.beat = agent::heartbeat_of(know_, letter.sent);
  if (const auto echo = last_sent_of_.find(peer); echo != last_sent_of_.end()) {
    letter.word.echo = echo->second;
  }
  const core::Peer& known = know_.situation.peers[peer];
  const bool behind = !known.said || known.said->revision < know_.situation.revision;
  if (behind && know_.situation.record) {
    letter.word.record = know_.situation.record;
    letter.word.revision = know_.situation.revision;
  }
  const Place to = world_.place_of(peer);
  const auto arrive = [this, to, peer, letter = std::move(letter)] {
    AgentModel* there = world_.agent_at(to);
    if (there->home_.process.lives()) {
      return there->home_.process.deliver([there, letter] { there->hear(letter); });
    }
    if (!there->home_.postgres.powered) return;
    world_.network.send(to, home_.place, Traffic::peers, [this, peer, run = there->runs_] {
      home_.process.deliver([this, peer, run] { peer_closed(peer, run); });
    });
  };
  world_.network.send(home_.place, to, Traffic::peers, arrive);
}

// A connection delivers in order and once: what was overtaken or came twice is dropped.
void AgentModel::hear(const Letter& letter) {
  auto& last = last_letter_of_[letter.from];
  if (std::pair{letter.run, letter.number} <= last) return;
  last = {letter.run, letter.number};
  last_sent_of_[letter.from] = letter.sent;
  agent::Word word = letter.word;
  // Planted: a confirmation counts from its arrival.
  if (world_.planted.contains(Bug::counted_from_the_reply)) word.echo = home_.clock();
  if (agent::learn_word(know_, letter.from, word, home_.clock())) think_soon();
}

void AgentModel::peer_closed(const NodeName& name, unsigned run) {
  if (const auto last = last_letter_of_.find(name);
      last != last_letter_of_.end() && run < last->second.first) {
    return;
  }
  core::Peer& peer = know_.situation.peers[name];
  if (std::exchange(peer.refused, true)) return;
  think_soon();
}

// --- the server --------------------------------------------------------------------------------

void AgentModel::look_at_server() {
  const Instant began = home_.clock();
  const auto state = know_.supervisor.state;
  const std::uint64_t start_id = know_.supervisor.start_id;
  Nanos takes = world_.choices.skewed(Millis{1}, Millis{15});
  if (know_.supervisor_known && state == supervisor::State::running) {
    const PostgresModel& server = home_.postgres;
    if (server.postmaster_lives() && server.ails.hung > 0) takes = Millis{1000};
    home_.process.after(takes, [this, began, start_id] { see(began, start_id); });
  } else if (know_.supervisor_known && state == supervisor::State::stopped) {
    look_at_stopped();
  }
  home_.process.after(takes + look_period_, [this] { look_at_server(); });
}

void AgentModel::see(Instant began, std::uint64_t start_id) {
  files_seen_of_.clear();
  if (know_.supervisor.start_id != start_id || began < know_.server_changed_at) return;
  const auto seen = home_.postgres.observe(began);
  if (!seen) {
    agent::learn_silence(know_, answered_start_ == start_id, false, began, "it does not answer");
    return think_soon();
  }
  const bool first = answered_start_ != start_id;
  if (first && !know_.situation.operation) home_.postgres.disk.sentinel = false;
  answered_start_ = start_id;
  const auto state = know_.situation.server.state;
  const bool receiving = know_.situation.server.receiving;
  agent::learn_observation(know_, *seen);
  if (seen->in_recovery && !seen->receiver) read_the_log(began);
  const auto& now = know_.situation.server;
  if (!calm_ || now.state != state || now.receiving != receiving) think_soon();
}

// The reason why a walreceiver gets no WAL stands in the log alone; it is read once a second.
void AgentModel::read_the_log(Instant now) {
  const Moment moment = world_.events.now();
  if (moment - log_read_ < Millis{1000}) return;
  agent::UpstreamRefusal said;
  said.since = now - (moment - log_read_);
  const auto& refusals = home_.postgres.refusals();
  said.removed = (refusals.removed && *refusals.removed > log_read_) ||
                 (refusals.history && *refusals.history > log_read_);
  said.diverged = refusals.diverged && *refusals.diverged > log_read_;
  said.off_branch = refusals.off_branch && *refusals.off_branch > log_read_;
  log_read_ = moment;
  if (said.removed || said.diverged || said.off_branch) agent::learn_refusal(know_.situation.server, said);
}

void AgentModel::look_at_stopped() {
  const std::string run =
      know_.supervisor.supervisor_run + "/" + std::to_string(know_.supervisor.start_id);
  const auto& operation = know_.situation.operation;
  const bool in_flux =
      operation && (operation->kind == core::Clone::kind || operation->kind == core::Rewind::kind);
  if (in_flux || files_seen_of_ == run) return;
  files_seen_of_ = run;
  const DataDirectory& disk = home_.postgres.disk;
  const bool exists = disk.kind != DataDirectory::Kind::absent;
  core::Server& here = know_.situation.server;
  here.state = exists ? core::ServerState::stopped : core::ServerState::absent;
  here.incarnation.reset();
  here.system_id = SystemId{};
  if (exists) {
    here.incarnation = disk.incarnation;
    here.system_id = SystemId{77};
  }
  here.clean = disk.clean;
  here.rebuilding = disk.sentinel;
  think_soon();
}

// --- the store ---------------------------------------------------------------------------------

void AgentModel::store_round() {
  const Instant asked_at = home_.clock();
  world_.store.read_record(
      home_.process, home_.place, store_step,
      [this, asked_at](const StoreModel::Read& read) { after_reading(asked_at, read); });
  home_.process.after(store_round_length, [this] { store_round(); });
}

void AgentModel::after_reading(Instant asked_at, const StoreModel::Read& read) {
  core::Situation& s = know_.situation;
  s.store_trouble = read ? "" : read.error().message();
  if (read && !*read) {
    s.record_missing = true;
    s.store_read_at = asked_at;
  } else if (read) {
    const bool older = s.record && (*read)->revision < s.revision;
    if (older && world_.planted.contains(Bug::older_records_are_believed)) s.revision = Revision{};
    agent::learn_stored_record(know_, (*read)->value, (*read)->revision, home_.clock());
    // A store that shows less than we know says nothing about what we know.
    const bool late = world_.planted.contains(Bug::counted_from_the_reply);
    if ((*read)->revision >= s.revision) s.store_read_at = late ? home_.clock() : asked_at;
    s.record_missing = false;
  }
  think_soon();
  if (read) announce();
}

void AgentModel::announce() {
  cluster::NodeCard card;
  card.name = home_.name.value;
  card.node_id = home_.name.value;
  card.peer_host = card.postgres_host = home_.name.value;
  card.peer_port = card.postgres_port = 1;
  card.incarnation = know_.situation.server.incarnation.value_or(Incarnation{}).value;
  card.beat = ++beat_;
  card.agent = know_.situation.agent.value;
  for (const auto& [name, peer] : know_.situation.peers) {
    if (core::is_heard(know_.situation, peer)) card.hears.push_back(name.value);
  }
  const auto work = [this, card](cluster::ClusterStore& store) -> EventQueue::Action {
    const auto put = store.put_card(card, store::Expect::anything(), Millis{0});
    if (!put) return [] {};
    auto listed = store.list_cards(Millis{0});
    if (!listed) return [] {};
    return [this, cards = std::move(*listed)] { take_cards(cards); };
  };
  world_.store.ask(home_.process, home_.place, true, store_step, work,
                   [this](const Error& error) { know_.situation.store_trouble = error.message(); });
}

void AgentModel::take_cards(const cluster::ClusterStore::Cards& cards) {
  const Instant now = home_.clock();
  for (const auto& entry : cards.cards) {
    const NodeName name{entry.value.name};
    auto [found, fresh] = beats_.try_emplace(name.value, entry.value.beat, now);
    if (fresh) found->second.second = Instant{};  // only a beat that changes says something
    if (found->second.first != entry.value.beat) found->second = {entry.value.beat, now};
    know_.cards[name] = entry.value;
    if (name == home_.name) continue;
    core::Peer& peer = know_.situation.peers[name];
    if (found->second.second.nanos != 0) peer.card_moved = found->second.second;
    peer.card_hears.clear();
    for (const std::string& heard : entry.value.hears) peer.card_hears.push_back(NodeName{heard});
  }
  think_soon();
  renew();
}

void AgentModel::renew() {
  const core::Situation& s = know_.situation;
  const bool leads = s.record && core::record_names_me(s) &&
                     s.record->phase == core::Phase::leading && core::claim_is_mine(s);
  if (!leads) return;
  const auto renewed = core::renew(*s.record, s.agent);
  if (!renewed) return;
  const Instant began = home_.clock();
  const bool late = world_.planted.contains(Bug::counted_from_the_reply);
  const auto done = [this, record = *renewed, began, late](const StoreModel::Write& written) {
    if (!written) {
      know_.situation.store_trouble = written.error().message();
      return;
    }
    const auto* applied = std::get_if<cluster::RecordApplied>(&*written);
    if (applied == nullptr) return;
    agent::learn_record(know_, record, applied->revision, home_.clock());
    know_.situation.renewed_at = late ? home_.clock() : began;
    think_soon();
  };
  world_.store.write_record(home_.process, home_.place, *renewed, s.revision, store_step, done);
}

}  // namespace evergres::sim
