#include "proxy/pool/statements.hpp"

#include "base/check.hpp"

namespace evergres::proxy {
namespace {

/// One text for one statement: lengths in front, so that no two statements make the same.
std::string key_of(std::string_view sql, std::string_view types, std::string_view bucket) {
  std::string key = std::to_string(types.size()) + ":" + std::to_string(bucket.size()) + ":";
  return key.append(types).append(bucket).append(sql);
}

}  // namespace

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
  entry.statement = Statement{std::string(sql), std::string(types)};
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

std::string StatementCatalog::server_name(StatementId id) {
  return "evergres_" + std::to_string(id);
}

ClientStatements::Put ClientStatements::put(std::string_view name, std::string_view sql,
                                            std::string_view types, std::string_view bucket) {
  const bool known = names_.contains(name);
  if (known && !name.empty()) return Put::exists;
  if (known) close(name);
  if (names_.size() >= most_ || bytes_ + sql.size() + types.size() > bytes_most_) return Put::full;
  names_.emplace(name, catalog_.acquire(sql, types, bucket));
  bytes_ += sql.size() + types.size();
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
  bytes_ -= statement.sql.size() + statement.types.size();
  catalog_.release(found->second);
  names_.erase(found);
}

void ClientStatements::clear() {
  for (const auto& [name, id] : names_) catalog_.release(id);
  names_.clear();
  bytes_ = 0;
}

ServerStatements::Use ServerStatements::use(StatementId id) {
  const auto known = places_.find(id);
  if (known != places_.end()) {
    used_.splice(used_.end(), used_, known->second);
    return {};
  }
  Use use;
  use.parse = true;
  if (!used_.empty() && places_.size() >= most_) {
    use.close = used_.front();
    places_.erase(used_.front());
    used_.pop_front();
  }
  places_[id] = used_.insert(used_.end(), id);
  return use;
}

void ServerStatements::parse_failed(StatementId id) {
  const auto known = places_.find(id);
  if (known == places_.end()) return;
  used_.erase(known->second);
  places_.erase(known);
}

void ServerStatements::close_skipped(StatementId id) {
  if (places_.contains(id)) return;
  places_[id] = used_.insert(used_.begin(), id);
}

void ServerStatements::clear() {
  used_.clear();
  places_.clear();
}

}  // namespace evergres::proxy
