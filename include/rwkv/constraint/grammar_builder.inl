#pragma once

#include <rwkv/constraint/grammar_builder.hpp>
