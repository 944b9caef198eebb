#pragma once

#include <filesystem>
#include <type_traits>

#include <rwkv/loading/plan.hpp>
#include <rwkv/loading/read.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/progress.hpp>

namespace rwkv {

/// How a model is loaded.
struct LoadOptions {
    WeightFormat format = WeightFormat::stored;
    /// Compute as Hugging Face does with the `rescale_every` of config.json. Off: as rwkv.cpp and BlinkDL's
    /// float32 path do, which ignore it; the logits of a large model then differ in the third decimal.
    bool rescale = true;
    /// Told of bytes read ("loading").
    Progress progress = {};
};

namespace loading {

/// The format that a template over `Format` brings the matrices to: its own, or the one asked for.
template <class Format>
WeightFormat weight_format(WeightFormat asked) noexcept {
    if constexpr (std::is_same_v<Format, F32>) return WeightFormat::f32;
    if constexpr (std::is_same_v<Format, F16>) return WeightFormat::f16;
    if constexpr (std::is_same_v<Format, BF16>) return WeightFormat::bf16;
    return asked;
}

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

/// A head that shares the elements of the embeddings, which have been brought to its format.
template <class Format>
WeightMatrix<Format> shared_head(const WeightMatrix<Mixed>& embeddings) {
    if constexpr (std::is_same_v<Format, Mixed>) {
        return embeddings;
    } else {
        return embeddings.visit([]<class Own>(const WeightMatrix<Own>& own) {
            if constexpr (std::is_same_v<Own, Format>) return own;
            return WeightMatrix<Format>();
        });
    }
}

template <class Format>
Weights<Format> read_weights(const Preparation& model, const LoadOptions& options) {
    Weights<Format> weights;
    weights.config = model.config;
    weights.blocks.resize(static_cast<std::size_t>(model.config.num_hidden_layers));
    const bool tied = model.head == Head::tied;
    Read read(model.source, weight_format<Format>(options.format), tied, model.plan, options.progress);
    for_each_tensor(weights, read);
    if (model.head == Head::own)
        read.matrix("head.weight", weights.head.emplace(), model.config.vocab_size, model.config.hidden_size);
    if (tied) weights.head = shared_head<Format>(weights.embeddings);
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
