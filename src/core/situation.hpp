#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"
#include "core/loss.hpp"
#include "core/quorum.hpp"
#include "core/record.hpp"
#include "core/slot.hpp"
#include "core/tags.hpp"

/// Everything a decision may look at: values only. What is not known is absent, and what was
/// learned some time ago carries the instant of it. All instants are of this node's CLOCK_BOOTTIME.
namespace evergres::core {

/// Settings that a decision may look at.
struct Tuning {
  Millis heartbeat{200};
  Millis suspect_after{1200};
  Millis voter_timeout{3000};
  Millis grant_length{5000};
  Millis promote_timeout{300'000};
  auto operator<=>(const Tuning&) const = default;
};
constexpr auto fields(const Tuning*) {
  return std::tuple{
      Field{"heartbeat", &Tuning::heartbeat}, Field{"suspect_after", &Tuning::suspect_after},
      Field{"voter_timeout", &Tuning::voter_timeout}, Field{"grant_length", &Tuning::grant_length},
      Field{"promote_timeout", &Tuning::promote_timeout}};
}

/// What the operator wants of the whole cluster, as this node knows it.
struct Wanted {
  std::optional<Durability> durability;      ///< absent: nobody said; what the record wants stays
  std::uint32_t acknowledgements = 1;        ///< k
  std::uint64_t max_loss_bytes = 1U << 20U;  ///< async: an automatic failover may lose this much
  std::optional<std::vector<PermanentSlot>> slots = {};  ///< absent: the settings are not known
  std::optional<std::uint64_t> member_slot_limit =
      {};  ///< bytes of WAL kept for a node that no policy counts; absent: no limit
  auto operator<=>(const Wanted&) const = default;
};
constexpr auto fields(const Wanted*) {
  return std::tuple{Field{"durability", &Wanted::durability},
                    Field{"acknowledgements", &Wanted::acknowledgements},
                    Field{"max_loss_bytes", &Wanted::max_loss_bytes},
                    Field{"slots", &Wanted::slots},
                    Field{"member_slot_limit", &Wanted::member_slot_limit}};
}

/// The durable promise of a node: it obeys no order of a lower term.
struct Promise {
  Term term;
  Claim claim;
  auto operator<=>(const Promise&) const = default;
};
constexpr auto fields(const Promise*) {
  return std::tuple{Field{"term", &Promise::term}, Field{"claim", &Promise::claim}};
}

enum class ServerState { unknown, absent, stopped, starting, standby, primary, stopping };
constexpr auto words(const ServerState*) {
  return std::array{Word{"unknown", ServerState::unknown},  Word{"absent", ServerState::absent},
                    Word{"stopped", ServerState::stopped},  Word{"starting", ServerState::starting},
                    Word{"standby", ServerState::standby},  Word{"primary", ServerState::primary},
                    Word{"stopping", ServerState::stopping}};
}

enum class GrantKind { promote, lead };
constexpr auto words(const GrantKind*) {
  return std::array{Word{"promote", GrantKind::promote}, Word{"lead", GrantKind::lead}};
}

/// Permission of this server to be primary in one term, as the supervisor holds it.
struct Grant {
  GrantKind kind = GrantKind::promote;
  Term term;
  Instant deadline;
  auto operator<=>(const Grant&) const = default;
};
constexpr auto fields(const Grant*) {
  return std::tuple{Field{"kind", &Grant::kind}, Field{"term", &Grant::term},
                    Field{"deadline", &Grant::deadline}};
}

/// One walsender of our primary.
struct Sender {
  std::string application_name;
  bool streaming = false;
  Lsn flush;
  Millis reply_age{0};
  auto operator<=>(const Sender&) const = default;
};
constexpr auto fields(const Sender*) {
  return std::tuple{Field{"application_name", &Sender::application_name},
                    Field{"streaming", &Sender::streaming}, Field{"flush", &Sender::flush},
                    Field{"reply_age", &Sender::reply_age}};
}

/// Whom our service file names: the node that this one was pointed to, and in which term.
struct Upstream {
  NodeName node;
  Term term;
  std::optional<bool> voteless = {};  ///< set: under a name that no policy can count
  auto operator<=>(const Upstream&) const = default;
};
constexpr auto fields(const Upstream*) {
  return std::tuple{Field{"node", &Upstream::node}, Field{"term", &Upstream::term},
                    Field{"voteless", &Upstream::voteless}};
}

/// The PostgreSQL of this node, from the supervisor, its sockets and its files.
struct Server {
  ServerState state = ServerState::unknown;
  std::optional<Incarnation> incarnation;  ///< absent: no data directory of ours
  SystemId system_id;                      ///< 0: not known
  bool rebuilding = false;                 ///< a rewind or clone was begun and not finished
  bool clean = false;                      ///< stopped: shut down in an orderly way
  bool asked_to_promote = false;           ///< since its last start
  std::optional<Grant> grant;
  std::optional<Position> position;  ///< flushed end of WAL (standby, primary)
  std::optional<Lsn> replay;
  bool receiving = false;  ///< a walreceiver streams
  std::optional<Upstream> upstream;
  bool gate_open = false;
  bool gate_outdated = false;  ///< pg_hba.conf was written before a member's address was known
  std::optional<std::uint64_t>
      settings_due;   ///< generation of the cluster's settings that PostgreSQL does not have yet
  bool cold = false;  ///< a standby that answers no SQL (hot_standby=off)
  std::optional<Instant>
      unknown_since;            ///< it runs, answered before, and does not answer since then
  bool limits_too_low = false;  ///< it refused to start: max_connections and its like were lowered
  std::optional<std::string> names;  ///< synchronous_standby_names in force; absent: not known
  std::optional<Instant>
      names_wrong_since;  ///< set by the observer while they differ from the policy it applied
  std::vector<Sender> senders;
  std::vector<std::string> drift;          ///< safety settings that are not as Evergres wrote them
  std::vector<NodeName> slots_of;          ///< nodes for which a slot here keeps WAL
  std::optional<std::vector<Slot>> slots;  ///< all; absent: not looked yet
  std::optional<double> lag_seconds;
  /// It follows a timeline that its upstream's does not come from; only a start looks anew.
  std::optional<bool> off_branch = {};
  bool wal_removed = false;  ///< the leader no longer has the WAL that this node needs
  bool diverged = false;     ///< the upstream refused our timeline or position
  std::optional<Instant> receiving_since;
  std::optional<Instant> not_receiving_since;
  std::string trouble;  ///< why it does not start or answer, for people
  auto operator<=>(const Server&) const = default;
};
constexpr auto fields(const Server*) {
  return std::tuple{Field{"state", &Server::state},
                    Field{"incarnation", &Server::incarnation},
                    Field{"system_id", &Server::system_id},
                    Field{"rebuilding", &Server::rebuilding},
                    Field{"clean", &Server::clean},
                    Field{"asked_to_promote", &Server::asked_to_promote},
                    Field{"grant", &Server::grant},
                    Field{"position", &Server::position},
                    Field{"replay", &Server::replay},
                    Field{"receiving", &Server::receiving},
                    Field{"upstream", &Server::upstream},
                    Field{"gate_open", &Server::gate_open},
                    Field{"settings_due", &Server::settings_due},
                    Field{"cold", &Server::cold},
                    Field{"unknown_since", &Server::unknown_since},
                    Field{"limits_too_low", &Server::limits_too_low},
                    Field{"names", &Server::names},
                    Field{"names_wrong_since", &Server::names_wrong_since},
                    Field{"senders", &Server::senders},
                    Field{"gate_outdated", &Server::gate_outdated},
                    Field{"drift", &Server::drift},
                    Field{"slots_of", &Server::slots_of},
                    Field{"slots", &Server::slots},
                    Field{"lag_seconds", &Server::lag_seconds},
                    Field{"off_branch", &Server::off_branch},
                    Field{"wal_removed", &Server::wal_removed},
                    Field{"diverged", &Server::diverged},
                    Field{"receiving_since", &Server::receiving_since},
                    Field{"not_receiving_since", &Server::not_receiving_since},
                    Field{"trouble", &Server::trouble}};
}

/// Whether a node serves as the open leader, as it says itself. `unknown` until its agent has
/// looked.
enum class Leads { unknown, no, yes };
constexpr auto words(const Leads*) {
  return std::array{Word{"unknown", Leads::unknown}, Word{"no", Leads::no},
                    Word{"yes", Leads::yes}};
}

/// Commits that may be answered before a standby flushed them, because an operator or an
/// application set synchronous_commit so: as far as PostgreSQL shows it.
struct WeakCommits {
  std::uint32_t sessions = 0;
  std::vector<std::string> settings;  ///< "role app: off"
  auto operator<=>(const WeakCommits&) const = default;
};
constexpr auto fields(const WeakCommits*) {
  return std::tuple{Field{"sessions", &WeakCommits::sessions},
                    Field{"settings", &WeakCommits::settings}};
}

/// What every agent tells every other each 200 ms and at once when it changes: its whole state.
/// Nothing is ordered between agents: the record says what is to be done, the heartbeat what was.
struct Heartbeat {
  NodeName node;
  Claim agent;  ///< the run of the agent that speaks
  Seat seat;    ///< incarnation empty: no data directory
  SystemId system_id;
  Revision revision;  ///< of the record that this node has seen
  Term term;          ///< of that record
  Promise promise;
  bool store_ok = false;  ///< it read the store a moment ago
  ServerState server = ServerState::unknown;
  Leads leads = Leads::unknown;         ///< it is the open leader in `term`
  bool sees_somebody_in_charge = true;  ///< its answer to a pre-vote
  std::optional<Fenced> fenced;
  std::optional<LastWord> last_word;    ///< what it heard of a leader, on its own clock
  std::optional<Millis> last_word_age;  ///< how long ago that was when it spoke
  std::optional<Position> position;
  std::optional<Millis> position_age;  ///< of a primary: how long ago its agent looked there
  std::optional<Lsn> replay;
  bool receiving = false;
  std::optional<Upstream> upstream;
  std::optional<double> lag_seconds;
  std::string doing;                        ///< the running operation, for people
  std::string trouble;                      ///< for people
  std::optional<Tags> tags;                 ///< absent: of a version that knows none
  std::optional<WeakCommits> weak_commits;  ///< on a primary; absent: none, or not looked yet
  std::optional<std::vector<Slot>> slots;   ///< on a primary; absent: not looked yet
  auto operator<=>(const Heartbeat&) const = default;
};
constexpr auto fields(const Heartbeat*) {
  return std::tuple{Field{"node", &Heartbeat::node},
                    Field{"agent", &Heartbeat::agent},
                    Field{"seat", &Heartbeat::seat},
                    Field{"system_id", &Heartbeat::system_id},
                    Field{"revision", &Heartbeat::revision},
                    Field{"term", &Heartbeat::term},
                    Field{"promise", &Heartbeat::promise},
                    Field{"store_ok", &Heartbeat::store_ok},
                    Field{"server", &Heartbeat::server},
                    Field{"leads", &Heartbeat::leads},
                    Field{"sees_somebody_in_charge", &Heartbeat::sees_somebody_in_charge},
                    Field{"fenced", &Heartbeat::fenced},
                    Field{"last_word", &Heartbeat::last_word},
                    Field{"last_word_age", &Heartbeat::last_word_age},
                    Field{"position", &Heartbeat::position},
                    Field{"position_age", &Heartbeat::position_age},
                    Field{"replay", &Heartbeat::replay},
                    Field{"receiving", &Heartbeat::receiving},
                    Field{"upstream", &Heartbeat::upstream},
                    Field{"lag_seconds", &Heartbeat::lag_seconds},
                    Field{"doing", &Heartbeat::doing},
                    Field{"trouble", &Heartbeat::trouble},
                    Field{"tags", &Heartbeat::tags},
                    Field{"weak_commits", &Heartbeat::weak_commits},
                    Field{"slots", &Heartbeat::slots}};
}

/// A peer as this node knows it.
struct Peer {
  std::optional<Heartbeat> said;    ///< the last heartbeat; absent: never heard in this run
  std::optional<Instant> alive_at;  ///< when we sent the message that its last heartbeat answers:
                                    ///< it was certainly alive after this
  bool refused = false;  ///< its port refuses or just closed the connection: no process there
  std::optional<Instant> card_moved;  ///< when its beat in the store was last seen to change
  std::vector<NodeName> card_hears;   ///< whom it hears, as its card says
  std::optional<Instant>
      acknowledged_at;  ///< our primary last saw it acknowledge under its voter name
  auto operator<=>(const Peer&) const = default;
};
constexpr auto fields(const Peer*) {
  return std::tuple{Field{"said", &Peer::said},
                    Field{"alive_at", &Peer::alive_at},
                    Field{"refused", &Peer::refused},
                    Field{"card_moved", &Peer::card_moved},
                    Field{"card_hears", &Peer::card_hears},
                    Field{"acknowledged_at", &Peer::acknowledged_at}};
}

/// How the last operation of a kind ended. Nothing is assumed to have worked.
enum class Ending { done, failed, timed_out, unknown };
constexpr auto words(const Ending*) {
  return std::array{Word{"done", Ending::done}, Word{"failed", Ending::failed},
                    Word{"timed_out", Ending::timed_out}, Word{"unknown", Ending::unknown}};
}

struct Attempt {
  Ending ending = Ending::unknown;
  Term term;  ///< of the record when it began
  Instant ended;
  std::uint32_t failures = 0;  ///< in a row
  std::string error;
  auto operator<=>(const Attempt&) const = default;
};
constexpr auto fields(const Attempt*) {
  return std::tuple{Field{"ending", &Attempt::ending}, Field{"term", &Attempt::term},
                    Field{"ended", &Attempt::ended}, Field{"failures", &Attempt::failures},
                    Field{"error", &Attempt::error}};
}

/// The operation that runs now, by the kind of its intent.
struct Operation {
  std::string kind;
  Term term;
  Instant started;
  auto operator<=>(const Operation&) const = default;
};
constexpr auto fields(const Operation*) {
  return std::tuple{Field{"kind", &Operation::kind}, Field{"term", &Operation::term},
                    Field{"started", &Operation::started}};
}

struct Situation {
  Instant now;
  NodeName me;
  Claim agent;  ///< this run of the agent
  Tuning tuning;
  Wanted wanted;
  std::optional<Tags> tags;      ///< of this node
  std::optional<Record> record;  ///< the newest known, from the store or from a peer
  Revision revision;
  std::optional<Instant> store_read_at;  ///< when the last successful read of the store began
  std::string store_trouble;             ///< empty while the store works
  bool record_missing = false;           ///< the store answers, and there is no record
  std::optional<Instant> renewed_since;  ///< since then this node knows the record's `renewed`
  std::optional<Instant> renewed_at;     ///< when this run asked for its last successful renewal
  std::optional<LastWord> last_word;     ///< of the last leader, as heard by this node
  Promise promise;
  Server server;
  std::optional<Fenced> fenced;    ///< our own answer for the term of the promise
  std::map<NodeName, Peer> peers;  ///< by name, without us
  std::optional<Instant> nobody_in_charge_since;
  std::optional<Instant> claimed_at;     ///< when this run won the term of the record
  std::uint32_t recent_terms = 0;        ///< new terms seen within the last minute
  Instant started_at;                    ///< of this run of the agent
  std::optional<Instant> leading_since;  ///< when this run first saw itself as open leader
  std::optional<Operation> operation;
  std::map<std::string, Attempt> attempts;  ///< by kind of intent
  auto operator<=>(const Situation&) const = default;
};
constexpr auto fields(const Situation*) {
  return std::tuple{Field{"now", &Situation::now},
                    Field{"me", &Situation::me},
                    Field{"agent", &Situation::agent},
                    Field{"tuning", &Situation::tuning},
                    Field{"wanted", &Situation::wanted},
                    Field{"tags", &Situation::tags},
                    Field{"record", &Situation::record},
                    Field{"revision", &Situation::revision},
                    Field{"store_read_at", &Situation::store_read_at},
                    Field{"store_trouble", &Situation::store_trouble},
                    Field{"record_missing", &Situation::record_missing},
                    Field{"renewed_since", &Situation::renewed_since},
                    Field{"renewed_at", &Situation::renewed_at},
                    Field{"last_word", &Situation::last_word},
                    Field{"promise", &Situation::promise},
                    Field{"server", &Situation::server},
                    Field{"fenced", &Situation::fenced},
                    Field{"peers", &Situation::peers},
                    Field{"nobody_in_charge_since", &Situation::nobody_in_charge_since},
                    Field{"claimed_at", &Situation::claimed_at},
                    Field{"recent_terms", &Situation::recent_terms},
                    Field{"started_at", &Situation::started_at},
                    Field{"leading_since", &Situation::leading_since},
                    Field{"operation", &Situation::operation},
                    Field{"attempts", &Situation::attempts}};
}

}  // namespace evergres::core
