#pragma once

namespace evergres::proxy {

/// Of a line of the log.
enum class Loudness { info, warning };

}  // namespace evergres::proxy
