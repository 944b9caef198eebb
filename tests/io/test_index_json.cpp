#include <string>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"

#include <rwkv/checkpoint/index_json.hpp>
#include <rwkv/io/file.hpp>

using namespace rwkv::test;
using namespace std::string_literals;
using rwkv::checkpoint::is_shard_name;
using rwkv::checkpoint::parse_index;

TEST_CASE("plain shard names and others", "[index]") {
    for (const std::string& name :
         {"model-00001-of-00002.safetensors"s, "x.safetensors"s, "..safetensors"s, "a b.safetensors"s,
          "\xE6\x97\xA5.safetensors"s, std::string(243, 'x') + ".safetensors"}) {
        INFO(name);
        CHECK(is_shard_name(name));
    }
    for (const std::string& name : {""s,
                                    "."s,
                                    ".."s,
                                    ".safetensors"s,
                                    "x"s,
                                    "x.bin"s,
                                    "x.safetensors.bin"s,
                                    "x.SAFETENSORS"s,
                                    "x.safetensors "s,
                                    "x.safetensors."s,
                                    "../x.safetensors"s,
                                    "/etc/passwd"s,
                                    "/x.safetensors"s,
                                    "C:x.safetensors"s,
                                    "C:\\x.safetensors"s,
                                    "a\\..\\b.safetensors"s,
                                    "sub/x.safetensors"s,
                                    "./x.safetensors"s,
                                    "\\\\host\\x.safetensors"s,
                                    "x.safetensors/"s,
                                    "x\0.safetensors"s,
                                    "x.safetensors\0"s,
                                    "x\n.safetensors"s,
                                    "x\x7F.safetensors"s,
                                    "x:stream.safetensors"s,
                                    "model.safetensors.index.json"s,
                                    std::string(244, 'x') + ".safetensors"}) {
        INFO(name);
        CHECK_FALSE(is_shard_name(name));
    }
}

TEST_CASE("an index's total_size is only informative", "[index]") {
    const auto parse = [](const std::string& total) {
        return parse_index(R"({"metadata":{"total_size":)" + total + R"(},"weight_map":{"t":"a.safetensors"}})", "i");
    };
    CHECK(parse("12").total_size == 12U);
    CHECK(parse("12").warnings.empty());
    CHECK(parse("12").weight_map == std::map<std::string, std::string>{{"t", "a.safetensors"}});
    for (const std::string total : {"-1", "1.5", "\"12\"", "null", "[]", "18446744073709551616"}) {
        const auto index = parse(total);
        CHECK_FALSE(index.total_size.has_value());
        REQUIRE(index.warnings.size() == 1);
        CHECK(index.warnings[0].starts_with("i: total_size is ignored: expected a number of bytes, found "));
    }
}

TEST_CASE("an index on disk", "[index]") {
    const TempDir directory;
    const std::string text = R"({"weight_map":{"t":"a.safetensors"}})";
    const auto path = directory.write("i.json", text);
    CHECK(rwkv::checkpoint::read_index(rwkv::io::InputFile(path)).weight_map.size() == 1);
    std::filesystem::resize_file(path, 100'000'001);
    CHECK(as_expected(outcome([&] { rwkv::checkpoint::read_index(rwkv::io::InputFile(path)); }),
                      {"FormatError " + path.string(), "at most 100000000 bytes, found 100000001"}));
}

TEST_CASE("an index written is read back", "[index]") {
    for (const auto& size : {std::optional<std::uint64_t>(1ULL << 63U), std::optional<std::uint64_t>()}) {
        const rwkv::checkpoint::ShardIndex index{
            .weight_map = {{"a.weight", "x.safetensors"}, {"b\"", "y.safetensors"}},
            .total_size = size,
            .warnings = {}};
        const auto found = parse_index(rwkv::checkpoint::index_text(index), "i");
        CHECK(found.weight_map == index.weight_map);
        CHECK(found.total_size == size);
        CHECK(found.warnings.empty());
    }
}
