// Memory that runs out while a constraint is compiled or followed.

#include "support.hpp"

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/constraint.hpp>
#include <rwkv/load_tokenizer.hpp>

using namespace rwkv;
using namespace rwkv::test;

namespace {

constexpr const char* schema = R"({"type":"object","properties":{"a":{"type":"string","pattern":"^(x+ ){0,9}$",
    "maxLength":40},"b":{"type":"array","items":{"$ref":"#"},"maxItems":2}},"required":["b"]})";

}  // namespace

TEST_CASE("compiling a constraint without enough memory", "[memory]") {
    run_out_of_memory("a schema", [] { static_cast<void>(json_schema(schema)); });
    run_out_of_memory("a schema with members in any order",
                      [] { static_cast<void>(json_schema(schema, {.members_in_any_order = true})); });
    run_out_of_memory("a grammar",
                      [] { static_cast<void>(grammar("root ::= (x | \"b\" root)*\nx ::= [a-z]{2,3} \"c\"?")); });
    run_out_of_memory("an expression", [] { static_cast<void>(regex("(ab|[^c\\d]{2,9})*\\p{L}")); });
}

TEST_CASE("following a constraint without enough memory", "[memory]") {
    const TempDir directory;
    std::ofstream(directory.path() / "vocabulary.txt", std::ios::binary) << small_vocabulary();
    const Tokenizer tokenizer = load_tokenizer(directory.path() / "vocabulary.txt");
    run_out_of_memory("a vocabulary", [&] { TokenVocabulary{tokenizer}; });
    const TokenVocabulary vocabulary(tokenizer);
    const Constraint constraint = json_schema(schema);
    const std::string text = R"({"a":"x xx ","b":[{"b":[]}])";
    const auto follow = [&](Matcher& matcher, std::vector<std::vector<std::uint64_t>>* all = nullptr) {
        std::vector<std::uint64_t> mask(matcher.mask_words());
        for (const char c : text) {
            matcher.mask(mask);
            if (all) all->push_back(mask);
            static_cast<void>(matcher.forced_tokens({}));
            if (!matcher.accept(std::string_view(&c, 1))) throw std::logic_error("the text is not accepted");
        }
    };
    run_out_of_memory("a matcher", [&] {
        Matcher matcher(constraint, vocabulary);
        follow(matcher);
    });
    // What has failed once goes on as if it had not.
    std::vector<std::vector<std::uint64_t>> expected, found;
    Matcher undisturbed(constraint, vocabulary);
    follow(undisturbed, &expected);
    for (long k = 0;; k += 1 + k / 50) {
        const Matcher begin(constraint, vocabulary);
        Matcher disturbed = begin;
        faults.allocations.fail(k);
        try {
            follow(disturbed);
        } catch (const std::bad_alloc&) {
        }
        const bool failed = faults.allocations.heal();
        CAPTURE(k);
        Matcher again = begin;  // with what the other has left in the cache
        found.clear();
        follow(again, &found);
        CHECK(found == expected);
        if (!failed) break;
    }
}
