#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <rwkv/config.hpp>
#include <rwkv/error.hpp>
#include <rwkv/kernels/activations.hpp>
#include <rwkv/kernels/engine.hpp>

namespace rwkv {

/// How a conversation is computed.
struct WorkspaceOptions {
    /// Threads at work in one call, the caller's included, 1 to 1024. The results do not depend on it.
    int threads = 1;
    /// Tokens that go through the model together: 1 is RNN mode, token by token; more is parallel mode, which reads
    /// the weights once for all of them. A longer prompt is cut into pieces of this size; the answer is the same. 1 to
    /// 65536; the scratch is allocated for so many, whatever the prompt.
    Index chunk = 128;
};

/// The scratch of a conversation's forward passes, with the threads that compute them. It is sized for a model's
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
        x_.resize(hidden, chunk_);
        normed_.resize(hidden, chunk_);
        out_.resize(hidden, chunk_);
        for (Activations<Scalar>& mixed : mixed_) mixed.resize(hidden, chunk_);
        key_.resize(std::max(attention, config.intermediate_size), chunk_);
        value_.resize(attention, chunk_);
        receptance_.resize(std::max(hidden, attention), chunk_);
        logits_.resize(config.vocab_size, 1);
    }

    /// Most tokens computed together.
    Index chunk() const noexcept { return chunk_; }
    /// Threads at work in one call.
    int threads() const noexcept { return engine_.pool().size(); }
    kernels::Engine& engine() noexcept { return engine_; }
    /// Whether it serves models of that shape.
    bool fits(const Config& config) const noexcept {
        return config.vocab_size == config_.vocab_size && config.hidden_size == config_.hidden_size &&
               config.attention_hidden_size == config_.attention_hidden_size &&
               config.intermediate_size == config_.intermediate_size;
    }
    /// Bytes held.
    std::size_t bytes() const noexcept {
        Index scalars = x_.size() + normed_.size() + out_.size() + 3 * mixed_[0].size() + key_.size() + value_.size() +
                        receptance_.size() + logits_.size();
        return static_cast<std::size_t>(scalars) * sizeof(Scalar) + engine_.bytes();
    }

    // The rooms of a forward pass over T ≤ chunk() tokens; each view is rows × T.

    /// [H × T] the residual stream.
    ActivationsView<Scalar> x(Index tokens) noexcept { return view(x_, x_.rows(), tokens); }
    /// [H × T] its layer norm.
    ActivationsView<Scalar> normed(Index tokens) noexcept { return view(normed_, normed_.rows(), tokens); }
    /// [H × T] three token-shifted mixes of it.
    ActivationsView<Scalar> mixed(Index i, Index tokens) noexcept { return view(mixed_[i], x_.rows(), tokens); }
    /// [rows × T] keys of either kind of mixing.
    ActivationsView<Scalar> key(Index rows, Index tokens) noexcept { return view(key_, rows, tokens); }
    /// [A × T] values, then what the WKV makes of them.
    ActivationsView<Scalar> value(Index tokens) noexcept { return view(value_, value_.rows(), tokens); }
    /// [rows × T] receptances of either kind.
    ActivationsView<Scalar> receptance(Index rows, Index tokens) noexcept { return view(receptance_, rows, tokens); }
    /// [H × T] what a mixing adds to the residual stream.
    ActivationsView<Scalar> out(Index tokens) noexcept { return view(out_, out_.rows(), tokens); }
    /// [V × T] logits; grows the first time more are asked for.
    ActivationsView<Scalar> logits(Index tokens) {
        if (tokens > logits_.cols()) logits_.resize(logits_.rows(), tokens);
        return view(logits_, logits_.rows(), tokens);
    }

  private:
    static Index within(const char* option, Index value, Index most) {
        if (value < 1 || value > most)
            throw ArgumentError("Workspace", option, "1 to " + std::to_string(most), std::to_string(value));
        return value;
    }
    static ActivationsView<Scalar> view(Activations<Scalar>& room, Index rows, Index tokens) noexcept {
        return Eigen::Map<Activations<Scalar>>(room.data(), rows, tokens);
    }

    Config config_;
    Index chunk_;
    kernels::Engine engine_;
    Activations<Scalar> x_, normed_, mixed_[3], key_, value_, receptance_, out_, logits_;
};

using Workspace = BasicWorkspace<float>;

}  // namespace rwkv
