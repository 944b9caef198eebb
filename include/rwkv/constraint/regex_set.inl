#pragma once

#include <rwkv/constraint/regex_set.hpp>
