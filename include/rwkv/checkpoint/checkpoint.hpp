#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/index_json.hpp>
#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/weight_files.hpp>
#include <rwkv/core/checked.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/sort.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/io/file_kind.hpp>
#include <rwkv/io/safetensors.hpp>
#include <rwkv/io/strided.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// A tensor of a checkpoint: its description, and the file that holds it.
struct CheckpointTensor {
    TensorInfo info;
    std::size_t file = 0;  ///< number of the file within the checkpoint
};

/// Reads the descriptions of the tensors in a PyTorch file: `read_pytorch_tensors` of io/pytorch.hpp. It is passed as a
/// pointer, so that a program that does not use it does not contain it.
using PytorchReader = std::vector<TensorInfo> (*)(const ByteSource&);

/// A model's tensors, in one file or in several with an index, with every header read and checked. Knows
/// nothing of what the tensors mean.
///
/// Thread safety: const members may be called by several threads at once.
class Checkpoint {
  public:
    /// Opens the weights there, which are looked for as weight_files.hpp says. With a reader of PyTorch files also
    /// those.
    ///
    /// Throws: FileError when a file is missing or unreadable; FormatError when one breaks its format, or index and
    /// shards do not agree; ModelError for a PyTorch file without a reader.
    static Checkpoint open(const ModelLocation& location, PytorchReader pytorch = nullptr) {
        return Checkpoint(*location.files, find_weight_files(location, pytorch != nullptr), pytorch);
    }

    /// All tensors, by file and by offset within it.
    const std::vector<CheckpointTensor>& tensors() const noexcept { return tensors_; }

    /// The tensor of exactly that name, or null. The pointer is valid as long as the checkpoint lives, also after it
    /// was moved.
    const CheckpointTensor* find(std::string_view name) const noexcept {
        const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                            [&](std::size_t i, std::string_view text) { return name_of(i) < text; });
        return found != by_name_.end() && name_of(*found) == name ? &tensors_[*found] : nullptr;
    }

    /// Fills `out` with the tensor's bytes in C order, from `offset` (counted in that order) on.
    ///
    /// Throws: ArgumentError for bytes outside the tensor; FileError when the file cannot be read or has changed since
    /// `open`.
    void read(const CheckpointTensor& tensor, std::uint64_t offset, std::span<std::byte> out) const {
        const auto end = core::checked_add(offset, out.size());
        if (!end || *end > tensor.info.bytes)
            core::fail<ArgumentError>(file_of(tensor), {"tensor ", core::Quoted{tensor.info.name}},
                                      {"bytes within its ", tensor.info.bytes}, {out.size(), " from ", offset});
        if (out.empty()) return;
        const ByteSource& file = *files_[tensor.file];
        if (tensor.info.strides.empty())
            file.read(tensor.info.offset + offset, out);
        else
            io::read_strided(file, tensor.info, offset, out);
    }

    /// The tensor's bytes, at least one, in the memory they lie in, or null: see ByteSource::map.
    ///
    /// Throws: ArgumentError where they do not lie there contiguously (`info.strides`); FileError as `read`.
    std::shared_ptr<const std::byte[]> map(const CheckpointTensor& tensor) const {
        if (!tensor.info.strides.empty())
            core::fail<ArgumentError>(file_of(tensor), {"tensor ", core::Quoted{tensor.info.name}},
                                      {"a tensor in one piece, to map"},
                                      {"strides ", core::to_string(tensor.info.strides)});
        return files_[tensor.file]->map(tensor.info.offset, static_cast<std::size_t>(tensor.info.bytes));
    }

    /// The name of the file that holds the tensor, as messages give it.
    const std::string& file_of(const CheckpointTensor& tensor) const { return files_[tensor.file]->name(); }

    /// The number of files, without the index.
    std::size_t file_count() const noexcept { return files_.size(); }

    /// `__metadata__` of all files together; where they differ, the first file's.
    const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

    /// `__metadata__` of the file that holds the tensor.
    const std::map<std::string, std::string>& metadata_of(const CheckpointTensor& tensor) const {
        return file_metadata_.at(tensor.file);
    }

    /// Warnings, a sentence each: a wrong total_size, tensors that the index does not list.
    const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  private:
    Checkpoint(const ModelFiles& all, WeightFiles files, PytorchReader pytorch) : names_(std::move(files.names)) {
        for (const std::string& name : names_) {
            files_.push_back(open_file(all, name));
            add_file(files.kind, pytorch);
        }
        index_names();
        if (files.index) check_against(*files.index, all.name_of(files.index_name));
        warnings_.insert(warnings_.end(), files.warnings.begin(), files.warnings.end());
    }

    std::string_view name_of(std::size_t i) const noexcept { return tensors_[i].info.name; }

    // Of the latest of `files_`:

    /// What the file is its first bytes decide rather than its name, which only says what it ought to be.
    void add_file(WeightFileKind kind, PytorchReader pytorch) {
        const ByteSource& file = *files_.back();
        const std::vector<std::byte> bytes = io::bytes_at(file, 0, std::min<std::uint64_t>(file.size(), 64));
        const std::string_view first(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        const bool is_pytorch = kind == WeightFileKind::pytorch ? !io::begins_as_safetensors(first)
                                                                : pytorch && first.starts_with("PK\x03\x04");
        if (!is_pytorch) return add_safetensors();
        try {
            add_tensors(pytorch(file), {});
        } catch (const FormatError& error) {
            if (error.subject() != core::tensor_subject("_strategy")) throw;
            core::fail<ModelError>(file.name(), {}, {"a model as it was trained"},
                                   {"one converted for the package rwkv (of ChatRWKV): take what it was made of"});
        }
    }

    void add_safetensors() {
        io::SafetensorsHeader header = io::read_safetensors_header(*files_.back());
        metadata_.insert(header.metadata.begin(), header.metadata.end());
        add_tensors(std::move(header.tensors), std::move(header.metadata));
    }

    void add_tensors(std::vector<TensorInfo> tensors, std::map<std::string, std::string> metadata) {
        for (TensorInfo& info : tensors) tensors_.push_back({std::move(info), files_.size() - 1});
        file_metadata_.push_back(std::move(metadata));
    }

    void index_names() {
        by_name_ = core::sorted_positions(tensors_.size(),
                                          [&](std::size_t a, std::size_t b) { return name_of(a) < name_of(b); });
        const auto duplicate = std::adjacent_find(
            by_name_.begin(), by_name_.end(), [&](std::size_t a, std::size_t b) { return name_of(a) == name_of(b); });
        if (duplicate != by_name_.end())
            core::fail<FormatError>(file_of(tensors_[duplicate[1]]), {"tensor ", core::Quoted{name_of(*duplicate)}},
                                    {"each tensor in one shard only"}, {"it also in ", file_of(tensors_[*duplicate])});
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
                    warnings_.push_back(file_of(tensor) + ": holds " + core::tensor_subject(tensor.info.name) +
                                        ", which the index does not list");
            } else if (names_[tensor.file] != mapped->second) {
                core::fail<FormatError>(file_of(tensor), {"tensor ", core::Quoted{tensor.info.name}},
                                        {"it in ", core::Quoted{mapped->second}, ", as the index says"}, {"it here"});
            }
        }
        if (unlisted > max_listed)
            warnings_.push_back(where + ": does not list " + std::to_string(unlisted - max_listed) + " more tensors");
        for (const auto& [name, shard] : index.weight_map)
            if (!find(name))
                core::fail<FormatError>(where, {"tensor ", core::Quoted{name}}, {"it in ", core::Quoted{shard}},
                                        {"no such tensor there"});
        if (index.total_size && *index.total_size != total)
            warnings_.push_back(where + ": total_size is wrong: expected " + std::to_string(total) + ", found " +
                                std::to_string(*index.total_size));
    }

    static constexpr std::size_t max_listed = 20;

    std::vector<std::string> names_;                        ///< of the files, within what holds them
    std::vector<std::shared_ptr<const ByteSource>> files_;  ///< of these names
    std::vector<CheckpointTensor> tensors_;
    std::vector<std::size_t> by_name_;  ///< numbers of `tensors_`, in order of their names
    std::map<std::string, std::string> metadata_;
    std::vector<std::map<std::string, std::string>> file_metadata_;
    std::vector<std::string> warnings_;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
