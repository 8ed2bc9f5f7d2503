#pragma once

#include <string>

#include "config/proxy_settings.hpp"

namespace evergres::config {

/// The lines below "proxy:" that read back as these settings, each with "\n" before it; "" for
/// settings that say nothing (an endpoint that is off).
std::string proxy_lines(const ProxySettings& settings);

/// The part of the reference below "## proxy", as Markdown.
std::string proxy_reference();

/// The part of the sample file, with its help.
std::string proxy_sample();

}  // namespace evergres::config
