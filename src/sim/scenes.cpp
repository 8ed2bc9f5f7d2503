#include <array>

#include "sim/stage.hpp"
#include "sim/world.hpp"

/// Each scene aims at one rule of PROTOCOL.md: without that rule its course of events loses
/// something, with it nothing.
namespace evergres::sim {
namespace {

constexpr std::string_view deaf_agent = "an agent is cut off, its PostgreSQL is not";
constexpr std::string_view no_replication = "replication alone is cut";
constexpr std::string_view procedure = "a procedure commits";
constexpr std::string_view frozen_agent = "a frozen agent";

/// A4, and reading before the cut: the old leader serves on without its agent, its standbys stream
/// on, and one of those that answered the fence does nothing more for a while.
Task<int> a_deaf_leader(Stage& stage) {
  const auto leader = stage.leader();
  if (!leader) co_return 0;
  const auto others = stage.all_but(*leader);
  const Nanos span = stage.between(Millis{4000}, Millis{9000});
  if (stage.chance(400)) {
    stage.begin("walsenders die again and again", *leader, span);
    for (const Place other : others) stage.begin("receivers come late", other, span);
  } else if (stage.chance(600)) {
    for (const Place other : others) {
      if (stage.chance(600)) stage.begin("a slow link", *leader, span, other);
    }
  }
  auto settling = stage.pause(Millis{0}, Millis{1200});
  co_await settling;
  stage.begin(deaf_agent, *leader, span);
  for (int again = 0; again < 2; ++again) {
    auto fencing = stage.ended("fence", others, Millis{6000});
    const auto fenced = co_await fencing;
    if (!fenced) co_return 0;
    auto telling = stage.pause(Millis{1}, Millis{20});
    co_await telling;
    if (stage.chance(600)) {
      stage.begin(frozen_agent, *fenced, stage.between(Millis{500}, Millis{4000}));
    }
  }
  co_return 0;
}

/// A promise that does not hold: who has answered the fence starts its agent anew, and the store
/// shows it the record of before.
Task<int> a_promise_is_put_to_the_test(Stage& stage) {
  const auto leader = stage.leader();
  if (!leader) co_return 0;
  const auto others = stage.all_but(*leader);
  stage.begin(deaf_agent, *leader, stage.between(Millis{6000}, Millis{9000}));
  auto fencing = stage.ended("fence", others, Millis{6000});
  const auto fenced = co_await fencing;
  if (!fenced) co_return 0;
  auto telling = stage.pause(Millis{2}, Millis{60});
  co_await telling;
  const Nanos span = stage.between(Millis{2500}, Millis{6000});
  stage.begin("the store shows an older record", *fenced, span);
  stage.begin("agents hear nothing of one", *fenced, span);
  stage.begin("kill -9 of an agent", *fenced, Nanos{0});
  co_return 0;
}

/// Too few fenced: the leader and whoever has its last commits go, and whoever lacks them takes the
/// term and hears nobody.
Task<int> a_lonely_candidate(Stage& stage) {
  const auto leader = stage.leader();
  if (!leader) co_return 0;
  const auto others = stage.all_but(*leader);
  const Place complete = stage.any_of(others);
  for (const Place other : others) {
    if (other != complete) stage.begin(no_replication, *leader, Millis{4000}, other);
  }
  auto writing = stage.pause(Millis{100}, Millis{1200});
  co_await writing;
  stage.begin("power loss", *leader, stage.between(Millis{6000}, Millis{15'000}));
  const bool early = stage.chance(300);
  if (early) stage.begin(deaf_agent, complete, stage.between(Millis{2000}, Millis{8000}));
  auto claiming = stage.decided("claim_term", stage.all_but(*leader, complete), Millis{8000});
  const auto claimant = co_await claiming;
  if (!claimant || early) co_return 0;
  auto claim = stage.pause(Millis{0}, Millis{30});
  co_await claim;
  stage.begin("agents hear nothing of one", complete, stage.between(Millis{1500}, Millis{6000}));
  co_return 0;
}

/// A2: a policy under which something was acknowledged must not be forgotten by the next leader.
Task<int> a_forgotten_policy(Stage& stage) {
  const auto leader = stage.leader();
  const auto others = leader ? stage.all_but(*leader) : std::vector<Place>{};
  if (others.size() < 2) co_return 0;
  const Place near = stage.any_of(others);
  const Place late = stage.any_of(stage.all_but(*leader, near));
  for (const Place other : others) {
    if (other == near) continue;
    const Nanos span = stage.between(Millis{6000}, Millis{9000});
    stage.begin("a machine ends", other, other == late ? span : Nanos(Millis{45'000}));
  }
  const auto is_alone = [&stage, near] { return stage.voters() == std::vector<Place>{near}; };
  auto shrinking = stage.until(is_alone, Millis{12'000});
  if (!co_await shrinking) co_return 0;
  auto growing = stage.decided("change_policy", {*leader}, Millis{20'000});
  if (!co_await growing) co_return 0;
  // What `late` acknowledges alone does not reach `near` by another way either.
  stage.begin(no_replication, *leader, Millis{12'000}, near);
  stage.begin(no_replication, late, Millis{20'000}, near);
  auto applying = stage.pause(Millis{30}, Millis{80});
  co_await applying;
  stage.begin(procedure, *leader, Nanos{0});
  auto writing = stage.pause(Millis{80}, Millis{350});
  co_await writing;
  stage.begin("power loss", *leader, stage.between(Millis{15'000}, Millis{25'000}));
  auto promoting = stage.decided("promote", {late}, Millis{9000});
  if (!co_await promoting) co_return 0;
  auto promoted = stage.pause(Millis{0}, Millis{60});
  co_await promoted;
  stage.begin("power loss", late, stage.between(Millis{15'000}, Millis{25'000}));
  co_return 0;
}

/// A3 (d): a walsender that was stopped goes on with the names of before, and what it released was
/// flushed by nobody whom the new policy counts.
Task<int> a_walsender_of_yesterday(Stage& stage) {
  const auto leader = stage.leader();
  const auto voters = stage.voters();
  if (!leader || voters.size() < 2) co_return 0;
  const Place left = stage.any_of(voters);
  const std::size_t stopped = stage.begin("one frozen walsender", *leader, Millis{12'000}, left);
  auto dropping = stage.decided("change_policy", {*leader}, Millis{12'000});
  if (!co_await dropping) co_return 0;
  for (const Place voter : voters) {
    if (voter != left) stage.begin(no_replication, *leader, Millis{3000}, voter);
  }
  auto recording = stage.pause(Millis{15}, Millis{150});
  co_await recording;
  stage.begin(procedure, *leader, Nanos{0});
  stage.end(stopped);
  auto proving = stage.pause(Millis{60}, Millis{500});
  co_await proving;
  const Nanos span = stage.between(Millis{8000}, Millis{20'000});
  stage.begin("power loss", *leader, span);
  stage.begin("power loss", left, span);
  co_return 0;
}

/// A6: WAL of an older term that is longer than what was acknowledged since. The leader of before
/// returns with it, and its successor ends before it was rewound.
Task<int> a_long_tail(Stage& stage) {
  const auto leader = stage.leader();
  if (!leader) co_return 0;
  const auto others = stage.all_but(*leader);
  const std::size_t cut =
      stage.begin("one node is cut off", *leader, stage.between(Millis{9000}, Millis{14'000}));
  stage.begin("a bulk load", *leader, Nanos{0});
  auto choosing = stage.ended("prove_barrier", others, Millis{12'000});
  const auto next = co_await choosing;
  if (!next) co_return 0;
  stage.begin("a slow disk", *next, Millis{6000});
  stage.end(cut);
  auto returning = stage.ended("fence", {*leader}, Millis{8000});
  const auto returned = co_await returning;
  if (!returned) co_return 0;
  auto writing = stage.pause(Millis{0}, Millis{300});
  co_await writing;
  stage.begin("power loss", *next, stage.between(Millis{10'000}, Millis{20'000}));
  co_return 0;
}

/// A1: it returns into the same segment, with a tail, while the only other voter is away.
Task<int> a_voter_with_a_tail(Stage& stage) {
  const auto leader = stage.leader();
  if (!leader) co_return 0;
  const auto others = stage.all_but(*leader);
  const std::size_t cut = stage.begin("one node is cut off", *leader, Millis{14'000});
  if (stage.chance(300)) stage.begin("a bulk load", *leader, Nanos{0});
  auto choosing = stage.ended("prove_barrier", others, Millis{12'000});
  const auto next = co_await choosing;
  if (!next) co_return 0;
  stage.end(cut);
  for (const Place other : others) {
    if (other != *next) stage.begin(no_replication, *next, Millis{4000}, other);
  }
  auto following = stage.ended("follow", {*leader}, Millis{8000});
  if (!co_await following) co_return 0;
  auto writing = stage.pause(Millis{200}, Millis{2000});
  co_await writing;
  stage.begin("power loss", *next, stage.between(Millis{8000}, Millis{15'000}));
  co_return 0;
}

/// Names at rest: a leader that was alone starts again, and its checkpointer publishes the names of
/// its next policy late.
Task<int> out_of_solitude(Stage& stage) {
  const auto leader = stage.leader();
  if (!leader) co_return 0;
  const auto others = stage.all_but(*leader);
  std::vector<std::size_t> away;
  for (const Place other : others) {
    away.push_back(stage.begin("a machine ends", other, Millis{30'000}));
  }
  const auto is_alone = [&stage] { return stage.leader() && stage.voters().empty(); };
  auto shrinking = stage.until(is_alone, Millis{20'000});
  if (!co_await shrinking) co_return 0;
  auto alone = stage.pause(Millis{200}, Millis{1500});
  co_await alone;
  stage.begin("a busy checkpointer", *leader, Millis{9000});
  for (const Place other : others) stage.begin(no_replication, *leader, Millis{7000}, other);
  for (const std::size_t each : away) stage.end(each);
  auto booting = stage.pause(Millis{100}, Millis{700});
  co_await booting;
  stage.begin("kill -9 of a postmaster", *leader, Nanos{0});
  auto opening = stage.ended("prove_barrier", {*leader}, Millis{9000});
  if (!co_await opening) co_return 0;
  auto writing = stage.pause(Millis{200}, Millis{2000});
  co_await writing;
  stage.begin("power loss", *leader, stage.between(Millis{10'000}, Millis{18'000}));
  co_return 0;
}

/// B3, and fencing what was asked to promote: a promotion hangs, fails or is cut off half-way.
Task<int> half_a_promotion(Stage& stage) {
  const auto leader = stage.leader();
  if (!leader) co_return 0;
  const auto others = stage.all_but(*leader);
  const bool hangs = stage.chance(600);
  if (hangs) {
    for (const Place other : others) stage.begin("a blocked replay", other, Millis{5000});
  }
  stage.begin("power loss", *leader, stage.between(Millis{2000}, Millis{8000}));
  auto promoting = stage.decided("promote", others, Millis{9000});
  const auto chosen = co_await promoting;
  if (!chosen) co_return 0;
  auto asking = stage.pause(Millis{1}, Millis{120});
  co_await asking;
  constexpr std::array<std::string_view, 4> ends{deaf_agent, "kill -9 of a postmaster",
                                                 frozen_agent, "kill -9 of an agent"};
  stage.begin(ends[hangs && stage.chance(600) ? 0 : stage.below(4)], *chosen,
              stage.between(Millis{2500}, Millis{8000}));
  co_return 0;
}

/// B5: the heir of a handover lacks what another voter acknowledged meanwhile, and if that one is
/// lost nobody but the stopped leader knows of it.
Task<int> an_incomplete_heir(Stage& stage) {
  const auto leader = stage.leader();
  const auto voters = stage.voters();
  if (!leader || voters.empty()) co_return 0;
  const Place heir = stage.any_of(voters);
  stage.begin("an operator's switchover", heir, Nanos{0});
  auto beginning = stage.decided("begin_handover", {*leader}, Millis{4000});
  if (!co_await beginning) co_return 0;
  const Nanos span = stage.between(Millis{500}, Millis{8000});
  stage.begin(procedure, *leader, Nanos{0});
  if (stage.chance(300)) {
    stage.begin("one frozen walsender", *leader, span, heir);
  } else {
    stage.begin(no_replication, *leader, span, heir);
  }
  if (stage.chance(500)) {
    auto committing = stage.pause(Millis{10}, Millis{150});
    co_await committing;
    for (const Place other : stage.all_but(*leader, heir)) {
      stage.begin("power loss", other, stage.between(Millis{6000}, Millis{12'000}));
    }
    co_return 0;
  }
  if (stage.chance(400)) co_return 0;
  auto stopping = stage.decided("stop_for_handover", {*leader}, Millis{6000});
  if (!co_await stopping) co_return 0;
  stage.begin("kill -9 of an agent", *leader, Nanos{0});
  co_return 0;
}

/// A5: a voter whose disk was replaced counts for nothing, not half-way through its clone either.
Task<int> a_replaced_disk(Stage& stage) {
  const auto leader = stage.leader();
  const auto voters = stage.voters();
  if (!leader || voters.size() < 2) co_return 0;
  const Place replaced = stage.any_of(voters);
  for (const Place voter : voters) {
    if (voter != replaced) stage.begin(no_replication, *leader, Millis{6000}, voter);
  }
  auto writing = stage.pause(Millis{300}, Millis{1200});
  co_await writing;
  stage.begin("an empty disk", replaced, stage.between(Millis{10}, Millis{200}));
  auto cloning = stage.decided("clone", {replaced}, Millis{5000});
  if (!co_await cloning) co_return 0;
  auto copying = stage.pause(Millis{50}, Millis{700});
  co_await copying;
  stage.begin("power loss", *leader, stage.between(Millis{8000}, Millis{15'000}));
  // The next run of its agent finds half a copy.
  if (stage.chance(700)) stage.begin("kill -9 of an agent", replaced, Nanos{0});
  co_return 0;
}

/// One failover follows the other: what was answered in the first says nothing in the second.
Task<int> two_in_a_row(Stage& stage) {
  for (int round = 0; round < 3; ++round) {
    const auto leader = stage.leader();
    if (!leader) co_return 0;
    const auto others = stage.all_but(*leader);
    const Place behind = stage.any_of(others);
    stage.begin(no_replication, *leader, Millis{2500}, behind);
    auto writing = stage.pause(Millis{200}, Millis{1500});
    co_await writing;
    stage.begin("power loss", *leader, stage.between(Millis{1500}, Millis{5000}));
    auto opening = stage.ended("prove_barrier", others, Millis{15'000});
    if (!co_await opening) co_return 0;
    auto serving = stage.pause(Millis{500}, Millis{4000});
    co_await serving;
  }
  co_return 0;
}

/// A claimant ends, or is silent, between any two of its steps, and comes back to them. Or the
/// record changes under its claim: an operator wants a pause.
Task<int> an_interrupted_claim(Stage& stage) {
  const auto leader = stage.leader();
  if (!leader) co_return 0;
  const auto others = stage.all_but(*leader);
  stage.begin("power loss", *leader, stage.between(Millis{1500}, Millis{9000}));
  if (stage.chance(350)) {
    auto claiming = stage.decided("claim_term", others, Millis{6000});
    const auto claimant = co_await claiming;
    const Nanos span = stage.between(Millis{500}, Millis{4000});
    if (claimant) stage.begin("an operator's pause", *claimant, span);
  }
  constexpr std::array<std::string_view, 4> steps{"claim_term", "choose_leader", "promote",
                                                  "prove_barrier"};
  for (int again = 0; again < 3; ++again) {
    auto acting = stage.decided(steps[stage.below(4)], others, Millis{6000});
    const auto actor = co_await acting;
    if (!actor) continue;
    auto within = stage.pause(Nanos{0}, Millis{25});
    co_await within;
    constexpr std::array<std::string_view, 4> ends{frozen_agent, "kill -9 of an agent", deaf_agent,
                                                   "a frozen machine"};
    stage.begin(ends[stage.below(4)], *actor, stage.between(Millis{300}, Millis{5000}));
  }
  co_return 0;
}

/// A9: a postmaster is killed while its sessions commit, once after the other; a leader that is
/// alone waits for nobody.
Task<int> orphans(Stage& stage) {
  for (int round = 0; round < 3; ++round) {
    const auto leader = stage.leader();
    if (!leader) co_return 0;
    std::vector<std::size_t> away;
    if (round == 0 && stage.chance(400)) {
      for (const Place other : stage.all_but(*leader)) {
        away.push_back(stage.begin("a machine ends", other, Millis{30'000}));
      }
      const auto is_alone = [&stage] { return stage.leader() && stage.voters().empty(); };
      auto shrinking = stage.until(is_alone, Millis{20'000});
      co_await shrinking;
    }
    auto serving = stage.pause(Millis{200}, Millis{1500});
    co_await serving;
    for (int more = 0; more < 3; ++more) stage.begin(procedure, *leader, Nanos{0});
    auto committing = stage.pause(Millis{10}, Millis{150});
    co_await committing;
    stage.begin("kill -9 of a postmaster", *leader, Nanos{0});
    for (const std::size_t each : away) stage.end(each);
    const auto leads = [&stage] { return stage.leader().has_value(); };
    auto failing_over = stage.pause(Millis{1000}, Millis{2000});
    co_await failing_over;
    auto returning = stage.until(leads, Millis{10'000});
    co_await returning;
  }
  co_return 0;
}

/// B2, the other way round: the leader reaches the store and nobody else, and of those who hear
/// each other too few are left to elect.
Task<int> a_leader_that_nobody_hears(Stage& stage) {
  const auto leader = stage.leader();
  const auto voters = stage.voters();
  if (!leader || voters.empty()) co_return 0;
  if (stage.chance(400)) {
    const Nanos span = stage.between(Millis{6000}, Millis{12'000});
    stage.begin("nobody hears one node", *leader, span);
    // Nobody takes its place: that its words are not confirmed is all that ends its leadership.
    if (stage.chance(600)) {
      stage.begin(stage.chance(500) ? "the store is away" : "an operator's pause", *leader, span);
    }
    auto waiting = stage.pause(Millis{6000}, Millis{9000});
    co_await waiting;
    co_return 0;
  }
  stage.begin("power loss", stage.any_of(voters), stage.between(Millis{6000}, Millis{15'000}));
  auto noticing = stage.pause(Millis{0}, Millis{900});
  co_await noticing;
  stage.begin("agents hear nothing of one", *leader, stage.between(Millis{4000}, Millis{12'000}));
  auto waiting = stage.pause(Millis{4000}, Millis{8000});
  co_await waiting;
  co_return 0;
}

/// A standby was away for so long that its next WAL is gone.
Task<int> wal_that_is_gone(Stage& stage) {
  const auto leader = stage.leader();
  if (!leader) co_return 0;
  const Place late = stage.any_of(stage.all_but(*leader));
  const std::size_t away = stage.begin("a machine ends", late, Millis{20'000});
  auto leaving = stage.pause(Millis{300}, Millis{5000});
  co_await leaving;
  stage.begin("a bulk load", *leader, Nanos{0});
  auto loading = stage.pause(Millis{50}, Millis{500});
  co_await loading;
  stage.begin("WAL is recycled", *leader, Nanos{0});
  stage.end(away);
  auto cloning = stage.decided("clone", {late}, Millis{12'000});
  if (!co_await cloning) co_return 0;
  auto copying = stage.pause(Millis{100}, Millis{1500});
  co_await copying;
  if (stage.chance(500)) {
    stage.begin("power loss", *leader, stage.between(Millis{2000}, Millis{8000}));
  }
  co_return 0;
}

constexpr std::array all_scenes{
    Scene{"a deaf leader", a_deaf_leader},
    Scene{"a promise is put to the test", a_promise_is_put_to_the_test},
    Scene{"a lonely candidate", a_lonely_candidate},
    Scene{"a forgotten policy", a_forgotten_policy},
    Scene{"a walsender of yesterday", a_walsender_of_yesterday},
    Scene{"a long tail", a_long_tail},
    Scene{"a voter with a tail", a_voter_with_a_tail},
    Scene{"out of solitude", out_of_solitude},
    Scene{"half a promotion", half_a_promotion},
    Scene{"an incomplete heir", an_incomplete_heir},
    Scene{"a replaced disk", a_replaced_disk},
    Scene{"two in a row", two_in_a_row},
    Scene{"an interrupted claim", an_interrupted_claim},
    Scene{"orphans", orphans},
    Scene{"a leader that nobody hears", a_leader_that_nobody_hears},
    Scene{"WAL that is gone", wal_that_is_gone},
};

}  // namespace

std::span<const Scene> scenes() {
  return all_scenes;
}

// Between two scenes the cluster may come to itself: the next one is about a healthy one.
Task<int> play(Stage& stage, std::vector<std::size_t> chosen) {
  for (;;) {
    const Scene& scene = scenes()[stage.any_of(chosen)];
    stage.world.scene_begins(scene.name);
    auto playing = scene.play(stage);
    co_await playing;
    const auto is_whole = [&stage] { return stage.world.is_whole(); };
    auto recovering = stage.until(is_whole, Millis{25'000});
    co_await recovering;
    auto pausing = stage.pause(Millis{200}, Millis{3000});
    co_await pausing;
  }
  co_return 0;
}

}  // namespace evergres::sim
