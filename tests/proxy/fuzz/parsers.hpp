#pragma once

#include <string>

#include "proxy/fuzz/wire.hpp"
