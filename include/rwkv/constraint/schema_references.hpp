#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <rwkv/constraint/schema_document.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// Where the references of a schema lead: `$id` (or `id`) gives a part of it a URI, `$anchor` a name, and `$ref` is a
/// URI relative to that of the part that it stands in (RFC 3986).
class SchemaReferences {
  public:
    explicit SchemaReferences(const SchemaDocument& document);

    /// The schema that `reference` leads to from the schema `from`, or `no_value`.
    JsonIndex resolve(JsonIndex from, std::string_view reference) const;
    /// Whether keywords beside `$ref` do not count: so until draft 2019-09.
    bool ref_stands_alone() const noexcept { return ref_stands_alone_; }

  private:
    bool is_schema_map(JsonIndex object) const;
    std::string base(JsonIndex schema) const;
    JsonIndex follow(JsonIndex from, std::string_view pointer) const;

    const SchemaDocument& document_;
    bool ref_stands_alone_ = false, dialect_is_known_ = false;
    std::map<std::string, JsonIndex, std::less<>> targets_;  ///< by URI, with `#name` for anchors
    std::map<JsonIndex, std::string> bases_;                 ///< the URIs of schemas that have one
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/schema_references.inl>
#endif
