#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "config/node_settings.hpp"

/// Everything that node.yaml can say is declared once: one Option line for each field of
/// NodeSettings. Reader, reference and sample are made from this list.
namespace evergres::config {

using TextMap = std::map<std::string, std::string>;

/// The field that an option fills.
using Target =
    std::variant<std::string NodeSettings::*, NodeName NodeSettings::*,
                 std::filesystem::path NodeSettings::*, int NodeSettings::*,
                 std::uint32_t NodeSettings::*, std::uint64_t NodeSettings::*,
                 Millis NodeSettings::*, TextMap NodeSettings::*, ProxySettings NodeSettings::*>;

/// What a value must look like.
enum class Kind {
  cluster_name,  ///< like a node name
  node_name,
  path,   ///< a relative one is relative to the directory of the file
  store,  ///< "sqlite:PATH"; a relative PATH is relative to the directory of the file
  host,   ///< host name or address, without a port
  port,
  durability,   ///< "quorum", "strict" or "async"
  size,         ///< "0", "512kB", "1MB", "4GB" or "unlimited"
  count,        ///< an integer within [least, most]
  duration,     ///< "1200ms", "3s", "2min", "1h" within [least, most] milliseconds
  parameters,   ///< postgresql.conf names and values
  tags,         ///< those of tag_keys, and any other with a text, a number, true or false
  application,  ///< one of application_keys each
  user,          ///< of HTTP's basic authentication: without a colon
  changes_from,  ///< "this-machine" or "anywhere"
  proxy,         ///< each line is one of proxy_options()
};

enum class Need { required, optional };

struct Option {
  std::string_view name;
  Target field;
  Kind kind;
  Need need;
  std::string_view
      default_text;         ///< "" if it is required or the default is what NodeSettings{} says
  std::string_view sample;  ///< the value in the sample file
  std::string_view help;    ///< sentences
  std::int64_t least = 0;   ///< for count, and in milliseconds for duration
  std::int64_t most = 0;
};

/// In the order of the reference and the sample.
std::span<const Option> options();

/// A key of the map `application`.
struct ApplicationKey {
  std::string_view name;
  bool is_path;
  std::string_view help;
};
std::span<const ApplicationKey> application_keys();

/// A tag that Evergres itself looks at.
struct TagKey {
  enum class Value { flag, priority, node, text };
  std::string_view name;
  Value value;
  std::string_view help;
};
std::span<const TagKey> tag_keys();

/// What "a duration" and its like mean, for reference and messages.
std::string_view kind_text(Kind kind);

/// The default as the reference prints it: the text above or the value in NodeSettings{}.
std::string default_of(const Option& option);

}  // namespace evergres::config
