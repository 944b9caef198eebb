#pragma once

#include <filesystem>
#include <iterator>
#include <set>
#include <string>
#include <system_error>

#include <rwkv/core/error.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Whether a file is, by its name, an index of shards.
inline bool is_index_file(const std::filesystem::path& path) {
    return path.string().ends_with(".safetensors.index.json") || path.string().ends_with(".bin.index.json");
}

/// Whether a file is, by its name, one of PyTorch's, or an index of such.
inline bool is_pytorch_file(const std::filesystem::path& path) {
    const auto extension = (is_index_file(path) ? path.stem().stem() : path).extension();
    return extension == ".bin" || extension == ".pth" || extension == ".pt";
}

/// The file of a model directory that leads to its weights: `model.safetensors.index.json`, `model.safetensors`, a
/// single other `*.safetensors`; without any of these `pytorch_model.bin.index.json`, `pytorch_model.bin`, or a single
/// other `*.bin`, `*.pth` or `*.pt`. FileError where there is none, or no telling which.
inline std::filesystem::path find_weights(const std::filesystem::path& directory) {
    using Paths = std::set<std::filesystem::path>;
    const auto usual = [&](const std::string& name) {
        const auto index = directory / (name + ".index.json"), single = directory / name;
        return io::is_present(index) ? index : io::is_present(single) ? single : std::filesystem::path();
    };
    const auto only = [&](const Paths& files, const std::string& wanted) {
        if (files.size() < 2) return files.empty() ? std::filesystem::path() : *files.begin();
        throw FileError(directory.string(), "", wanted,
                        std::to_string(files.size()) + ": " + core::quoted(files.begin()->filename().string()) + ", " +
                            core::quoted(std::next(files.begin())->filename().string()) +
                            (files.size() > 2 ? ", …" : ""));
    };
    if (auto found = usual("model.safetensors"); !found.empty()) return found;
    Paths safetensors, pytorch;
    for (const std::string& name : io::names_in(directory)) {
        const std::filesystem::path file = directory / name;
        if (file.extension() == ".safetensors") safetensors.insert(file);
        if (is_pytorch_file(file) && !is_index_file(file)) pytorch.insert(file);
    }
    if (auto found = only(safetensors, "model.safetensors.index.json or a single .safetensors file"); !found.empty())
        return found;
    if (auto found = usual("pytorch_model.bin"); !found.empty()) return found;
    if (auto found = only(pytorch, "pytorch_model.bin.index.json or a single PyTorch file"); !found.empty())
        return found;
    throw FileError(directory.string(), "", "a model.safetensors file", "none");
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
