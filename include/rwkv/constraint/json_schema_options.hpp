#pragma once

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How `json_schema` reads a schema.
struct JsonSchemaOptions {
    /// Spaces, tabs and line ends are allowed wherever JSON has them; else there are none.
    bool white_space = false;
    /// `oneOf` whose alternatives cannot be told apart is taken as `anyOf`; else it is refused.
    bool one_of_as_any_of = false;
};

}  // namespace rwkv::inline RWKV_ABI
