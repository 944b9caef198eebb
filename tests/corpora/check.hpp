#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "../support.hpp"
#include "corpus.hpp"

namespace rwkv::test {

/// The corpus of that name, which has at least so many cases.
inline std::vector<CorpusCase> corpus(const std::string& name, std::size_t least) {
    auto cases = read_corpus(std::filesystem::path(RWKV_FIXTURES_DIR) / ".." / "corpora" / (name + ".json"));
    REQUIRE(cases.size() >= least);
    return cases;
}

/// That `parse`, which calls its input "file", takes and refuses what it is to.
template <class Parse>
void check_verdicts(const std::vector<CorpusCase>& cases, const Parse& parse) {
    for (const CorpusCase& item : cases) {
        const std::string found = outcome([&] { parse(item.bytes); });
        INFO(item.name << ": " << found);
        if (item.accept)
            CHECK(found == "accepted");
        else
            CHECK((found.starts_with(item.error + " ") && as_expected(found, {"file", item.message})));
    }
}

/// That the first case cut short anywhere is refused, and with any bit flipped is refused or still sound: `parse`
/// throws std::runtime_error where it is not. Without the last `optional` bytes it is whole.
template <class Parse>
void check_damage(const std::vector<CorpusCase>& cases, const Parse& parse, std::size_t optional = 0) {
    const std::string& whole = cases.at(0).bytes;
    CHECK(outcome([&] { parse(whole); }) == "accepted");
    for (std::size_t size = 0; size < whole.size() - optional; ++size)
        if (outcome([&] { parse(whole.substr(0, size)); }) == "accepted") FAIL_CHECK("cut to " << size << " bytes");
    std::string flipped = whole;
    for (std::size_t i = 0; i < whole.size(); ++i) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            flipped[i] = static_cast<char>(static_cast<unsigned char>(whole[i]) ^ (1U << bit));
            INFO("byte " << i << " bit " << bit);
            CHECK_NOTHROW(outcome([&] { parse(flipped); }));
        }
        flipped[i] = whole[i];
    }
}

}  // namespace rwkv::test
