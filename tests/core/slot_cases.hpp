#pragma once

#include "worlds.hpp"
#include "cases.hpp"

/// Golden cases about replication slots: permanent ones, and those of nodes that are far behind.
namespace evergres::core::worlds {

inline Slot slot(const std::string& name, std::uint64_t restart, std::uint64_t retained = 0) {
  Slot made;
  made.name = name;
  made.ours = !name.starts_with("evg_");
  made.restart = Lsn{restart};
  made.retained_bytes = retained;
  made.wal_status = "reserved";
  return made;
}

inline Slot logical_slot(const std::string& name) {
  Slot made = slot(name, 4000);
  made.logical = true;
  made.database = "app";
  return made;
}

inline void add_stragglers(std::vector<Case>& cases) {
  const std::uint64_t gigabyte = 1U << 30U;
  const auto behind = [gigabyte](Situation& s) {
    s.wanted.member_slot_limit = gigabyte;
    s.server.slots = {{slot("evg_n2", 5000, 0), slot("evg_n3", 1000, gigabyte + 1)}};
  };
  const auto leader = World().voters({"n2"}).silent("n3").as_seen_by("n1");
  cases.push_back({"a silent node is beyond its limit", with(leader, behind)});
  cases.push_back({"a silent node is at its limit", with(leader, [&](Situation& s) {
                     behind(s);
                     s.server.slots->back().retained_bytes -= 1;
                   })});
  cases.push_back({"a node beyond its limit, and there is none", with(leader, [&](Situation& s) {
                     behind(s);
                     s.wanted.member_slot_limit.reset();
                   })});
  const auto voter_behind = [&](Situation& s) {
    behind(s);
    s.server.slots = {{slot("evg_n2", 1000, gigabyte + 1), slot("evg_n3", 5000, 0)}};
    s.record->policy.unproven.clear();
  };
  cases.push_back({"a voter beyond its limit keeps its slot",
                   with(World().voters({"n2"}).as_seen_by("n1"), voter_behind)});
  cases.push_back({"a voter of an unproven policy beyond its limit keeps its slot",
                   with(World().voters({"n2"}).unproven({"n2", "n3"}).as_seen_by("n1"), behind)});
  const auto streams_beyond = [&](Situation& s) {
    behind(s);
    s.server.slots->back().active = true;
  };
  cases.push_back({"a node beyond its limit streams, and the policy lacks voters: it stays",
                   with(leader, [&](Situation& s) {
                     streams_beyond(s);
                     s.wanted.acknowledgements = 2;
                   })});
  cases.push_back({"a node beyond its limit streams, and nothing is lacking",
                   with(leader, streams_beyond)});
  cases.push_back({"a silent voter without a slot gets one in spite of the limit",
                   with(World().voters({"n2", "n3"}).silent("n3").as_seen_by("n1"),
                        [&](Situation& s) {
                          s.wanted.member_slot_limit = gigabyte;
                          s.server.slots_of = {node("n2")};
                        })});
  cases.push_back({"a silent node whose slot was released gets none before it is heard",
                   with(leader, [&](Situation& s) {
                     behind(s);
                     s.server.slots->pop_back();
                     s.server.slots_of = {node("n2")};
                   })});
}

inline void add_permanent_slots(std::vector<Case>& cases) {
  const auto declared = [](Situation& s) {
    s.wanted.slots = {{PermanentSlot{"archive", false, "", ""},
                       PermanentSlot{"cdc", true, "app", "pgoutput"}}};
    s.server.slots.emplace();
  };
  const auto add = [&](const std::string& name, const Situation& s, const auto& change) {
    cases.push_back({name, with(with(s, declared), change)});
  };
  const Situation leader = World().as_seen_by("n1");
  const Situation standby = World().as_seen_by("n2");
  const auto nothing = [](Situation&) {};
  const auto leader_has = [](std::uint64_t restart) {
    return [restart](Situation& s) {
      s.peers[node("n1")].said->slots = {{slot("archive", restart), logical_slot("cdc")}};
      s.server.replay = Lsn{400U << 20U};
      s.server.slots = {{slot("archive", 100U << 20U)}};
    };
  };
  add("declared slots: the leader makes them", leader, nothing);
  const auto leader_made_both = [&](Situation& s) {
    leader_has(100U << 20U)(s);
    s.server.slots.emplace();
  };
  add("declared slots: a standby makes the physical one", standby, leader_made_both);
  add("declared slots: a standby waits until the leader has said its own", standby, nothing);
  add("declared slots: a standby makes none before the leader has it", standby, [&](Situation& s) {
    leader_made_both(s);
    s.peers[node("n1")].said->slots.emplace();
  });
  add("declared slots: a standby makes none while the leader's keeps no WAL", standby,
      [&](Situation& s) {
        leader_made_both(s);
        s.peers[node("n1")].said->slots->front().restart.reset();
      });
  add("the leader's slot of this name is logical: ours goes", standby, [&](Situation& s) {
    leader_has(200U << 20U)(s);
    s.peers[node("n1")].said->slots = {{logical_slot("archive")}};
  });
  add("the leader has no slot of this name any more: ours goes", standby, [&](Situation& s) {
    leader_has(200U << 20U)(s);
    s.peers[node("n1")].said->slots.emplace();
  });
  const auto plugin_is = [](const char* plugin, bool ours) {
    return [plugin, ours](Situation& s) {
      s.server.slots = {{slot("archive", 4000), logical_slot("cdc")}};
      s.server.slots->back().plugin = plugin;
      s.server.slots->back().ours = ours;
    };
  };
  add("a logical slot with the declared plugin stays", leader, plugin_is("pgoutput", true));
  add("a logical slot with another plugin: ours is dropped", leader,
      plugin_is("test_decoding", true));
  add("a logical slot with another plugin: one of others stays", leader,
      plugin_is("test_decoding", false));
  add("declared slots: a standby that may not lead makes none", standby,
      [&](Situation& s) {
        leader_made_both(s);
        s.tags.emplace().nofailover = true;
      });
  add("declared slots: nobody looked yet", leader, [](Situation& s) { s.server.slots.reset(); });
  add("the settings are not known: nothing is dropped", leader, [](Situation& s) {
    s.wanted.slots.reset();
    s.server.slots = {{slot("archive", 4000)}};
  });
  add("a slot is no longer declared: ours goes, of others none, one in use stays", leader,
      [](Situation& s) {
        s.wanted.slots.emplace();
        s.server.slots = {{slot("archive", 4000), slot("theirs", 4000), slot("used", 4000)}};
        s.server.slots->at(1).ours = false;
        s.server.slots->at(2).active = true;
      });
  add("a slot of another kind bears the name: ours is dropped first", leader, [](Situation& s) {
    s.server.slots = {{slot("archive", 4000), slot("cdc", 4000)}};
  });
  add("a logical slot of an earlier leadership is left on a standby", standby, [](Situation& s) {
    s.server.slots = {{slot("archive", 4000), logical_slot("cdc")}};
  });
  add("the leader's slot moved: ours follows", standby, leader_has(200U << 20U));
  add("the leader's slot is beyond our replay: ours only goes there", standby,
      leader_has(900U << 20U));
  add("the leader's slot moved within a segment", standby, leader_has((100U << 20U) + 5));
  add("the leader's slot is behind ours: ours stays", standby, leader_has(50U << 20U));
  add("our copy of a slot lost its WAL", standby, [&](Situation& s) {
    leader_has(200U << 20U)(s);
    s.server.slots->front().restart.reset();
    s.server.slots->front().wal_status = "lost";
  });
  add("a consumer streams from a standby's slot: it moves it itself", standby, [&](Situation& s) {
    leader_has(200U << 20U)(s);
    s.server.slots->front().active = true;
  });
}

inline void add_slots(std::vector<Case>& cases) {
  add_stragglers(cases);
  add_permanent_slots(cases);
}

}  // namespace evergres::core::worlds
