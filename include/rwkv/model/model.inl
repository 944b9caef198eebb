#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/model/forward.hpp>
#include <rwkv/model/model.hpp>

namespace rwkv::inline RWKV_ABI {

namespace model {

[[noreturn]] inline void check_failed(std::string_view call, std::string subject, std::string expected,
                                      std::string found) {
    throw ArgumentError("Model::" + std::string(call), std::move(subject), std::move(expected), std::move(found));
}

/// Throws: ArgumentError for a callback that holds no function.
template <class Callback>
void check_callback(std::string_view call, const Callback& callback) {
    if (!callback) check_failed(call, "callback", "a function", "none");
}

/// Throws: ArgumentError where a pass over the batch would keep more states than there is room for.
inline void check_room(std::string_view call, std::span<const SequenceTokens> batch) {
    for (const SequenceTokens& sequence : batch) {
        if (!sequence.checkpoints) continue;
        const Index room = sequence.checkpoints->capacity() - sequence.checkpoints->size();
        if (room < std::ssize(sequence.tokens))
            check_failed(call, "checkpoints", "room for " + std::to_string(sequence.tokens.size()) + " states",
                         std::to_string(room));
    }
}

inline std::string describe_shape(Index layers, Index hidden, Index attention) {
    return std::to_string(layers) + " layers of hidden size " + std::to_string(hidden) + " and attention hidden size " +
           std::to_string(attention);
}

inline std::span<const float> column(const MatrixView<float>& columns, Index t) noexcept {
    return {columns.col(t), static_cast<std::size_t>(columns.rows())};
}

inline Index token_count(std::span<const SequenceTokens> sequences) noexcept {
    Index count = 0;
    for (const SequenceTokens& sequence : sequences) count += std::ssize(sequence.tokens);
    return count;
}

inline Index logits_count(std::span<const SequenceTokens> sequences) noexcept {
    Index count = 0;
    for (const SequenceTokens& sequence : sequences)
        count += sequence.logits == LogitsFor::all    ? std::ssize(sequence.tokens)
                 : sequence.logits == LogitsFor::last ? 1
                                                      : 0;
    return count;
}

/// Copies the states before a pass that may be cancelled, and restores them unless the pass was completed.
class SavedStates {
  public:
    /// Throws: std::bad_alloc.
    SavedStates(std::span<const SequenceTokens> sequences, Workspace& workspace, const PassOptions& options)
        : sequences_(sequences), saved_(workspace.pass().saved_states) {
        if (!options.progress && !options.stop.stop_possible()) return;
        for (std::size_t i = 0; i < sequences.size(); ++i) {
            if (i == saved_.size())
                saved_.push_back(sequences[i].state->copy());
            else
                saved_[i].assign(*sequences[i].state);
        }
        is_saved_ = true;
    }
    ~SavedStates() {
        if (!is_saved_) return;
        for (std::size_t i = 0; i < sequences_.size(); ++i) sequences_[i].state->assign(saved_[i]);
    }
    SavedStates(const SavedStates&) = delete;
    SavedStates& operator=(const SavedStates&) = delete;

    /// The states stay as they are now.
    void discard() noexcept { is_saved_ = false; }

  private:
    std::span<const SequenceTokens> sequences_;
    std::vector<State>& saved_;
    bool is_saved_ = false;
};

/// Hands out the tokens of a batch, sequence after sequence, a chunk at a time.
class BatchReader {
  public:
    explicit BatchReader(std::span<const SequenceTokens> sequences) noexcept : sequences_(sequences) {}

    /// Fills the chunk with the next tokens.
    void read(Index count, Batch<float>& chunk) {
        chunk.clear();
        while (count > 0) {
            const SequenceTokens& sequence = sequences_[sequence_];
            const Index some = (std::min)(count, std::ssize(sequence.tokens) - position_);
            if (some > 0)
                chunk.append(
                    sequence.tokens.subspan(static_cast<std::size_t>(position_), static_cast<std::size_t>(some)),
                    *sequence.state, static_cast<Index>(sequence_), position_, sequence.checkpoints);
            count -= some;
            position_ += some;
            if (position_ < std::ssize(sequence.tokens)) continue;
            ++sequence_;
            position_ = 0;
        }
    }

  private:
    std::span<const SequenceTokens> sequences_;
    std::size_t sequence_ = 0;
    Index position_ = 0;
};

/// Runs all tokens of a batch through the layers, as many together as the chunk and the threads allow (see
/// kernels::split_tokens), and calls visit() with each chunk's residual stream in the workspace; visit returns false to
/// end the pass. Returns false where the pass was ended or cancelled.
template <class Visit>
bool run_pass(const Weights& weights, std::span<const SequenceTokens> sequences, Workspace& workspace,
              const PassOptions& options, const Visit& visit) {
    const Index total = token_count(sequences), layers = static_cast<Index>(weights.blocks.size());
    SavedStates saved(sequences, workspace, options);
    BatchReader reader(sequences);
    for (Index first = 0; first < total; first += workspace.chunk()) {
        const kernels::TokenBlocks blocks =
            kernels::split_tokens((std::min)(total - first, workspace.chunk()), workspace.chunk());
        for (Index block = 0, next; block < blocks.count; block = next) {
            next = std::min<Index>(block + workspace.threads(), blocks.count);
            reader.read(blocks.begin(next) - blocks.begin(block), workspace.pass().batch);
            embed(weights, workspace);
            if (!run_layers(weights, 0, layers, workspace, [&] { return options.stop.stop_requested(); })) return false;
            if (!visit()) {
                saved.discard();
                return false;
            }
            const Index done = first + blocks.begin(next);
            if (options.progress &&
                !options.progress("prompt", static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(total)))
                return false;
        }
    }
    saved.discard();
    return true;
}

/// Calls visit(range, column, logits) for the columns of the chunk in the workspace after which logits are wanted,
/// until it returns false.
template <class Visit>
bool visit_logits(const Weights& weights, std::span<const SequenceTokens> sequences, Workspace& workspace,
                  const Visit& visit) {
    std::vector<Index>& columns = workspace.pass().columns;
    columns.clear();
    for (const ColumnRange<float>& range : workspace.batch().ranges()) {
        const SequenceTokens& sequence = sequences[static_cast<std::size_t>(range.sequence)];
        const bool ends_here = range.position + range.end - range.begin == std::ssize(sequence.tokens);
        if (sequence.logits == LogitsFor::all)
            for (Index t = range.begin; t < range.end; ++t) columns.push_back(t);
        else if (sequence.logits == LogitsFor::last && ends_here)
            columns.push_back(range.end - 1);
    }
    const Index count = std::ssize(columns);
    if (count == 0) return true;
    const kernels::TokenBlocks blocks = kernels::split_tokens(count, count);
    for (Index block = 0; block < blocks.count; ++block) {
        const Index begin = blocks.begin(block), end = blocks.begin(block + 1);
        const auto some =
            std::span(columns).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
        const MatrixView<float> all = logits(weights, some, workspace);
        bool wanted = true;
        for (Index i = 0; i < end - begin && wanted; ++i)
            workspace.batch().for_each_column(
                some[static_cast<std::size_t>(i)], some[static_cast<std::size_t>(i)] + 1,
                [&](const ColumnRange<float>& range, Index t) { wanted = visit(range, t, column(all, i)); });
        if (!wanted) return false;
    }
    return true;
}

/// Computes the hidden state after each token of the chunk, and calls visit(sequence, position, hidden) for each until
/// it returns false.
template <class Visit>
bool visit_hidden(const Weights& weights, Workspace& workspace, const Visit& visit) {
    std::vector<Index>& columns = workspace.pass().columns;
    columns.clear();
    for (Index t = 0; t < workspace.batch().tokens(); ++t) columns.push_back(t);
    const MatrixView<float> hidden = hidden_states(weights, std::span<const Index>(columns), workspace);
    for (const ColumnRange<float>& range : workspace.batch().ranges())
        for (Index t = range.begin; t < range.end; ++t)
            if (!visit(range.sequence, range.position + t - range.begin, column(hidden, t))) return false;
    return true;
}

/// Allocates memory for the logits of a pass. Later, a failure would leave the states in the middle of it.
inline void reserve_logits(std::span<const SequenceTokens> sequences, Workspace& workspace) {
    static_cast<void>(workspace.logits(
        std::max<Index>(1, (std::min)({max_logits_columns, workspace.chunk(), logits_count(sequences)}))));
}

}  // namespace model

RWKV_INLINE Model::Model(model::Weights weights, std::vector<std::string> warnings)
    : weights_(std::make_shared<const model::Weights>(std::move(weights))),
      warnings_(std::make_shared<const std::vector<std::string>>(std::move(warnings))) {}

RWKV_INLINE void Model::check_batch(std::string_view call, std::span<const SequenceTokens> batch, Workspace& workspace,
                                    bool needs_head) const {
    using model::check_failed, model::describe_shape;
    const auto subject = [&](const char* what, std::size_t i) {
        return batch.size() == 1 ? what : what + (" of sequence " + std::to_string(i));
    };
    if (!workspace.fits(config()))
        check_failed(call, "workspace", "one made for this model's config",
                     workspace.threads() == 0 ? "one that was moved from" : "one of other sizes");
    if (needs_head && !has_head()) check_failed(call, "head.weight", "a model with a head", "none");
    std::vector<const void*>& states = workspace.pass().states;
    states.clear();
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const auto& [tokens, state, wanted, checkpoints] = batch[i];
        if (!state) check_failed(call, subject("state", i), "a state", "none");
        if (!state->fits(config()))
            check_failed(
                call, subject("state", i),
                describe_shape(config().num_hidden_layers, config().hidden_size, config().attention_hidden_size),
                describe_shape(state->num_hidden_layers(), state->hidden_size(), state->attention_hidden_size()));
        if (wanted == LogitsFor::last && tokens.empty())
            check_failed(call, subject("tokens", i), "at least one", "none");
        for (std::size_t t = 0; t < tokens.size(); ++t)
            if (tokens[t] < 0 || tokens[t] >= config().vocab_size)
                check_failed(call, subject(("token " + std::to_string(t)).c_str(), i),
                             "an id from 0 to " + std::to_string(config().vocab_size - 1), std::to_string(tokens[t]));
        states.push_back(state);
        if (!checkpoints) continue;
        if (!checkpoints->fits(config()))
            check_failed(call, subject("checkpoints", i), "those of a model of this shape", "those of another");
        states.push_back(checkpoints);
    }
    std::sort(states.begin(), states.end());
    if (std::adjacent_find(states.begin(), states.end()) == states.end()) return;
    for (std::size_t i = 1; i < batch.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (batch[i].state == batch[j].state)
                check_failed(call, subject("state", i), "a state of its own", "that of sequence " + std::to_string(j));
            else if (batch[i].checkpoints && batch[i].checkpoints == batch[j].checkpoints)
                check_failed(call, subject("checkpoints", i), "checkpoints of its own",
                             "those of sequence " + std::to_string(j));
}

RWKV_INLINE std::span<const float> Model::forward(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                                  const PassOptions& options) const {
    const SequenceTokens sequence{tokens, &state, LogitsFor::last};
    check_batch("forward", {&sequence, 1}, workspace, true);
    std::span<const float> last;
    const bool completed = model::run_pass(*weights_, {&sequence, 1}, workspace, options, [&] {
        return model::visit_logits(*weights_, {&sequence, 1}, workspace,
                                   [&](const auto&, Index, std::span<const float> logits) {
                                       last = logits;
                                       return true;
                                   });
    });
    return completed ? last : std::span<const float>();
}

RWKV_INLINE std::span<const float> Model::forward(TokenId token, State& state, Workspace& workspace) const {
    return forward(std::span(&token, 1), state, workspace);
}

RWKV_INLINE bool Model::forward(std::span<const SequenceTokens> batch, Workspace& workspace,
                                const LogitsCallback& callback, const PassOptions& options) const {
    const Index wanted = model::logits_count(batch);
    check_batch("forward", batch, workspace, wanted > 0);
    model::check_room("forward", batch);
    if (wanted > 0) model::check_callback("forward", callback);
    if (wanted > 0) model::reserve_logits(batch, workspace);
    return model::run_pass(*weights_, batch, workspace, options, [&] {
        return wanted == 0 ||
               model::visit_logits(*weights_, batch, workspace,
                                   [&](const auto& range, Index t, std::span<const float> logits) {
                                       return callback(range.sequence, range.position + t - range.begin, logits);
                                   });
    });
}

RWKV_INLINE MatrixView<const float> Model::forward_sequence(const SequenceTokens& sequence, Workspace& workspace,
                                                            const PassOptions& options) const {
    const Index wanted = model::logits_count({&sequence, 1});
    if (wanted == 0) model::check_failed("forward_sequence", "logits", "after a token at least", "none");
    check_batch("forward_sequence", {&sequence, 1}, workspace, true);
    model::check_room("forward_sequence", {&sequence, 1});
    const Index most = (std::min)(workspace.chunk(), kernels::Blocking::nc);
    if (wanted > 1 && std::ssize(sequence.tokens) > most)
        model::check_failed("forward_sequence", "tokens", "at most " + std::to_string(most) + " with logits after each",
                            std::to_string(sequence.tokens.size()));
    model::reserve_logits({&sequence, 1}, workspace);
    const bool completed = model::run_pass(*weights_, {&sequence, 1}, workspace, options, [&] {
        return model::visit_logits(*weights_, {&sequence, 1}, workspace,
                                   [](const auto&, Index, std::span<const float>) { return true; });
    });
    return workspace.logits(completed ? wanted : 0);
}

RWKV_INLINE bool Model::forward_all(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                    const PositionCallback& callback, const PassOptions& options) const {
    const SequenceTokens sequence{tokens, &state, LogitsFor::all};
    check_batch("forward_all", {&sequence, 1}, workspace, true);
    model::check_callback("forward_all", callback);
    model::reserve_logits({&sequence, 1}, workspace);
    return model::run_pass(*weights_, {&sequence, 1}, workspace, options, [&] {
        return model::visit_logits(*weights_, {&sequence, 1}, workspace,
                                   [&](const auto& range, Index t, std::span<const float> logits) {
                                       return callback(range.position + t - range.begin, logits);
                                   });
    });
}

RWKV_INLINE bool Model::forward_batch(std::span<const TokenId> tokens, std::span<State* const> states,
                                      Workspace& workspace, const PositionCallback& callback,
                                      const PassOptions& options) const {
    if (tokens.size() != states.size())
        model::check_failed("forward_batch", "states", "one for each of " + std::to_string(tokens.size()) + " tokens",
                            std::to_string(states.size()));
    model::check_callback("forward_batch", callback);
    std::vector<SequenceTokens>& batch = workspace.pass().sequences;
    batch.clear();
    for (std::size_t i = 0; i < tokens.size(); ++i) batch.push_back({tokens.subspan(i, 1), states[i], LogitsFor::last});
    return forward(
        batch, workspace,
        [&callback](Index sequence, Index, std::span<const float> logits) { return callback(sequence, logits); },
        options);
}

RWKV_INLINE bool Model::forward_hidden(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                       const PositionCallback& callback, const PassOptions& options) const {
    const SequenceTokens sequence{tokens, &state, LogitsFor::none};
    check_batch("forward_hidden", {&sequence, 1}, workspace, false);
    model::check_callback("forward_hidden", callback);
    return model::run_pass(*weights_, {&sequence, 1}, workspace, options, [&] {
        return model::visit_hidden(*weights_, workspace, [&](Index, Index position, std::span<const float> hidden) {
            return callback(position, hidden);
        });
    });
}

RWKV_INLINE bool Model::forward_state(std::span<const TokenId> tokens, State& state, Workspace& workspace,
                                      const PassOptions& options) const {
    const SequenceTokens sequence{tokens, &state, LogitsFor::none};
    check_batch("forward_state", {&sequence, 1}, workspace, false);
    return model::run_pass(*weights_, {&sequence, 1}, workspace, options, [] { return true; });
}

RWKV_INLINE void Model::set_batch(std::string_view call, std::span<const SequenceTokens> batch, Workspace& workspace,
                                  bool needs_head) const {
    check_batch(call, batch, workspace, needs_head);
    const Index tokens = model::token_count(batch);
    if (tokens > workspace.chunk())
        model::check_failed(call, "batch", "at most the " + std::to_string(workspace.chunk()) + " tokens of a chunk",
                            std::to_string(tokens));
    model::BatchReader(batch).read(tokens, workspace.pass().batch);
}

RWKV_INLINE void Model::embed(std::span<const SequenceTokens> batch, Workspace& workspace) const {
    set_batch("embed", batch, workspace, false);
    model::embed(*weights_, workspace);
}

RWKV_INLINE bool Model::run_layers(Index first, Index last, std::span<const SequenceTokens> batch, Workspace& workspace,
                                   const std::stop_token& stop) const {
    const Index layers = config().num_hidden_layers;
    if (first < 0 || first > last || last > layers)
        model::check_failed("run_layers", "layers", "a range within 0 to " + std::to_string(layers),
                            std::to_string(first) + " to " + std::to_string(last));
    set_batch("run_layers", batch, workspace, false);
    if (first < last) model::check_room("run_layers", batch);
    return model::run_layers(*weights_, first, last, workspace, [&] { return stop.stop_requested(); });
}

RWKV_INLINE bool Model::head(std::span<const SequenceTokens> batch, Workspace& workspace,
                             const LogitsCallback& callback) const {
    set_batch("head", batch, workspace, true);
    model::check_callback("head", callback);
    model::reserve_logits(batch, workspace);
    return model::visit_logits(*weights_, batch, workspace,
                               [&](const auto& range, Index t, std::span<const float> logits) {
                                   return callback(range.sequence, range.position + t - range.begin, logits);
                               });
}

RWKV_INLINE bool Model::hidden(std::span<const SequenceTokens> batch, Workspace& workspace,
                               const LogitsCallback& callback) const {
    set_batch("hidden", batch, workspace, false);
    model::check_callback("hidden", callback);
    return model::visit_hidden(*weights_, workspace, callback);
}

}  // namespace rwkv::inline RWKV_ABI
