#include "api/config_change.hpp"

#include <boost/json/serialize.hpp>
#include <optional>

#include "api/answers.hpp"
#include "api/change_body.hpp"
#include "api/documents.hpp"
#include "config/cluster_printer.hpp"
#include "config/cluster_reader.hpp"

namespace evergres::api {
namespace {

namespace json = boost::json;
using agent::View;
using config::ClusterSettings;
using net::HttpAnswer;
using Wish = std::variant<Change, HttpAnswer>;

constexpr const char* where_to_look = "`evergres print cluster-options` lists what can be set.";

Error bad(std::string message, std::string detail = {}) {
  return Error(ErrorCode::usage, std::move(message), std::move(detail), where_to_look);
}

/// What Patroni keeps in two switches is one word here.
struct Mode {
  bool synchronous = true;
  bool strict = false;
  bool declared = false;  ///< the settings of the cluster say it, and not each node.yaml

  static Mode of(const ClusterSettings& settings) {
    const std::string word = settings.durability.value_or("quorum");
    return {word != "async", word == "strict", settings.durability.has_value()};
  }
  [[nodiscard]] std::string word() const {
    return !synchronous ? "async" : strict ? "strict" : "quorum";
  }
};

/// true, "quorum", "on"; false, "off".
Result<bool> switch_in(const json::value& value, std::string_view name) {
  if (value.is_bool()) return value.get_bool();
  const std::string_view word =
      value.is_string() ? std::string_view(value.get_string()) : std::string_view();
  if (word == "quorum" || word == "on") return true;
  if (word == "off") return false;
  return bad("\"" + std::string(name) + "\" is neither true nor false");
}

Outcome change_mode(ClusterSettings& settings, const ChangeBody& body) {
  if (!body.mentions("synchronous_mode") && !body.mentions("synchronous_mode_strict")) return {};
  Mode mode = Mode::of(settings);
  if (body.mentions("synchronous_mode") && !body.has("synchronous_mode")) mode = Mode{};
  for (const auto& [name, field] : {std::pair{"synchronous_mode", &Mode::synchronous},
                                    std::pair{"synchronous_mode_strict", &Mode::strict}}) {
    if (!body.mentions(name)) continue;
    const json::value* const value = body.value(name);
    if (value == nullptr) mode.*field = Mode{}.*field;
    if (value == nullptr) continue;
    const auto wanted = switch_in(*value, name);
    if (!wanted) return wanted.error();
    mode.*field = *wanted;
    mode.declared = true;
  }
  if (!mode.declared) settings.durability.reset();
  if (!mode.declared) return {};
  return config::set_option(settings, "durability=" + mode.word());
}

/// Patroni takes texts, numbers and switches.
Result<std::string> parameter_text(const std::string& name, const json::value& value) {
  if (value.is_string()) return std::string(std::string_view(value.get_string()));
  if (value.is_bool()) return std::string(value.get_bool() ? "on" : "off");
  if (value.is_number()) return json::serialize(value);
  return bad("the value of the parameter \"" + name + "\" is no text, number or switch");
}

Outcome change_parameters(ClusterSettings& settings, const json::value& given, bool replace) {
  if (!given.is_object()) return bad("\"postgresql.parameters\" is no object");
  if (replace) {
    std::erase_if(settings.parameters, [](const auto& one) { return !may_be_secret(one.first); });
  }
  for (const auto& member : given.get_object()) {
    const std::string name(member.key().data(), member.key().size());
    if (name.find('=') != std::string::npos) return bad("\"" + name + "\" is no parameter");
    if (member.value().is_null()) {
      settings.parameters.erase(name);
      continue;
    }
    const auto text = parameter_text(name, member.value());
    if (!text) return text.error();
    if (auto set = config::set_parameter(settings, name + "='" + *text + "'"); !set) return set;
  }
  return {};
}

Outcome change_postgresql(ClusterSettings& settings, const json::value* given, bool replace) {
  const json::object nothing;
  if (given != nullptr && !given->is_object()) return bad("\"postgresql\" is no object");
  const json::object& postgresql = given == nullptr ? nothing : given->get_object();
  for (const auto& member : postgresql) {
    const std::string name(member.key().data(), member.key().size());
    const bool always_on = name == "use_pg_rewind" || name == "use_slots";
    if (name == "parameters" || (always_on && member.value() == json::value(true))) continue;
    return bad(always_on ? "\"" + name + "\" cannot be switched off"
                         : "\"postgresql." + name + "\" is no setting of the cluster",
               name == "pg_hba" ? "Who may connect is said in \"allow\"." : "");
  }
  const json::value* const parameters = postgresql.if_contains("parameters");
  if (parameters != nullptr && !parameters->is_null())
    return change_parameters(settings, *parameters, replace);
  // Absent from a PATCH it stays; null, or absent from a PUT, it goes.
  if (!replace && given != nullptr && parameters == nullptr) return {};
  return change_parameters(settings, json::object(), true);
}

/// A PATCH changes the slots that it names: null takes one away.
Outcome change_slots(ClusterSettings& settings, const ChangeBody& body) {
  if (!body.mentions("slots")) return {};
  const json::value* const given = body.value("slots");
  if (given == nullptr) settings.slots.clear();
  if (given == nullptr) return {};
  if (!given->is_object()) return bad("\"slots\" is no object");
  for (const auto& member : given->get_object()) {
    const std::string name(member.key().data(), member.key().size());
    if (member.value().is_null()) {
      settings.slots.erase(name);
      continue;
    }
    json::object alone;
    alone[name] = member.value();
    ClusterSettings read;
    if (auto set = config::set_option(read, "slots=" + json::serialize(alone)); !set) return set;
    settings.slots.insert_or_assign(name, read.slots[name]);
  }
  if (settings.slots.size() > config::most_slots)
    return bad("there would be more than " + std::to_string(config::most_slots) + " slots");
  return {};
}

/// The members of `body` that are not Patroni's: our own options, as JSON, which is YAML too.
Outcome change_own(ClusterSettings& settings, const ChangeBody& body) {
  for (const config::ClusterOption& option : config::cluster_options()) {
    const bool patronis = option.name == config::parameters_option || option.name == "slots";
    if (patronis || !body.mentions(option.name)) continue;
    const json::value* const value = body.value(option.name);
    const std::string text = value == nullptr ? "" : json::serialize(*value);
    const auto set = config::set_option(settings, std::string(option.name) + "=" + text);
    if (!set) return set;
  }
  return {};
}

Result<ClusterSettings> changed(ClusterSettings settings, const ChangeBody& body, bool replace) {
  if (replace) {
    settings.durability.reset();
    settings.acknowledgements.reset();
    settings.slots.clear();
  }
  if (auto done = change_mode(settings, body); !done) return done.error();
  if (body.mentions("synchronous_node_count")) {
    const json::value* const count = body.value("synchronous_node_count");
    const std::string text = count == nullptr ? "" : json::serialize(*count);
    auto set = config::set_option(settings, "acknowledgements=" + text);
    if (!set) return set.error();
  }
  if (replace || body.mentions("postgresql")) {
    auto done = change_postgresql(settings, body.value("postgresql"), replace);
    if (!done) return done.error();
  }
  if (auto done = change_slots(settings, body); !done) return done.error();
  if (auto done = change_own(settings, body); !done) return done.error();
  return settings;
}

std::vector<std::string_view> known_members() {
  std::vector<std::string_view> known{
      "pause",      "synchronous_mode", "synchronous_mode_strict", "synchronous_node_count",
      "postgresql", "evergres"};
  for (const config::ClusterOption& option : config::cluster_options()) {
    if (option.name != config::parameters_option) known.push_back(option.name);
  }
  return known;
}

Wish pause_alone(bool pause) {
  Change change;
  change.request["verb"] = pause ? "pause" : "resume";
  change.request["wait"] = true;
  change.refused = 409;
  change.shows_config = true;
  return change;
}

/// What is in the document of /config but can only be sent back as it is.
std::optional<Error> cannot_change(const ChangeBody& body, bool pause, const View& view) {
  if (body.mentions("pause") && pause != view.paused) {
    return bad("\"pause\" is changed by a request of its own", "PATCH /config with it alone.");
  }
  const json::value* const own = body.value("evergres");
  if (own == nullptr) return std::nullopt;
  const auto shown = config_document(view);
  if (shown && shown->as_object().at("evergres") == *own) return std::nullopt;
  return bad("\"evergres\" is not changed here", "It shows what the node.yaml of this node says.");
}

}  // namespace

Wish change_config(const net::HttpRequest& request, const View& view, bool replace) {
  const auto body = ChangeBody::parse(request.body, known_members(), false);
  if (!body) {
    const Error& why = body.error();
    return error_answer(400, Error(why.code(), why.message(), why.detail(), where_to_look));
  }
  const auto pause = body->flag("pause");
  if (!pause) return error_answer(400, pause.error());
  if (!replace && body->size() == 1 && body->mentions("pause")) return pause_alone(*pause);
  if (const auto why = cannot_change(*body, *pause, view)) return error_answer(400, *why);
  if (view.cluster.settings_trouble && !view.cluster.settings_trouble->empty()) {
    return error_answer(
        409, Error(ErrorCode::conflict, "the settings in the store cannot be read",
                   *view.cluster.settings_trouble + ".", "`evergres edit-config` replaces them."));
  }
  const ClusterSettings before =
      view.cluster_settings ? view.cluster_settings->settings : ClusterSettings();
  const auto after = changed(before, *body, replace);
  if (!after) return error_answer(400, after.error());
  if (*after == before) {
    return json_answer(200, config_document(view).value_or(json::object()));
  }
  Change change;
  change.request["verb"] = "edit cluster settings";
  change.request["text"] = config::cluster_text(*after);
  change.request["expected"] = view.cluster_settings ? view.cluster_settings->generation : 0;
  change.request["by"] = request.method + " /config on " + view.cluster.answered_by;
  change.invalid = 400;
  change.refused = 409;
  change.shows_config = true;
  return change;
}

}  // namespace evergres::api
