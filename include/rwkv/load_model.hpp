#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/error.hpp>
#include <rwkv/io/checkpoint.hpp>
#include <rwkv/io/config_json.hpp>
#include <rwkv/io/tensor_names.hpp>
#include <rwkv/kernels/weight_memory.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/model/tensors.hpp>
#include <rwkv/progress.hpp>

namespace rwkv {

/// What the matrices of a model are held as in memory.
enum class WeightFormat {
    stored,  ///< as in the file, each matrix by itself (F64 as f32)
    f32,
    f16,
    bf16,
};

struct LoadOptions {
    WeightFormat format = WeightFormat::stored;
    /// Compute as Hugging Face does with the `rescale_every` of config.json. Off: as rwkv.cpp and BlinkDL's
    /// float32 path do, which ignore it; the logits of a large model then differ in the third decimal.
    bool rescale = true;
    /// Told of bytes read ("loading").
    Progress progress = {};
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
                throw ModelError(path(tensor), io::in_quotes(tensor.info.name),
                                 "only tensors of an RWKV-4 model",
                                 name.architecture.empty() ? "one that it does not have"
                                                           : "one of " + std::string(name.architecture));
            } else if (!tensors_.emplace(name.canonical, &tensor).second) {
                throw ModelError(path(tensor), tensor.info.name, "each tensor once",
                                 "a second " + name.canonical);
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
    std::string path(const io::CheckpointTensor& tensor) const {
        return checkpoint_.path_of(tensor).string();
    }
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

/// The format that a template over `Format` brings the matrices to: its own, or the one asked for.
template <class Format>
WeightFormat weight_format(WeightFormat asked) noexcept {
    if constexpr (std::is_same_v<Format, F32>) return WeightFormat::f32;
    if constexpr (std::is_same_v<Format, F16>) return WeightFormat::f16;
    if constexpr (std::is_same_v<Format, BF16>) return WeightFormat::bf16;
    return asked;
}

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
    Plan(const TensorSource& source, WeightFormat format) : source_(source), format_(format) {}

    void vector(const std::string& name, const Vector<float>&, const Shape& shape) { check(name, shape); }
    template <class Format>
    void matrix(const std::string& name, const WeightMatrix<Format>&, Index rows, Index cols) {
        hold(check(name, shape(rows, cols)), format_);
    }
    void embeddings(const std::string& name, const WeightMatrix<Mixed>&, Index rows, Index cols) {
        hold(check(name, shape(rows, cols)), WeightFormat::stored);
    }
    /// A head that shares the elements of the embeddings, or is made of them where they are of another
    /// format.
    void tied_head() {
        const io::CheckpointTensor& tensor = source_.at("embeddings.weight");
        if (held_as(tensor.info.dtype, format_) != held_as(tensor.info.dtype, WeightFormat::stored))
            hold(tensor, format_);
    }

    /// Throws for whatever claims to belong to the model and was not asked for.
    void finish() const {
        for (const auto& [name, tensor] : source_.all())
            if (!seen_.contains(name))
                throw ModelError(source_.path(*tensor), tensor->info.name,
                                 "only the tensors config.json calls for", "one more");
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
            throw ModelError(source_.where(), name, "a tensor of shape " + to_string(shape),
                             "none of that name");
        if (tensor->info.shape != shape)
            throw ModelError(source_.path(*tensor), tensor->info.name,
                             "shape " + to_string(shape) + " (by config.json)",
                             to_string(tensor->info.shape));
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
          plan(source, format) {
        Weights<F32> outline;
        outline.config = config;
        outline.blocks.resize(static_cast<std::size_t>(config.num_hidden_layers));
        for_each_tensor(outline, plan);
        if (head == Head::own)
            plan.matrix("head.weight", WeightMatrix<F32>(), config.vocab_size, config.hidden_size);
        if (head == Head::tied) plan.tied_head();
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

/// The visitor that reads the elements, into memory allocated once for all matrices of the model.
class Read {
  public:
    Read(const TensorSource& source, WeightFormat format, const Plan& plan, const Progress& progress)
        : source_(source),
          format_(format),
          progress_(progress),
          piece_(piece_bytes),
          memory_(kernels::allocate_weights(plan.bytes_held())),
          total_(plan.bytes_read()) {}

    void vector(const std::string& name, Vector<float>& member, const Shape& shape) {
        const auto size = static_cast<Index>(shape.back());
        member.resize(size);
        read(source_.at(name), member.data(), size);
        if (name.ends_with(".time_decay")) member = -member.exp();
    }

    template <class Format>
    void matrix(const std::string& name, WeightMatrix<Format>& member, Index rows, Index cols) {
        if constexpr (std::is_same_v<Format, Mixed>) {
            any_matrix(name, member, rows, cols, held_as(source_.at(name).info.dtype, format_));
        } else {
            using T = typename Format::Storage;
            std::shared_ptr<T[]> elements(memory_, reinterpret_cast<T*>(memory_.get() + used_));
            used_ += Plan::room(rows, cols, sizeof(T));
            read(source_.at(name), elements.get(), rows * cols);
            member = WeightMatrix<Format>(rows, cols, std::move(elements));
        }
    }

    void embeddings(const std::string& name, WeightMatrix<Mixed>& member, Index rows, Index cols) {
        any_matrix(name, member, rows, cols, held_as(source_.at(name).info.dtype, WeightFormat::stored));
    }

    template <class Format>
    void tied_head(const WeightMatrix<Mixed>& embeddings, WeightMatrix<Format>& head) {
        const bool shared = embeddings.visit([&]<class Own>(const WeightMatrix<Own>& own) {
            constexpr bool fits = std::is_same_v<Format, Own> || std::is_same_v<Format, Mixed>;
            if constexpr (fits) head = own;
            return fits && (!std::is_same_v<Format, Mixed> || own.dtype() == held_as(own.dtype(), format_));
        });
        if (!shared) matrix("embeddings.weight", head, embeddings.rows(), embeddings.cols());
    }

  private:
    static constexpr std::size_t piece_bytes = std::size_t(1) << 20;

    void any_matrix(const std::string& name, WeightMatrix<Mixed>& member, Index rows, Index cols,
                    DType held) {
        const auto as = [&]<class Format>(WeightMatrix<Format> own) {
            matrix(name, own, rows, cols);
            member = std::move(own);
        };
        if (held == DType::f16) return as(WeightMatrix<F16>());
        if (held == DType::bf16) return as(WeightMatrix<BF16>());
        as(WeightMatrix<F32>());
    }

    template <class T>
    void read(const io::CheckpointTensor& tensor, T* to, Index count) {
        switch (tensor.info.dtype) {
            case DType::f16:
                return read_as<Eigen::half>(tensor, to, count);
            case DType::bf16:
                return read_as<Eigen::bfloat16>(tensor, to, count);
            case DType::f64:
                return read_as<double>(tensor, to, count);
            default:
                return read_as<float>(tensor, to, count);
        }
    }

    // In pieces: straight to where the elements stay where the types agree, through a small buffer where they
    // do not.
    template <class From, class To>
    void read_as(const io::CheckpointTensor& tensor, To* to, Index count) {
        const auto at_once = static_cast<Index>(piece_bytes / sizeof(From));
        for (Index first = 0; first < count; first += at_once) {
            const Index n = std::min(at_once, count - first);
            const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(From);
            const std::uint64_t offset = static_cast<std::uint64_t>(first) * sizeof(From);
            if constexpr (std::is_same_v<From, To>) {
                source_.checkpoint().read(tensor, offset, {reinterpret_cast<std::byte*>(to + first), bytes});
            } else {
                source_.checkpoint().read(tensor, offset, std::span(piece_).first(bytes));
                const Eigen::Map<const Vector<From>> from(reinterpret_cast<const From*>(piece_.data()), n);
                Eigen::Map<Vector<To>> out(to + first, n);
                out = from.template cast<To>();
                check_range(tensor, from, out);
            }
            done_ += bytes;
            if (progress_) progress_("loading", done_, total_);
        }
    }

    // A finite weight that the type in memory has no number for would become an infinity, and the text noise.
    template <class From, class To>
    void check_range(const io::CheckpointTensor& tensor, const From& from, const To& to) const {
        for (Index i = 0; i < from.size(); ++i)
            if (!std::isfinite(static_cast<float>(to[i])) && std::isfinite(static_cast<double>(from[i])))
                throw ModelError(source_.path(tensor), tensor.info.name,
                                 "values within the range of the weight format",
                                 std::to_string(static_cast<double>(from[i])));
    }

    const TensorSource& source_;
    WeightFormat format_;
    const Progress& progress_;
    std::vector<std::byte> piece_;
    std::shared_ptr<std::byte[]> memory_;
    std::size_t used_ = 0;
    std::uint64_t done_ = 0, total_;
};

/// Gives the layer norms the epsilons they are computed with. The last is torch's default, whatever the
/// config says.
template <class Format>
void set_epsilons(Weights<Format>& weights, bool rescale) {
    const Config& config = weights.config;
    const Index every = rescale ? config.rescale_every : 0;
    weights.pre_ln.epsilon = config.layer_norm_epsilon;
    for (std::size_t b = 0; b < weights.blocks.size(); ++b)
        weights.blocks[b].ln1.epsilon = weights.blocks[b].ln2.epsilon =
            rescaled_epsilon(config.layer_norm_epsilon, static_cast<Index>(b), every);
    weights.ln_out.epsilon = rescaled_epsilon(1e-5, config.num_hidden_layers, every);
}

template <class Format>
Weights<Format> read_weights(const Preparation& model, const LoadOptions& options) {
    Weights<Format> weights;
    weights.config = model.config;
    weights.blocks.resize(static_cast<std::size_t>(model.config.num_hidden_layers));
    Read read(model.source, options.format, model.plan, options.progress);
    for_each_tensor(weights, read);
    if (model.head != Head::none) weights.head.emplace();
    if (model.head == Head::own)
        read.matrix("head.weight", *weights.head, model.config.vocab_size, model.config.hidden_size);
    if (model.head == Head::tied) read.tied_head(weights.embeddings, *weights.head);
    set_epsilons(weights, options.rescale);
    return weights;
}

}  // namespace loading

/// The weights of a model directory, for code that is itself a template over the format: with F32, F16 or
/// BF16 every matrix is brought to that format, and no other format's kernels need be compiled. Otherwise as
/// `load_model`.
template <class Format>
Weights<Format> load_weights(const std::filesystem::path& directory, const LoadOptions& options = {}) {
    const loading::Preparation model(directory, loading::weight_format<Format>(options.format));
    return loading::read_weights<Format>(model, options);
}

/// Loads a model from a directory as downloaded from Hugging Face: config.json beside model.safetensors, or
/// beside shards and model.safetensors.index.json. Tensors may be F32, F16, BF16 and F64 in any mixture,
/// under Hugging Face's names (with or without `rwkv.`) or BlinkDL's.
///
/// The weights are read into memory the model owns, once. Throws FileError, FormatError or ModelError, naming
/// the file, the tensor, what was expected and what was found, before anything large is allocated;
/// std::bad_alloc if the memory is not to be had.
inline Model load_model(const std::filesystem::path& directory, const LoadOptions& options = {}) {
    const loading::Preparation model(directory, options.format);
    return Model(loading::read_weights<Mixed>(model, options), model.source.warnings());
}

}  // namespace rwkv
