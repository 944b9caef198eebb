#pragma once

#include <cstddef>
#include <string_view>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

/// The kind of a file by its first bytes (64 are enough), for a message: of those that are mistaken for model files.
/// Empty for any other.
constexpr std::string_view file_kind(std::string_view first_bytes) noexcept {
    constexpr std::string_view legacy_pickle{"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14};
    if (first_bytes.starts_with("version https://git-lfs"))
        return "a Git LFS pointer: the file itself was not downloaded (try `git lfs pull`)";
    if (first_bytes.starts_with("GGUF")) return "a GGUF file";
    if (first_bytes.starts_with("ggml") || first_bytes.starts_with("lmgg")) return "a GGML file";
    if (first_bytes.starts_with("PK\x03\x04") || first_bytes.starts_with("PK\x05\x06"))
        return "a ZIP archive, perhaps a PyTorch checkpoint (.pth, .bin)";
    if (first_bytes.starts_with(legacy_pickle)) return "a PyTorch checkpoint of before 2020 (not a ZIP archive)";
    const std::size_t text = first_bytes.find_first_not_of(" \t\r\n");
    if (text == first_bytes.npos) return "";
    first_bytes.remove_prefix(text);
    for (std::string_view tag : {"<!doctype html", "<html"}) {
        bool same = first_bytes.size() >= tag.size();
        for (std::size_t i = 0; same && i < tag.size(); ++i) {
            const char c = first_bytes[i];
            same = tag[i] == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
        }
        if (same) return "an HTML page (a failed download?)";
    }
    return "";
}

}  // namespace rwkv::inline RWKV_ABI::io
