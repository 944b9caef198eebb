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
#include <rwkv/generation/sequence.inl>
#include <rwkv/text/stop_strings.hpp>

namespace rwkv::inline RWKV_ABI {

namespace generation {

inline double seconds_between(RequestState::Clock::time_point from, RequestState::Clock::time_point to) noexcept {
    return std::chrono::duration<double>(to - from).count();
}

/// A prefix that a prompt shares with another is worth a state from that number of tokens on.
inline constexpr Index min_shared_tokens = 16;

}  // namespace generation

/// A request that was started.
struct Scheduler::Running {
    explicit Running(Sequence own) : sequence(std::move(own)) {}

    /// Tokens of the prompt that have not been read.
    [[nodiscard]] Index prompt_left() const noexcept { return in_prompt ? std::ssize(sequence.pending()) : 0; }

    Shared request;
    Sequence sequence;
    bool in_prompt = true;
    bool caches = false;     // the cache is to have its states
    Index read = 0;          // tokens that the state has read, until the prompt's last
    Index shared = 0;        // tokens of the prompt that another sequence in the cache begins with
    Index cached = 0;        // tokens of the prompt that the cache knew
    Index prompt_read = 0;   // tokens of the prompt that were read, or cached
    Index prompt_total = 0;  // tokens of the whole prompt
    Clock::time_point started, first_token;
    std::optional<RequestStatus> ended;
    std::exception_ptr error;
};

/// While a step runs no other may.
class Scheduler::Stepping {
  public:
    explicit Stepping(std::atomic<bool>& stepping) : stepping_(stepping) {
        if (stepping_.exchange(true, std::memory_order_acquire))
            core::fail<ArgumentError>("Scheduler::step", {}, {"no other step in progress"}, {"one"});
    }
    Stepping(const Stepping&) = delete;
    Stepping& operator=(const Stepping&) = delete;
    ~Stepping() { stepping_.store(false, std::memory_order_release); }

  private:
    std::atomic<bool>& stepping_;
};

RWKV_INLINE Scheduler::Scheduler(Model model, Tokenizer tokenizer, SchedulerOptions options)
    : Scheduler(std::move(model), std::optional<Tokenizer>(std::move(tokenizer)), std::move(options)) {}

RWKV_INLINE Scheduler::Scheduler(Model model, SchedulerOptions options)
    : Scheduler(std::move(model), std::optional<Tokenizer>(), std::move(options)) {}

RWKV_INLINE Scheduler::Scheduler(Model model, std::optional<Tokenizer> tokenizer, SchedulerOptions options)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      options_(std::move(options)),
      workspace_(model_.config(), options_.workspace),
      found_{State(model_.config()), {}, {}},
      pacer_(model_.config().num_hidden_layers, options_.max_slowdown) {
    const auto need = [](bool good, const char* name, core::MessageParts expected, core::MessagePart found) {
        if (!good) core::fail<ArgumentError>("Scheduler", {name}, expected, {found});
    };
    if (tokenizer_) check_tokenizer(*tokenizer_, model_.config(), "Scheduler");
    need(!model_.weights().ranks, "model", {"one that is not shared by several ranks"}, "one that is");
    need(model_.has_head(), "head.weight", {"a model with a head"}, "none");
    need(options_.max_running >= 1, "max_running", {"1 or more"}, options_.max_running);
    options_.max_running = (std::min)(options_.max_running, workspace_.chunk());
    need(options_.max_waiting >= 1, "max_waiting", {"1 or more"}, options_.max_waiting);
    need(options_.prefill_chunk >= 0, "prefill_chunk", {"0 or more"}, options_.prefill_chunk);
    need(options_.max_slowdown > 1, "max_slowdown", {"above 1"}, options_.max_slowdown);
    need(!options_.cache || State(options_.cache->config()).fits(model_.config()), "cache", {"one for this model"},
         "one for other sizes");
    const auto count = static_cast<std::size_t>(options_.max_running);
    for (auto* list : {&running_, &preempted_, &idle_}) list->reserve(count + 1);
    prompts_.reserve(count);
    for (Group* group : {&decoding_, &reading_}) group->reserve(options_.max_running);
    joined_.reserve(2 * options_.max_running);
    found_.logits.reserve(static_cast<std::size_t>(model_.config().vocab_size));
    static_cast<void>(workspace_.logits(options_.max_running));  // allocates it
}

RWKV_INLINE Scheduler::~Scheduler() {
    for (auto* list : {&running_, &preempted_})
        for (std::unique_ptr<Running>& running : *list) {
            running->ended = RequestStatus::cancelled;
            end(std::move(running));
        }
    std::vector<Shared> waiting;
    waiting.swap(waiting_);
    for (const Shared& request : waiting) finish(request, RequestStatus::cancelled, {});
}

/// Whether request a comes before request b.
RWKV_INLINE bool Scheduler::before(const Shared& a, const Shared& b) noexcept {
    if (a->request.priority != b->request.priority) return a->request.priority > b->request.priority;
    return a->number < b->number;
}

RWKV_INLINE RequestHandle Scheduler::submit(Request request) {
    const auto state = std::make_shared<generation::RequestState>(std::move(request));
    Request& own = state->request;
    const Config& config = model_.config();
    if (!own.prompt.empty()) {
        if (!own.tokens.empty())
            core::fail<ArgumentError>("Scheduler::submit", {"prompt"}, {"text or tokens"}, {"both"});
        if (!tokenizer_) core::fail<ArgumentError>("Scheduler::submit", {"tokenizer"}, {"one"}, {"none"});
        own.tokens = tokenizer_->encode(own.prompt);
    }
    if (own.tokens.empty() && !own.conversation)
        core::fail<ArgumentError>("Scheduler::submit", {"prompt"}, {"at least one token"}, {"none"});
    // What would be refused when it is started is refused now.
    static_cast<void>(Sampler(own.options.sampling));
    const StopStrings stops(own.options.stop_strings);
    generation::check_generation(own.options, config.vocab_size);
    generation::check_speculation(own.options.speculation, config);
    if (!tokenizer_ && !own.options.stop_strings.empty())
        core::fail<ArgumentError>("Scheduler::submit", {"stop_strings"}, {"none without a tokenizer"},
                                  {own.options.stop_strings.size()});
    for (std::size_t i = 0; i < own.tokens.size(); ++i)
        if (own.tokens[i] < 0 || own.tokens[i] >= config.vocab_size)
            core::fail<ArgumentError>("Scheduler::submit", {"token ", i}, {"an id from 0 to ", config.vocab_size - 1},
                                      {own.tokens[i]});
    if (own.conversation) {
        const Conversation& from = *own.conversation;
        if (!from.state.fits(config) || (!from.logits.empty() && std::ssize(from.logits) != config.vocab_size))
            core::fail<ArgumentError>("Scheduler::submit", {"conversation"}, {"one with this model"},
                                      {"one of other sizes"});
        if (own.tokens.empty() && from.tokens.empty() && from.logits.empty())
            core::fail<ArgumentError>("Scheduler::submit", {"prompt"}, {"at least one token"}, {"none"});
    }
    {
        const std::lock_guard lock(mutex_);
        if (std::ssize(waiting_) >= options_.max_waiting)
            core::fail<QueueFullError>("Scheduler::submit", {"queue"},
                                       {"fewer than ", options_.max_waiting, " requests that wait"}, {waiting_.size()});
        state->number = ++submitted_;
        waiting_.insert(std::upper_bound(waiting_.begin(), waiting_.end(), state, before), state);
    }
    submission_.notify_one();
    return RequestHandle(state);
}

RWKV_INLINE bool Scheduler::step() {
    const Stepping stepping(stepping_);
    step_begin_ = Clock::now() - behind_pass_;
    end_unwanted();
    admit();
    plan();
    compute();
    const Clock::time_point pass_end = Clock::now();
    remove_ended();
    behind_pass_ = Clock::now() - pass_end;
    running_count_.store(std::ssize(running_) + std::ssize(preempted_), std::memory_order_relaxed);
    if (!running_.empty() || !preempted_.empty()) return true;
    const std::lock_guard lock(mutex_);
    return !waiting_.empty();
}

RWKV_INLINE void Scheduler::run(const std::stop_token& stop) {
    const auto wake = [this] {
        { const std::lock_guard lock(mutex_); }  // whoever is about to wait does, and is then told
        submission_.notify_all();
    };
    const std::stop_callback on_stop(stop, wake);
    while (!stop.stop_requested()) {
        if (step()) continue;
        std::unique_lock lock(mutex_);
        submission_.wait(lock, [&] { return stop.stop_requested() || !waiting_.empty(); });
    }
}

RWKV_INLINE Scheduler::Counts Scheduler::counts() const {
    Counts counts;
    {
        const std::lock_guard lock(mutex_);
        counts.waiting = std::ssize(waiting_);
    }
    counts.running = running_count_.load(std::memory_order_relaxed);
    counts.finished = finished_.load(std::memory_order_relaxed);
    counts.passes = passes_.load(std::memory_order_relaxed);
    counts.prompt_tokens = prompt_tokens_.load(std::memory_order_relaxed);
    counts.cached_tokens = cached_tokens_.load(std::memory_order_relaxed);
    counts.generated_tokens = generated_tokens_.load(std::memory_order_relaxed);
    return counts;
}

/// Ends the requests that were cancelled or whose deadline has come.
RWKV_INLINE void Scheduler::end_unwanted() {
    for (auto* list : {&running_, &preempted_})
        for (const std::unique_ptr<Running>& running : *list)
            if (!running->ended) running->ended = running->request->unwanted();
    drop_unwanted(reading_, prompt_column_);
    remove_ended();
    for (;;) {
        Shared request;
        std::optional<RequestStatus> status;
        {
            const std::lock_guard lock(mutex_);
            const auto unwanted = std::find_if(waiting_.begin(), waiting_.end(), [&](const Shared& each) {
                status = each->unwanted();
                return status.has_value();
            });
            if (unwanted == waiting_.end()) return;
            request = std::move(*unwanted);
            waiting_.erase(unwanted);
        }
        finish(request, *status, {});
    }
}

/// The first request of the queue, if its priority is above that; else none.
RWKV_INLINE Scheduler::Shared Scheduler::take_waiting(std::optional<int> above) {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty() || (above && waiting_.front()->request.priority <= *above)) return nullptr;
    Shared request = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    return request;
}

/// Starts requests while there is room in a pass, or one of lower priority that can give way.
RWKV_INLINE void Scheduler::admit() {
    const auto by_order = [](const auto& a, const auto& b) { return before(a->request, b->request); };
    for (;;) {
        generation::reserve_one(preempted_);
        const bool is_full = std::ssize(running_) >= options_.max_running;
        const auto preempted = std::min_element(preempted_.begin(), preempted_.end(), by_order);
        std::optional<int> above;
        auto last = running_.end();
        if (is_full) {
            last = std::max_element(running_.begin(), running_.end(), by_order);
            above = (*last)->request->request.priority;
        }
        // One that was preempted comes before those of the queue with the same priority.
        const bool resumes =
            preempted != preempted_.end() && (!above || (*preempted)->request->request.priority > *above);
        Shared next = take_waiting(resumes ? std::optional((*preempted)->request->request.priority) : above);
        if (!next && !resumes) return;
        std::unique_ptr<Running> resumed;
        if (!next) {
            resumed = std::move(*preempted);
            preempted_.erase(preempted);
        }
        if (is_full) {
            preempted_.push_back(std::move(*last));
            running_.erase(last);
        }
        if (resumed)
            running_.push_back(std::move(resumed));
        else
            start(std::move(next));
    }
}

RWKV_INLINE void Scheduler::start(Shared request) {
    std::unique_ptr<Running> running;
    try {
        if (idle_.empty()) {
            running = std::make_unique<Running>(tokenizer_ ? Sequence(model_.config(), *tokenizer_)
                                                           : Sequence(model_.config()));
        } else {
            running = std::move(idle_.back());
            idle_.pop_back();
        }
    } catch (...) {
        RequestResult result;
        result.error = std::current_exception();
        finish(request, RequestStatus::failed, std::move(result));
        return;
    }
    running->request = std::move(request);
    running->request->status.store(RequestStatus::running, std::memory_order_release);
    running->started = running->first_token = Clock::now();
    running_.push_back(std::move(running));
    Running& own = *running_.back();
    try {
        begin(own);
    } catch (...) {
        own.error = std::current_exception();
        own.ended = RequestStatus::failed;
        return;
    }
    if (own.sequence.pending().empty()) accept(own, own.sequence.logits(), 0);
}

/// Gives the sequence its prompt, or what the cache does not know of it.
RWKV_INLINE void Scheduler::begin(Running& running) {
    Request& request = running.request->request;
    const std::span<const TokenId> tokens = request.tokens;
    std::span<const TokenId> rest = tokens;
    running.in_prompt = true;
    running.read = running.shared = running.cached = 0;
    running.caches = options_.cache && request.use_cache && !request.conversation;
    running.ended.reset();
    running.error = nullptr;
    running.sequence.reset();
    if (request.conversation) {
        running.sequence.resume(*request.conversation);
    } else if (running.caches && !request.on_prompt_logits && !request.on_hidden) {
        found_.logits.clear();
        const PrefixCache::Match match = options_.cache->find(tokens, found_.state, found_.logits);
        running.read = running.cached = match.length;
        if (match.shared >= match.length + generation::min_shared_tokens) running.shared = match.shared;
        if (match.length > 0) {
            // Without logits the last token of a conversation is the one that is to be read next.
            const auto known = static_cast<std::size_t>(match.length) + (found_.logits.empty() ? 1 : 0);
            found_.tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(known));
            rest = tokens.subspan(known);
            running.sequence.resume(found_);
        }
        cached_tokens_.fetch_add(static_cast<std::uint64_t>(match.length), std::memory_order_relaxed);
    }
    if (tokenizer_)
        running.sequence.begin_encoded(rest, request.options);
    else
        running.sequence.begin(rest, request.options);
    running.prompt_read = running.cached;
    running.prompt_total = running.cached + std::ssize(running.sequence.pending());
}

}  // namespace rwkv::inline RWKV_ABI

#include <rwkv/generation/scheduler_pass.inl>
