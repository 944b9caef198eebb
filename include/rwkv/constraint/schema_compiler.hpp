#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/constraint/decimal.hpp>
#include <rwkv/constraint/grammar_builder.hpp>
#include <rwkv/constraint/json_schema_options.hpp>
#include <rwkv/constraint/schema_document.hpp>
#include <rwkv/constraint/schema_references.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// The values of a schema that are built within one another; others wait, so that the stack does not grow.
inline constexpr std::size_t max_nested_values = 60;
/// The optional parts of a sequence that may become one regular expression.
inline constexpr std::size_t max_flat_parts = 64;
/// The expansions within expansions, which oneOf and propertyNames cause.
inline constexpr std::size_t max_nested_expansions = 60;
/// The maximum number of alternatives of a oneOf that are compared pair by pair: those that overlap, and those with
/// arrays or objects.
inline constexpr std::size_t max_overlapping = 200;
/// The cases of one value, and of all expansions of a schema together.
inline constexpr std::size_t max_cases = 20'000, max_all_cases = 2'000'000;

/// Turns a JSON schema into a grammar.
///
/// A value in the text is subject to a set of *demands*: to be valid against a schema, to equal a constant. One symbol
/// of the grammar stands for one such set, so that recursion needs no more than to find the symbol again, and schemas
/// that are merged (`allOf`, `$ref` beside other keywords, several patterns for one member) are sets of more than one.
/// `expand` resolves what is in place (`$ref`, `allOf`, `anyOf`, `oneOf`, `enum`) and leaves *cases*: conjunctions of
/// schemas without choice, of which the value must be one. Of a case, all scalars are one regular expression; arrays
/// and objects are rules whose members are symbols again.
///
/// The texts that the grammar allows are fewer than those that the schema does: numbers and some formats are not
/// written in every way. Where one schema is taken from another, or two are shown to have nothing in common, that would
/// allow too much; there, `upper_bound_` is set, and numbers are compared in their shortest spelling, which is always
/// allowed.
class SchemaCompiler {
  public:
    SchemaCompiler(const SchemaDocument& document, const JsonSchemaOptions& options, GrammarBuilder& builder);

    /// The symbol of the whole schema.
    Symbol compile();

  private:
    enum class DemandKind : std::uint8_t {
        schema,            ///< valid against a schema
        constant,          ///< equal to a JSON value
        listed_scalar,     ///< equal to a scalar of an enum
        scalar_of_one_of,  ///< a scalar for which exactly one of the alternatives of a schema's oneOf holds
        composite,         ///< an array or an object
        own_keywords,      ///< as `schema`, but for keywords that lead to other schemas in place
        choice,            ///< one of the alternatives of a Choice
        impossible         ///< no value
    };
    struct Demand {
        DemandKind kind;
        JsonIndex index;
        bool operator==(const Demand&) const = default;
        bool operator<(const Demand& other) const noexcept {
            return kind != other.kind ? kind < other.kind : index < other.index;
        }
    };
    using Demands = std::vector<Demand>;

    /// The types that a value may have, as bits.
    enum Types : std::uint8_t {
        null_type = 1,
        boolean_type = 2,
        number_type = 4,
        string_type = 8,
        array_type = 16,
        object_type = 32
    };
    static constexpr std::uint8_t scalar_types = 15, composite_types = 48, all_types = 63;

    /// A conjunction without choice.
    struct Case {
        std::uint8_t types = all_types;
        bool integers_only = false;
        Demands demands;  ///< in the schema's order, those of schemas as `own_keywords`
    };
    /// Alternatives to choose from.
    struct Choice {
        std::vector<Demands> alternatives;
        JsonIndex one_of = no_value;  ///< the schema in whose oneOf they are
    };
    using Choices = std::deque<Choice>;
    struct Value {
        Symbol symbol{};
        bool is_known = false;  ///< the symbol may be used
        bool is_rule = false;   ///< the symbol is a rule that was made for a value that contains itself
    };
    using Member = GrammarBuilder::Member;  // with name and colon
    struct OneOf {
        Regex scalars = Regex::nothing;          ///< for which exactly one alternative holds
        Regex upper_bound = Regex::nothing;      ///< for which at least one does
        std::vector<JsonIndex> with_composites;  ///< alternatives that arrays or objects may match
        std::map<Demands, bool> distinct;        ///< whether only one of these can hold, where others demand that much
    };

    // schema_merge.inl
    Symbol value(Demands demands);
    Symbol build_value(const Demands& demands);
    void finish_rules();
    std::vector<Case> expand(const Demands& demands);
    bool merge(Case& so_far, Demand demand, Choices& choices);
    bool merge_schema(JsonIndex schema, Choices& choices, Demands& work);
    Demand alternatives(std::string_view keyword, JsonIndex schema, JsonIndex list, Choices& choices);
    Demand enumeration(JsonIndex schema, JsonIndex list, Choices& choices);
    void check_no_loop(JsonIndex schema);
    JsonIndex target(JsonIndex schema, JsonIndex reference);
    std::uint8_t types_of(JsonIndex list, bool& integers_only);

    // schema_one_of.inl
    const OneOf& one_of(JsonIndex schema);
    struct ScalarSet {
        Regex texts;        ///< as `scalars` has them
        Regex upper_bound;  ///< with all that may be in the set
    };
    Regex exactly_one(JsonIndex schema, const std::vector<ScalarSet>& sets);
    void require_distinct(JsonIndex schema, const Case& so_far);
    bool are_distinct(const std::vector<JsonIndex>& alternatives, const Demands& others);
    bool certainly_empty(const Demands& demands, int depth);
    bool is_empty_case(const Case& a_case, int depth);

    // schema_scalars.inl
    Regex scalars(const Case& a_case);
    Regex numbers(const Case& a_case);
    Regex strings(const Case& a_case);
    Regex constants(const Case& a_case, Regex others);
    std::vector<std::string> spellings(JsonIndex scalar);
    Regex pattern(JsonIndex place, const std::string& expression);
    Regex any_string();
    std::string quoted(std::string_view text);

    // schema_arrays.inl
    struct ArrayForm {
        std::vector<Demands> first;  ///< of the items one by one
        Demands rest;                ///< of those that follow
        std::uint32_t min = 0, max = unbounded;
    };
    bool array_form(const Case& a_case, ArrayForm& form);
    bool contains(JsonIndex schema, JsonIndex argument, ArrayForm& form);
    bool is_false(const Demands& demands) const;
    Symbol array(const Case& a_case);

    // schema_objects.inl
    struct ObjectForm {
        struct Property {
            std::string name;
            bool required = false;
            Demands demands;
        };
        /// Members without a property: names, and what their values must be.
        struct Others {
            Regex names;
            Demands demands;
        };
        std::vector<Property> properties;
        std::vector<Others> others;
        std::uint32_t min = 0, max = unbounded;
        JsonIndex min_place = no_value;
    };
    bool object_form(const Case& a_case, ObjectForm& form);
    bool property_demands(const Case& a_case, const std::string& name, Demands& demands);
    Regex name_pattern(JsonIndex schema, const std::string& expression);
    Regex member_names(const Case& a_case);
    void other_members(const Case& a_case, Regex names, ObjectForm& form);
    Symbol object(const Case& a_case);
    Symbol members_in_order(const std::vector<Member>& members, Symbol other);
    Symbol counted_members(const std::vector<Member>& members, Symbol other, const ObjectForm& form);

    // Symbols, of which neighbouring terminals are made one.
    Symbol join(std::initializer_list<Symbol> parts) { return join(std::span(parts.begin(), parts.size())); }
    Symbol join(std::span<const Symbol> parts);
    Symbol either(std::span<const Symbol> parts);
    Regex any_of(std::span<const Regex> parts);
    Symbol repeat(Symbol part, std::uint32_t min, std::uint32_t max);
    bool is_nothing(Symbol symbol);
    Symbol as_rule(Symbol symbol);
    Symbol punctuation(std::string_view sign, bool before, bool after);

    // Schemas.
    const JsonValue& at(JsonIndex index) const noexcept { return document_[index]; }
    bool is_schema_demand(const Demand& demand, std::string_view keyword, JsonIndex& found) const;
    void require_schema(JsonIndex index) const;
    std::uint32_t count_of(JsonIndex number, std::string_view keyword);
    [[noreturn]] void refuse(std::string_view keyword, JsonIndex schema, core::MessageParts expected,
                             core::MessageParts found) const;
    [[noreturn]] void unsupported(std::string_view keyword, JsonIndex schema) const;

    const SchemaDocument& document_;
    const JsonSchemaOptions& options_;
    GrammarBuilder& builder_;
    RegexSet& regexes_;
    SchemaReferences references_;
    std::map<Demands, Value> values_;
    std::vector<const Demands*> waiting_;  ///< values whose rules are still to be written
    std::vector<std::uint8_t> loop_checked_;
    std::map<JsonIndex, OneOf> one_ofs_;
    std::map<std::string, Regex, std::less<>> patterns_;
    std::size_t depth_ = 0;            ///< of nested values being built
    std::size_t in_place_ = 0;         ///< of expansions within expansions
    std::size_t cases_ = 0;            ///< made so far
    JsonIndex impossible_ = no_value;  // the value that was found last, and has no text
    Regex any_string_ = Regex::nothing;
    bool upper_bound_ = false;  ///< whether regular expressions of scalars are to hold all that a schema allows
    JsonIndex unique_items_ = no_value;  ///< the schema whose uniqueItems the array at hand is subject to
};

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/schema_merge.inl>
#endif
