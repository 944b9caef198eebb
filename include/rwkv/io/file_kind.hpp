#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

namespace detail {

/// Whether the text begins so, in upper or lower case; `beginning` is in lower case.
constexpr bool begins_with(std::string_view text, std::string_view beginning) noexcept {
    if (text.size() < beginning.size()) return false;
    for (std::size_t i = 0; i < beginning.size(); ++i) {
        const char c = text[i];
        if (beginning[i] != (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c)) return false;
    }
    return true;
}

}  // namespace detail

/// The kind of a file by its first bytes (64 are enough), for a message: of those that are mistaken for a model's
/// files. Empty for any other.
constexpr std::string_view file_kind(std::string_view first_bytes) noexcept {
    using namespace std::string_view_literals;
    constexpr const char* not_read_here = "a GGUF file, of llama.cpp: not read here (take the model's safetensors)";
    constexpr const char* of_rwkv_cpp =
        "a GGML file, of rwkv.cpp: not read here (take the .pth or safetensors it was made of)";
    constexpr std::array binary{
        std::pair{"GGUF"sv, not_read_here},
        std::pair{"ggml"sv, of_rwkv_cpp},
        std::pair{"lmgg"sv, of_rwkv_cpp},
        std::pair{"fmgg"sv, of_rwkv_cpp},
        std::pair{"tjgg"sv, of_rwkv_cpp},
        std::pair{"PK\x03\x04"sv, "a ZIP archive, perhaps a PyTorch checkpoint (.pth, .bin)"},
        std::pair{"PK\x05\x06"sv, "a ZIP archive, perhaps a PyTorch checkpoint (.pth, .bin)"},
        std::pair{"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv,
                  "a PyTorch checkpoint of before 2020 (not a ZIP archive)"},
        std::pair{"\x1f\x8b\x08"sv, "a file compressed by gzip"},
        std::pair{"7z\xbc\xaf\x27\x1c"sv, "a 7z archive: unpack it first"},
        std::pair{"Rar!\x1a\x07"sv, "a RAR archive: unpack it first"},
        std::pair{"\xfd\x37zXZ"sv, "a file compressed by xz"},
        std::pair{"\x28\xb5\x2f\xfd"sv, "a file compressed by zstd"},
        std::pair{"\x93NUMPY"sv, "an array of NumPy"},
        std::pair{"\x89HDF\r\n"sv, "an HDF5 file, perhaps of TensorFlow"},
    };
    for (const auto& [beginning, kind] : binary)
        if (first_bytes.starts_with(beginning)) return kind;

    // What a download leaves where it failed, in lower case.
    constexpr const char* page = "an HTML page (a failed download?)";
    constexpr const char* answer = "a server's answer in words (a failed download?)";
    constexpr std::array text{
        std::pair{"version https://git-lfs"sv,
                  "a Git LFS pointer: the file itself was not downloaded (try `git lfs pull`)"},
        std::pair{"# xet version"sv, "a pointer of Git Xet: the file itself was not downloaded"},
        std::pair{"<!doctype html"sv, page},
        std::pair{"<html"sv, page},
        std::pair{"<?xml"sv, "an XML document (a failed download?)"},
        std::pair{"entry not found"sv, "the Hub's answer \"Entry not found\" (a failed download)"},
        std::pair{"repository not found"sv, "the Hub's answer \"Repository not found\" (a failed download)"},
        std::pair{"revision not found"sv, "the Hub's answer \"Revision not found\" (a failed download)"},
        std::pair{"access to model"sv, "the Hub's answer that access is restricted (a failed download)"},
        std::pair{"invalid "sv, answer},
        std::pair{"not found"sv, answer},
        std::pair{"404: not found"sv, answer},
        std::pair{"404 not found"sv, answer},
        std::pair{"unauthorized"sv, answer},
        std::pair{"forbidden"sv, answer},
    };
    const std::size_t begin = first_bytes.find_first_not_of(" \t\r\n");
    if (begin == first_bytes.npos) return "";
    first_bytes.remove_prefix(begin);
    for (const auto& [beginning, kind] : text)
        if (detail::begins_with(first_bytes, beginning)) return kind;
    return "";
}

/// Whether a file begins as one of safetensors does: with the length of its header, and the header.
constexpr bool begins_as_safetensors(std::string_view first_bytes) noexcept {
    constexpr std::string_view high_bytes("\0\0\0\0", 4);  // of a length that no header has
    return first_bytes.size() > 8 && first_bytes.substr(4, 4) == high_bytes &&
           std::string_view("{ \t\r\n").find(first_bytes[8]) != std::string_view::npos;
}

}  // namespace rwkv::inline RWKV_ABI::io
