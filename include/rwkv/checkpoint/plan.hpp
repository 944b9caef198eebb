#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/checkpoint/infer_config.hpp>
#include <rwkv/checkpoint/quantized_tensor.hpp>
#include <rwkv/checkpoint/tensor_names.hpp>
#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

namespace checkpoint {

/// Where each tensor of a model lies, under its canonical name.
class TensorSource {
  public:
    TensorSource(const Checkpoint& checkpoint, std::string where)
        : checkpoint_(checkpoint), where_(std::move(where)), warnings_(checkpoint.warnings()) {
        for (const CheckpointTensor& tensor : checkpoint.tensors()) {
            const TensorName name = understand_tensor_name(tensor.info.name);
            if (name.kind == TensorNameKind::unrelated) {
                ignore(tensor, "no part of an RWKV-4 model");
            } else if (name.kind == TensorNameKind::foreign) {
                throw ModelError(path(tensor), core::quoted(tensor.info.name), "only tensors of an RWKV-4 model",
                                 name.architecture.empty() ? "one that it does not have"
                                                           : "one of " + std::string(name.architecture));
            } else if (!tensors_.emplace(name.canonical, &tensor).second) {
                throw ModelError(path(tensor), tensor.info.name, "each tensor once", "a second " + name.canonical);
            }
            quantized_ = quantized_ || quantized_format(checkpoint, tensor);
        }
    }

    /// Leaves a head alone: the embeddings are used in its place.
    void tie_head() {
        const auto head = tensors_.find("head.weight");
        if (head == tensors_.end()) return;
        ignore(*head->second, "the head is tied to the embeddings");
        tensors_.erase(head);
    }

    const CheckpointTensor* find(const std::string& name) const {
        const auto at = tensors_.find(name);
        return at == tensors_.end() ? nullptr : at->second;
    }
    const CheckpointTensor& at(const std::string& name) const { return *find(name); }
    std::string path(const CheckpointTensor& tensor) const { return checkpoint_.path_of(tensor).string(); }
    /// The path the model was asked for by.
    const std::string& where() const noexcept { return where_; }
    const Checkpoint& checkpoint() const noexcept { return checkpoint_; }
    const std::map<std::string, const CheckpointTensor*>& all() const noexcept { return tensors_; }
    /// What is odd but harmless, a sentence each.
    const std::vector<std::string>& warnings() const noexcept { return warnings_; }
    /// Whether the names are those of a model saved without its `rwkv.` prefix, as a base model is.
    bool is_base_model() const noexcept { return checkpoint_.find("embeddings.weight") != nullptr; }
    /// Whether the names are BlinkDL's.
    bool is_blinkdl_model() const noexcept { return checkpoint_.find("emb.weight") != nullptr; }
    /// Whether there are matrices stored quantized.
    bool is_quantized() const noexcept { return quantized_; }

  private:
    void ignore(const CheckpointTensor& tensor, const std::string& why) {
        warnings_.push_back(path(tensor) + ": ignored " + core::quoted(tensor.info.name) + ", " + why);
    }

    const Checkpoint& checkpoint_;
    std::string where_;
    std::map<std::string, const CheckpointTensor*> tensors_;
    std::vector<std::string> warnings_;
    bool quantized_ = false;
};

/// What elements of that type in the file are held as in memory.
inline WeightFormat held_as(DType stored, WeightFormat format) noexcept {
    if (format != WeightFormat::stored) return format;
    return stored == DType::f16 ? WeightFormat::f16 : stored == DType::bf16 ? WeightFormat::bf16 : WeightFormat::f32;
}

/// What the tensor, a matrix, is held as: a quantized one as it is.
inline WeightFormat held_as(const TensorSource& source, const CheckpointTensor& tensor, WeightFormat format) {
    const auto quantized = quantized_format(source.checkpoint(), tensor);
    return quantized ? *quantized : held_as(tensor.info.dtype, format);
}

/// What the embeddings are asked for as: as stored, since a token reads one row of them. Tied ones are the head, too,
/// and held once for both; but numbers that are only read and added deserve better than a quantized head does, which
/// then is a matrix of its own.
inline WeightFormat embeddings_format(WeightFormat format, bool tied) noexcept {
    return tied && !is_quantized(format) ? format : WeightFormat::stored;
}

/// Whether a tied head shares the elements of the embeddings.
inline bool head_is_shared(WeightFormat format) noexcept {
    return format == WeightFormat::stored || embeddings_format(format, true) == format;
}

/// Single rows are what is read of embeddings, unless they are the head's, too.
inline Layout embeddings_layout(WeightFormat format, bool tied) noexcept {
    return tied && head_is_shared(format) ? Layout::by_group : Layout::by_row;
}

/// The visitor that goes first: holds the files against the config, tensor by tensor, and adds up what will
/// be read and held, so that nothing is allocated for a model that is not there.
class Plan {
  public:
    Plan(const TensorSource& source, WeightFormat format, bool tied) : source_(source), format_(format), tied_(tied) {}

    void vector(const std::string& name, const Vector<float>&, const Shape& shape) { check(name, shape); }
    template <class Format>
    void matrix(const std::string& name, const WeightMatrix<Format>&, Index rows, Index cols) {
        const CheckpointTensor& tensor = find(name, matrix_shape(rows, cols));
        if (const auto quantized = quantized_format(source_.checkpoint(), tensor)) {
            if (format_ != WeightFormat::stored && format_ != *quantized)
                throw ModelError(
                    source_.path(tensor), tensor.info.name, "weights to bring to " + std::string(rwkv::name(format_)),
                    std::string(rwkv::name(*quantized)) + " ones, which can only be had as they are stored");
            check_quantized(source_.checkpoint(), tensor, *quantized, rows, cols);
            count(name, tensor);
        } else {
            check(name, matrix_shape(rows, cols));
        }
        held_ += room(held_as(source_, tensor, format_), rows, cols, Layout::by_group);
    }
    void embeddings(const std::string& name, const WeightMatrix<Mixed>&, Index rows, Index cols) {
        const CheckpointTensor& tensor = check(name, matrix_shape(rows, cols));
        held_ += room(held_as(tensor.info.dtype, embeddings_format(format_, tied_)), rows, cols,
                      embeddings_layout(format_, tied_));
    }

    /// Throws for whatever claims to belong to the model and was not asked for.
    void finish() const {
        for (const auto& [name, tensor] : source_.all())
            if (!seen_.contains(name))
                throw ModelError(source_.path(*tensor), tensor->info.name, "only the tensors the config calls for",
                                 "one more");
    }

    /// Bytes of memory for all matrices.
    std::size_t bytes_held() const noexcept { return held_; }
    /// Bytes to be read from files.
    std::uint64_t bytes_read() const noexcept { return read_; }

    /// Bytes of a matrix in memory, rounded up to whole cache lines.
    static std::size_t room(WeightFormat format, Index rows, Index cols, Layout layout) noexcept {
        return with_format(format, [&]<class Format>(Format) {
            return (WeightMatrix<Format>::bytes(rows, cols, layout) + 63) / 64 * 64;
        });
    }

  private:
    const CheckpointTensor& find(const std::string& name, const Shape& shape) const {
        if (const CheckpointTensor* tensor = source_.find(name)) return *tensor;
        throw ModelError(source_.where(), name, "a tensor of shape " + to_string(shape), "none of that name");
    }

    /// Of an ordinary tensor.
    const CheckpointTensor& check(const std::string& name, const Shape& shape) {
        const CheckpointTensor& tensor = find(name, shape);
        const DType dtype = tensor.info.dtype;
        if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16 && dtype != DType::f64) {
            std::string found(rwkv::name(dtype));
            if (dtype == DType::u8 && !quantized_format(source_.checkpoint(), tensor))
                found.append(" and no metadata ").append(weights_key);
            throw ModelError(source_.path(tensor), tensor.info.name, "dtype F32, F16, BF16 or F64", std::move(found));
        }
        if (tensor.info.shape != shape)
            throw ModelError(source_.path(tensor), tensor.info.name, "shape " + to_string(shape) + " (by the config)",
                             to_string(tensor.info.shape));
        count(name, tensor);
        return tensor;
    }

    void count(const std::string& name, const CheckpointTensor& tensor) {
        seen_.insert(name);
        read_ += tensor.info.bytes;
    }

    const TensorSource& source_;
    WeightFormat format_;
    bool tied_;
    std::set<std::string> seen_;
    std::size_t held_ = 0;
    std::uint64_t read_ = 0;
};

/// The config of a model: the config.json beside its weights. Where there is none, a file that was named itself, and
/// BlinkDL's weights, which never have one, are asked for their shapes.
inline Config config_of(const std::filesystem::path& path, const TensorSource& source) {
    std::error_code ignored;
    const bool directory = std::filesystem::is_directory(path, ignored);
    const auto beside = (directory ? path : path.parent_path()) / "config.json";
    if (io::is_present(beside) || (directory && !source.is_blinkdl_model())) return read_config(beside);
    Config config = infer_config(source.all(), source.where());
    config.tie_word_embeddings = !source.find("head.weight") && !source.is_base_model() && !source.is_blinkdl_model();
    return config;
}

/// Whether the head is a tensor of its own, as that of a tied model is, too, once it is quantized. A base model saved
/// alone has none (and no `rwkv.` prefix): that is no mistake, only a model without logits.
enum class Head { own, tied, none };

inline Head head_of(const Config& config, const TensorSource& source) {
    if (config.tie_word_embeddings) return source.is_quantized() ? Head::own : Head::tied;
    return source.find("head.weight") || !source.is_base_model() ? Head::own : Head::none;
}

/// All that can be known of a model (a directory, or the file with its weights) without reading these: made whole, it
/// is sound.
struct Preparation {
    explicit Preparation(const std::filesystem::path& path, WeightFormat format = WeightFormat::stored,
                         PytorchReader pytorch = nullptr)
        : checkpoint(Checkpoint::open(path, pytorch)),
          source(checkpoint, path.string()),
          config(config_of(path, source)),
          head(head_of(config, source)),
          plan(source, format, head == Head::tied) {
        if (head == Head::tied) source.tie_head();
        Weights<F32> outline;
        outline.config = config;
        outline.blocks.resize(static_cast<std::size_t>(config.num_hidden_layers));
        for_each_tensor(outline, plan);
        const Index vocabulary = config.vocab_size, hidden = config.hidden_size;
        if (head == Head::own) plan.matrix("head.weight", WeightMatrix<F32>(), vocabulary, hidden);
        if (head == Head::tied && !head_is_shared(format))
            plan.matrix("embeddings.weight", WeightMatrix<F32>(), vocabulary, hidden);
        plan.finish();
    }
    Preparation(const Preparation&) = delete;
    Preparation& operator=(const Preparation&) = delete;

    Checkpoint checkpoint;
    TensorSource source;
    Config config;
    Head head;
    Plan plan;
};

}  // namespace checkpoint

}  // namespace rwkv::inline RWKV_ABI
