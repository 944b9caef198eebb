#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The largest index file that is read, in bytes.
inline constexpr std::uint64_t max_index_bytes = 100'000'000;

/// What a `model.safetensors.index.json` (or a `pytorch_model.bin.index.json`) says: which file of its directory holds
/// which tensor.
struct ShardIndex {
    std::map<std::string, std::string> weight_map;  ///< tensor → plain file name
    std::optional<std::uint64_t> total_size;        ///< bytes of all tensors; informative, often wrong
    std::vector<std::string> warnings;              ///< a sentence each: a total_size that is no number
};

/// Whether `name` is fit to be joined to a directory: one component on POSIX and on Windows, nothing hidden
/// in it, at most 255 bytes, ending in `extension`. The names are not to be trusted: they come from a file.
constexpr bool is_shard_name(std::string_view name, std::string_view extension = ".safetensors") noexcept {
    const auto forbidden = [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7F || c == '/' || c == '\\' || c == ':';
    };
    return name.size() > extension.size() && name.size() <= 255 && name.ends_with(extension) &&
           std::none_of(name.begin(), name.end(), forbidden);
}

/// Parses the text of an index of files with that extension; `where` names it in messages. Throws: FormatError.
inline ShardIndex parse_index(std::string_view text, const std::string& where,
                              std::string_view extension = ".safetensors") {
    using nlohmann::json;
    io::JsonDocument document = io::parse_json(text, where);
    auto* members = document.root.get_ptr<json::object_t*>();
    if (!members) core::fail<FormatError>(where, {}, {"a JSON object"}, {io::describe(document.root)});
    const auto found = members->find("weight_map");
    if (found == members->end()) core::fail<FormatError>(where, {"weight_map"}, {"an object"}, {"none"});
    auto* map = found->second.get_ptr<json::object_t*>();
    if (!map) core::fail<FormatError>(where, {"weight_map"}, {"an object"}, {io::describe(found->second)});
    if (map->empty()) core::fail<FormatError>(where, {"weight_map"}, {"at least one tensor"}, {"none"});

    ShardIndex index;
    std::map<std::string, std::string> spellings;  // in lower case → as first written
    for (auto& [tensor, value] : *map) {
        const std::string subject = "weight_map: " + core::quoted(tensor);
        auto* shard = value.get_ptr<json::string_t*>();
        if (!shard) core::fail<FormatError>(where, {subject}, {"a file name"}, {io::describe(value)});
        if (!is_shard_name(*shard, extension))
            core::fail<FormatError>(where, {subject}, {"a plain file name of this directory ending in ", extension},
                                    {core::Quoted{*shard}});
        std::string folded = *shard;
        for (char& c : folded)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        const auto spelling = spellings.emplace(std::move(folded), *shard).first;
        // On some systems these are one file, on others two.
        if (spelling->second != *shard)
            core::fail<FormatError>(where, {subject}, {"one spelling of the name ", core::Quoted{spelling->second}},
                                    {core::Quoted{*shard}});
        index.weight_map.emplace(tensor, std::move(*shard));
    }

    const auto metadata = members->find("metadata");
    if (metadata == members->end() || !metadata->second.is_object()) return index;
    const auto total = metadata->second.find("total_size");
    if (total == metadata->second.end()) return index;
    if (const auto* size = total->get_ptr<const json::number_unsigned_t*>())
        index.total_size = *size;
    else
        index.warnings.push_back(where + ": total_size is ignored: expected a number of bytes, found " +
                                 io::describe(*total));
    return index;
}

/// Reads and parses an index of files with that extension. Throws: FormatError, FileError.
inline ShardIndex read_index(const ByteSource& source, std::string_view extension = ".safetensors") {
    return parse_index(io::read_text(source, max_index_bytes), source.name(), extension);
}

/// The text of an index: `parse_index` reads the same back.
inline std::string index_text(const ShardIndex& index) {
    std::string text = "{\n  \"metadata\": {";
    if (index.total_size) text += "\n    \"total_size\": " + std::to_string(*index.total_size) + "\n  ";
    text += "},\n  \"weight_map\": {";
    const char* separator = "\n    ";
    for (const auto& [tensor, shard] : index.weight_map) {
        text.append(separator).append(io::json_text(tensor)).append(": ").append(io::json_text(shard));
        separator = ",\n    ";
    }
    return text + "\n  }\n}\n";
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
