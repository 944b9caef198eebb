#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/index_json.hpp>
#include <rwkv/checkpoint/weight_files.hpp>
#include <rwkv/core/checked.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/io/file_pool.hpp>
#include <rwkv/io/safetensors.hpp>
#include <rwkv/io/strided.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// One tensor of a checkpoint: what its file says of it, and which file that is.
struct CheckpointTensor {
    TensorInfo info;
    std::size_t file = 0;  ///< number of the file within the checkpoint
};

/// Reads what a PyTorch file says of its tensors: `read_pytorch_tensors` of pytorch.hpp. A program that does not name
/// that function does not contain it.
using PytorchReader = std::vector<TensorInfo> (*)(const io::InputFile&);

/// A model's tensors on disk, in one file or in several with an index, with every header read and checked. Knows
/// nothing of what the tensors mean. Const members may be called by several threads.
class Checkpoint {
  public:
    /// Opens a .safetensors file, an index (`*.safetensors.index.json`), or a directory, whose weights are looked for
    /// as `find_weights` says. With a reader of PyTorch files also a .bin, .pth or .pt file and a `*.bin.index.json`.
    ///
    /// FileError when a file is missing or unreadable; FormatError when one breaks its format, or index and shards do
    /// not agree; ModelError for a PyTorch file without a reader.
    static Checkpoint open(const std::filesystem::path& file_or_directory, PytorchReader pytorch = nullptr) {
        std::error_code error;
        if (!std::filesystem::is_directory(file_or_directory, error)) return open_file(file_or_directory, pytorch);
        const auto path = find_weights(file_or_directory);
        Checkpoint result = open_file(path, pytorch);
        if (const auto single = path.parent_path() / path.stem().stem();
            is_index_file(path) && io::is_present(single) && !result.has_file(single))
            result.warnings_.push_back(single.string() + ": ignored, because there is an index");
        return result;
    }

    /// All tensors, by file and by place within it.
    const std::vector<CheckpointTensor>& tensors() const noexcept { return tensors_; }

    /// The tensor of that very name, or null. The pointer lives as long as the checkpoint (moving it
    /// included).
    const CheckpointTensor* find(std::string_view name) const noexcept {
        const auto found = std::ranges::lower_bound(by_name_, name, {}, [&](std::size_t i) { return name_of(i); });
        return found != by_name_.end() && name_of(*found) == name ? &tensors_[*found] : nullptr;
    }

    /// Fills `out` with the tensor's bytes in C order, from `offset` (counted in that order) on. ArgumentError when
    /// that is not within the tensor; FileError when the file cannot be read or has changed since `open`.
    void read(const CheckpointTensor& tensor, std::uint64_t offset, std::span<std::byte> out) const {
        const auto end = core::checked_add(offset, out.size());
        if (!end || *end > tensor.info.bytes)
            throw ArgumentError(path_of(tensor).string(), core::tensor_subject(tensor.info.name),
                                "bytes within its " + std::to_string(tensor.info.bytes),
                                std::to_string(out.size()) + " from " + std::to_string(offset));
        if (out.empty()) return;
        const auto file = files_->open(tensor.file);
        if (tensor.info.strides.empty())
            file->read(tensor.info.offset + offset, out);
        else
            io::read_strided(*file, tensor.info, offset, out);
    }

    /// The tensor's bytes, at least one, mapped from its file: see InputFile::map. ArgumentError where they do not lie
    /// there in one piece (`info.strides`); FileError as `read`.
    std::shared_ptr<const std::byte[]> map(const CheckpointTensor& tensor) const {
        if (!tensor.info.strides.empty())
            throw ArgumentError(path_of(tensor).string(), core::tensor_subject(tensor.info.name),
                                "a tensor in one piece, to map", "strides " + to_string(tensor.info.strides));
        return files_->open(tensor.file)->map(tensor.info.offset, static_cast<std::size_t>(tensor.info.bytes));
    }

    /// The file that holds the tensor.
    const std::filesystem::path& path_of(const CheckpointTensor& tensor) const { return files_->path(tensor.file); }

    /// How many files there are, the index not counted.
    std::size_t file_count() const noexcept { return files_->size(); }

    /// `__metadata__` of all files together; where they differ, the first file's.
    const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

    /// `__metadata__` of the file that holds the tensor.
    const std::map<std::string, std::string>& metadata_of(const CheckpointTensor& tensor) const {
        return file_metadata_.at(tensor.file);
    }

    /// What is odd but harmless, a sentence each: a wrong total_size, tensors the index does not list.
    const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  private:
    explicit Checkpoint(std::vector<std::filesystem::path> paths)
        : files_(std::make_unique<io::FilePool>(std::move(paths))) {}

    static Checkpoint open_file(const std::filesystem::path& path, PytorchReader pytorch) {
        if (!pytorch && is_pytorch_file(path) && io::is_present(path))
            throw ModelError(path.string(), "", "a safetensors file",
                             "a PyTorch file, which is not read here: convert it to safetensors");
        if (is_index_file(path)) return open_sharded(path, pytorch);
        Checkpoint result({path});
        result.add_file(0, pytorch);
        result.index_names();
        return result;
    }

    static Checkpoint open_sharded(const std::filesystem::path& index_path, PytorchReader pytorch) {
        const ShardIndex index = read_index(index_path);
        std::set<std::string> names;
        for (const auto& [tensor, shard] : index.weight_map) names.insert(shard);
        std::vector<std::filesystem::path> paths;
        for (const std::string& name : names) paths.push_back(index_path.parent_path() / name);
        Checkpoint result(std::move(paths));
        result.warnings_ = index.warnings;
        for (std::size_t i = 0; i < result.files_->size(); ++i) result.add_file(i, pytorch);
        result.index_names();
        result.check_against(index, index_path.string());
        return result;
    }

    std::string_view name_of(std::size_t i) const noexcept { return tensors_[i].info.name; }

    bool has_file(const std::filesystem::path& path) const {
        for (std::size_t i = 0; i < files_->size(); ++i)
            if (files_->path(i) == path) return true;
        return false;
    }

    void add_file(std::size_t number, PytorchReader pytorch) {
        const auto file = files_->open(number);
        const auto add = [&](std::vector<TensorInfo> tensors) {
            for (TensorInfo& info : tensors) tensors_.push_back({std::move(info), number});
        };
        file_metadata_.emplace_back();
        if (pytorch && is_pytorch_file(file->path())) return add(pytorch(*file));
        io::SafetensorsHeader header = io::read_safetensors_header(*file);
        add(std::move(header.tensors));
        metadata_.insert(header.metadata.begin(), header.metadata.end());
        file_metadata_.back() = std::move(header.metadata);
    }

    void index_names() {
        by_name_.resize(tensors_.size());
        std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
        std::ranges::stable_sort(by_name_, {}, [&](std::size_t i) { return name_of(i); });
        const auto twin = std::ranges::adjacent_find(by_name_, {}, [&](std::size_t i) { return name_of(i); });
        if (twin != by_name_.end())
            throw FormatError(path_of(tensors_[twin[1]]).string(), core::tensor_subject(name_of(*twin)),
                              "each tensor in one shard only", "it also in " + path_of(tensors_[*twin]).string());
    }

    void check_against(const ShardIndex& index, const std::string& where) {
        std::uint64_t total = 0;
        std::size_t unlisted = 0;
        const auto same_bytes = [](const CheckpointTensor& a, const CheckpointTensor& b) {
            return a.file == b.file && a.info.offset == b.info.offset && a.info.bytes == b.info.bytes;
        };
        for (const CheckpointTensor& tensor : tensors_) {
            if (&tensor == tensors_.data() || !same_bytes(tensor, *(&tensor - 1))) total += tensor.info.bytes;
            const auto mapped = index.weight_map.find(tensor.info.name);
            if (mapped == index.weight_map.end()) {
                if (++unlisted <= max_listed)
                    warnings_.push_back(path_of(tensor).string() + ": holds " + core::tensor_subject(tensor.info.name) +
                                        ", which the index does not list");
            } else if (path_of(tensor).filename() != mapped->second) {
                throw FormatError(path_of(tensor).string(), core::tensor_subject(tensor.info.name),
                                  "it in " + core::quoted(mapped->second) + ", as the index says", "it here");
            }
        }
        if (unlisted > max_listed)
            warnings_.push_back(where + ": does not list " + std::to_string(unlisted - max_listed) + " more tensors");
        for (const auto& [name, shard] : index.weight_map)
            if (!find(name))
                throw FormatError(where, core::tensor_subject(name), "it in " + core::quoted(shard),
                                  "no such tensor there");
        if (index.total_size && *index.total_size != total)
            warnings_.push_back(where + ": total_size is wrong: expected " + std::to_string(total) + ", found " +
                                std::to_string(*index.total_size));
    }

    static constexpr std::size_t max_listed = 20;

    std::unique_ptr<io::FilePool> files_;
    std::vector<CheckpointTensor> tensors_;
    std::vector<std::size_t> by_name_;  ///< numbers of `tensors_`, in order of their names
    std::map<std::string, std::string> metadata_;
    std::vector<std::map<std::string, std::string>> file_metadata_;
    std::vector<std::string> warnings_;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
