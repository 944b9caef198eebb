// Regular expressions as users write them, over whole texts and within the strings of JSON.
#include <string>

#include <rwkv/constraint/json_schema.hpp>
#include <rwkv/constraint/regex_syntax.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    using namespace rwkv::constraint;
    const std::string_view text = fuzz::text_of(data, size);
    fuzz::accepts([&] {
        RegexSet set;
        const Regex whole = parse_regex(set, text, Spelling::plain, MatchMode::whole, "regex", "expression");
        const Regex quoted = parse_regex(set, text, Spelling::json_string, MatchMode::whole, "regex", "expression");
        const Regex part = parse_regex(set, text, Spelling::json_string, MatchMode::search, "regex", "expression");
        for (const char* candidate : {"", "a", "ab", "0", "a-b", " ", "\xC3\xA9", "A1_"}) {
            const bool matches = set.matches(whole, candidate);
            fuzz::require(matches == set.matches(quoted, candidate), "plain characters are spelled alike");
            fuzz::require(!matches || set.matches(part, candidate), "a match of the whole is a match somewhere");
        }
        for (const char* broken : {"\"", "\\", "\n", "\xFF", "\\u0041", "\\x"})
            fuzz::require(!set.matches(part, broken), "only the inside of a JSON string matches");
    });
    return 0;
}
