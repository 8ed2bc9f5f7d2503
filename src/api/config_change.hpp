#pragma once

#include <variant>

#include "agent/services.hpp"
#include "api/change.hpp"
#include "net/http.hpp"

namespace evergres::api {

/// PATCH /config, and with `replace` PUT /config: a change of the settings of the cluster, in
/// Patroni's names and in our own, or of the pause alone. Pure; the agent tries the settings and
/// writes them by compare-and-set.
///
/// What /config does not show (`allow`, parameters whose values may be secret) stays unless it is
/// named, so that whoever reads the document, edits it and sends it back takes nothing away.
std::variant<Change, net::HttpAnswer> change_config(const net::HttpRequest& request,
                                                    const agent::View& view, bool replace);

}  // namespace evergres::api
