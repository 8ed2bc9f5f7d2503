#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "agent/peers.hpp"
#include "cluster/cluster_store.hpp"
#include "cluster/route_word.hpp"
#include "cluster/json.hpp"
#include "cluster/spec.hpp"

/// What nodes of two versions read of each other while a cluster is upgraded node by node. The
/// files in exchange/ are what versions wrote, KIND-VERSION.json; they are never changed, a new
/// member comes with a new file. "oldest" has what the first version wrote and nothing else.
namespace evergres::agent {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t limit = 1U << 20U;

/// Reads a text as its kind and writes what was understood of it.
using Rewrite = Result<std::string> (*)(const std::string& text);

template <typename T>
Result<std::string> rewrite(const std::string& text) {
  auto read = cluster::parse_json<T>(text, limit, "text");
  if (!read) return read.error();
  return cluster::json_text(*read);
}

Result<std::string> rewrite_record(const std::string& text) {
  auto read = cluster::parse_json<core::Record>(text, limit, "record");
  if (!read) return read.error();
  if (auto sound = cluster::check_record(*read); !sound) return sound.error();
  return cluster::json_text(*read);
}

Result<std::string> rewrite_spec(const std::string& text) {
  auto read = cluster::parse_spec(text);
  if (!read) return read.error();
  return cluster::spec_text(*read);
}

Result<std::string> rewrite_word(const std::string& text) {
  auto read = cluster::parse_route_word(text);
  if (!read) return read.error();
  return cluster::json_text(*read);
}

const std::map<std::string, Rewrite> kinds{{"message", rewrite<PeerMessage>},
                                           {"record", rewrite_record},
                                           {"card", rewrite<cluster::NodeCard>},
                                           {"history", rewrite<cluster::HistoryEntry>},
                                           {"spec", rewrite_spec},
                                           {"word", rewrite_word},
                                           {"ack", rewrite<cluster::RouteAck>},
                                           {"situation", rewrite<core::Situation>}};

struct Kept {
  std::string name;
  std::string kind;
  std::string text;
};

std::vector<Kept> kept_files() {
  std::vector<Kept> files;
  for (const auto& entry :
       fs::directory_iterator(fs::path(EVERGRES_SOURCE_DIR) / "tests/agent/exchange")) {
    const std::string name = entry.path().filename().string();
    std::ifstream file(entry.path());
    files.push_back({name, name.substr(0, name.find('-')),
                     std::string(std::istreambuf_iterator<char>(file), {})});
  }
  return files;
}

/// The paths of all members, "beat.seat.node" ("[]" for the elements of arrays), of two sorts.
struct Members {
  std::set<std::string> with_value;
  std::set<std::string> all;
};

void collect(Members& members, const json::value& from, const std::string& path) {
  members.all.insert(path);
  if (!from.is_null()) members.with_value.insert(path);
  if (const auto* object = from.if_object()) {
    for (const auto& [key, value] : *object) collect(members, value, path + "." + std::string(key));
  }
  if (const auto* array = from.if_array()) {
    for (const auto& value : *array) collect(members, value, path + "[]");
  }
}

/// What `kept` says and `now` does not, or says otherwise.
void expect_kept(const json::value& kept, const json::value& now, const std::string& path) {
  if (const auto* object = kept.if_object(); object != nullptr && now.is_object()) {
    for (const auto& [key, value] : *object) {
      const auto* found = now.get_object().if_contains(key);
      const std::string inner = path + "." + std::string(key);
      ASSERT_NE(found, nullptr) << inner << " is read no longer";
      expect_kept(value, *found, inner);
    }
  } else if (const auto* array = kept.if_array(); array != nullptr && now.is_array()) {
    ASSERT_EQ(array->size(), now.get_array().size()) << path;
    for (std::size_t i = 0; i < array->size(); ++i)
      expect_kept((*array)[i], now.get_array()[i], path + "[]");
  } else {
    EXPECT_EQ(kept, now) << path;
  }
}

TEST(Exchange, WhatEveryVersionWroteIsReadWhole) {
  std::set<std::string> seen;
  for (const Kept& kept : kept_files()) {
    SCOPED_TRACE(kept.name);
    ASSERT_TRUE(kinds.contains(kept.kind));
    seen.insert(kept.kind);
    const auto now = kinds.at(kept.kind)(kept.text);
    ASSERT_TRUE(now) << now.error().for_people();
    expect_kept(json::parse(kept.text), json::parse(*now), kept.kind);
  }
  EXPECT_EQ(seen.size(), kinds.size()) << "a kind without a file";
}

TEST(Exchange, EveryMemberThatIsWrittenNowIsInAKeptFile) {
  std::map<std::string, Members> kept_of;
  std::map<std::string, Members> now_of;
  for (const Kept& kept : kept_files()) {
    collect(kept_of[kept.kind], json::parse(kept.text), "");
    collect(now_of[kept.kind], json::parse(*kinds.at(kept.kind)(kept.text)), "");
  }
  for (const auto& [kind, now] : now_of) {
    for (const std::string& path : now.all) {
      EXPECT_TRUE(kept_of[kind].with_value.contains(path))
          << kind << path << " has no value in tests/agent/exchange/" << kind
          << "-*.json: add the next file with it. A version that does not write it must stay "
             "readable: it is std::optional.";
    }
  }
}

TEST(Exchange, MembersOfALaterVersionAreIgnored) {
  for (const Kept& kept : kept_files()) {
    SCOPED_TRACE(kept.name);
    json::value later = json::parse(kept.text);
    const json::value newer{{"x", {1, 2}}};
    later.get_object()["newer"] = newer;
    for (const char* inner : {"beat", "record", "policy", "leader", "seat", "server"}) {
      auto* object = later.get_object().if_contains(inner);
      if (object != nullptr && object->is_object()) object->get_object()["newer"] = newer;
    }
    const auto with = kinds.at(kept.kind)(json::serialize(later));
    ASSERT_TRUE(with) << with.error().for_people();
    EXPECT_EQ(*with, *kinds.at(kept.kind)(kept.text));
  }
}

/// Half of what an operator declared must not be obeyed: settings are understood whole or refused.
TEST(Exchange, SettingsOfALaterVersionAreRefusedWhole) {
  for (const Kept& kept : kept_files()) {
    if (kept.kind != "spec") continue;
    json::value later = json::parse(kept.text);
    auto& settings = later.get_object()["settings"].as_string();
    settings += "an_option_of_a_later_version: 1\n";
    const auto with = rewrite_spec(json::serialize(later));
    ASSERT_FALSE(with);
    EXPECT_EQ(with.error().code(), ErrorCode::data_invalid);
  }
}

}  // namespace
}  // namespace evergres::agent
