#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/matmul_context.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How passes are computed.
struct WorkspaceOptions {
    /// Threads at work in one call, the caller's included, 1 to 1024. The results do not depend on it.
    int threads = 1;
    /// Most tokens that go through the model together: 1 is RNN mode, token by token; more is parallel mode, where one
    /// reading of the weights serves many. Of one text about 128 for each thread go together (at most 191), so more
    /// pays for forward_batch only. A longer prompt is cut into pieces; the answer is the same but for rounding, and
    /// with q8 and q4 on x86-64 with VNNI bit by bit. 1 to 65536; the scratch is allocated for so many, whatever the
    /// prompt.
    Index chunk = 256;
};

namespace detail {

/// Memory for the activations of some tokens. Columns begin on cache lines, an odd number of them apart: were it a
/// large power of two, as the sizes of models often are, neighbouring tokens would push each other out of the cache.
template <class Scalar>
class Room {
  public:
    Room() = default;
    Room(Index rows, Index cols)
        : rows_(rows),
          cols_(cols),
          stride_(((rows + line - 1) / line | 1) * line),
          memory_(kernels::allocate_weights(bytes())) {}

    Index rows() const noexcept { return rows_; }
    Index cols() const noexcept { return cols_; }
    std::size_t bytes() const noexcept { return static_cast<std::size_t>(stride_ * cols_) * sizeof(Scalar); }
    /// The first `rows` rows of the first `tokens` columns.
    ActivationsView<Scalar> view(Index rows, Index tokens) noexcept {
        return Eigen::Map<Activations<Scalar>, 0, Eigen::OuterStride<>>(reinterpret_cast<Scalar*>(memory_.get()), rows,
                                                                        tokens, Eigen::OuterStride<>(stride_));
    }

  private:
    static constexpr Index line = 64 / static_cast<Index>(sizeof(Scalar));
    Index rows_ = 0, cols_ = 0, stride_ = 0;
    std::shared_ptr<std::byte[]> memory_;
};

}  // namespace detail

/// The scratch of one caller's forward passes, with the threads that compute them. It is sized for a model's
/// shape when constructed and remembers nothing of the text. One call at a time; move only.
template <class Scalar>
class BasicWorkspace {
  public:
    /// Throws ArgumentError for options out of range, std::system_error if there are no more threads to be had.
    explicit BasicWorkspace(const Config& config, WorkspaceOptions options = {})
        : config_(config),
          chunk_(within("chunk", options.chunk, 1 << 16)),
          engine_(static_cast<int>(within("threads", options.threads, 1024)), chunk_,
                  std::max({3 * config.hidden_size, config.attention_hidden_size, config.intermediate_size})) {
        const Index hidden = config.hidden_size, attention = config.attention_hidden_size;
        for (Room* room : {&x_, &normed_, &out_, &mixed_[0], &mixed_[1], &mixed_[2]}) *room = Room(hidden, chunk_);
        key_ = Room(std::max(attention, config.intermediate_size), chunk_);
        value_ = Room(attention, chunk_);
        receptance_ = Room(std::max(hidden, attention), chunk_);
        logits_ = Room(config.vocab_size, 1);
    }

    /// Most tokens computed together.
    Index chunk() const noexcept { return chunk_; }
    /// Threads at work in one call.
    int threads() const noexcept { return engine_.pool().size(); }
    /// What products are computed with.
    kernels::Engine& engine() noexcept { return engine_; }
    /// Whether it serves models of that shape.
    bool fits(const Config& config) const noexcept {
        return config.vocab_size == config_.vocab_size && config.hidden_size == config_.hidden_size &&
               config.attention_hidden_size == config_.attention_hidden_size &&
               config.intermediate_size == config_.intermediate_size;
    }
    /// Bytes held.
    std::size_t bytes() const noexcept {
        std::size_t bytes = engine_.bytes();
        for (const Room* room :
             {&x_, &normed_, &out_, &mixed_[0], &mixed_[1], &mixed_[2], &key_, &value_, &receptance_, &logits_})
            bytes += room->bytes();
        return bytes;
    }

    // The rooms of a forward pass over T ≤ chunk() tokens; each view is rows × T.

    /// [H × T] the residual stream.
    ActivationsView<Scalar> x(Index tokens) noexcept { return x_.view(x_.rows(), tokens); }
    /// [H × T] its layer norm.
    ActivationsView<Scalar> normed(Index tokens) noexcept { return normed_.view(normed_.rows(), tokens); }
    /// [H × T] three token-shifted mixes of it.
    ActivationsView<Scalar> mixed(Index i, Index tokens) noexcept { return mixed_[i].view(x_.rows(), tokens); }
    /// [rows × T] keys of either kind of mixing.
    ActivationsView<Scalar> key(Index rows, Index tokens) noexcept { return key_.view(rows, tokens); }
    /// [A × T] values, then what the WKV makes of them.
    ActivationsView<Scalar> value(Index tokens) noexcept { return value_.view(value_.rows(), tokens); }
    /// [rows × T] receptances of either kind.
    ActivationsView<Scalar> receptance(Index rows, Index tokens) noexcept { return receptance_.view(rows, tokens); }
    /// [H × T] what a mixing adds to the residual stream.
    ActivationsView<Scalar> out(Index tokens) noexcept { return out_.view(out_.rows(), tokens); }
    /// [V × T] logits; grows the first time more are asked for.
    ActivationsView<Scalar> logits(Index tokens) {
        if (tokens > logits_.cols()) logits_ = Room(logits_.rows(), tokens);
        return logits_.view(logits_.rows(), tokens);
    }

  private:
    static Index within(const char* option, Index value, Index most) {
        if (value < 1 || value > most)
            throw ArgumentError("Workspace", option, "1 to " + std::to_string(most), std::to_string(value));
        return value;
    }
    using Room = detail::Room<Scalar>;

    Config config_;
    Index chunk_;
    kernels::Engine engine_;
    Room x_, normed_, mixed_[3], key_, value_, receptance_, out_, logits_;
};

using Workspace = BasicWorkspace<float>;

}  // namespace rwkv::inline RWKV_ABI
