#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/adapter_set.hpp>
#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/convert_rows.hpp>
#include <rwkv/checkpoint/find_config.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/target_format.hpp>
#include <rwkv/checkpoint/tensor_source.hpp>
#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/checkpoint/validate_tensor.hpp>
#include <rwkv/checkpoint/weight_change.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/kernels/format.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/model/rank_group.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Where the head comes from.
enum class HeadKind {
    own,     ///< a tensor of its own
    shared,  ///< tied: the embeddings, held once for both
    copied,  ///< tied and quantized: made of the embeddings, which are not quantized, since single rows of them are
             ///< read
    none,    ///< a base model saved alone: it has no logits
};

/// A tied head that is stored quantized is a tensor of its own. A base model saved alone has no head (and no prefix
/// "rwkv."); for any other model a missing head is an error.
inline HeadKind head_kind(const Config& config, const TensorSource& source, WeightFormat requested) {
    if (config.tie_word_embeddings && !source.has_quantized())
        return kernels::is_quantized(requested) ? HeadKind::copied : HeadKind::shared;
    const bool has_head = source.find(rwkv4_tensor(TensorRole::head).canonical_name()) != nullptr;
    return has_head || config.tie_word_embeddings || !source.is_base_model() ? HeadKind::own : HeadKind::none;
}

/// A tensor of the model, the tensor it is read from, and how it is converted.
struct PlannedTensor {
    TensorSpec spec;
    const CheckpointTensor* source;
    WeightFormat format;         ///< target format; of a vector, what it is in a file (in memory vectors are floats)
    kernels::Layout layout;      ///< in memory
    const WeightChange* change;  ///< what adapters make of it, or null
    RowSpan rows;                ///< that are held here

    Index held_rows() const noexcept { return rows.end - rows.begin; }
    /// Bytes in memory of a matrix, up to the next cache line.
    std::size_t bytes_in_memory() const noexcept {
        return (kernels::weight_bytes(format, layout, held_rows(), spec.cols) + 63) / 64 * 64;
    }
    /// Bytes of the file that are read for it.
    std::uint64_t bytes_to_read() const noexcept {
        if (held_rows() == spec.rows) return source->info.bytes;
        const RowConversion how = row_conversion(*source, format, layout, spec.rows, spec.cols, change);
        return how.stored_bytes(rows.end) - how.stored_bytes(rows.begin);
    }
};

/// How a model is read, with all that can be checked without reading its weights: once constructed, files and config
/// agree, tensor by tensor, and nothing large has been allocated.
class CheckpointPlan {
  public:
    /// Of the model there, into which the adapters are to be merged. `requested` is the format for the matrices, of
    /// which the rows that `ranks` leave to this machine are read, or all where it is null. Of the adapters, which are
    /// small, all is read. Throws: FileError, FormatError, ModelError; ArgumentError for a scale.
    explicit CheckpointPlan(const ModelLocation& location, WeightFormat requested = WeightFormat::stored,
                            PytorchReader pytorch = nullptr, const std::vector<Adapter>& adapters = {},
                            const RankGroup* ranks = nullptr)
        : checkpoint_(Checkpoint::open(location, pytorch)),
          source_(checkpoint_, location.name),
          config_(find_config(location, source_)),
          head_(head_kind(config_, source_, requested)),
          adapters_(adapters, pytorch) {
        if (head_ == HeadKind::shared || head_ == HeadKind::copied) source_.ignore_tied_head();
        std::set<std::string> used;
        // A shared head is not read; the weights get it from the embeddings.
        const bool reads_head = head_ == HeadKind::own || head_ == HeadKind::copied;
        for (TensorSpec& spec : tensor_specs(config_, reads_head)) {
            const bool copied = spec.role == TensorRole::head && head_ == HeadKind::copied;
            const std::string name = copied ? rwkv4_tensor(TensorRole::embeddings).canonical_name() : spec.name;
            const CheckpointTensor* tensor = source_.find(name);
            if (!tensor)
                core::fail<ModelError>(source_.where(), {name}, {"a tensor of shape ", core::to_string(spec.shape())},
                                       {"none of that name", is_one_of_several_shards() ? one_of_several : ""});
            validate_tensor(source_, *tensor, spec, requested);
            used.insert(name);
            tensors_.push_back(planned(std::move(spec), *tensor, requested, ranks));
            const PlannedTensor& latest = tensors_.back();
            bytes_to_read_ += latest.bytes_to_read();
            if (!latest.spec.is_vector()) bytes_in_memory_ += latest.bytes_in_memory();
        }
        for (const auto& [name, tensor] : source_.tensors())
            if (!used.contains(name))
                core::fail<ModelError>(source_.file(*tensor), {tensor->info.name},
                                       {"only the tensors the config calls for"}, {"one more"});
        adapters_.read();
    }
    CheckpointPlan(const CheckpointPlan&) = delete;
    CheckpointPlan& operator=(const CheckpointPlan&) = delete;

    const Checkpoint& checkpoint() const noexcept { return checkpoint_; }
    const Config& config() const noexcept { return config_; }
    HeadKind head() const noexcept { return head_; }
    /// In the order in which they are read.
    const std::vector<PlannedTensor>& tensors() const noexcept { return tensors_; }
    /// Warnings about the files, a sentence each.
    const std::vector<std::string>& warnings() const noexcept { return source_.warnings(); }
    /// Bytes of memory for all matrices.
    std::size_t bytes_in_memory() const noexcept { return bytes_in_memory_; }
    /// Bytes to be read from files, after those of adapters.
    std::uint64_t bytes_to_read() const noexcept { return bytes_to_read_; }

  private:
    static constexpr const char* one_of_several =
        " (the file is one of several shards: give their directory, with all of them and their index)";

    /// Whether all that there is comes from one file, whose name is that of one of several.
    bool is_one_of_several_shards() const {
        const std::vector<CheckpointTensor>& all = checkpoint_.tensors();
        return !all.empty() && all.front().file == all.back().file &&
               is_name_of_shard(checkpoint_.file_of(all.front()));
    }

    PlannedTensor planned(TensorSpec spec, const CheckpointTensor& tensor, WeightFormat requested,
                          const RankGroup* ranks) {
        // Vectors are small, and of embeddings single rows are read, unless products read them as the head.
        const bool as_stored =
            spec.is_vector() || (spec.kind == TensorKind::embedding_table && head_ != HeadKind::shared);
        if (as_stored) requested = WeightFormat::stored;
        const WeightChange* const change =
            adapters_.change(spec, quantized_format(checkpoint_, tensor).has_value(), config_.tie_word_embeddings);
        const bool replaced = change && change->replacement;
        const CheckpointTensor& source = replaced ? *change->replacement : tensor;
        const WeightFormat format =
            replaced ? target_format(source.info.dtype, requested) : target_format(checkpoint_, tensor, requested);
        // What channel mixing's value multiplies is mostly zero.
        const kernels::Layout layout = as_stored ? kernels::Layout::row_major
                                       : spec.role == TensorRole::feed_forward_value
                                           ? kernels::layout_for_zeros(spec.rows)
                                           : kernels::Layout::row_groups;
        const RowSpan rows = spec.is_vector() ? RowSpan{0, spec.rows} : model::own_rows(ranks, spec.rows);
        return {std::move(spec), &source, format, layout, change, rows};
    }

    Checkpoint checkpoint_;
    TensorSource source_;
    Config config_;
    HeadKind head_;
    AdapterSet adapters_;
    std::vector<PlannedTensor> tensors_;
    std::size_t bytes_in_memory_ = 0;
    std::uint64_t bytes_to_read_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
