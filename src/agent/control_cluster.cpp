#include <algorithm>
#include <set>

#include "agent/control.hpp"
#include "agent/control_answer.hpp"
#include "agent/made_slots.hpp"
#include "agent/status.hpp"
#include "cluster/json.hpp"
#include "config/cluster_printer.hpp"
#include "config/cluster_reader.hpp"
#include "config/spelling.hpp"
#include "config/values.hpp"
#include "core/view.hpp"
#include "postgres/pending.hpp"
#include "postgres/session.hpp"

/// The settings of the cluster: shown, checked against the running server, and changed by
/// compare-and-set (`evergres edit-config`).
namespace evergres::agent {
namespace {

using Spec = cluster::Spec;

struct Edit {
  std::string text;            ///< YAML
  std::uint64_t expected = 0;  ///< the generation that was edited; 0: there was none
  std::string by;              ///< who
  bool take_back = false;      ///< what was altered by hand
  bool dry_run = false;
};

std::uint64_t number_member(const boost::json::object& object, const char* name) {
  const auto* found = object.if_contains(name);
  if (found == nullptr) return 0;
  const auto number = cluster::from_json<std::uint64_t>(*found, name);
  return number ? *number : 0;
}

struct Found {
  Spec spec;  ///< generation 0 if there is none
  std::optional<Revision> revision;
  std::string trouble;  ///< what is there cannot be read
};

Result<Found> find_spec(cluster::ClusterStore& store, std::uint64_t newest_known) {
  Found found;
  auto read = store.read_spec(store_deadline);
  if (!read && read.error().code() != ErrorCode::data_invalid) return read.error();
  if (read && *read) return Found{(*read)->value, (*read)->revision, ""};
  // Something unreadable, or nothing where there was something: the next generation is above all
  // that this node has seen.
  found.spec.generation = newest_known;
  if (!read) {
    found.trouble = read.error().one_line();
    auto revision = store.spec_revision(store_deadline);
    if (!revision) return revision.error();
    found.revision = *revision;
  }
  return found;
}

/// PostgreSQL's complaint about a name, with the name that was probably meant.
Error with_near_name(const Error& error, postgres::Session& session) {
  const std::string name = postgres::unrecognized_name(error.detail());
  auto rows = session.query("select name from pg_settings", boot_now() + sql_deadline);
  if (name.empty() || !rows) return error;
  std::vector<std::string> names;
  for (const postgres::Row& row : *rows) names.push_back(row.front().value_or(""));
  const auto meant = config::nearest(name, names);
  if (!meant) return error;
  return Error(error.code(), error.message(), error.detail(), "Did you mean \"" + *meant + "\"?");
}

std::int64_t number_of(const std::string& text) {
  return config::parse_integer(text).value_or(-1);
}

/// One restart cannot both raise and lower what standbys may not have less of than the primary: the
/// one begins with the standbys, the other with the primary.
Outcome check_limits(postgres::Session& session, const postgres::Configuration& configuration) {
  auto rows =
      session.query("select name, setting, boot_val from pg_settings", boot_now() + sql_deadline);
  if (!rows) return rows.error();
  const auto chosen = postgres::chosen_parameters(configuration);
  std::string raised;
  std::string lowered;
  for (const postgres::Row& row : *rows) {
    const std::string name = row[0].value_or("");
    if (!postgres::is_standby_limit(name)) continue;
    const auto found = chosen.find(name);
    const std::int64_t now = number_of(row[1].value_or(""));
    const std::int64_t then =
        number_of(found == chosen.end() ? row[2].value_or("") : found->second.value);
    if (then > now) raised = name;
    if (then < now) lowered = name;
  }
  if (raised.empty() || lowered.empty()) return {};
  return refusal(raised + " would be raised and " + lowered + " lowered by one restart",
                 "Standbys restart first when such a limit is raised, the primary first when it is "
                 "lowered.",
                 "Raise first, `evergres restart --pending`, then lower.");
}

/// What the change means, for people.
std::string impact_of(const config::ClusterSettings& before, const config::ClusterSettings& after,
                      bool take_back, int major) {
  std::string restart;
  std::size_t reloaded = 0;
  std::map<std::string, std::string> all = before.parameters;
  all.insert(after.parameters.begin(), after.parameters.end());
  for (const auto& [name, ignored] : all) {
    const auto was = before.parameters.find(name);
    const auto is = after.parameters.find(name);
    const bool same =
        was != before.parameters.end() && is != after.parameters.end() && was->second == is->second;
    if (same) continue;
    if (postgres::needs_restart(name, major)) {
      restart += (restart.empty() ? "" : ", ") + name;
    } else {
      reloaded += 1;
    }
  }
  std::string text =
      "Every node writes its files and PostgreSQL reads them again; nobody is "
      "disconnected.";
  if (reloaded > 0) text += " Parameters that change at once: " + std::to_string(reloaded) + ".";
  if (!restart.empty()) {
    text += " After `evergres restart --pending`: " + restart + ".";
  }
  if (before.allow != after.allow) {
    text += " New connections are admitted by the new list; sessions that are there stay.";
  }
  if (take_back) text += " What was altered by hand is taken back.";
  return text;
}

using Values = std::map<std::string, std::string>;

/// How many slots the leader has to have room for: those of the other nodes, the declared ones, and
/// those of others that it holds now.
std::size_t slots_needed(const Hands& hands, const config::ClusterSettings& settings) {
  const core::Situation& s = hands.situation();
  std::set<NodeName> nodes{s.me};
  for (const auto& [name, card] : hands.known.cards) nodes.insert(name);
  for (const auto& [name, peer] : s.peers) nodes.insert(name);
  const auto* const there = core::leader_slots(s);
  const auto of_others = there == nullptr ? 0 : std::count_if(
      there->begin(), there->end(), [&](const core::Slot& slot) {
        return !slot.ours && !slot.name.starts_with("evg_") && !settings.slots.contains(slot.name);
      });
  return nodes.size() - 1 + settings.slots.size() + static_cast<std::size_t>(of_others);
}

/// Neither more slots than PostgreSQL has room for now and after its next start, nor less room
/// than they need: a leader that cannot have the slots of its nodes is none, and a server with more
/// slots than its limit does not start. What was so before keeps nobody from other edits.
Outcome check_room(Hands& hands, postgres::Session& session,
                   const config::ClusterSettings& settings,
                   const postgres::Configuration& configuration, const Values& altered) {
  const auto rows = session.query("select setting from pg_settings where name = "
                                  "'max_replication_slots'", boot_now() + sql_deadline);
  if (!rows) return rows.error();
  if (rows->empty()) return Error(ErrorCode::data_invalid, "PostgreSQL shows no limit of slots");
  const std::int64_t now = number_of(rows->front().front().value_or(""));
  const std::int64_t then =
      number_of(postgres::value_at_start(configuration, altered, "max_replication_slots"));
  const auto needed = static_cast<std::int64_t>(slots_needed(hands, settings));
  const cluster::Spec* before = settings_in_use(hands.known.settings);
  const std::size_t declared = before == nullptr ? 0 : before->settings.slots.size();
  const auto configured = hands.configuration(core::names_nobody);
  const std::int64_t then_before = number_of(postgres::value_at_start(
      configured, hands.known.settings.altered, "max_replication_slots"));
  const bool lowers = then < now && then != then_before;
  const bool makes_it_worse = settings.slots.size() > declared || lowers;
  if (!makes_it_worse || needed <= std::min(now, then)) return {};
  return refusal("max_replication_slots has no room for " + std::to_string(needed) + " slots",
                 "It is " + std::to_string(now) + ", and would be " + std::to_string(then) +
                     " after the next start. Each other node needs a slot, beside the declared "
                     "ones and those that others made.",
                 "Raise postgresql.parameters.max_replication_slots, `evergres restart --pending`, "
                 "then declare the slots; to lower it, take slots away first.");
}

/// As they are now, where this node leads; else as the leader said last.
Result<std::vector<core::Slot>> slots_of_the_leader(const Hands& hands,
                                                    postgres::Session& session) {
  const core::Situation& s = hands.situation();
  if (s.server.state == core::ServerState::primary) {
    return look_at_slots(hands.setup.settings.state_directory, session, boot_now() + sql_deadline);
  }
  const auto* const there = core::leader_slots(s);
  if (there != nullptr) return *there;
  return refusal("the slots of the leader are not known now",
                 "PostgreSQL does not start with a logical slot unless wal_level is logical.",
                 "Try again in ten seconds.");
}

/// A logical slot needs more in the WAL than a standby does, and PostgreSQL does not start with one
/// when it is not there.
Outcome check_slots(Hands& hands, postgres::Session& session,
                    const config::ClusterSettings& settings,
                    const postgres::Configuration& configuration, const Values& altered) {
  if (postgres::writes_logical_wal(configuration, altered)) return {};
  const auto level = session.query("select setting from pg_settings where name = 'wal_level'",
                                   boot_now() + sql_deadline);
  if (!level) return level.error();
  // An edit of something else is not held up by a level that was lowered before. This node may run
  // with a lower one than the leader.
  const bool was_lower = !postgres::writes_logical_wal(hands.configuration(core::names_nobody),
                                                       hands.known.settings.altered);
  const bool here = !level->empty() && level->front().front().value_or("") == "logical";
  const auto* const told = core::leader_slots(hands.situation());
  const auto held = was_lower ? Result<std::vector<core::Slot>>(std::vector<core::Slot>())
                    : here || told == nullptr ? slots_of_the_leader(hands, session)
                                              : Result<std::vector<core::Slot>>(*told);
  if (!held) return held.error();
  for (const core::Slot& slot : *held) {
    if (!slot.logical || settings.slots.contains(slot.name)) continue;
    return refusal("the leader has the logical slot " + slot.name + ", which needs its wal_level",
                   "PostgreSQL does not start with a logical slot unless wal_level is logical.",
                   slot.ours ? "Take it from `slots` first, and lower wal_level once it is gone."
                             : "Drop it first: select pg_drop_replication_slot('" + slot.name +
                                   "').");
  }
  for (const auto& [name, slot] : settings.slots) {
    if (!slot.logical) continue;
    return refusal("slots." + name + " is logical, and wal_level is not",
                   "PostgreSQL writes what logical slots need only with wal_level = logical.",
                   "Set postgresql.parameters.wal_level to logical as well; the slot is made after "
                   "`evergres restart --pending`.");
  }
  return {};
}

Outcome check_edit(Hands& hands, const config::ClusterSettings& settings, bool take_back) {
  Spec spec;
  spec.settings = settings;
  postgres::Configuration configuration = hands.configuration(core::names_nobody);
  configuration.cluster_parameters.clear();
  configuration.admissions.clear();
  fill_in(configuration, &spec);
  if (auto fits = postgres::check_parameters(settings.parameters, hands.setup.major); !fits)
    return fits;
  const Instant deadline = boot_now() + sql_deadline;
  auto session = postgres::Session::connect(hands.server(), {}, deadline);
  if (!session) {
    return session.error().while_doing("PostgreSQL of " + hands.situation().me.value +
                                       " cannot be asked about the settings");
  }
  if (auto fits = postgres::try_configuration(hands.server(), configuration, deadline); !fits)
    return with_near_name(fits.error(), *session);
  const Values altered = take_back ? Values() : hands.known.settings.altered;
  if (auto fits = check_slots(hands, *session, settings, configuration, altered); !fits)
    return fits;
  if (auto fits = check_room(hands, *session, settings, configuration, altered); !fits) return fits;
  return check_limits(*session, configuration);
}

Error changed_meanwhile(const Spec& theirs) {
  return Error(ErrorCode::conflict, "the settings were changed by somebody else meanwhile",
               "Generation " + std::to_string(theirs.generation) + " is by " + theirs.changed_by +
                   ", " + wall_text(theirs.changed_wall_ms) + ". Nothing was written.",
               "Look at it with `evergres show-config --cluster`, then edit again.");
}

/// On the worker. The value is the generation that was, or would be, written and its impact.
Result<boost::json::value> carry_out_edit(Hands& hands, const Edit& edit) {
  const auto reading = config::parse_cluster_text(edit.text, "settings");
  if (!reading.diagnostics.empty()) return config::config_error(reading.diagnostics);
  if (auto fits = check_edit(hands, reading.settings, edit.take_back); !fits) return fits.error();
  auto store = hands.store();
  if (!store) return store.error();
  const auto& newest = hands.known.settings.newest;
  auto found = find_spec(**store, newest ? newest->generation : 0);
  if (!found) return found.error();
  if (found->trouble.empty() && found->spec.generation != edit.expected)
    return changed_meanwhile(found->spec);
  Spec spec;
  // Above what any node may have seen: an older store may have been put back.
  spec.generation =
      std::max({found->spec.generation, edit.expected, newest ? newest->generation : 0}) + 1;
  spec.changed_by = edit.by.substr(0, 200);
  spec.changed_wall_ms = wall_now_ms();
  spec.reverted = edit.take_back ? spec.generation : found->spec.reverted;
  spec.settings = reading.settings;
  boost::json::object result;
  result["generation"] = spec.generation;
  result["impact"] =
      impact_of(found->spec.settings, spec.settings, edit.take_back, hands.setup.major);
  if (edit.dry_run) return boost::json::value(std::move(result));
  auto written = (*store)->write_spec(spec, found->revision, store_deadline);
  if (!written) return written.error();
  if (const auto* conflict = std::get_if<cluster::SpecConflict>(&*written)) {
    return changed_meanwhile(conflict->current ? conflict->current->value : Spec{});
  }
  hands.learn([spec](Knowledge& k) { learn_settings(k.settings, spec); });
  return boost::json::value(std::move(result));
}

}  // namespace

net::awaitable<Control::Answer> Control::show_cluster_settings() {
  auto work = [this, snapshot = know_]() -> Result<boost::json::value> {
    Hands hands(setup_, snapshot, tell_, {});
    auto store = hands.store();
    if (!store) return store.error();
    const auto& newest = snapshot.settings.newest;
    auto found = find_spec(**store, newest ? newest->generation : 0);
    if (!found) return found.error();
    // What cannot be read is replaced by an edit of what is in force.
    const bool lost = !found->revision || !found->trouble.empty();
    const Spec& spec = lost && newest ? *newest : found->spec;
    boost::json::object result;
    result["generation"] = spec.generation;
    result["changed_by"] = spec.changed_by;
    result["changed_wall_ms"] = spec.changed_wall_ms;
    result["text"] = config::cluster_text(spec.settings);
    result["trouble"] = found->trouble;
    return boost::json::value(std::move(result));
  };
  auto looking = worker_.run(std::move(work));
  co_return co_await std::move(looking);
}

net::awaitable<Control::Answer> Control::edit_cluster_settings(const boost::json::object& request,
                                                               net::LocalConversation& talk) {
  Edit edit;
  edit.text = text_member(request, "text");
  edit.by = text_member(request, "by");
  edit.expected = number_member(request, "expected");
  edit.take_back = flag_member(request, "take_back");
  edit.dry_run = flag_member(request, "dry_run");
  const bool wait = flag_member(request, "wait");
  auto work = [this, edit, snapshot = know_]() {
    Hands hands(setup_, snapshot, tell_, {});
    return carry_out_edit(hands, edit);
  };
  auto working = worker_.run(std::move(work));
  const Result<boost::json::value> done = co_await std::move(working);
  if (!done || edit.dry_run || !wait) co_return done;
  const std::uint64_t generation = number_member(done->as_object(), "generation");
  auto waiting = wait_for_settings(generation, talk);
  const Outcome waited = co_await std::move(waiting);
  if (!waited) co_return waited.error();
  co_return done;
}

net::awaitable<Outcome> Control::wait_for_settings(std::uint64_t generation,
                                                   net::LocalConversation& talk) {
  const Instant until = boot_now() + Millis{30'000};
  std::string stage;
  for (;;) {
    look(know_, boot_now());
    std::string missing;
    for (const auto& node : status_of(know_, setup_.settings.cluster).nodes) {
      if (node.state == "silent" || node.state == "stopped") continue;
      const bool has = node.settings && node.settings->generation >= generation;
      if (!has && node.settings && !node.settings->trouble.empty()) {
        co_return Error(ErrorCode::config_invalid, node.name + " did not take the settings",
                        node.settings->trouble, "`evergres list` shows who has them.");
      }
      if (!has) missing += (missing.empty() ? "" : ", ") + node.name;
    }
    if (missing.empty()) co_return Outcome();
    if (boot_now() >= until) {
      co_return Error(ErrorCode::timed_out, "not every node has the settings after 30 s",
                      "They are written. Without them: " + missing + ".",
                      "`evergres list` shows who has them.");
    }
    if (missing != stage) {
      stage = missing;
      auto telling = talk.progress("waiting for " + missing);
      co_await std::move(telling);
    }
    auto pausing = net::pause_for(Millis{50});
    co_await std::move(pausing);
  }
}

}  // namespace evergres::agent
