// An index: the names it gives never leave the directory.
#include <rwkv/checkpoint/index_json.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rwkv;
    fuzz::accepts([&] {
        const checkpoint::ShardIndex index = checkpoint::parse_index(fuzz::text_of(data, size), "index");
        fuzz::require(!index.weight_map.empty(), "some tensor");
        for (const auto& [tensor, shard] : index.weight_map) {
            fuzz::require(std::filesystem::path(shard).filename() == shard, "a plain name");
            fuzz::require(shard.find_first_of(std::string_view("/\\:\0\n", 5)) == shard.npos, "nothing hidden");
            fuzz::require(shard.ends_with(".safetensors") && shard.size() <= 255, "a shard's name");
        }
    });
    return 0;
}
