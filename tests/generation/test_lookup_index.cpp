// Finding where the latest tokens of a sequence stood before.

#include <span>
#include <vector>

#include <rwkv/generation/lookup_index.hpp>
#include <rwkv/generation/pass_times.hpp>
#include <rwkv/generation/random.hpp>

#include "../catch.hpp"

using namespace rwkv;
using rwkv::generation::LookupIndex;

namespace {

/// The length of the longest suffix that stood before, if at least 2.
Index longest_match(std::span<const TokenId> tokens) {
    Index longest = 0;
    for (std::size_t next = 2; next < tokens.size(); ++next) {
        std::size_t length = 0;
        while (length < next && tokens[next - 1 - length] == tokens[tokens.size() - 1 - length]) ++length;
        longest = std::max(longest, static_cast<Index>(length));
    }
    return longest < 2 ? 0 : longest;
}

}  // namespace

TEST_CASE("the longest suffix that stood before is found, with what followed it") {
    Random random(1);
    for (const std::uint64_t vocabulary : {2U, 4U, 30U, 50000U}) {
        LookupIndex index;
        std::vector<TokenId> tokens;
        Index found = 0;
        for (int i = 0; i < 600; ++i) {
            // New tokens, and now and then a copy of earlier ones.
            if (i % 50 < 20 && tokens.size() > 100)
                tokens.push_back(tokens[tokens.size() - 70]);
            else
                tokens.push_back(static_cast<TokenId>(random.below(vocabulary)));
            if (i % 3 == 2) continue;  // several tokens are added at once
            index.update(tokens);
            const LookupIndex::Match match = index.find(tokens);
            CAPTURE(vocabulary, i, match.next, match.length);
            const Index longest = longest_match(tokens);
            if (match.next == 0) {
                CHECK(longest == 0);
                continue;
            }
            ++found;
            REQUIRE(match.next < std::ssize(tokens));
            REQUIRE(match.length >= 2);
            REQUIRE(match.length <= match.next);
            for (Index j = 1; j <= match.length; ++j)
                CHECK(tokens[static_cast<std::size_t>(match.next - j)] ==
                      tokens[tokens.size() - static_cast<std::size_t>(j)]);
            // Of few different tokens, the longest match may lie further back than the latest 32 places.
            if (vocabulary >= 30) CHECK(match.length >= std::min<Index>(longest, 32));
        }
        CHECK(found > 50);
        index.clear();
        CHECK(index.find({}).next == 0);
    }
}

TEST_CASE("a match goes on after a token that was replaced") {
    LookupIndex index;
    std::vector<TokenId> tokens;
    for (TokenId token = 0; token < 20; ++token) tokens.push_back(token);
    for (TokenId token = 3; token < 10; ++token) tokens.push_back(token);
    index.update(tokens);
    CHECK(index.find(tokens).next == 10);
    CHECK(index.resumed().next == 0);
    tokens.push_back(77);  // in place of 10
    index.update(tokens);
    CHECK(index.find(tokens).next == 0);
    CHECK(index.resumed().next == 11);
    CHECK(index.resumed().length == 0);
    tokens.push_back(11);
    index.update(tokens);
    CHECK(index.find(tokens).next == 0);
    CHECK(index.resumed().next == 12);
    tokens.push_back(12);
    index.update(tokens);
    CHECK(index.find(tokens).next == 13);
    CHECK(index.find(tokens).length == 2);
    tokens.push_back(5);
    index.update(tokens);
    CHECK(index.resumed().next == 0);
}

TEST_CASE("tokens are forgotten that are far back, however many there are") {
    LookupIndex index;
    std::vector<TokenId> tokens{1, 2, 3};
    for (TokenId i = 0; i < 70'000; ++i) tokens.push_back(100 + i);
    tokens.insert(tokens.end(), {1, 2});
    index.update(tokens);
    CHECK(index.find(tokens).next == 0);
    tokens.insert(tokens.end(), {50'000, 50'001});
    for (int i = 0; i < 3; ++i) {
        index.update(tokens);
        CHECK(index.find(tokens).next == 3 + 49'902);
    }
    // Added one by one, as many again.
    for (TokenId i = 0; i < 70'000; ++i) {
        tokens.push_back(200'000 + i);
        index.update(tokens);
    }
    tokens.insert(tokens.end(), {50'000, 50'001});
    index.update(tokens);
    CHECK(index.find(tokens).next == 0);
    tokens.insert(tokens.end(), {250'000, 250'001});
    index.update(tokens);
    CHECK(tokens[static_cast<std::size_t>(index.find(tokens).next)] == 250'002);
}

TEST_CASE("times of passes are those measured, and sizes that were not are tried") {
    PassTimes times;
    CHECK(times(1) == 1.0);
    CHECK(times(9) > 1.0);
    CHECK(times(9) < 1.5);
    times.add(1, 7.0);  // the first of a size is not counted
    CHECK(times(1) == 1.0);
    times.add(1, 2.0);
    CHECK(times(1) == 2.0);
    CHECK(times(5) < 2.5);
    for (int i = 0; i < 2; ++i) times.add(9, 10.0);
    CHECK(times(9) == 10.0);
    CHECK(times(5) == 6.0);
    CHECK(times(10) > 10.0);
    CHECK(times(1000) > times(128));
    times.add(9, 1000.0);  // interrupted
    CHECK(times(9) < 11.0);
    for (int i = 0; i < 60; ++i) times.add(9, 3.0);
    CHECK(times(9) < 3.01);
    // What was measured long ago is tried again.
    for (int i = 0; i < 1000; ++i) times.add(1, 2.0);
    CHECK(times(9) < 2.5);
    times.add(0, 1.0);
    times.add(-1, 1.0);
    times.add(1 << 20, 1.0);
    times.add(1, 0.0);
    CHECK(times(1) == 2.0);
}
