#include <algorithm>

#include "agent/endpoint_files.hpp"
#include "agent/operations/operation.hpp"
#include "core/transition.hpp"
#include "store/backends.hpp"

namespace evergres::agent {

Hands::Hands(const Setup& the_setup, Knowledge snapshot, std::function<void(Learn)> tell,
             std::stop_token the_stop)
    : setup(the_setup),
      known(std::move(snapshot)),
      stop(std::move(the_stop)),
      tell_(std::move(tell)) {}

void Hands::progress(const std::string& text) {
  learn([text](Knowledge& k) { k.progress = text; });
}

Error Hands::cancelled() const {
  return Error(ErrorCode::cancelled, "the operation was given up",
               "Something more urgent came up.");
}

Result<boost::json::object> Hands::ask_supervisor(const supervisor::Request& request,
                                                  Millis deadline) {
  if (!supervisor_) {
    auto client = supervisor::Client::connect(supervisor::socket_path(setup.settings.run_directory),
                                              Millis{2000});
    if (!client) return client.error();
    supervisor_.emplace(std::move(client).value());
  }
  auto reply = supervisor_->ask(request, deadline);
  if (!reply && reply.error().code() != ErrorCode::refused) supervisor_.reset();
  return reply;
}

Result<supervisor::Status> Hands::supervisor_status() {
  auto reply = ask_supervisor(supervisor::AskStatus{}, Millis{2000});
  if (!reply) return reply.error();
  return supervisor::status_from_json(*reply);
}

Result<cluster::ClusterStore*> Hands::store() {
  if (!store_) {
    auto opened =
        store::open_store(setup.settings.store, setup.settings.cluster, store::Create::no);
    if (!opened) return opened.error();
    store_.emplace(std::move(opened).value(), setup.settings.cluster);
  }
  return &*store_;
}

Result<core::Record> Hands::change_record(const Transition& transition) {
  auto written = write_record(transition);
  if (!written) return written.error();
  learn_written(*written);
  return std::move(written->value);
}

void Hands::learn_written(const Written& written) {
  learn([written](Knowledge& k) { learn_record(k, written.value, written.revision, boot_now()); });
}

Result<Hands::Written> Hands::write_record(const Transition& transition) {
  auto opened = store();
  if (!opened) return opened.error();
  cluster::ClusterStore& cluster_store = **opened;
  auto read = cluster_store.read_record(store_deadline);
  if (!read) return read.error();
  if (!*read) return Error(ErrorCode::not_found, "the store has no record of this cluster");
  auto current = std::move(**read);
  constexpr int tries = 8;
  for (int attempt = 0; attempt < tries; ++attempt) {
    auto wanted = transition(current.value);
    if (!wanted) return wanted.error();
    auto outcome = cluster_store.write_record(*wanted, current.revision, store_deadline);
    if (!outcome) return outcome.error();
    if (const auto* applied = std::get_if<cluster::RecordApplied>(&*outcome)) {
      return Written{std::move(*wanted), applied->revision};
    }
    auto& conflict = std::get<cluster::RecordConflict>(*outcome);
    if (!conflict.current) return Error(ErrorCode::not_found, "the record vanished from the store");
    const bool large = !core::differs_only_in_small_things(current.value, *wanted);
    current = std::move(*conflict.current);
    // A lost reply: our own change is already there, perhaps renewed since. (Only the holder of the
    // claim makes a large change, so an equal one is ours.)
    const bool renewed_since = large && core::differs_only_in_small_things(current.value, *wanted);
    if (current.value == *wanted || renewed_since) return current;
  }
  return Error(ErrorCode::conflict, "the record changed under every try to change it");
}

Result<postgres::Upstream> Hands::upstream_to(const NodeName& node, const std::string& name) const {
  const auto card = known.cards.find(node);
  if (card == known.cards.end()) {
    return Error(ErrorCode::not_found, "the address of \"" + node.value + "\" is not known",
                 "It has no card in the store.");
  }
  return postgres::Upstream{card->second.postgres_host, card->second.postgres_port, name};
}

postgres::SafetySettings Hands::safety(const std::string& names) const {
  postgres::SafetySettings safety;
  safety.synchronous_standby_names = names;
  safety.primary_slot_name = core::slot_name(setup.settings.node);
  return safety;
}

postgres::Configuration Hands::configuration(const std::string& names) const {
  postgres::Configuration configuration;
  configuration.cluster_name = setup.settings.cluster;
  configuration.parameters = setup.settings.parameters;
  configuration.safety = safety(names);
  configuration.member_hosts = member_hosts(known);
  if (setup.settings.proxy.enabled) {
    configuration.endpoints = postgres::Endpoints{setup.settings.proxy.other_hosts};
  }
  configuration.certificates = usable_certificates(setup.settings.state_directory);
  const cluster::Spec* spec = settings_in_use(known.settings);
  // Those that this node never applied are only what the store says.
  const bool tried = known.settings.applied != nullptr;
  if (spec != nullptr && !tried &&
      !postgres::check_parameters(spec->settings.parameters, setup.major)) {
    spec = nullptr;
  }
  fill_in(configuration, spec);
  return configuration;
}

}  // namespace evergres::agent
