#include "cluster/cluster_store.hpp"

#include <cstdio>

#include "base/check.hpp"
#include "cluster/json.hpp"
#include "core/loss.hpp"

namespace evergres::cluster {
namespace {

constexpr std::size_t card_limit = 16 * 1024;
constexpr std::size_t history_limit = 64 * 1024;

Result<Versioned<core::Record>> decode_record(const store::Entry& entry) {
  auto record = parse_json<core::Record>(entry.value, store::max_value_bytes, "record");
  if (!record) return record.error().while_doing("the record in the store cannot be read");
  if (auto sound = check_record(record.value()); !sound) {
    return sound.error().while_doing("the record in the store contradicts itself");
  }
  return Versioned<core::Record>{std::move(record).value(), entry.revision};
}

Result<Versioned<NodeCard>> decode_card(const store::Entry& entry) {
  auto card = parse_json<NodeCard>(entry.value, card_limit, entry.key);
  if (!card) return card.error();
  const std::string name = entry.key.substr(entry.key.rfind('/') + 1);
  if (card->name != name || !is_node_name(name)) {
    return Error(ErrorCode::data_invalid, "a node card names another node",
                 entry.key + " holds the card of \"" +
                     json_detail::clean_utf8(card->name.substr(0, 64)) + "\".");
  }
  return Versioned<NodeCard>{std::move(card).value(), entry.revision};
}

Result<CardOutcome> card_outcome(store::PutOutcome outcome) {
  if (const auto* applied = std::get_if<store::Applied>(&outcome)) {
    return CardOutcome(CardApplied{applied->revision});
  }
  const auto& current = std::get<store::Conflict>(outcome).current;
  if (!current) return CardOutcome(CardConflict{});
  auto card = decode_card(*current);
  if (!card) return card.error();
  return CardOutcome(CardConflict{std::move(card).value()});
}

std::string term_key(std::uint64_t term) {
  char text[32];
  std::snprintf(text, sizeof text, "events/%020llu", static_cast<unsigned long long>(term));
  return text;
}

}  // namespace

ClusterStore::ClusterStore(std::unique_ptr<store::Store> store, std::string cluster)
    : store_(std::move(store)), root_("/evergres/" + cluster + "/") {
  CHECK(store_ != nullptr);
  CHECK(!cluster.empty() && cluster.size() <= 64 && cluster.find('/') == std::string::npos);
}

std::string ClusterStore::key(std::string_view rest) const {
  return root_ + std::string(rest);
}

Result<std::optional<Versioned<core::Record>>> ClusterStore::read_record(Millis deadline) {
  auto entry = store_->get(key("record"), deadline);
  if (!entry) return entry.error();
  if (!entry.value()) return std::optional<Versioned<core::Record>>();
  auto record = decode_record(*entry.value());
  if (!record) return record.error();
  return std::optional(std::move(record).value());
}

Result<WriteOutcome> ClusterStore::write_record(const core::Record& record,
                                                std::optional<Revision> expected, Millis deadline) {
  if (auto sound = check_record(record); !sound) {
    return sound.error().while_doing("a record that contradicts itself was not written");
  }
  const auto expect = expected ? store::Expect::at(*expected) : store::Expect::absent();
  auto outcome = store_->put(key("record"), json_text(record), expect, deadline);
  if (!outcome) return outcome.error();
  if (const auto* applied = std::get_if<store::Applied>(&outcome.value())) {
    return WriteOutcome(RecordApplied{applied->revision});
  }
  const auto& current = std::get<store::Conflict>(outcome.value()).current;
  if (!current) return WriteOutcome(RecordConflict{});
  auto theirs = decode_record(*current);
  if (!theirs) return theirs.error();
  return WriteOutcome(RecordConflict{std::move(theirs).value()});
}

Result<std::optional<Versioned<Spec>>> ClusterStore::read_spec(Millis deadline) {
  auto entry = store_->get(key("spec"), deadline);
  if (!entry) return entry.error();
  if (!entry.value()) return std::optional<Versioned<Spec>>();
  auto spec = parse_spec(entry.value()->value);
  if (!spec) return spec.error();
  return std::optional(Versioned<Spec>{std::move(spec).value(), entry.value()->revision});
}

Result<std::optional<Revision>> ClusterStore::spec_revision(Millis deadline) {
  auto entry = store_->get(key("spec"), deadline);
  if (!entry) return entry.error();
  return entry.value() ? std::optional(entry.value()->revision) : std::optional<Revision>();
}

Result<SpecOutcome> ClusterStore::write_spec(const Spec& spec, std::optional<Revision> expected,
                                             Millis deadline) {
  const std::string text = spec_text(spec);
  // What nobody could read again is not written.
  if (auto sound = parse_spec(text); !sound) return sound.error();
  const auto expect = expected ? store::Expect::at(*expected) : store::Expect::absent();
  auto outcome = store_->put(key("spec"), text, expect, deadline);
  if (!outcome) return outcome.error();
  if (const auto* applied = std::get_if<store::Applied>(&outcome.value())) {
    return SpecOutcome(SpecApplied{applied->revision});
  }
  const auto& current = std::get<store::Conflict>(outcome.value()).current;
  auto theirs = current ? parse_spec(current->value) : Result<Spec>(Spec{});
  if (!current || !theirs) return SpecOutcome(SpecConflict{});
  return SpecOutcome(SpecConflict{Versioned<Spec>{std::move(theirs).value(), current->revision}});
}

Result<Revision> ClusterStore::wait_for_change(Revision seen, Millis deadline) {
  return store_->changed_since(root_, seen, deadline);
}

Result<ClusterStore::Cards> ClusterStore::list_cards(Millis deadline) {
  auto listing = store_->list(key("nodes/"), deadline);
  if (!listing) return listing.error();
  Cards cards;
  cards.revision = listing->revision;
  for (const auto& entry : listing->entries) {
    auto card = decode_card(entry);
    if (card) {
      cards.cards.push_back(std::move(card).value());
    } else {
      cards.unreadable.push_back("The node card " + entry.key +
                                 " cannot be read: " + card.error().one_line());
    }
  }
  return cards;
}

Result<CardOutcome> ClusterStore::put_card(const NodeCard& card, store::Expect expect,
                                           Millis deadline) {
  CHECK(is_node_name(card.name));
  auto outcome = store_->put(key("nodes/" + card.name), json_text(card), expect, deadline);
  if (!outcome) return outcome.error();
  return card_outcome(std::move(outcome).value());
}

Result<CardOutcome> ClusterStore::remove_card(const NodeName& node, store::Expect expect,
                                              Millis deadline) {
  CHECK(is_node_name(node.value));
  auto outcome = store_->remove(key("nodes/" + node.value), expect, deadline);
  if (!outcome) return outcome.error();
  return card_outcome(std::move(outcome).value());
}

Outcome ClusterStore::append_history(const HistoryEntry& entry, Millis deadline) {
  const std::string text = json_text(entry);
  auto outcome = store_->put(key(term_key(entry.term)), text, store::Expect::absent(), deadline);
  if (!outcome) return outcome.error();
  const auto* conflict = std::get_if<store::Conflict>(&outcome.value());
  if (conflict == nullptr || (conflict->current && conflict->current->value == text)) return {};
  return Error(ErrorCode::already_exists,
               "term " + std::to_string(entry.term) + " has another entry in the history");
}

LostTail lost_tail(const core::Loss& loss) {
  LostTail tail;
  tail.leader = loss.leader.node.value;
  tail.from = loss.from.text();
  if (loss.to) tail.to = loss.to->text();
  tail.bytes = core::bytes_of(loss);
  tail.silent_ms = loss.silent_ms;
  tail.measured = loss.measured;
  return tail;
}

Outcome ClusterStore::amend_history(std::uint64_t term, const LostTail& lost, Millis deadline) {
  auto listing = store_->list(key("events/"), deadline);
  if (!listing) return listing.error();
  for (const auto& entry : listing->entries) {
    if (entry.key != key(term_key(term))) continue;
    auto one = parse_json<HistoryEntry>(entry.value, history_limit, entry.key);
    if (!one) return {};  // nobody can show it; the leader has more to do than to insist
    one->lost = lost;
    auto outcome =
        store_->put(entry.key, json_text(*one), store::Expect::at(entry.revision), deadline);
    if (!outcome) return outcome.error();
    if (std::holds_alternative<store::Applied>(*outcome)) return {};
    return Error(ErrorCode::conflict,
                 "the history of term " + std::to_string(term) + " was changed meanwhile");
  }
  return {};
}

Result<std::vector<HistoryEntry>> ClusterStore::list_history(Millis deadline) {
  auto listing = store_->list(key("events/"), deadline);
  if (!listing) return listing.error();
  std::vector<HistoryEntry> history;
  for (const auto& entry : listing->entries) {
    auto one = parse_json<HistoryEntry>(entry.value, history_limit, entry.key);
    if (one && key(term_key(one->term)) == entry.key) history.push_back(std::move(one).value());
  }
  return history;
}

}  // namespace evergres::cluster
