#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/place.hpp"

/// What is in force on a node: every option of node.yaml, and every PostgreSQL parameter that
/// Evergres renders, each with who decided it. Secrets are files; their contents never appear.
namespace evergres::cli {

struct EffectiveOption {
  std::string name;
  std::string value;
  bool by_default = false;
};

/// Who decides a parameter: "cluster" (edit-config), "operator" (node.yaml), "default" (Evergres'
/// choice, node.yaml may overrule it), "evergres" (node.yaml may not set it), "forbidden"
/// (node.yaml sets it all the same: the node does not start with it).
struct EffectiveParameter {
  std::string name;
  std::string value;
  std::string owner;
};

struct EffectiveConfig {
  std::string node;
  std::string file;
  std::vector<EffectiveOption> options;
  std::vector<EffectiveParameter> parameters;
  std::uint64_t generation = 0;  ///< of the cluster's settings on this node; 0: none
};

/// Reads the file once more, to see what it says and what it leaves out. Errors: config_invalid.
Result<EffectiveConfig> effective_config(const KnownNode& node);

/// name = 'value' lines as PostgreSQL reads them (doubled quotes, backslashes); others are left
/// out.
std::map<std::string, std::string> rendered_values(const std::string& text);

}  // namespace evergres::cli
