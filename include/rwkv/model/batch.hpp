#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include <rwkv/core/progress.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/model/checkpoints.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The tokens of a sequence after which logits are wanted.
enum class LogitsFor {
    none,  ///< the tokens are only read into the state
    last,  ///< after the last token
    all,   ///< after every token
};

/// The next tokens of one sequence of a ragged batch: any number of them, and the state that they continue.
struct SequenceTokens {
    std::span<const TokenId> tokens;     ///< at least one
    State* state;                        ///< of this sequence alone
    LogitsFor logits = LogitsFor::last;  ///< after which tokens
    Checkpoints* checkpoints = nullptr;  ///< of this sequence alone: keep the state after each of the tokens
};

/// Receives the logits of a pass: of sequence `sequence` of the batch after token `position` of its tokens. The span is
/// valid during the call. Return false to end the pass.
using LogitsCallback = std::function<bool(Index sequence, Index position, std::span<const float> logits)>;

/// How a pass can be watched and cancelled. A cancelled pass leaves every state as it was before.
struct PassOptions {
    Progress progress = {};     ///< receives the tokens done ("prompt"), chunk by chunk; false cancels the pass
    std::stop_token stop = {};  ///< checked between layers
};

namespace model {

/// Tokens of one sequence among the columns of a chunk.
template <class Scalar>
struct ColumnRange {
    Index begin, end;           ///< columns of the chunk
    const TokenId* tokens;      ///< of those columns
    BasicState<Scalar>* state;  ///< of the sequence
    Index sequence, position;   ///< number of the sequence in the pass, and of its token in the first column
    BasicCheckpoints<Scalar>* checkpoints;  ///< none, or the states after each of the columns
    Index first_checkpoint;                 ///< the number of the one after the first column

    /// The state to be kept after a column, where there are checkpoints.
    [[nodiscard]] BasicState<Scalar>& checkpoint(Index column) const noexcept {
        return checkpoints->slot(first_checkpoint + column - begin);
    }
};

/// The tokens of one chunk: columns of several sequences, one sequence after the other.
template <class Scalar>
class Batch {
  public:
    /// Reserves memory for chunks of `tokens` tokens.
    void reserve(Index tokens) { ranges_.reserve(static_cast<std::size_t>(tokens)); }
    void clear() noexcept { ranges_.clear(); }
    /// Appends at least one token of a sequence. Does not allocate within what was reserved.
    void append(std::span<const TokenId> tokens, BasicState<Scalar>& state, Index sequence = 0, Index position = 0,
                BasicCheckpoints<Scalar>* checkpoints = nullptr) {
        const Index begin = this->tokens();
        ranges_.push_back({begin, begin + std::ssize(tokens), tokens.data(), &state, sequence, position, checkpoints,
                           checkpoints ? checkpoints->size() : 0});
    }
    /// All layers have filled the checkpoints of these columns.
    void complete_checkpoints() const noexcept {
        for (const ColumnRange<Scalar>& range : ranges_)
            if (range.checkpoints) range.checkpoints->append(range.end - range.begin);
    }

    /// Columns.
    [[nodiscard]] Index tokens() const noexcept { return ranges_.empty() ? 0 : ranges_.back().end; }
    [[nodiscard]] std::span<const ColumnRange<Scalar>> ranges() const noexcept { return ranges_; }

    /// Calls use(range, column) for the columns [begin, end).
    template <class Use>
    void for_each_column(Index begin, Index end, Use&& use) const {
        auto range = std::upper_bound(ranges_.begin(), ranges_.end(), begin,
                                      [](Index column, const auto& other) { return column < other.end; });
        for (Index column = begin; column < end; ++column) {
            while (column >= range->end) ++range;
            use(*range, column);
        }
    }

  private:
    std::vector<ColumnRange<Scalar>> ranges_;
};

/// What a pass remembers while it is under way, in memory that the workspace keeps.
template <class Scalar>
struct PassMemory {
    Batch<Scalar> batch;                           ///< the tokens of the chunk
    std::vector<Index> columns;                    ///< those after which logits are wanted
    std::vector<const void*> states;               ///< to find a state that is given twice
    std::vector<SequenceTokens> sequences;         ///< of a call that has other arguments
    std::vector<BasicState<Scalar>> saved_states;  ///< as they were before the pass, where it may be cancelled
};

}  // namespace model

}  // namespace rwkv::inline RWKV_ABI
