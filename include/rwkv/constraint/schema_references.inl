#pragma once

#include <algorithm>
#include <vector>

#include <rwkv/constraint/schema_references.hpp>
#include <rwkv/core/inline.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// The parts of a URI before its fragment.
struct UriParts {
    std::string_view scheme;     ///< with the colon
    std::string_view authority;  ///< with the slashes
    std::string_view path, query;

    explicit UriParts(std::string_view uri) {
        if (const auto colon = uri.find_first_of(":/?#"); colon != uri.npos && uri[colon] == ':' && colon > 0) {
            scheme = uri.substr(0, colon + 1);
            uri.remove_prefix(colon + 1);
        }
        if (uri.starts_with("//")) {
            authority = uri.substr(0, (std::min)(uri.size(), uri.find_first_of("/?", 2)));
            uri.remove_prefix(authority.size());
        }
        path = uri.substr(0, uri.find('?'));
        query = uri.substr(path.size());
    }
};

/// A path without the steps "." and "..".
RWKV_INLINE std::string remove_dots(std::string_view path) {
    std::vector<std::string_view> steps;
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = (std::min)(path.size(), path.find('/', begin));
        const std::string_view step = path.substr(begin, end - begin);
        const bool last = end == path.size();
        if (step == "..") {
            if (steps.size() > 1) steps.pop_back();
        } else if (step != ".") {
            steps.push_back(step);
        }
        if (last && (step == "." || step == "..")) steps.emplace_back();
        begin = end + 1;
    }
    std::string result;
    for (std::size_t i = 0; i < steps.size(); ++i) result.append(i ? "/" : "").append(steps[i]);
    return result;
}

/// The URI that a reference, without its fragment, means within `base`.
RWKV_INLINE std::string resolve_uri(std::string_view base, std::string_view reference) {
    if (reference.empty()) return std::string(base);
    const UriParts from(base), to(reference);
    if (!to.scheme.empty()) return std::string(reference);
    std::string result(from.scheme);
    if (!to.authority.empty()) return result.append(reference);
    result.append(from.authority);
    if (to.path.empty()) return result.append(from.path).append(to.query);
    if (to.path.starts_with('/')) return result.append(remove_dots(to.path)).append(to.query);
    const auto slash = from.path.rfind('/');
    std::string path(slash == from.path.npos ? (from.authority.empty() ? "" : "/") : from.path.substr(0, slash + 1));
    return result.append(remove_dots(path.append(to.path))).append(to.query);
}

RWKV_INLINE SchemaReferences::SchemaReferences(const SchemaDocument& document) : document_(document) {
    const JsonIndex dialect = document.find(SchemaDocument::root, "$schema");
    dialect_is_known_ = dialect != no_value;
    if (dialect != no_value)
        for (const std::string_view draft : {"draft-03", "draft-04", "draft-05", "draft-06", "draft-07"})
            ref_stands_alone_ |= document[dialect].text.find(draft) != std::string::npos;
    bases_[SchemaDocument::root] = "";
    targets_.emplace("", SchemaDocument::root);
    // Parents come before their members. Values of these keywords are no schemas.
    std::vector<bool> is_data(document.size());
    for (JsonIndex i = 0; i < document.size(); ++i) {
        const bool is_object = document[i].kind == JsonKind::object;
        for (const auto& [name, value] : document[i].members) {
            const bool holds_names = document[i].parent != no_value && is_object && is_schema_map(i);
            is_data[value] =
                is_data[i] || (is_object && !holds_names &&
                               (name == "enum" || name == "const" || name == "default" || name == "examples"));
        }
        if (is_data[i] || !is_object) continue;
        if (ref_stands_alone_ && document.find(i, "$ref") != no_value) continue;
        const auto text_of = [&](std::string_view keyword) -> const std::string* {
            const JsonIndex found = document.find(i, keyword);
            return found != no_value && document[found].kind == JsonKind::string ? &document[found].text : nullptr;
        };
        const std::string* id = text_of("$id");
        if (!id && ref_stands_alone_) id = text_of("id");
        if (id) {
            const std::string_view without_fragment = std::string_view(*id).substr(0, id->find('#'));
            if (!without_fragment.empty()) {
                const std::string uri = resolve_uri(base(i), without_fragment);
                bases_[i] = uri;
                targets_.emplace(uri, i);
            } else if (id->size() > 1) {
                targets_.emplace(base(i) + *id, i);
            }
        }
        for (const std::string_view keyword : {"$anchor", "$dynamicAnchor"})
            if (const std::string* name = text_of(keyword)) targets_.emplace(base(i) + "#" + *name, i);
    }
}

/// Whether the members of an object are schemas by name, so that none is a keyword.
RWKV_INLINE bool SchemaReferences::is_schema_map(JsonIndex object) const {
    const JsonValue& value = document_[object];
    const JsonValue& parent = document_[value.parent];
    if (parent.kind != JsonKind::object) return false;
    const std::string& name = parent.members[value.position].first;
    return name == "properties" || name == "patternProperties" || name == "definitions" || name == "$defs";
}

/// The URI that holds for a schema: its own, or that of the nearest one around it.
RWKV_INLINE std::string SchemaReferences::base(JsonIndex schema) const {
    for (;; schema = document_[schema].parent)
        if (const auto known = bases_.find(schema); known != bases_.end()) return known->second;
}

/// The value that a JSON pointer leads to.
RWKV_INLINE JsonIndex SchemaReferences::follow(JsonIndex from, std::string_view pointer) const {
    while (!pointer.empty()) {
        if (pointer[0] != '/') return no_value;
        pointer.remove_prefix(1);
        const std::string_view raw = pointer.substr(0, pointer.find('/'));
        pointer.remove_prefix(raw.size());
        std::string step;
        for (std::size_t i = 0; i < raw.size(); ++i) {
            const bool escaped = raw[i] == '~' && i + 1 < raw.size();
            step.push_back(escaped && raw[i + 1] == '1' ? '/' : escaped && raw[i + 1] == '0' ? '~' : raw[i]);
            i += escaped;
        }
        if (document_[from].kind == JsonKind::array) {
            std::size_t index = step.empty() || step.size() > 9 ? document_.size() : 0;
            for (const char c : step)
                index = c >= '0' && c <= '9' ? index * 10 + static_cast<std::size_t>(c - '0') : document_.size();
            if (index >= document_[from].members.size()) return no_value;
            from = document_[from].members[index].second;
        } else {
            from = document_.find(from, step);
        }
        if (from == no_value) return no_value;
    }
    return from;
}

RWKV_INLINE JsonIndex SchemaReferences::resolve(JsonIndex from, std::string_view reference) const {
    // An $id beside a $ref is passed over by draft-07, and changes what the $ref means since.
    if (!dialect_is_known_ && from != SchemaDocument::root && UriParts(reference).scheme.empty() &&
        document_.find(from, "$id") != no_value)
        return no_value;
    const auto hash = (std::min)(reference.size(), reference.find('#'));
    std::string fragment;
    for (std::size_t i = hash + 1; i < reference.size(); ++i) {
        unsigned code = 0;
        const auto digit = [](char c) -> unsigned {
            if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
            return (c | 32) >= 'a' && (c | 32) <= 'f' ? static_cast<unsigned>((c | 32) - 'a' + 10) : 16U;
        };
        if (reference[i] == '%' && i + 2 < reference.size() &&
            (code = digit(reference[i + 1]) * 16 + digit(reference[i + 2])) < 256 && digit(reference[i + 2]) < 16) {
            fragment.push_back(static_cast<char>(static_cast<unsigned char>(code)));
            i += 2;
        } else {
            fragment.push_back(reference[i]);
        }
    }
    const std::string uri = resolve_uri(base(from), reference.substr(0, hash));
    if (!fragment.empty() && fragment[0] != '/') {
        const auto anchor = targets_.find(uri + "#" + fragment);
        return anchor == targets_.end() ? no_value : anchor->second;
    }
    const auto target = targets_.find(uri);
    return target == targets_.end() ? no_value : follow(target->second, fragment);
}

}  // namespace rwkv::inline RWKV_ABI::constraint
