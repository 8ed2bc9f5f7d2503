#include "config/reader.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/file.hpp"
#include "config/alone.hpp"
#include "config/options.hpp"
#include "config/printer.hpp"
#include "config/proxy_reader.hpp"
#include "config/spelling.hpp"
#include "config/tags.hpp"
#include "config/values.hpp"
#include "config/yaml_walk.hpp"

namespace evergres::config {
namespace {

namespace fs = std::filesystem;

template <typename Type>
using Field = Type NodeSettings::*;

std::vector<std::string> names_of(const auto& list) {
  std::vector<std::string> names;
  for (const auto& entry : list) names.emplace_back(entry.name);
  return names;
}

/// One pass over one file. Each take_… reads one value into its field or says what is wrong with
/// it.
class Pass : private YamlWalk {
 public:
  explicit Pass(const fs::path& file) : YamlWalk(file.string()), base_(file.parent_path()) {}

  Reading run(std::string_view text) {
    try {
      const YAML::Node root = YAML::Load(std::string(text));
      take_root(root);
    } catch (const YAML::Exception& problem) {
      say(problem.mark.is_null() ? 0 : problem.mark.line + 1, "this is not YAML: " + problem.msg,
          "");
    }
    reading_.diagnostics = std::move(said_);
    std::ranges::stable_sort(reading_.diagnostics, {}, &Diagnostic::line);
    return std::move(reading_);
  }

 private:
  [[nodiscard]] fs::path absolute(const std::string& text) const {
    return fs::absolute(base_ / text).lexically_normal();
  }

  void take_root(const YAML::Node& root) {
    if (root.IsDefined() && !root.IsNull() && !root.IsMap()) {
      say(line_of(root), "the file is not a list of \"name: value\" lines", "");
      return;
    }
    if (root.IsMap())
      each_entry(root, "", [this](auto& key, auto& node) { take_entry(key, node); });
    if (alone_) return finish_alone();
    if (is_half_alone(seen_)) {
      say(line_of_option("proxy"), "the file has an endpoint, and no node",
          "for an endpoint alone name proxy.agents or proxy.external, for a node add node, "
          "data_directory and store");
      return;
    }
    for (const Option& option : options()) {
      if (option.need == Need::required && !seen_.contains(option.name)) {
        say(0, fmt::format("option \"{}\" is missing", option.name),
            fmt::format("add \"{}: {}\"", option.name, option.sample));
      }
    }
    if (said_.empty()) fill_computed_defaults();
    check_relations();
  }

  /// No node stands beside this endpoint.
  void finish_alone() {
    NodeSettings& is = reading_.settings;
    // Whatever is wrong with the addresses themselves has been said.
    if (said_.empty() || is.proxy.alone()) {
      for (auto& [line, message, hint] : alone_problems(is, seen_)) say(line, message, hint);
    }
    if (is.cluster.empty()) is.cluster = "external";
    if (is.state_directory.empty()) is.state_directory = absolute("state");
    if (is.run_directory.empty()) is.run_directory = "/run/evergres/proxy";
    check_run_directory();
  }

  void take_entry(const YAML::Node& key, const YAML::Node& node) {
    const std::string& name = key.Scalar();
    const auto list = options();
    const auto option = std::ranges::find(list, name, &Option::name);
    if (option == list.end()) {
      const auto meant = nearest(name, names_of(list));
      say(line_of(key), fmt::format("unknown option \"{}\"", name),
          meant ? fmt::format("did you mean \"{}\"?", *meant) : "");
      return;
    }
    seen_[option->name] = line_of(key);
    if (option->kind == Kind::parameters) return take_parameters(*option, key, node);
    if (option->kind == Kind::application) return take_application(*option, key, node);
    if (option->kind == Kind::tags) return take_tags(*option, key, node);
    if (option->kind == Kind::proxy) return take_proxy(*option, key, node);
    if (!node.IsScalar() || node.Scalar().empty()) {
      say(line_of(key), fmt::format("option \"{}\" has no value", name),
          fmt::format("write {}", kind_text(option->kind)));
      return;
    }
    take_scalar(*option, node);
  }

  void wrong(const Option& option, const YAML::Node& node, std::string hint) {
    say(line_of(node), fmt::format("\"{}\" is no value for {}", node.Scalar(), option.name),
        std::move(hint));
  }

  void take_scalar(const Option& option, const YAML::Node& node) {
    const std::string& text = node.Scalar();
    NodeSettings& to = reading_.settings;
    switch (option.kind) {
      case Kind::cluster_name:
        if (!is_node_name(text)) return wrong(option, node, write(option));
        to.*std::get<Field<std::string>>(option.field) = text;
        return;
      case Kind::node_name:
        if (!is_node_name(text)) return wrong(option, node, write(option));
        to.*std::get<Field<NodeName>>(option.field) = NodeName(text);
        return;
      case Kind::path: to.*std::get<Field<fs::path>>(option.field) = absolute(text); return;
      case Kind::store: return take_store(option, node);
      case Kind::host:
        if (!is_host(text)) return wrong(option, node, write(option));
        to.*std::get<Field<std::string>>(option.field) = text;
        return;
      case Kind::durability:
        if (text != "quorum" && text != "strict" && text != "async")
          return wrong(option, node, write(option));
        to.*std::get<Field<std::string>>(option.field) = text;
        return;
      case Kind::size: {
        const auto bytes = parse_size(text);
        if (!bytes) return wrong(option, node, write(option));
        to.*std::get<Field<std::uint64_t>>(option.field) = *bytes;
        return;
      }
      case Kind::port:
      case Kind::count: return take_number(option, node);
      case Kind::duration: return take_duration(option, node);
      case Kind::user:
        if (!is_user(text)) return wrong(option, node, write(option));
        to.*std::get<Field<std::string>>(option.field) = text;
        return;
      case Kind::changes_from:
        if (text != "this-machine" && text != "anywhere") return wrong(option, node, write(option));
        to.*std::get<Field<std::string>>(option.field) = text;
        return;
      case Kind::parameters:
      case Kind::tags:
      case Kind::proxy:
      case Kind::application: return;
    }
  }

  static std::string write(const Option& option) {
    return fmt::format("write {}, for example {}", kind_text(option.kind), option.sample);
  }

  void take_store(const Option& option, const YAML::Node& node) {
    constexpr std::string_view sqlite = "sqlite:";
    const std::string& text = node.Scalar();
    if (!text.starts_with(sqlite) || text.size() == sqlite.size()) {
      return wrong(option, node, "this version knows \"sqlite:PATH\"");
    }
    reading_.settings.store = std::string(sqlite) + absolute(text.substr(sqlite.size())).string();
  }

  void take_number(const Option& option, const YAML::Node& node) {
    const bool is_port = option.kind == Kind::port;
    const std::int64_t least = is_port ? 1 : option.least;
    const std::int64_t most = is_port ? 65'535 : option.most;
    const auto number = parse_integer(node.Scalar());
    if (!number || *number < least || *number > most) {
      return wrong(option, node, fmt::format("write a whole number from {} to {}", least, most));
    }
    if (is_port) {
      reading_.settings.*std::get<Field<int>>(option.field) = static_cast<int>(*number);
    } else {
      reading_.settings.*std::get<Field<std::uint32_t>>(option.field) =
          static_cast<std::uint32_t>(*number);
    }
  }

  void take_duration(const Option& option, const YAML::Node& node) {
    const auto duration = parse_duration(node.Scalar());
    if (!duration) {
      const bool has_no_unit = parse_integer(node.Scalar()).has_value();
      return wrong(option, node,
                   has_no_unit ? "a duration needs a unit: ms, s, min, h or d" : write(option));
    }
    if (duration->count() < option.least || duration->count() > option.most) {
      return wrong(
          option, node,
          fmt::format("write a duration from {} to {}", duration_text(Millis{option.least}),
                      duration_text(Millis{option.most})));
    }
    reading_.settings.*std::get<Field<Millis>>(option.field) = *duration;
  }

  bool is_map(const Option& option, const YAML::Node& key, const YAML::Node& node) {
    if (node.IsNull()) return false;
    if (node.IsMap()) return true;
    say(line_of(key),
        fmt::format("option \"{}\" is not a list of \"name: value\" lines", option.name),
        "indent them below it");
    return false;
  }

  void take_parameters(const Option& option, const YAML::Node& key, const YAML::Node& node) {
    if (!is_map(option, key, node)) return;
    each_entry(node, "parameters.", [this](auto& name, auto& value) {
      if (!is_setting_name(name.Scalar())) {
        say(line_of(name),
            fmt::format("\"{}\" cannot be the name of a PostgreSQL setting", name.Scalar()), "");
      } else if (!value.IsScalar() || value.Scalar().find('\n') != std::string::npos) {
        say(line_of(name), fmt::format("parameters.{} has no value in one line", name.Scalar()),
            "write '' for an empty text");
      } else {
        reading_.settings.parameters[name.Scalar()] = value.Scalar();
      }
    });
  }

  void take_application(const Option& option, const YAML::Node& key, const YAML::Node& node) {
    if (!is_map(option, key, node)) return;
    TextMap& to = reading_.settings.application;
    std::size_t given = 0;
    each_entry(node, "application.", [&](auto& name, auto& value) {
      const auto keys = application_keys();
      const auto known = std::ranges::find(keys, name.Scalar(), &ApplicationKey::name);
      ++given;
      if (known == keys.end()) {
        const auto meant = nearest(name.Scalar(), names_of(keys));
        say(line_of(name), fmt::format("unknown option \"application.{}\"", name.Scalar()),
            meant ? fmt::format("did you mean \"{}\"?", *meant)
                  : "application knows role, database and password_file");
      } else if (!value.IsScalar() || value.Scalar().empty() || value.Scalar().size() > 4096) {
        say(line_of(name), fmt::format("application.{} has no value", name.Scalar()), "");
      } else {
        to[name.Scalar()] = known->is_path ? absolute(value.Scalar()).string() : value.Scalar();
      }
    });
    for (const ApplicationKey& wanted : application_keys()) {
      if (given == to.size() && !to.contains(std::string(wanted.name))) {
        say(line_of(key), fmt::format("option \"application.{}\" is missing", wanted.name), "");
      }
    }
  }

  void take_tags(const Option& option, const YAML::Node& key, const YAML::Node& node) {
    if (!is_map(option, key, node)) return;
    TagReading tags = read_tags(node);
    reading_.settings.tags = std::move(tags.tags);
    for (const auto& [line, message, hint] : tags.problems) say(line, message, hint);
  }

  void take_proxy(const Option& option, const YAML::Node& key, const YAML::Node& node) {
    reading_.settings.proxy.enabled = true;
    if (!is_map(option, key, node)) return;
    ProxyReading proxy = read_proxy(node, base_);
    reading_.settings.proxy = std::move(proxy.settings);
    alone_ = proxy.alone;
    for (const auto& [line, message, hint] : proxy.problems) say(line, message, hint);
  }

  void fill_computed_defaults() {
    NodeSettings& to = reading_.settings;
    if (to.state_directory.empty()) to.state_directory = to.data_directory.parent_path() / "state";
    if (to.run_directory.empty()) to.run_directory = fs::path("/run/evergres") / to.node.value;
  }

  int line_of_option(std::string_view name) const {
    const auto found = seen_.find(name);
    return found == seen_.end() ? 0 : found->second;
  }

  void check_proxy_ports() {
    const NodeSettings& is = reading_.settings;
    if (!is.proxy.enabled) return;
    for (const auto& [name, port] :
         {std::pair{"postgres_port", is.postgres_port}, std::pair{"peer_port", is.peer_port},
          std::pair{"http_port", is.http_port}}) {
      // 0.0.0.0 is every address, and hosts may have several names: ports alone have to differ.
      if (port != is.proxy.port && port != is.proxy.read_only_port) continue;
      say(line_of_option("proxy"),
          fmt::format("{} and a port of the proxy are both {}", name, port),
          "give each its own port");
    }
  }

  void check_run_directory() {
    const NodeSettings& is = reading_.settings;
    // The longest name that we and PostgreSQL put there is ".s.PGSQL.65535.lock" (the lock is a
    // plain file, but counts for people who add their own); sun_path holds 107 bytes and a zero.
    if (is.run_directory.string().size() + sizeof("/.s.PGSQL.65535") - 1 > 107) {
      say(line_of_option("run_directory"), "run_directory is too long for the sockets in it",
          "92 bytes are possible, for example /run/evergres/" + is.node.value);
    }
  }

  /// What one value alone does not show.
  void check_relations() {
    const NodeSettings& is = reading_.settings;
    const auto upstream = is.tags.find("replicatefrom");
    if (upstream != is.tags.end() && upstream->second == is.node.value) {
      say(line_of_option("tags"), "tags.replicatefrom names this node", "name another one");
    }
    if (is.postgres_port == is.peer_port && is.postgres_host == is.peer_host) {
      say(std::max(line_of_option("peer_port"), line_of_option("postgres_port")),
          fmt::format("postgres_port and peer_port are both {}", is.peer_port),
          "give each its own port");
    }
    for (const auto& [name, host, port] :
         {std::tuple{"postgres_port", is.postgres_host, is.postgres_port},
          std::tuple{"peer_port", is.peer_host, is.peer_port}}) {
      if (is.http_port != port || is.http_host != host) continue;
      say(std::max(line_of_option("http_port"), line_of_option(name)),
          fmt::format("{} and http_port are both {}", name, port), "give each its own port");
    }
    check_run_directory();
    check_proxy_ports();
    if (is.voter_timeout < is.suspect_after) {
      say(std::max(line_of_option("voter_timeout"), line_of_option("suspect_after")),
          "voter_timeout is shorter than suspect_after", "a voter must not be given up earlier");
    }
    if (is.http_user.empty() != is.http_password_file.empty()) {
      say(std::max(line_of_option("http_user"), line_of_option("http_password_file")),
          "http_user and http_password_file belong together", "give both, or none of them");
    }
    if (!is.data_directory.empty() && is.data_directory == is.state_directory) {
      say(line_of_option("state_directory"), "state_directory is the data directory itself",
          "use a directory beside it");
    }
  }

  fs::path base_;
  Reading reading_;
  std::map<std::string_view, int> seen_;  ///< options in the file and their lines
  bool alone_ = false;                    ///< an endpoint without a node
};

}  // namespace

Reading parse_node_file(std::string_view text, const fs::path& file) {
  return Pass(file).run(text);
}

Result<NodeSettings> read_node_file(const fs::path& file) {
  Result<std::string> text = read_file(file);
  if (!text) return text.error();
  Reading reading = parse_node_file(*text, file);
  if (!reading.diagnostics.empty()) return config_error(reading.diagnostics);
  return std::move(reading.settings);
}

}  // namespace evergres::config
