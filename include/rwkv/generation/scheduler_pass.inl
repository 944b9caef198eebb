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

/// Fills the batch of the next pass.
RWKV_INLINE void Scheduler::plan() {
    batch_.clear();
    in_pass_.clear();
    prompts_.clear();
    Index decoded = 0, left = std::ssize(running_);
    for (const std::unique_ptr<Running>& running : running_) {
        if (running->ended) continue;
        if (running->in_prompt) {
            prompts_.push_back(running.get());
            continue;
        }
        // A draft leaves room for a token of each of the others.
        const Index max_draft = workspace_.chunk() - decoded - left--;
        batch_.push_back(running->sequence.next_pass(pass_times_, decoded, max_draft));
        in_pass_.push_back(running.get());
        decoded += std::ssize(batch_.back().tokens);
    }
    decoded_ = decoded;
    if (prompts_.empty()) return;
    const Index room = workspace_.chunk() - decoded;
    const Index beside =
        options_.prefill_chunk > 0 ? options_.prefill_chunk : pacer_.next(decoded, options_.max_slowdown);
    plan_prompts(decoded == 0 ? room : (std::min)(room, beside));
}

/// Adds pieces of the prompts to the batch, so many tokens in all: equal ones, but for those that need less.
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
    std::sort(prompts_.begin(), prompts_.end(), [&](const Running* a, const Running* b) {
        if (a->request->request.priority != b->request->request.priority)
            return a->request->request.priority > b->request->request.priority;
        const Index a_wanted = wanted(*a), b_wanted = wanted(*b);
        return a_wanted != b_wanted ? a_wanted < b_wanted : a->request->number < b->request->number;
    });
    for (std::size_t i = 0; i < prompts_.size() && budget > 0; ++i) {
        Running& running = *prompts_[i];
        Index same = 1;  // prompts of this priority that are still to come
        while (i + static_cast<std::size_t>(same) < prompts_.size() &&
               prompts_[i + static_cast<std::size_t>(same)]->request->request.priority ==
                   running.request->request.priority)
            ++same;
        const Index count = (std::min)(wanted(running), (budget + same - 1) / same);
        const bool is_last = count == running.prompt_left();
        batch_.push_back({running.sequence.pending().first(static_cast<std::size_t>(count)), &running.sequence.state(),
                          running.request->request.on_prompt_logits ? LogitsFor::all
                          : is_last                                 ? LogitsFor::last
                                                                    : LogitsFor::none});
        in_pass_.push_back(&running);
        budget -= count;
    }
}

RWKV_INLINE void Scheduler::compute() {
    const auto start = generation::RequestState::Clock::now();
    Index tokens = 0, wanted = 0;  // wanted: columns of logits
    for (const SequenceTokens& sequence : batch_) {
        tokens += std::ssize(sequence.tokens);
        wanted += sequence.logits == LogitsFor::all ? std::ssize(sequence.tokens) : sequence.logits == LogitsFor::last;
    }
    // Allocates, if at all, before anything moves.
    if (wanted > 0) static_cast<void>(workspace_.logits((std::min)(wanted, model::max_logits_columns)));
    const std::size_t planned = batch_.size();
    model_.embed(batch_, workspace_);
    const Index layers = model_.config().num_hidden_layers;
    for (Index layer = 0; layer < layers && !batch_.empty(); ++layer) {
        if (layer > 0) drop_unwanted();
        if (!batch_.empty()) model_.run_layers(layer, layer + 1, batch_, workspace_);
    }
    if (batch_.empty()) return;
    const LogitsCallback on_logits = [this](Index i, Index position, std::span<const float> logits) {
        Running& running = *in_pass_[static_cast<std::size_t>(i)];
        if (running.in_prompt) {
            const Index count = std::ssize(batch_[static_cast<std::size_t>(i)].tokens);
            tell(running, running.request->request.on_prompt_logits, position, logits);
            if (position + 1 < count || count < running.prompt_left()) return true;
            read(running, count);
            checkpoint(running, logits);
        }
        if (!running.ended) accept(running, logits, position);
        return true;
    };
    for (SequenceTokens& sequence : batch_) sequence.checkpoints = nullptr;  // they are complete
    tell_hidden();
    model_.head(batch_, workspace_, on_logits);
    for (std::size_t i = 0; i < batch_.size(); ++i) {
        Running& running = *in_pass_[i];
        if (!running.in_prompt || std::ssize(batch_[i].tokens) >= running.prompt_left()) continue;
        running.sequence.advance(std::ssize(batch_[i].tokens));
        read(running, std::ssize(batch_[i].tokens));
        checkpoint(running, {});
    }
    passes_.fetch_add(1, std::memory_order_relaxed);
    if (batch_.size() != planned) return;
    const double seconds = generation::seconds_between(start, generation::RequestState::Clock::now());
    pass_times_.add(tokens, seconds);
    if (tokens == decoded_)
        pacer_.add(tokens, seconds);
    else if (decoded_ > 0)
        pacer_.add(decoded_, tokens - decoded_, seconds);
}

/// Leaves out of the pass, between two layers, the sequences that nobody wants any more. Their states are lost.
RWKV_INLINE void Scheduler::drop_unwanted() {
    std::size_t kept = 0;
    Index from = 0, to = 0;  // columns of the residual stream
    for (std::size_t i = 0; i < batch_.size(); ++i) {
        Running& running = *in_pass_[i];
        const Index count = std::ssize(batch_[i].tokens);
        running.ended = running.request->unwanted();
        if (running.ended) {
            from += count;
            continue;
        }
        if (kept != i) {
            const MatrixView<float> x = workspace_.x(from + count);
            for (Index t = 0; t < count; ++t) std::copy_n(x.col(from + t), x.rows(), x.col(to + t));
            batch_[kept] = batch_[i];
            in_pass_[kept] = in_pass_[i];
        }
        from += count;
        to += count;
        ++kept;
    }
    batch_.resize(kept);
    in_pass_.resize(kept);
}

/// Tells those that want to know the hidden states after the tokens of their prompts.
RWKV_INLINE void Scheduler::tell_hidden() {
    const auto wants = [](const Running* running) { return running->in_prompt && running->request->request.on_hidden; };
    if (std::none_of(in_pass_.begin(), in_pass_.end(), wants)) return;
    model_.hidden(batch_, workspace_, [&](Index i, Index position, std::span<const float> hidden) {
        Running& running = *in_pass_[static_cast<std::size_t>(i)];
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

/// The state has read so many tokens of the prompt more.
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
    if (running.in_prompt) running.first_token = generation::RequestState::Clock::now();
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
    const auto now = generation::RequestState::Clock::now();
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
        result.waiting_seconds =
            generation::seconds_between(request->submitted, generation::RequestState::Clock::now());
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
