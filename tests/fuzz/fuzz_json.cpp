// JSON as all files are read: what is taken is JSON to its parser, too, and means the same.
#include <string>

#include <rwkv/io/json.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    const std::string_view text = fuzz::text_of(data, size);
    fuzz::accepts([&] {
        const io::JsonDocument document = io::parse_json(text, "file");
        const auto plain = nlohmann::json::parse(text, nullptr, false);
        fuzz::require(!plain.is_discarded(), "what is taken is JSON");
        fuzz::require(plain == document.root, "the same value");
        std::size_t members = 0;
        io::parse_json(text, "file", "", [&](const std::string&, nlohmann::json&) { return ++members % 2 == 0; });
        fuzz::require(!plain.is_object() || members == plain.size(), "every member once");
    });
    return 0;
}
