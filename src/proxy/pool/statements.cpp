#include "proxy/pool/statements.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.hpp"

namespace evergres::proxy {
namespace {

/// One text for one statement: lengths in front, so that no two statements make the same.
std::string key_of(std::string_view sql, std::string_view types, std::string_view bucket) {
  std::string key = std::to_string(types.size()) + ":" + std::to_string(bucket.size()) + ":";
  return key.append(types).append(bucket).append(sql);
}

}  // namespace

StatementCatalog::StatementCatalog(std::size_t bytes_most, std::string chance)
    : bytes_most_(bytes_most), prefix_("evergres_" + chance + "_") {
  CHECK(chance.size() >= 16 && chance.size() <= 32);
}

StatementId StatementCatalog::acquire(std::string_view sql, std::string_view types,
                                      std::string_view bucket) {
  std::string key = key_of(sql, types, bucket);
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) {
    Entry& entry = entries_.at(known->second);
    if (entry.needed++ == 0) idle_.erase(entry.idle);
    return known->second;
  }
  const StatementId id = ++last_;
  Entry entry;
  entry.statement = Statement{std::string(sql), std::string(types), look_at(sql)};
  entry.key = key;
  entry.needed = 1;
  bytes_ += key.size();
  entries_.emplace(id, std::move(entry));
  by_key_.emplace(std::move(key), id);
  trim();
  return id;
}

void StatementCatalog::release(StatementId id) {
  const auto found = entries_.find(id);
  CHECK(found != entries_.end() && found->second.needed > 0);
  if (--found->second.needed > 0) return;
  found->second.idle = idle_.insert(idle_.end(), id);
  trim();
}

void StatementCatalog::trim() {
  while (bytes_ > bytes_most_ && !idle_.empty()) {
    const auto entry = entries_.find(idle_.front());
    bytes_ -= entry->second.key.size();
    by_key_.erase(entry->second.key);
    entries_.erase(entry);
    idle_.pop_front();
  }
}

const StatementCatalog::Statement& StatementCatalog::at(StatementId id) const {
  const auto found = entries_.find(id);
  CHECK(found != entries_.end() && found->second.needed > 0);
  return found->second.statement;
}

std::string StatementCatalog::server_name(StatementId id) const {
  NameRoom room;
  return std::string(server_name(id, room));
}

std::string_view StatementCatalog::server_name(StatementId id, NameRoom& room) const {
  char* const digits = std::copy(prefix_.begin(), prefix_.end(), room.begin());
  const auto end = std::to_chars(digits, room.data() + room.size(), id).ptr;
  return {room.data(), static_cast<std::size_t>(end - room.data())};
}

ClientStatements::Put ClientStatements::put(std::string_view name, std::string_view sql,
                                            std::string_view types, std::string_view bucket) {
  const bool known = names_.contains(name);
  if (known && !name.empty()) return Put::exists;
  if (known) close(name);
  const std::size_t bytes = name.size() + sql.size() + types.size();
  if (name.size() > name_most || names_.size() >= most_ || bytes_ + bytes > bytes_most_) {
    return Put::full;
  }
  names_.emplace(name, catalog_.acquire(sql, types, bucket));
  bytes_ += bytes;
  return Put::stored;
}

std::optional<StatementId> ClientStatements::find(std::string_view name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) return std::nullopt;
  return found->second;
}

void ClientStatements::close(std::string_view name) {
  const auto found = names_.find(name);
  if (found == names_.end()) return;
  const StatementCatalog::Statement& statement = catalog_.at(found->second);
  bytes_ -= name.size() + statement.sql.size() + statement.types.size();
  catalog_.release(found->second);
  names_.erase(found);
}

void ClientStatements::clear() {
  for (const auto& [name, id] : names_) catalog_.release(id);
  names_.clear();
  bytes_ = 0;
}

/// Nothing if all are in doubt: of one that is used again it could not be told whose answer came.
std::optional<StatementId> ServerStatements::take_least_used(StatementId except) {
  for (auto at = used_.begin(); at != used_.end(); ++at) {
    const StatementId id = *at;
    if (id == except || places_.at(id).in_doubt > 0 || closing_.contains(id)) continue;
    places_.erase(id);
    used_.erase(at);
    closing_[id] = segment_;
    return id;
  }
  return std::nullopt;
}

ServerStatements::Use ServerStatements::use(StatementId id) {
  Use use;
  auto known = places_.find(id);
  if (known != places_.end()) {
    Place& place = known->second;
    used_.splice(used_.end(), used_, place.used);
    if (place.in_doubt == 0 && places_.size() > most_) use.close = take_least_used(id);
    if (place.in_doubt == 0 || place.segment == segment_) return use;
    use.close = id;
  } else {
    const auto closing = closing_.find(id);
    const bool doubtful = closing != closing_.end() && closing->second != segment_;
    if (doubtful) {
      use.close = id;
    } else if (places_.size() >= most_) {
      use.close = take_least_used(id);
    }
    Place place;
    place.used = used_.insert(used_.end(), id);
    place.bare = !doubtful;
    known = places_.emplace(id, place).first;
  }
  use.parse = true;
  ++known->second.in_doubt;
  known->second.segment = segment_;
  return use;
}

void ServerStatements::parsed(StatementId id) {
  const auto known = places_.find(id);
  if (known == places_.end() || known->second.in_doubt == 0) return;
  --known->second.in_doubt;
  known->second.there = true;
  known->second.bare = known->second.close_skipped = false;
}

void ServerStatements::parse_failed(StatementId id) {
  const auto known = places_.find(id);
  if (known == places_.end()) return;
  Place& place = known->second;
  if (place.in_doubt > 0) --place.in_doubt;
  // Unless it was skipped, a Close in front of it was executed.
  const bool bare = std::exchange(place.bare, false);
  const bool kept = std::exchange(place.close_skipped, false) || bare;
  place.there = place.there && kept;
  if (place.in_doubt > 0 || place.there) return;
  used_.erase(place.used);
  places_.erase(known);
}

void ServerStatements::close_skipped(StatementId id) {
  const bool made_room = closing_.erase(id) > 0;
  const auto known = places_.find(id);
  if (known == places_.end()) {
    Place place;
    place.used = used_.insert(used_.begin(), id);
    place.there = true;
    places_.emplace(id, place);
  } else if (made_room) {
    known->second.there = true;
  } else {
    known->second.close_skipped = true;
  }
}

void ServerStatements::clear() {
  used_.clear();
  places_.clear();
  closing_.clear();
}

}  // namespace evergres::proxy
