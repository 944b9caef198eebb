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

/// Whether a file's name is that of one of several shards, such as "model-00002-of-00003.safetensors".
inline bool is_name_of_shard(std::string_view name) noexcept {
    return name.find("-of-0") != name.npos;
}

namespace detail {

/// A file that leads to weights: it holds them, or it is an index of the files that do.
struct WeightFile {
    std::string name = {};
    WeightFileKind kind = WeightFileKind::safetensors;
    bool is_index = false;
};

inline constexpr std::string_view index_extension = ".index.json";

/// The position in the name of an index where the name of the file that it replaces ends:
/// "model.safetensors|.index.json", or, where transformers saved a variant of a model,
/// "model.safetensors|.index.fp16.json". `npos`: it is none.
inline std::size_t end_of_indexed_name(std::string_view name) noexcept {
    constexpr std::string_view index = ".index.", json = "json";
    const std::size_t end = name.rfind(index);
    if (end == name.npos || !name.ends_with(json)) return name.npos;
    const std::string_view variant = name.substr(end + index.size(), name.size() - end - index.size() - json.size());
    const bool is_variant = variant.empty() || (variant.size() > 1 && variant.find('.') == variant.size() - 1);
    const std::string_view indexed = name.substr(0, end);
    return is_variant && (indexed.ends_with(".safetensors") || indexed.ends_with(".bin")) ? end : name.npos;
}

/// Whether a name ends so, in upper or lower case, with something before it; `extension` is in lower case.
inline bool has_extension(std::string_view name, std::string_view extension) noexcept {
    if (name.size() <= extension.size()) return false;
    name.remove_prefix(name.size() - extension.size());
    for (std::size_t i = 0; i < extension.size(); ++i) {
        const char c = name[i];
        if (extension[i] != (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c)) return false;
    }
    return true;
}

/// What a file is, by its name. A file of any other name is taken for safetensors, whose reader refuses what is not.
inline WeightFile classify(const std::string& name) {
    const std::size_t end = end_of_indexed_name(name);
    const bool is_index = end != name.npos;
    const std::string_view weights = std::string_view(name).substr(0, end);
    const bool is_pytorch =
        has_extension(weights, ".bin") || has_extension(weights, ".pth") || has_extension(weights, ".pt");
    return {name, is_pytorch ? WeightFileKind::pytorch : WeightFileKind::safetensors, is_index};
}

/// Whether a file's name is one of weights, or of their index.
inline bool leads_to_weights(const std::string& name) {
    const WeightFile file = classify(name);
    return file.is_index || file.kind == WeightFileKind::pytorch || has_extension(name, ".safetensors") ||
           has_extension(name, ".st");
}

/// Whether a file of a model does not hold its weights, by its name: an adapter, or the state of a training.
inline bool is_no_model(std::string_view name) {
    for (const std::string_view other : {"training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.bin",
                                         "scheduler.pt", "scaler.pt", "sampler.bin"})
        if (name == other) return true;
    return name.starts_with("adapter_model.") || name.starts_with("rng_state") || name.starts_with("random_states");
}

inline ShardIndex open_index(const ModelFiles& files, const WeightFile& index) {
    return read_index(*open_file(files, index.name), index.kind == WeightFileKind::pytorch ? ".bin" : ".safetensors");
}

/// Whether an index lists a file; not where it cannot be read.
inline bool lists(const ModelFiles& files, const WeightFile& index, const std::string& name) try {
    for (const auto& [tensor, shard] : open_index(files, index).weight_map)
        if (shard == name) return true;
    return false;
} catch (const Error&) {
    return false;
}

/// Why a file is not read, by its name: one of those that are found where weights are expected; or empty.
inline std::string_view why_not_read(std::string_view name) noexcept {
    using namespace std::string_view_literals;
    constexpr auto other = "of a format that is not read here"sv, packed = "an archive: unpack it first"sv,
                   part = "a download that has not come to its end"sv,
                   perhaps = "which may hold anything: give that file itself if it is the weights"sv;
    constexpr std::array ends{
        std::pair{".gguf"sv, other},      std::pair{".ggml"sv, other},   std::pair{".h5"sv, other},
        std::pair{".msgpack"sv, other},   std::pair{".ckpt"sv, perhaps}, std::pair{".onnx"sv, other},
        std::pair{".npz"sv, other},       std::pair{".ot"sv, other},     std::pair{".prefab"sv, other},
        std::pair{".mnn"sv, other},       std::pair{".pkl"sv, perhaps},  std::pair{".zip"sv, packed},
        std::pair{".7z"sv, packed},       std::pair{".rar"sv, packed},   std::pair{".tar"sv, packed},
        std::pair{".tgz"sv, packed},      std::pair{".gz"sv, packed},    std::pair{".xz"sv, packed},
        std::pair{".zst"sv, packed},      std::pair{".bz2"sv, packed},   std::pair{".part"sv, part},
        std::pair{".crdownload"sv, part}, std::pair{".aria2"sv, part},   std::pair{".incomplete"sv, part},
        std::pair{".torrent"sv, part},
    };
    for (const auto& [end, why] : ends)
        if (has_extension(name, end)) return why;
    return "";
}

/// Looks through the files of a model for what leads to its weights.
class WeightFinder {
  public:
    /// An index of PyTorch files is only read where these are accepted.
    WeightFinder(const ModelFiles& files, bool accept_pytorch) : files_(files), accept_pytorch_(accept_pytorch) {
        for (const std::string& name : files.names()) {
            names_.insert(name);
            const WeightFile file = classify(name);
            if (file.is_index) indices_.push_back(file);
            if (is_no_model(name) || file.is_index || !leads_to_weights(name)) continue;
            (file.kind == WeightFileKind::pytorch ? pytorch_ : safetensors_).insert(name);
        }
    }

    /// As transformers does, `model.safetensors`, or `model.safetensors.index.json`; then a single other safetensors
    /// file; without any of these `pytorch_model.bin`, `pytorch_model.bin.index.json`, or a single other PyTorch file.
    /// Several others are taken where an index of another name lists them, as of a variant ("fp16").
    /// An index of which no file is left is passed over where something else is there.
    ///
    /// Throws: FileError where there is none, or more than one to choose from; FormatError for a bad index; ModelError
    /// for an adapter without its model.
    WeightFile find() {
        const Found found = search();
        if (!found && !empty_index_) fail();
        if (found && empty_index_)
            warnings_.push_back(files_.name_of(empty_index_->name) + ": ignored, because its files are not there");
        return found ? *found : *empty_index_;
    }

    /// The index that was found, where it was read already.
    std::optional<ShardIndex> take_index() { return std::exchange(index_, std::nullopt); }

    /// A sentence each: what was passed over.
    std::vector<std::string> warnings() const {
        std::vector<std::string> all = warnings_;
        if (has_adapter())
            all.push_back(files_.name() + ": the LoRA adapter in adapter_model is merged only if it is asked for");
        return all;
    }

  private:
    using Found = std::optional<WeightFile>;

    Found search() {
        constexpr auto safetensors = WeightFileKind::safetensors, pytorch = WeightFileKind::pytorch;
        Found found = of_usual_name("model.safetensors", safetensors);
        if (!found)
            found = only(safetensors_, safetensors, "model.safetensors, its index or a single safetensors file");
        if (!found) found = of_usual_name("pytorch_model.bin", pytorch);
        if (!found) found = only(pytorch_, pytorch, "pytorch_model.bin, its index or a single PyTorch file");
        return found;
    }

    bool has(const std::string& name) const { return names_.contains(name); }

    bool has_adapter() const {
        return has("adapter_config.json") || has("adapter_model.safetensors") || has("adapter_model.bin");
    }

    Found of_usual_name(const std::string& name, WeightFileKind kind) {
        const WeightFile single{name, kind, false}, index{name + std::string(index_extension), kind, true};
        if (!has(index.name)) return has(name) ? Found(single) : std::nullopt;
        if (has(name)) {
            if (lists(files_, index, name)) return index;
            warnings_.push_back(files_.name_of(index.name) + ": ignored, because there is " + name);
            return single;
        }
        if (kind == WeightFileKind::pytorch && !accept_pytorch_) return index;
        ShardIndex read = open_index(files_, index);
        for (const auto& [tensor, shard] : read.weight_map)
            if (has(shard)) {
                index_ = std::move(read);
                return index;
            }
        if (!empty_index_) empty_index_ = index;
        return std::nullopt;
    }

    Found only(const std::set<std::string>& names, WeightFileKind kind, const std::string& expected) const {
        if (names.empty()) return std::nullopt;
        if (names.size() > 1) {
            Found listing;  // the one index of another name, as of a variant, that lists all of them
            std::size_t count = 0;
            for (const WeightFile& index : indices_) {
                if (index.kind != kind || (kind == WeightFileKind::pytorch && !accept_pytorch_)) continue;
                if (!lists(files_, index, *names.begin()) || !lists(files_, index, *names.rbegin())) continue;
                listing = index;
                ++count;
            }
            if (count == 1) return listing;
        }
        if (names.size() > 1 && is_name_of_shard(*names.begin()))
            core::fail<FileError>(
                files_.name(), {},
                {"the index of its shards, *", index_extension, ", beside ", core::Quoted{*names.begin()}}, {"none"});
        if (names.size() > 1)
            core::fail<FileError>(
                files_.name(), {}, {expected},
                {names.size(), ": ", core::Quoted{*names.begin()}, ", ", core::Quoted{*std::next(names.begin())},
                 names.size() > 2 ? ", …" : "", " (give the one that is meant)"});
        return WeightFile{*names.begin(), kind, false};
    }

    [[noreturn]] void fail() const {
        if (has_adapter())
            core::fail<ModelError>(files_.name(), {}, {"a model"},
                                   {"a LoRA adapter without its model",
                                    has("adapter_config.json") ? ", which adapter_config.json names" : ""});
        for (const std::string& name : names_)
            if (const std::string_view why = why_not_read(name); !why.empty())
                core::fail<FileError>(files_.name(), {}, {"a model.safetensors file"}, {core::Quoted{name}, ", ", why});
        for (const std::string& name : names_)
            if (name.starts_with("checkpoint-") || name.starts_with("models--"))
                core::fail<FileError>(files_.name(), {}, {"a model.safetensors file"},
                                      {"none (perhaps the model is ", core::Quoted{name}, " in it)"});
        core::fail<FileError>(files_.name(), {}, {"a model.safetensors file"}, {"none"});
    }

    const ModelFiles& files_;
    bool accept_pytorch_;
    std::set<std::string> names_, safetensors_, pytorch_;
    std::vector<WeightFile> indices_;
    Found empty_index_;
    std::optional<ShardIndex> index_;
    std::vector<std::string> warnings_;
};

/// What a file that was given itself is: by its name, or where that says nothing by its first bytes. Throws: ModelError
/// for a JSON file that is no index.
inline WeightFile classify_given(const ModelFiles& files, const std::string& name) {
    WeightFile file = classify(name);
    if (leads_to_weights(name)) return file;
    if (has_extension(name, ".json") && files.contains(name))
        core::fail<ModelError>(files.name_of(name), {}, {"a model's directory or its weights"},
                               {"a JSON file that is no index of them"});
    const auto source = open_file(files, name);
    std::array<std::byte, 4> first{};
    if (source->size() >= first.size()) source->read(0, first);
    if (std::memcmp(first.data(), "PK\3\4", first.size()) == 0) file.kind = WeightFileKind::pytorch;
    return file;
}

}  // namespace detail

/// The files with the weights of a model: those that a directory holds, those that an index lists, or the file given.
/// Throws: FileError where there are none or one cannot be read, FormatError for a bad index, ModelError for PyTorch
/// files unless they are accepted, for other files that are no weights, and for an adapter without its model.
inline WeightFiles find_weight_files(const ModelLocation& location, bool accept_pytorch) {
    const ModelFiles& all = *location.files;
    WeightFiles files;
    detail::WeightFile found;
    if (location.weights) {
        found = detail::classify_given(all, *location.weights);
    } else {
        detail::WeightFinder finder(all, accept_pytorch);
        found = finder.find();
        files.warnings = finder.warnings();
        files.index = finder.take_index();
    }
    if (found.kind == WeightFileKind::pytorch && !accept_pytorch && all.contains(found.name))
        core::fail<ModelError>(all.name_of(found.name), {}, {"a safetensors file"},
                               {"a PyTorch file, which is not read here: convert it to safetensors"});
    files.kind = found.kind;
    files.names = {found.name};
    if (!found.is_index) return files;

    if (!files.index) files.index = detail::open_index(all, found);
    files.index_name = found.name;
    for (std::string& warning : files.index->warnings) files.warnings.push_back(std::move(warning));
    std::set<std::string> names;
    for (const auto& [tensor, shard] : files.index->weight_map) names.insert(shard);
    files.names.assign(names.begin(), names.end());
    return files;
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
