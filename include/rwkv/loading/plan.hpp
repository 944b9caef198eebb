#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/error.hpp>
#include <rwkv/io/checkpoint.hpp>
#include <rwkv/io/config_json.hpp>
#include <rwkv/io/quote.hpp>
#include <rwkv/io/tensor_names.hpp>
#include <rwkv/model/tensors.hpp>

namespace rwkv {

/// What the matrices of a model are held as in memory. The embeddings stay as stored, unless they are the head too.
enum class WeightFormat {
    stored,  ///< as in the file, each matrix by itself (F64 as f32)
    f32,
    f16,
    bf16,
};

namespace loading {

/// Where each tensor of a model lies, under its canonical name.
class TensorSource {
  public:
    TensorSource(const io::Checkpoint& checkpoint, std::string where, const Config& config)
        : checkpoint_(checkpoint), where_(std::move(where)), warnings_(checkpoint.warnings()) {
        for (const io::CheckpointTensor& tensor : checkpoint.tensors()) {
            const io::TensorName name = io::understand_tensor_name(tensor.info.name);
            if (name.kind == io::TensorNameKind::unrelated) {
                ignore(tensor, "no part of an RWKV-4 model");
            } else if (name.kind == io::TensorNameKind::foreign) {
                throw ModelError(path(tensor), io::in_quotes(tensor.info.name), "only tensors of an RWKV-4 model",
                                 name.architecture.empty() ? "one that it does not have"
                                                           : "one of " + std::string(name.architecture));
            } else if (!tensors_.emplace(name.canonical, &tensor).second) {
                throw ModelError(path(tensor), tensor.info.name, "each tensor once", "a second " + name.canonical);
            }
        }
        if (config.tie_word_embeddings) {
            if (const auto head = tensors_.find("head.weight"); head != tensors_.end()) {
                ignore(*head->second, "the head is tied to the embeddings");
                tensors_.erase(head);
            }
        }
    }

    const io::CheckpointTensor* find(const std::string& name) const {
        const auto at = tensors_.find(name);
        return at == tensors_.end() ? nullptr : at->second;
    }
    const io::CheckpointTensor& at(const std::string& name) const { return *find(name); }
    std::string path(const io::CheckpointTensor& tensor) const { return checkpoint_.path_of(tensor).string(); }
    /// The path the model was asked for by.
    const std::string& where() const noexcept { return where_; }
    const io::Checkpoint& checkpoint() const noexcept { return checkpoint_; }
    const std::map<std::string, const io::CheckpointTensor*>& all() const noexcept { return tensors_; }
    /// What is odd but harmless, a sentence each.
    const std::vector<std::string>& warnings() const noexcept { return warnings_; }
    /// Whether the names are those of a model saved without its `rwkv.` prefix, as a base model is.
    bool is_base_model() const noexcept { return checkpoint_.find("embeddings.weight") != nullptr; }

  private:
    void ignore(const io::CheckpointTensor& tensor, const std::string& why) {
        warnings_.push_back(path(tensor) + ": ignored " + io::in_quotes(tensor.info.name) + ", " + why);
    }

    const io::Checkpoint& checkpoint_;
    std::string where_;
    std::map<std::string, const io::CheckpointTensor*> tensors_;
    std::vector<std::string> warnings_;
};

/// What a matrix of that type in the file is held as in memory.
inline DType held_as(DType stored, WeightFormat format) noexcept {
    switch (format) {
        case WeightFormat::f32:
            return DType::f32;
        case WeightFormat::f16:
            return DType::f16;
        case WeightFormat::bf16:
            return DType::bf16;
        case WeightFormat::stored:
            break;
    }
    return stored == DType::f64 ? DType::f32 : stored;
}

/// The visitor that goes first: holds the files against the config, tensor by tensor, and adds up what will
/// be read and held, so that nothing is allocated for a model that is not there.
class Plan {
  public:
    Plan(const TensorSource& source, WeightFormat format, bool tied) : source_(source), format_(format), tied_(tied) {}

    void vector(const std::string& name, const Vector<float>&, const Shape& shape) { check(name, shape); }
    template <class Format>
    void matrix(const std::string& name, const WeightMatrix<Format>&, Index rows, Index cols) {
        hold(check(name, shape(rows, cols)), format_);
    }
    /// As stored, whatever format is asked for: a token reads one row of them. Unless they are the head too.
    void embeddings(const std::string& name, const WeightMatrix<Mixed>&, Index rows, Index cols) {
        hold(check(name, shape(rows, cols)), tied_ ? format_ : WeightFormat::stored);
    }

    /// Throws for whatever claims to belong to the model and was not asked for.
    void finish() const {
        for (const auto& [name, tensor] : source_.all())
            if (!seen_.contains(name))
                throw ModelError(source_.path(*tensor), tensor->info.name, "only the tensors config.json calls for",
                                 "one more");
    }

    /// Bytes of memory for all matrices.
    std::size_t bytes_held() const noexcept { return held_; }
    /// Bytes to be read from files.
    std::uint64_t bytes_read() const noexcept { return read_; }

    /// Bytes of a matrix in memory, rounded up to whole cache lines.
    static std::size_t room(Index rows, Index cols, std::size_t element_bytes) noexcept {
        return (static_cast<std::size_t>(rows * cols) * element_bytes + 63) / 64 * 64;
    }

  private:
    static Shape shape(Index rows, Index cols) {
        return {static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols)};
    }

    const io::CheckpointTensor& check(const std::string& name, const Shape& shape) {
        const io::CheckpointTensor* tensor = source_.find(name);
        if (!tensor)
            throw ModelError(source_.where(), name, "a tensor of shape " + to_string(shape), "none of that name");
        if (tensor->info.shape != shape)
            throw ModelError(source_.path(*tensor), tensor->info.name,
                             "shape " + to_string(shape) + " (by config.json)", to_string(tensor->info.shape));
        const DType dtype = tensor->info.dtype;
        if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16 && dtype != DType::f64)
            throw ModelError(source_.path(*tensor), tensor->info.name, "dtype F32, F16, BF16 or F64",
                             std::string(rwkv::name(dtype)));
        seen_.insert(name);
        read_ += tensor->info.bytes;
        return *tensor;
    }

    void hold(const io::CheckpointTensor& tensor, WeightFormat format) {
        held_ += room(static_cast<Index>(tensor.info.shape[0]), static_cast<Index>(tensor.info.shape[1]),
                      bits(held_as(tensor.info.dtype, format)) / 8);
    }

    const TensorSource& source_;
    WeightFormat format_;
    bool tied_;
    std::set<std::string> seen_;
    std::size_t held_ = 0;
    std::uint64_t read_ = 0;
};

/// Whether the head is a tensor of its own. A base model saved alone has none (and no `rwkv.` prefix): that
/// is no mistake, only a model without logits.
enum class Head { own, tied, none };

/// All that can be known of a model directory without reading its weights: made whole, it is sound.
struct Preparation {
    explicit Preparation(const std::filesystem::path& directory, WeightFormat format = WeightFormat::stored)
        : config(io::read_config(directory / "config.json")),
          checkpoint(io::Checkpoint::open(directory)),
          source(checkpoint, directory.string(), config),
          head(config.tie_word_embeddings                              ? Head::tied
               : !source.find("head.weight") && source.is_base_model() ? Head::none
                                                                       : Head::own),
          plan(source, format, config.tie_word_embeddings) {
        Weights<F32> outline;
        outline.config = config;
        outline.blocks.resize(static_cast<std::size_t>(config.num_hidden_layers));
        for_each_tensor(outline, plan);
        if (head == Head::own) plan.matrix("head.weight", WeightMatrix<F32>(), config.vocab_size, config.hidden_size);
        plan.finish();
    }
    Preparation(const Preparation&) = delete;
    Preparation& operator=(const Preparation&) = delete;

    Config config;
    io::Checkpoint checkpoint;
    TensorSource source;
    Head head;
    Plan plan;
};

}  // namespace loading

}  // namespace rwkv
