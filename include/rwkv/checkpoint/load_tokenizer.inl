#pragma once

#include <cstdint>
#include <string>
#include <system_error>

#include <rwkv/checkpoint/weight_files.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/json.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/text/tokenizer_json.hpp>
#include <rwkv/text/world_tokenizer.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE std::optional<std::filesystem::path> find_tokenizer(const std::filesystem::path& directory) {
    for (const char* name : {"tokenizer.json", "rwkv_vocab_v20230424.txt"})
        if (io::is_present(directory / name)) return directory / name;
    return std::nullopt;
}

RWKV_INLINE Tokenizer load_tokenizer(const std::filesystem::path& path) {
    constexpr std::uint64_t largest_file = 256U << 20U;
    std::filesystem::path file = path;
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        const auto found = find_tokenizer(path);
        // Hugging Face's directories of World models may have the vocabulary as a JSON of texts, so without every token
        // that is not UTF-8.
        if (!found)
            throw FileError(path.string(), "", "tokenizer.json or rwkv_vocab_v20230424.txt",
                            io::is_present(path / "rwkv_vocab_v20230424.json")
                                ? "rwkv_vocab_v20230424.json, which lacks tokens that the .txt has"
                                : "neither");
        file = *found;
    }
    const std::string where = file.string();
    const std::string text = io::read_text(file, largest_file);
    if (file.extension() == ".txt") return text::read_world_vocabulary(text, where);
    return text::read_tokenizer_json(io::parse_json(text, where).root, where);
}

}  // namespace rwkv::inline RWKV_ABI
