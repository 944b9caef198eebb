#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <rwkv/core/config.hpp>
#include <rwkv/core/matrix_view.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The states of one sequence after each token of the passes that were given these checkpoints, so that the sequence
/// can be rolled back to any of those tokens: a pass may read tokens that are only guessed, and what followed the
/// first wrong guess is then forgotten. A pass writes them as it computes WKV token by token, and rolling back
/// exchanges memory, so that neither copies a state.
/// Move only. Thread safety: one pass or call at a time.
template <class Scalar>
class BasicCheckpoints {
  public:
    /// Memory for `capacity` states. Throws: ArgumentError for a capacity below 0, or a config with a size that no
    /// model has; std::bad_alloc.
    BasicCheckpoints(const Config& config, Index capacity) {
        model::checked_range("Checkpoints", "capacity", capacity, 0, 1 << 16);
        states_.reserve(static_cast<std::size_t>(capacity));
        while (std::ssize(states_) < capacity) states_.emplace_back(config);
    }

    /// The maximum number of states.
    [[nodiscard]] Index capacity() const noexcept { return std::ssize(states_); }
    /// The number of states: of the tokens read since the latest `clear`.
    [[nodiscard]] Index size() const noexcept { return (std::min)(size_, capacity()); }
    /// Forgets the states; the next token's becomes number 0.
    void clear() noexcept { size_ = 0; }
    /// The state after token `i` < size().
    [[nodiscard]] const BasicState<Scalar>& state(Index i) const noexcept {
        return states_[static_cast<std::size_t>(i)];
    }
    /// Makes `state` the one after token `i` < size(), by exchanging the two. This state and those after it are no
    /// longer here then.
    void restore(Index i, BasicState<Scalar>& state) noexcept {
        std::swap(state, states_[static_cast<std::size_t>(i)]);
        size_ = i;
    }
    /// Whether they belong to models of that shape.
    [[nodiscard]] bool fits(const Config& config) const noexcept {
        return states_.empty() || states_.front().fits(config);
    }
    /// Bytes of all states.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return states_.empty() ? 0 : states_.size() * states_.front().bytes();
    }

    // What passes call, layer by layer.

    /// The state to be filled for the `i`-th token.
    [[nodiscard]] BasicState<Scalar>& slot(Index i) noexcept { return states_[static_cast<std::size_t>(i)]; }
    /// The next `count` states are complete.
    void append(Index count) noexcept { size_ += count; }

  private:
    std::vector<BasicState<Scalar>> states_;
    Index size_ = 0;
};

/// The checkpoints of one sequence.
using Checkpoints = BasicCheckpoints<float>;

}  // namespace rwkv::inline RWKV_ABI
