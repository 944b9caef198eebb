#pragma once

#include <rwkv/constraint/constraint.hpp>
