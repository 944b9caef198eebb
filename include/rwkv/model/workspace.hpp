#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/matrix_view.hpp>
#include <rwkv/kernels/matmul_context.hpp>
#include <rwkv/kernels/thread_pool.hpp>
#include <rwkv/model/batch.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

namespace model {

/// The maximum number of columns of logits computed at once: they are long.
inline constexpr Index max_logits_columns = kernels::Blocking::nc * 3 / 2;

}  // namespace model

/// How passes are computed.
struct WorkspaceOptions {
    /// Threads at work in one pass, the caller's included; 0: all processors that the process may use. At most 1024.
    /// Results do not depend on it. Ignored where there is an executor.
    int threads = 0;
    /// The maximum number of tokens that go through the model together, 1 to 65536: 1 is RNN mode, token by token; more
    /// is parallel mode, where the weights are read once for many tokens. Of one sequence, about 128 tokens for each
    /// thread go together (at most 191), so a larger chunk is useful for batches only. A longer prompt is cut into
    /// pieces; results then differ by rounding, and with q8 and q4 on x86-64 with AVX2 not at all. Scratch memory is
    /// allocated for a whole chunk.
    Index chunk = 256;
    /// Runs the parallel loops: a ThreadPool shared with other workspaces, or the host's threads. Null: the workspace
    /// has its own pool.
    std::shared_ptr<Executor> executor = {};
};

namespace model {

/// Scratch memory for a matrix of activations, a column for each token. Columns begin on cache lines, an odd number of
/// them apart: were it a large power of two, as the sizes of models often are, neighbouring tokens would push each
/// other out of the cache.
template <class Scalar>
class ScratchMatrix {
  public:
    ScratchMatrix() = default;
    /// Throws: std::bad_alloc.
    ScratchMatrix(Index rows, Index cols)
        : rows_(rows),
          cols_(cols),
          stride_(((rows + line - 1) / line | 1) * line),
          memory_(static_cast<std::size_t>(stride_ * cols) * sizeof(Scalar)) {}

    [[nodiscard]] Index rows() const noexcept { return rows_; }
    [[nodiscard]] Index cols() const noexcept { return cols_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return memory_.size(); }
    /// The first `rows` rows of the first `tokens` columns.
    [[nodiscard]] MatrixView<Scalar> view(Index rows, Index tokens) noexcept {
        return {reinterpret_cast<Scalar*>(memory_.data()), rows, tokens, stride_};
    }

  private:
    static constexpr Index line = 64 / static_cast<Index>(sizeof(Scalar));
    Index rows_ = 0, cols_ = 0, stride_ = line;
    core::AlignedBuffer memory_;
};

[[nodiscard]] inline const Config& checked_sizes(const Config& config) {
    checked_range("Workspace", "vocab_size", config.vocab_size, 1, max_model_size);
    checked_range("Workspace", "hidden_size", config.hidden_size, 1, max_model_size);
    checked_range("Workspace", "attention_hidden_size", config.attention_hidden_size, 1, max_model_size);
    checked_range("Workspace", "intermediate_size", config.intermediate_size, 1, max_model_size);
    return config;
}

[[nodiscard]] inline std::shared_ptr<Executor> executor_of(const WorkspaceOptions& options) {
    if (options.executor) return options.executor;
    return std::make_shared<ThreadPool>(
        static_cast<int>(checked_range("Workspace", "threads", options.threads, 0, 1024)));
}

}  // namespace model

/// The scratch memory of one caller's forward passes, with the threads that compute them. It has the size for one shape
/// of models, and keeps nothing of the sequences between passes. Move only. Thread safety: one pass at a time.
template <class Scalar>
class BasicWorkspace {
  public:
    /// Throws: ArgumentError for options or sizes of the config out of range; std::bad_alloc.
    explicit BasicWorkspace(const Config& config, const WorkspaceOptions& options = {})
        : config_(model::checked_sizes(config)),
          chunk_(model::checked_range("Workspace", "chunk", options.chunk, 1, 1 << 16)),
          context_(model::executor_of(options), chunk_,
                   (std::max)({3 * config.hidden_size, config.attention_hidden_size, config.intermediate_size})) {
        const Index hidden = config.hidden_size, attention = config.attention_hidden_size;
        for (Scratch* scratch : {&x_, &normed_, &out_, &shifted_[0], &shifted_[1], &shifted_[2]})
            *scratch = Scratch(hidden, chunk_);
        key_ = Scratch((std::max)(attention, config.intermediate_size), chunk_);
        value_ = Scratch(attention, chunk_);
        receptance_ = Scratch((std::max)(hidden, attention), chunk_);
        logits_ = Scratch(config.vocab_size, 1);
        pass_.batch.reserve(chunk_);
        pass_.columns.reserve(static_cast<std::size_t>(chunk_));
    }

    /// The maximum number of tokens computed together.
    [[nodiscard]] Index chunk() const noexcept { return chunk_; }
    /// Threads at work in one pass; 0 for a workspace that was moved from.
    [[nodiscard]] int threads() const noexcept { return context_.is_valid() ? context_.executor().threads() : 0; }
    /// What products are computed with.
    [[nodiscard]] kernels::MatmulContext& context() noexcept { return context_; }
    /// Whether it serves models of that shape.
    [[nodiscard]] bool fits(const Config& config) const noexcept {
        return context_.is_valid() && config.vocab_size == config_.vocab_size &&
               config.hidden_size == config_.hidden_size &&
               config.attention_hidden_size == config_.attention_hidden_size &&
               config.intermediate_size == config_.intermediate_size;
    }
    /// Keys of channel mixing, counted since count_keys().
    struct KeyCounts {
        std::uint64_t keys = 0;  ///< of all tokens and layers
        std::uint64_t zero = 0;  ///< of these, once max(·, 0)² was taken

        /// Zero keys over all; 0 before anything was counted.
        [[nodiscard]] double zero_share() const noexcept {
            return keys == 0 ? 0 : static_cast<double>(zero) / static_cast<double>(keys);
        }
    };
    /// From now on counts how many keys of channel mixing are zero, whose columns of feed_forward.value need not be
    /// read. It takes a little time.
    void count_keys() noexcept { counts_keys_ = true; }
    /// What was counted since count_keys().
    [[nodiscard]] const KeyCounts& key_counts() const noexcept { return key_counts_; }

    /// Bytes held.
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t bytes = context_.bytes();
        for (const Scratch* scratch :
             {&x_, &normed_, &out_, &shifted_[0], &shifted_[1], &shifted_[2], &key_, &value_, &receptance_, &logits_})
            bytes += scratch->bytes();
        for (const BasicState<Scalar>& state : pass_.saved_states) bytes += state.bytes();
        return bytes;
    }

    // Matrices of a pass over T ≤ chunk() tokens, rows × T.

    /// [H × T] the residual stream.
    [[nodiscard]] MatrixView<Scalar> x(Index tokens) noexcept { return x_.view(x_.rows(), tokens); }
    /// [H × T] its layer norm.
    [[nodiscard]] MatrixView<Scalar> normed(Index tokens) noexcept { return normed_.view(normed_.rows(), tokens); }
    /// [H × T] one of three token shifts of it.
    [[nodiscard]] MatrixView<Scalar> shifted(Index i, Index tokens) noexcept {
        return shifted_[i].view(x_.rows(), tokens);
    }
    /// [rows × T] keys of either kind of mixing.
    [[nodiscard]] MatrixView<Scalar> key(Index rows, Index tokens) noexcept { return key_.view(rows, tokens); }
    /// [A × T] values, then what WKV makes of them.
    [[nodiscard]] MatrixView<Scalar> value(Index tokens) noexcept { return value_.view(value_.rows(), tokens); }
    /// [rows × T] receptances of either kind of mixing.
    [[nodiscard]] MatrixView<Scalar> receptance(Index rows, Index tokens) noexcept {
        return receptance_.view(rows, tokens);
    }
    /// [H × T] what a mixing adds to the residual stream.
    [[nodiscard]] MatrixView<Scalar> out(Index tokens) noexcept { return out_.view(out_.rows(), tokens); }
    /// [V × T] logits; allocates where T is larger than ever before.
    [[nodiscard]] MatrixView<Scalar> logits(Index tokens) {
        if (tokens > logits_.cols()) logits_ = Scratch(logits_.rows(), tokens);
        return logits_.view(logits_.rows(), tokens);
    }

    /// Counts the keys [rows × T] of a layer, if that was asked for.
    void note_keys(MatrixView<const Scalar> keys) noexcept {
        if (!counts_keys_) return;
        key_counts_.keys += static_cast<std::uint64_t>(keys.size());
        for (Index t = 0; t < keys.cols(); ++t)
            key_counts_.zero +=
                static_cast<std::uint64_t>(std::count(keys.col(t), keys.col(t) + keys.rows(), Scalar(0)));
    }

    /// The tokens of the chunk under way.
    [[nodiscard]] const model::Batch<Scalar>& batch() const noexcept { return pass_.batch; }
    /// What the pass under way remembers.
    [[nodiscard]] model::PassMemory<Scalar>& pass() noexcept { return pass_; }

  private:
    using Scratch = model::ScratchMatrix<Scalar>;

    Config config_;
    Index chunk_;
    bool counts_keys_ = false;
    KeyCounts key_counts_;
    kernels::MatmulContext context_;
    model::PassMemory<Scalar> pass_;
    Scratch x_, normed_, shifted_[3], key_, value_, receptance_, out_, logits_;
};

/// The scratch memory of a model's forward passes.
using Workspace = BasicWorkspace<float>;

}  // namespace rwkv::inline RWKV_ABI
