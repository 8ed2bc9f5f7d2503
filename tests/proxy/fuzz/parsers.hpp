#pragma once

#include <string>

#include "proxy/fuzz/auth.hpp"
#include "proxy/fuzz/console.hpp"
#include "proxy/fuzz/feed.hpp"
#include "proxy/fuzz/login.hpp"
#include "proxy/fuzz/sql.hpp"
#include "proxy/fuzz/wire.hpp"
