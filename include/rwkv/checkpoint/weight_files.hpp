#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/index_json.hpp>
#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The format of a file with weights.
enum class WeightFileKind { safetensors, pytorch };

/// The files that hold a model's weights. What they are is decided here, once, by their names.
struct WeightFiles {
    WeightFileKind kind = WeightFileKind::safetensors;
    std::vector<std::string> names = {};     ///< one file, or the shards in order
    std::optional<ShardIndex> index = {};    ///< of shards only: which tensor lies in which
    std::string index_name = {};             ///< the file of `index`
    std::vector<std::string> warnings = {};  ///< a sentence each: ignored files, for example
};

namespace detail {

/// A file that leads to weights: it holds them, or it is an index of the files that do.
struct WeightFile {
    std::string name;
    WeightFileKind kind;
    bool is_index;
};

inline constexpr std::string_view index_extension = ".index.json";

/// Whether a name ends so, with something before it.
inline bool has_extension(std::string_view name, std::string_view extension) noexcept {
    return name.size() > extension.size() && name.ends_with(extension);
}

/// What a file is, by its name. A file of any other name is taken for safetensors, whose reader refuses what is not.
inline WeightFile classify(const std::string& name) {
    const bool is_index = name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json");
    std::string_view weights = name;
    if (is_index) weights.remove_suffix(index_extension.size());
    const bool is_pytorch =
        has_extension(weights, ".bin") || has_extension(weights, ".pth") || has_extension(weights, ".pt");
    return {name, is_pytorch ? WeightFileKind::pytorch : WeightFileKind::safetensors, is_index};
}

/// The file of a model that leads to its weights: `model.safetensors.index.json`, `model.safetensors`, a single other
/// `*.safetensors`; without any of these `pytorch_model.bin.index.json`, `pytorch_model.bin`, or a single other
/// `*.bin`,
/// `*.pth` or `*.pt`. Throws: FileError where there is none, or more than one to choose from.
inline WeightFile find_weight_file(const ModelFiles& files) {
    using Names = std::set<std::string>;
    using Found = std::optional<WeightFile>;
    const auto of_usual_name = [&](const std::string& name, WeightFileKind kind) -> Found {
        std::string index = name + std::string(index_extension);
        if (files.contains(index)) return WeightFile{std::move(index), kind, true};
        if (files.contains(name)) return WeightFile{name, kind, false};
        return std::nullopt;
    };
    const auto single_one = [&](const Names& names, WeightFileKind kind, const std::string& expected) -> Found {
        if (names.empty()) return std::nullopt;
        if (names.size() == 1) return WeightFile{*names.begin(), kind, false};
        core::fail<FileError>(files.name(), {}, {expected},
                              {names.size(), ": ", core::Quoted{*names.begin()}, ", ",
                               core::Quoted{*std::next(names.begin())}, names.size() > 2 ? ", …" : ""});
    };
    constexpr auto safetensors = WeightFileKind::safetensors, pytorch = WeightFileKind::pytorch;
    if (Found found = of_usual_name("model.safetensors", safetensors)) return *found;
    Names safetensors_files, pytorch_files;
    for (const std::string& name : files.names()) {
        if (has_extension(name, ".safetensors"))
            safetensors_files.insert(name);
        else if (const WeightFile file = classify(name); file.kind == pytorch && !file.is_index)
            pytorch_files.insert(name);
    }
    if (Found found =
            single_one(safetensors_files, safetensors, "model.safetensors.index.json or a single .safetensors file"))
        return *found;
    if (Found found = of_usual_name("pytorch_model.bin", pytorch)) return *found;
    if (Found found = single_one(pytorch_files, pytorch, "pytorch_model.bin.index.json or a single PyTorch file"))
        return *found;
    core::fail<FileError>(files.name(), {}, {"a model.safetensors file"}, {"none"});
}

/// What a file that was given itself is: by its name, or where that says nothing by its first bytes.
inline WeightFile classify_given(const ModelFiles& files, const std::string& name) {
    WeightFile file = classify(name);
    if (file.kind == WeightFileKind::pytorch || has_extension(name, ".safetensors") || file.is_index) return file;
    const auto source = open_file(files, name);
    std::array<std::byte, 4> first{};
    if (source->size() >= first.size()) source->read(0, first);
    if (std::memcmp(first.data(), "PK\3\4", first.size()) == 0) file.kind = WeightFileKind::pytorch;
    return file;
}

}  // namespace detail

/// The files with the weights of a model: those that a directory holds, those that an index lists, or the file given.
/// Throws: FileError where there are none or one cannot be read, FormatError for a bad index, ModelError for PyTorch
/// files unless they are accepted.
inline WeightFiles find_weight_files(const ModelLocation& location, bool accept_pytorch) {
    const ModelFiles& all = *location.files;
    const auto [name, kind, is_index] =
        location.weights ? detail::classify_given(all, *location.weights) : detail::find_weight_file(all);
    if (kind == WeightFileKind::pytorch && !accept_pytorch && all.contains(name))
        core::fail<ModelError>(all.name_of(name), {}, {"a safetensors file"},
                               {"a PyTorch file, which is not read here: convert it to safetensors"});
    if (!is_index) return {.kind = kind, .names = {name}};

    const char* const extension = kind == WeightFileKind::pytorch ? ".bin" : ".safetensors";
    WeightFiles files{.kind = kind, .index = read_index(*open_file(all, name), extension), .index_name = name};
    files.warnings = std::move(files.index->warnings);
    std::set<std::string> names;
    for (const auto& [tensor, shard] : files.index->weight_map) names.insert(shard);
    files.names.assign(names.begin(), names.end());
    const std::string single = name.substr(0, name.size() - detail::index_extension.size());
    if (!location.weights && !names.contains(single) && all.contains(single))
        files.warnings.push_back(all.name_of(single) + ": ignored, because there is an index");
    return files;
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
