#pragma once

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How `json_schema` reads a schema.
struct JsonSchemaOptions {
    /// Spaces, tabs and line ends are allowed wherever JSON has them; else there are none.
    bool white_space = false;
    /// Members of objects come in any order, each that is named at most once; else in the schema's. Objects with more
    /// than 30 required members, and those whose members minProperties or maxProperties count, keep to the schema's
    /// order; of more than 30 named members those beyond may come again, and so may, in either order, names that the
    /// schema does not have: valid JSON, of which the last one counts.
    bool members_in_any_order = false;
    /// `oneOf` whose alternatives cannot be told apart is taken as `anyOf`; else it is refused.
    bool one_of_as_any_of = false;
};

}  // namespace rwkv::inline RWKV_ABI
