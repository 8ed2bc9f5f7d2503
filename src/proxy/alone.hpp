#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "config/node_settings.hpp"
#include "proxy/configuration.hpp"

/// The endpoint on a machine without a node: nobody beside it makes its files.
namespace evergres::proxy {

/// What only such an endpoint is told otherwise: where its certificates are and who asks for
/// secrets. `file` is named in errors. Reads the password file, and looks whether certificates are
/// there. Errors: config_invalid, not_found, permission, data_invalid.
Outcome set_alone(Configuration& is, const config::NodeSettings& settings,
                  const std::filesystem::path& file);

/// Makes the run directory, and before external servers an authority and certificates of its own
/// for the clients, anew when they are 60 days old. To be called before set_alone() and each hour;
/// the value says whether something is to be told to people (a certificate that ends soon), ""
/// if not. Blocks on the disk. Errors: those of files.
Result<std::string> keep_files_alone(const config::NodeSettings& settings);

}  // namespace evergres::proxy
