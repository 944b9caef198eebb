#pragma once

// Texts that are guaranteed to match: a JSON Schema, a grammar, a regular expression, a list of choices. Not part of
// rwkv.hpp.

#pragma push_macro("min")
#pragma push_macro("max")
#undef min
#undef max

// IWYU pragma: begin_exports
#include <rwkv/constraint/constraint.hpp>
#include <rwkv/constraint/json_schema.hpp>
// IWYU pragma: end_exports

#pragma pop_macro("max")
#pragma pop_macro("min")
