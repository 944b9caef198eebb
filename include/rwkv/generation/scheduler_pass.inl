#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/generation/reserve_one.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/generation/scheduler.hpp>
#include <rwkv/generation/sequence.hpp>
#include <rwkv/text/stop_strings.hpp>

namespace rwkv::inline RWKV_ABI {

RWKV_INLINE void Scheduler::Group::reserve(Index count) {
    batch.reserve(static_cast<std::size_t>(count));
    owners.reserve(static_cast<std::size_t>(count));
}

RWKV_INLINE void Scheduler::Group::clear() noexcept {
    batch.clear();
    owners.clear();
    tokens = 0;
}

RWKV_INLINE void Scheduler::Group::add(const SequenceTokens& sequence, Running* owner) {
    batch.push_back(sequence);
    owners.push_back(owner);
    tokens += std::ssize(sequence.tokens);
}

/// Fills the groups of the next pass. Pieces of prompts that are on their way stay as they are.
RWKV_INLINE void Scheduler::plan() {
    decoding_.clear();
    prompts_.clear();
    const Index room = workspace_.chunk() - reading_.tokens;
    Index generating = 0, left = std::ssize(running_);
    for (const std::unique_ptr<Running>& running : running_) generating += !running->ended && !running->in_prompt;
    if (generating > room) return;  // texts were resumed or found in the cache meanwhile: the prompts go on alone
    for (const std::unique_ptr<Running>& running : running_) {
        if (running->ended) continue;
        if (running->in_prompt) {
            prompts_.push_back(running.get());
            continue;
        }
        // A draft leaves room for a token of each of the others.
        const Index max_draft = room - decoding_.tokens - left--;
        decoding_.add(running->sequence.next_pass(pass_times_, decoding_.tokens, max_draft), running.get());
    }
    if (!reading_.empty() || prompts_.empty()) return;
    prompt_layer_ = 0;
    Index budget = workspace_.chunk() - decoding_.tokens;
    // Pieces that stay for several passes leave half of the room to drafts.
    if (!decoding_.empty())
        budget = options_.prefill_chunk > 0 ? (std::min)(budget, options_.prefill_chunk)
                                            : (std::min)((budget + 1) / 2, pacer_.chunk(decoding_.tokens));
    plan_prompts(budget);
}

/// Takes pieces of the prompts, at most `budget` tokens in total: equal pieces, but for prompts that need less.
RWKV_INLINE void Scheduler::plan_prompts(Index budget) {
    // A piece ends where a state is to be kept.
    const auto wanted = [this](const Running& running) {
        Index end = running.read + running.prompt_left();
        if (!running.caches) return end - running.read;
        const Index interval = options_.cache->options().checkpoint_interval;
        if (interval > 0) end = (std::min)(end, (running.read / interval + 1) * interval);
        if (running.shared > running.read) end = (std::min)(end, running.shared);
        return end - running.read;
    };
    const auto priority = [](const Running& running) { return running.request->request.priority; };
    std::sort(prompts_.begin(), prompts_.end(), [&](const Running* a, const Running* b) {
        const Index a_wanted = wanted(*a), b_wanted = wanted(*b);
        const bool by_length = priority(*a) == priority(*b) && a_wanted != b_wanted;
        return by_length ? a_wanted < b_wanted : before(a->request, b->request);
    });
    for (auto prompt = prompts_.begin(); prompt != prompts_.end() && budget > 0; ++prompt) {
        Running& running = **prompt;
        // Shared with the prompts of this priority that are still to come.
        const Index same = std::find_if(prompt, prompts_.end(),
                                        [&](const Running* other) { return priority(*other) != priority(running); }) -
                           prompt;
        Index count = (std::min)(wanted(running), (budget + same - 1) / same);
        // Logits after every token come all in one pass, whose time they are not to make much longer.
        const bool wants_all = static_cast<bool>(running.request->request.on_prompt_logits);
        if (wants_all && !decoding_.empty() && options_.prefill_chunk == 0) count = (count + 3) / 4;
        const bool is_last = count == running.prompt_left();
        reading_.add({running.sequence.pending().first(static_cast<std::size_t>(count)), &running.sequence.state(),
                      wants_all ? LogitsFor::all
                      : is_last ? LogitsFor::last
                                : LogitsFor::none},
                     &running);
        budget -= count;
    }
}

RWKV_INLINE double Scheduler::seconds_in_step() const noexcept {
    return generation::seconds_between(step_begin_, Clock::now());
}

/// Both groups, as they are now.
RWKV_INLINE Scheduler::Group& Scheduler::joined() {
    joined_.clear();
    for (const Group* group : {&decoding_, &reading_})
        for (std::size_t i = 0; i < group->batch.size(); ++i) joined_.add(group->batch[i], group->owners[i]);
    return joined_;
}

RWKV_INLINE void Scheduler::compute() {
    const std::size_t planned = decoding_.batch.size() + reading_.batch.size();
    if (planned == 0) return;
    const Clock::time_point start = Clock::now();
    Index wanted = 0;  // columns of logits
    for (const Group* group : {&decoding_, &reading_})
        for (const SequenceTokens& sequence : group->batch)
            wanted +=
                sequence.logits == LogitsFor::all ? std::ssize(sequence.tokens) : sequence.logits == LogitsFor::last;
    // Allocates, if at all, before anything moves.
    if (wanted > 0) static_cast<void>(workspace_.logits((std::min)(wanted, model::max_logits_columns)));
    const Index begin_layer = prompt_layer_, layers = model_.config().num_hidden_layers;
    const Index tokens = decoding_.tokens, prompt_tokens = reading_.tokens;
    if (prompt_layer_ == 0) {
        prompt_column_ = decoding_.tokens;
        model_.embed(joined().batch, workspace_);
    } else {
        move_prompts(decoding_.tokens);
        if (!decoding_.empty()) model_.embed(decoding_.batch, workspace_);
    }
    pacer_.begin(tokens, prompt_tokens, seconds_in_step());
    if (!run_layers()) return;
    const bool prompts_complete = !reading_.empty() && prompt_layer_ == layers;
    for (SequenceTokens& sequence : decoding_.batch) sequence.checkpoints = nullptr;  // they are complete
    finish_pass(prompts_complete ? joined() : decoding_);
    if (prompts_complete) reading_.clear();
    passes_.fetch_add(1, std::memory_order_relaxed);
    if (decoding_.batch.size() + (prompts_complete ? joined_ : reading_).batch.size() < planned) return;
    pacer_.end(prompts_complete, seconds_in_step());
    // Of passes through all layers together, or without prompts.
    const Index together = tokens + (prompt_layer_ > begin_layer ? prompt_tokens : 0);
    if (together == tokens || (begin_layer == 0 && prompts_complete))
        pass_times_.add(together, generation::seconds_between(start, Clock::now()));
}

/// Runs all layers for the texts, and for the prompts the layers that the pass has time for. Returns whether any
/// sequence is still in the pass.
RWKV_INLINE bool Scheduler::run_layers() {
    const Index layers = model_.config().num_hidden_layers;
    for (Index layer = 0; layer < layers; ++layer) {
        if (layer > 0) drop_unwanted();
        const bool prompts_next = !reading_.empty() && prompt_layer_ == layer;
        const bool joins =
            prompts_next && (decoding_.empty() || options_.prefill_chunk > 0 || pacer_.allows(seconds_in_step()));
        const Group& group = joins ? joined() : decoding_;
        if (group.empty()) continue;
        model_.run_layers(layer, layer + 1, group.batch, workspace_);
        if (joins) ++prompt_layer_;
        pacer_.layer_done(joins, seconds_in_step());
    }
    return !decoding_.empty() || (!reading_.empty() && prompt_layer_ == layers);
}

/// What follows the layers, for those that are through: logits, and what becomes of them.
RWKV_INLINE void Scheduler::finish_pass(Group& group) {
    const LogitsCallback on_logits = [&](Index i, Index position, std::span<const float> logits) {
        Running& running = *group.owners[static_cast<std::size_t>(i)];
        if (running.in_prompt) {
            const Index count = std::ssize(group.batch[static_cast<std::size_t>(i)].tokens);
            tell(running, running.request->request.on_prompt_logits, position, logits);
            if (position + 1 < count || count < running.prompt_left()) return true;
            read(running, count);
            checkpoint(running, logits);
        }
        if (!running.ended) accept(running, logits, position);
        return true;
    };
    tell_hidden(group);
    model_.head(group.batch, workspace_, on_logits);
    for (std::size_t i = 0; i < group.batch.size(); ++i) {
        Running& running = *group.owners[i];
        if (!running.in_prompt || std::ssize(group.batch[i].tokens) >= running.prompt_left()) continue;
        running.sequence.advance(std::ssize(group.batch[i].tokens));
        read(running, std::ssize(group.batch[i].tokens));
        checkpoint(running, {});
    }
}

/// Moves the prompts' columns of the residual stream, so that they begin at that one.
RWKV_INLINE void Scheduler::move_prompts(Index column) noexcept {
    const MatrixView<float> x = workspace_.x(workspace_.chunk());
    const auto move = [&](Index t) { std::copy_n(x.col(prompt_column_ + t), x.rows(), x.col(column + t)); };
    if (column < prompt_column_)
        for (Index t = 0; t < reading_.tokens; ++t) move(t);
    if (column > prompt_column_)
        for (Index t = reading_.tokens - 1; t >= 0; --t) move(t);
    prompt_column_ = column;
}

/// Leaves out of the pass, between two layers, the sequences that nobody wants any more. Their states are lost.
RWKV_INLINE void Scheduler::drop_unwanted() {
    drop_unwanted(decoding_, 0);
    move_prompts(decoding_.tokens);
    drop_unwanted(reading_, prompt_column_);
}

/// Of a group whose columns of the residual stream begin at that one.
RWKV_INLINE void Scheduler::drop_unwanted(Group& group, Index column) noexcept {
    const MatrixView<float> x = workspace_.x(workspace_.chunk());
    std::size_t kept = 0;
    Index from = column, to = column;
    for (std::size_t i = 0; i < group.batch.size(); ++i) {
        Running& running = *group.owners[i];
        const Index count = std::ssize(group.batch[i].tokens);
        if (!running.ended) running.ended = running.request->unwanted();
        if (!running.ended) {
            if (kept != i) {
                for (Index t = 0; t < count; ++t) std::copy_n(x.col(from + t), x.rows(), x.col(to + t));
                group.batch[kept] = group.batch[i];
                group.owners[kept] = group.owners[i];
            }
            to += count;
            ++kept;
        }
        from += count;
    }
    group.batch.resize(kept);
    group.owners.resize(kept);
    group.tokens = to - column;
}

/// Tells those that want to know the hidden states after the tokens of their prompts.
RWKV_INLINE void Scheduler::tell_hidden(const Group& group) {
    const auto wants = [](const Running* running) { return running->in_prompt && running->request->request.on_hidden; };
    if (std::none_of(group.owners.begin(), group.owners.end(), wants)) return;
    model_.hidden(group.batch, workspace_, [&](Index i, Index position, std::span<const float> hidden) {
        Running& running = *group.owners[static_cast<std::size_t>(i)];
        if (wants(&running)) tell(running, running.request->request.on_hidden, position, hidden);
        return true;
    });
}

/// Calls back with numbers after a token of this pass, which is one of the prompt.
RWKV_INLINE void Scheduler::tell(Running& running, const PromptCallback& callback, Index position,
                                 std::span<const float> numbers) {
    if (!callback || running.ended) return;
    const Index unread = running.prompt_total - running.cached - std::ssize(running.request->request.tokens);
    try {
        if (!callback(running.prompt_read + position - unread, numbers)) running.ended = RequestStatus::cancelled;
    } catch (...) {
        running.error = std::current_exception();
        running.ended = RequestStatus::failed;
    }
}

/// Notes that the state has read `count` more tokens of the prompt.
RWKV_INLINE void Scheduler::read(Running& running, Index count) {
    running.read += count;
    running.prompt_read += count;
    prompt_tokens_.fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
    const Progress& progress = running.request->request.options.progress;
    if (!progress) return;
    try {
        if (!progress("prompt", static_cast<std::uint64_t>(running.prompt_read),
                      static_cast<std::uint64_t>(running.prompt_total)))
            running.ended = RequestStatus::cancelled;
    } catch (...) {
        running.error = std::current_exception();
        running.ended = RequestStatus::failed;
    }
}

/// Keeps the state where the cache ought to have it; at the end of the prompt, with the logits.
RWKV_INLINE void Scheduler::checkpoint(const Running& running, std::span<const float> logits) {
    if (!running.caches || running.ended) return;
    const Index interval = options_.cache->options().checkpoint_interval;
    const bool wanted =
        !logits.empty() || running.read == running.shared || (interval > 0 && running.read % interval == 0);
    if (!wanted) return;
    try {
        options_.cache->insert(std::span(running.request->request.tokens).first(static_cast<std::size_t>(running.read)),
                               running.sequence.state(), logits);
    } catch (const std::bad_alloc&) {  // then it is not kept
    }
}

RWKV_INLINE void Scheduler::accept(Running& running, std::span<const float> logits, Index position) {
    if (running.in_prompt) running.first_token = Clock::now();
    running.in_prompt = false;
    try {
        const Step step = running.sequence.accept(logits, position);
        if (!step.token && !step.finished) return;  // after a draft that was wrong
        if (step.token) generated_tokens_.fetch_add(1, std::memory_order_relaxed);
        const auto& on_step = running.request->request.on_step;
        if (on_step && !on_step(step)) running.sequence.finish();
        if (running.sequence.finished())
            running.ended =
                step.finished == FinishReason::callback ? RequestStatus::cancelled : RequestStatus::finished;
    } catch (...) {
        running.error = std::current_exception();
        running.ended = RequestStatus::failed;
    }
}

RWKV_INLINE void Scheduler::remove_ended() {
    for (auto* list : {&running_, &preempted_}) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < list->size(); ++i) {
            if ((*list)[i]->ended)
                end(std::move((*list)[i]));
            else if (kept++ != i)
                (*list)[kept - 1] = std::move((*list)[i]);
        }
        list->resize(kept);
    }
}

RWKV_INLINE void Scheduler::end(std::unique_ptr<Running> running) {
    const auto now = Clock::now();
    const Shared request = std::move(running->request);
    Sequence& sequence = running->sequence;
    RequestStatus status = *running->ended;
    RequestResult result;
    if (!sequence.finished()) sequence.finish();
    result.cached_tokens = running->cached;
    result.waiting_seconds = generation::seconds_between(request->submitted, running->started);
    result.error = std::move(running->error);
    try {
        result.generation = sequence.result();
        if (status == RequestStatus::finished) {
            // Where the next logits are not known, the last token is not in the state.
            const std::size_t unread = sequence.logits().empty() ? 1 : 0;
            if (running->caches)
                options_.cache->insert(sequence.tokens().first(sequence.tokens().size() - unread), sequence.state());
            if (request->request.keep_conversation) result.conversation = sequence.conversation();
        }
    } catch (...) {
        status = RequestStatus::failed;
        result.error = std::current_exception();
    }
    const auto first_token = running->in_prompt ? now : running->first_token;
    result.generation.prompt_seconds = generation::seconds_between(running->started, first_token);
    result.generation.decode_seconds = generation::seconds_between(first_token, now);
    if (std::ssize(idle_) < options_.max_running) idle_.push_back(std::move(running));
    finish(request, status, std::move(result));
}

/// Tells the callback and whoever waits. What the callbacks hold is let go first.
RWKV_INLINE void Scheduler::finish(const Shared& request, RequestStatus status, RequestResult result) noexcept {
    finished_.fetch_add(1, std::memory_order_relaxed);
    result.status = status;
    if (result.waiting_seconds == 0)
        result.waiting_seconds = generation::seconds_between(request->submitted, Clock::now());
    if (status != RequestStatus::finished && result.generation.tokens.empty())
        result.generation.finish_reason = FinishReason::callback;
    request->result = std::move(result);
    try {
        if (request->request.on_finished) request->request.on_finished(request->result);
    } catch (...) {  // there is nobody left to be told
    }
    request->request = Request();
    request->status.store(status, std::memory_order_release);
    request->status.notify_all();
}

}  // namespace rwkv::inline RWKV_ABI
