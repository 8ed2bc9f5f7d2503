#include "agent/store_keeper.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/services.hpp"
#include "cluster/json.hpp"
#include "core/transition.hpp"
#include "store/backends.hpp"
#include "store/frozen_holder.hpp"

namespace evergres::agent {
namespace {

constexpr std::size_t most_card_bytes = 12U << 10U;
constexpr Millis round_length{1000};
constexpr Millis step_deadline{1000};
/// The history grows with each opened term and is read then; the slow reading is for entries that
/// come late or never, because their leader died between the record and the history.
constexpr unsigned quick_history_reads = 10;
constexpr Millis slow_history_reads{60'000};

/// Where the endpoints of other nodes reach ours: its own address, or that of the node if it
/// listens at all of them.
std::optional<std::pair<std::string, int>> endpoint_of(const config::NodeSettings& settings) {
  const config::ProxySettings& proxy = settings.proxy;
  if (!proxy.enabled) return std::nullopt;
  const bool everywhere = proxy.host == "0.0.0.0" || proxy.host == "::";
  return std::pair{everywhere ? settings.peer_host : proxy.host, proxy.port};
}

}  // namespace

StoreKeeper::StoreKeeper(const Setup& setup, std::string node_id, Claim agent, Tell tell)
    : setup_(setup),
      node_id_(std::move(node_id)),
      tell_(std::move(tell)),
      duty_{.renew = false,
            .agent = std::move(agent),
            .incarnation = {},
            .hears = {},
            .settings = {},
            .open_term = {}},
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void StoreKeeper::set_duty(Duty duty) {
  const std::lock_guard lock(mutex_);
  duty_ = std::move(duty);
}

void StoreKeeper::run(const std::stop_token& stop) {
  do {
    const Outcome outcome = round();
    const std::string trouble = outcome ? "" : outcome.error().one_line();
    if (!outcome) store_.reset();
    if (!outcome && outcome.error().code() == ErrorCode::store_locked) end_frozen_holder();
    tell_([trouble](Knowledge& k) { k.situation.store_trouble = trouble; });
  } while (pulse_.wait(stop, round_length));
}

void StoreKeeper::end_frozen_holder() {
  auto ended = store::end_frozen_holder(setup_.settings.store);
  if (!ended) spdlog::warn("{}", ended.error().one_line());
  if (ended && *ended) spdlog::warn("a frozen agent held the store's write lock and was killed");
}

Outcome StoreKeeper::round() {
  if (!store_) {
    auto opened =
        store::open_store(setup_.settings.store, setup_.settings.cluster, store::Create::no);
    if (!opened) return opened.error();
    store_.emplace(std::move(opened).value(), setup_.settings.cluster);
  }
  Duty duty;
  {
    const std::lock_guard lock(mutex_);
    duty = duty_;
  }
  const Instant asked_at = boot_now();
  auto read = store_->read_record(step_deadline);
  if (!read) return read.error();
  if (!*read) {
    tell_([asked_at](Knowledge& k) {
      k.situation.record_missing = true;
      k.situation.store_read_at = asked_at;
    });
  } else {
    tell_([record = (*read)->value, revision = (*read)->revision, asked_at](Knowledge& k) {
      learn_stored_record(k, record, revision, boot_now());
      // A store that shows less than we know says nothing about what we know.
      if (revision >= k.situation.revision) k.situation.store_read_at = asked_at;
      k.situation.record_missing = false;
    });
  }
  const bool due = boot_now() - announced_at_ >= round_length - Millis{50};
  if (!due) return {};
  announced_at_ = boot_now();
  // Before anything else is written: whoever must yield to an older agent of this name changes
  // nothing.
  auto announced = announce(duty);
  if (!announced) return announced.error();
  tell_([yields = *announced](Knowledge& k) { k.yields = yields; });
  if (duty.renew && *read && !*announced) {
    auto renewed = core::renew((*read)->value, duty.agent);
    if (renewed) {
      const Instant renewal_began = boot_now();
      auto written = store_->write_record(*renewed, (*read)->revision, step_deadline);
      if (!written) return written.error();
      if (const auto* applied = std::get_if<cluster::RecordApplied>(&*written)) {
        tell_([record = *renewed, revision = applied->revision, renewal_began](Knowledge& k) {
          learn_record(k, record, revision, boot_now());
          k.situation.renewed_at = renewal_began;
        });
      }
    }
  }
  read_cards();
  read_settings();
  read_history(duty.open_term);
  return {};
}

// What cannot be read, or is gone, changes nothing: the last good ones stay in force.
void StoreKeeper::read_settings() {
  auto read = store_->read_spec(step_deadline);
  if (!read && read.error().code() != ErrorCode::data_invalid) return;
  tell_([read = std::move(read)](Knowledge& k) {
    k.settings.store_read = k.settings.store_read || read.ok();
    if (!read) {
      k.settings.store_trouble = read.error().one_line();
    } else if (*read) {
      learn_settings(k.settings, (*read)->value);
    } else if (k.settings.newest) {
      k.settings.store_trouble = "the store has no settings any more; generation " +
                                 std::to_string(k.settings.newest->generation) + " stays in force";
    }
  });
}

void StoreKeeper::read_history(Term open_term) {
  const bool news = history_read_at_.nanos == 0 || history_end_ < open_term;
  const bool patient = !news || history_misses_ >= quick_history_reads;
  if (patient && boot_now() - history_read_at_ < slow_history_reads) return;
  history_read_at_ = boot_now();
  auto listed = store_->list_history(step_deadline);
  if (!listed) return;
  auto entries = std::make_shared<std::vector<cluster::HistoryEntry>>(std::move(listed).value());
  std::sort(entries->begin(), entries->end(),
            [](const auto& one, const auto& other) { return one.term < other.term; });
  if (!entries->empty()) history_end_ = Term{entries->back().term};
  history_misses_ = history_end_ < open_term ? history_misses_ + 1 : 0;
  tell_([history = std::move(entries)](Knowledge& k) { k.history = history; });
}

Result<std::optional<std::string>> StoreKeeper::announce(const Duty& duty) {
  cluster::NodeCard card;
  card.name = setup_.settings.node.value;
  card.node_id = node_id_;
  card.peer_host = setup_.settings.peer_host;
  card.peer_port = setup_.settings.peer_port;
  card.postgres_host = setup_.settings.postgres_host;
  card.postgres_port = setup_.settings.postgres_port;
  card.incarnation = duty.incarnation.value;
  card.postgres_major = setup_.major;
  card.beat = ++beat_;
  card.hears = duty.hears;
  card.agent = duty.agent.value;
  card.api_url = api_url(setup_.settings);
  card.settings = duty.settings;
  if (!setup_.settings.tags.empty()) card.tags = setup_.settings.tags;
  if (const auto endpoint = endpoint_of(setup_.settings)) {
    card.endpoint_host = endpoint->first;
    card.endpoint_port = endpoint->second;
  }
  // Whoever reads cards takes 16 KB; the address matters more than what was altered.
  if (cluster::json_text(card).size() > most_card_bytes) card.settings.reset();
  return card_.announce(*store_, card, step_deadline);
}

void StoreKeeper::read_cards() {
  auto listed = store_->list_cards(step_deadline);
  if (!listed) return;
  const Instant now = boot_now();
  struct News {
    cluster::NodeCard card;
    Instant moved;
  };
  std::vector<News> news;
  for (const auto& entry : listed->cards) {
    const NodeName name{entry.value.name};
    auto [found, fresh] = beats_.try_emplace(name, entry.value.beat, now);
    // A first sight says nothing about life: only a beat that changes does.
    if (fresh) found->second.second = Instant{};
    if (found->second.first != entry.value.beat) found->second = {entry.value.beat, now};
    news.push_back(News{entry.value, found->second.second});
  }
  tell_([news](Knowledge& k) {
    for (const News& one : news) {
      const NodeName name{one.card.name};
      k.cards[name] = one.card;
      if (name == k.situation.me) continue;
      core::Peer& peer = k.situation.peers[name];
      if (one.moved.nanos != 0) peer.card_moved = one.moved;
      peer.card_hears.clear();
      for (const std::string& heard : one.card.hears) peer.card_hears.push_back(NodeName{heard});
    }
  });
}

}  // namespace evergres::agent
