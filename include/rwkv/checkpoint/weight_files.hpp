#pragma once

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/index_json.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The format of a file with weights.
enum class WeightFileKind { safetensors, pytorch };

/// The files that hold a model's weights. What they are is decided here, once, by their names.
struct WeightFiles {
    WeightFileKind kind = WeightFileKind::safetensors;
    std::vector<std::filesystem::path> paths;  ///< one file, or the shards in the order of their names
    std::optional<ShardIndex> index = {};      ///< of shards only: which tensor lies in which
    std::filesystem::path index_path = {};     ///< the file of `index`
    std::vector<std::string> warnings = {};    ///< a sentence each: ignored files, for example
};

namespace detail {

/// A file that leads to weights: it holds them, or it is an index of the files that do.
struct WeightPath {
    std::filesystem::path path;
    WeightFileKind kind;
    bool is_index;
};

/// What a file is, by its name. A file of any other name is taken for safetensors, whose reader refuses what is not.
inline WeightPath classify(const std::filesystem::path& path) {
    const std::string name = path.string();
    const bool is_index = name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json");
    const auto extension = (is_index ? path.stem().stem() : path).extension();
    const bool is_pytorch = extension == ".bin" || extension == ".pth" || extension == ".pt";
    return {path, is_pytorch ? WeightFileKind::pytorch : WeightFileKind::safetensors, is_index};
}

/// The file of a model directory that leads to its weights: `model.safetensors.index.json`, `model.safetensors`, a
/// single other `*.safetensors`; without any of these `pytorch_model.bin.index.json`, `pytorch_model.bin`, or a single
/// other `*.bin`, `*.pth` or `*.pt`. Throws: FileError where there is none, or more than one to choose from.
inline WeightPath find_weight_path(const std::filesystem::path& directory) {
    using Paths = std::set<std::filesystem::path>;
    using Found = std::optional<WeightPath>;
    const auto of_usual_name = [&](const std::string& name, WeightFileKind kind) -> Found {
        const auto index = directory / (name + ".index.json"), single = directory / name;
        if (io::is_present(index)) return WeightPath{index, kind, true};
        if (io::is_present(single)) return WeightPath{single, kind, false};
        return std::nullopt;
    };
    const auto single_one = [&](const Paths& files, WeightFileKind kind, const std::string& expected) -> Found {
        if (files.empty()) return std::nullopt;
        if (files.size() == 1) return WeightPath{*files.begin(), kind, false};
        core::fail<FileError>(
            directory.string(), {}, {expected},
            {files.size(), ": ", core::Quoted{files.begin()->filename().string()}, ", ",
             core::Quoted{std::next(files.begin())->filename().string()}, files.size() > 2 ? ", …" : ""});
    };
    constexpr auto safetensors = WeightFileKind::safetensors, pytorch = WeightFileKind::pytorch;
    if (Found found = of_usual_name("model.safetensors", safetensors)) return *found;
    Paths safetensors_files, pytorch_files;
    for (const std::string& name : io::names_in(directory)) {
        WeightPath file = classify(directory / name);
        if (file.path.extension() == ".safetensors")
            safetensors_files.insert(std::move(file.path));
        else if (file.kind == pytorch && !file.is_index)
            pytorch_files.insert(std::move(file.path));
    }
    if (Found found =
            single_one(safetensors_files, safetensors, "model.safetensors.index.json or a single .safetensors file"))
        return *found;
    if (Found found = of_usual_name("pytorch_model.bin", pytorch)) return *found;
    if (Found found = single_one(pytorch_files, pytorch, "pytorch_model.bin.index.json or a single PyTorch file"))
        return *found;
    core::fail<FileError>(directory.string(), {}, {"a model.safetensors file"}, {"none"});
}

}  // namespace detail

/// The files with the weights of a model: those that a directory holds, those that an index lists, or the file given.
/// Throws: FileError where a directory has none or a file cannot be read, FormatError for a bad index, ModelError for
/// PyTorch files unless they are accepted.
inline WeightFiles find_weight_files(const std::filesystem::path& file_or_directory, bool accept_pytorch) {
    std::error_code ignored;
    const bool is_directory = std::filesystem::is_directory(file_or_directory, ignored);
    const auto [path, kind, is_index] =
        is_directory ? detail::find_weight_path(file_or_directory) : detail::classify(file_or_directory);
    if (kind == WeightFileKind::pytorch && !accept_pytorch && io::is_present(path))
        core::fail<ModelError>(path.string(), {}, {"a safetensors file"},
                               {"a PyTorch file, which is not read here: convert it to safetensors"});
    if (!is_index) return {.kind = kind, .paths = {path}};

    WeightFiles files{.kind = kind,
                      .paths = {},
                      .index = read_index(path, kind == WeightFileKind::pytorch ? ".bin" : ".safetensors"),
                      .index_path = path};
    files.warnings = std::move(files.index->warnings);
    std::set<std::string> names;
    for (const auto& [tensor, shard] : files.index->weight_map) names.insert(shard);
    for (const std::string& name : names) files.paths.push_back(path.parent_path() / name);
    const auto single = path.parent_path() / path.stem().stem();
    if (is_directory && io::is_present(single) && std::ranges::find(files.paths, single) == files.paths.end())
        files.warnings.push_back(single.string() + ": ignored, because there is an index");
    return files;
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
