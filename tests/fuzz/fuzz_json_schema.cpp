// Schemas as users write them: what is taken as JSON is JSON to another parser, what is refused says where, and a text
// of a constraint is JSON.
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <rwkv/constraint.hpp>
#include <rwkv/constraint/schema_document.hpp>

#include "../constraint/support.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    const std::string_view text = fuzz::text_of(data, size);
    const bool is_json = fuzz::accepts([&] {
        const constraint::SchemaDocument document(text, "file");
        fuzz::require(document.size() > 0, "a document has a value");
        fuzz::require(document.pointer(static_cast<constraint::JsonIndex>(document.size() - 1))[0] == '#', "a pointer");
    });
    // The other parser refuses numbers that no double holds; here they are text.
    bool has_exponent = false;
    for (std::size_t i = 1; i < size; ++i)
        has_exponent |= (text[i] | 32) == 'e' && text[i - 1] >= '0' && text[i - 1] <= '9';
    const bool parses = has_exponent || (text.substr(0, 3) != "\xEF\xBB\xBF" && text.find('\0') == text.npos &&
                                         nlohmann::json::accept(text));
    fuzz::require(!is_json || parses, "what is taken is JSON");
    fuzz::accepts([&] {
        const Constraint schema = json_schema(text, {.white_space = size % 2 == 1});
        fuzz::require(is_json, "a schema is JSON");
        // One matcher for all texts: most of the time goes into making one.
        static const TokenVocabulary vocabulary(test::json_tokenizer());
        const Matcher begin(schema, vocabulary);
        const auto matches = [&begin](std::string_view candidate) {
            Matcher matcher = begin;
            return matcher.accept(candidate) && matcher.may_end();
        };
        for (const char* candidate : {"null", "{}", "[]", "0", "-1", "1.5", "\"\"", "\"a\"", "{\"a\":1}", "[1,\"b\"]"})
            (void)matches(candidate);
        for (const char* broken : {"", "{", "[1,]", "\"\n\"", "01", "{\"a\"}", "nul", "\"\xFF\""})
            fuzz::require(!matches(broken), "only JSON matches");
        if (size % 8 == 0) fuzz::require(schema.matches("{}") == matches("{}"), "a matcher takes what matches");
    });
    return 0;
}
