#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/conversation.hpp>
#include <rwkv/generation/pass_times.hpp>
#include <rwkv/generation/prefix_cache.hpp>
#include <rwkv/generation/prompt_pacer.hpp>
#include <rwkv/generation/request.hpp>
#include <rwkv/model/batch.hpp>
#include <rwkv/model/model.hpp>
#include <rwkv/model/workspace.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How a Scheduler shares the model out.
struct SchedulerOptions {
    WorkspaceOptions workspace = {};  ///< `chunk` is the maximum number of tokens in a pass
    Index max_running = 32;           ///< maximum number of sequences in a pass; never more than `chunk`
    Index max_waiting = 256;          ///< requests in the queue; more are refused with QueueFullError
    /// Tokens of prompts in a pass beside sequences that are being generated. 0: as many layers of a number of tokens
    /// as `max_slowdown` allows, by the clock and the times of the passes so far.
    Index prefill_chunk = 0;
    double max_slowdown = 1.75;               ///< how much longer prompts may make such a pass: above 1
    std::shared_ptr<PrefixCache> cache = {};  ///< may be shared by schedulers of the same model
};

/// Runs any number of requests with one model, in ragged passes: prompts in chunks beside single tokens of the texts
/// that are being generated, so that the weights are read once for all of them. Each request gets the text that it
/// would get alone (see WorkspaceOptions::chunk for rounding).
///
///     rwkv::Scheduler scheduler(model, tokenizer);
///     rwkv::RequestHandle answer = scheduler.submit({.prompt = "Once upon a time"});
///     while (scheduler.step()) {}
///     std::cout << answer.generation().text;
///
/// Requests of a higher priority come first, those of the same in the order of submission. Every pass has the next
/// token of each running text; what it has room for besides is shared evenly by the prompts. Prompts need not go
/// through all layers in one pass: where the time is up, a piece of a prompt waits between two layers for the next
/// pass. Once warm, passes allocate nothing but what a Sequence remembers; requests that come and go do.
///
/// Thread safety: `submit`, `counts` and the handles may be used by any number of threads, callbacks included; `step`
/// and `run` by one at a time.
class Scheduler {
  public:
    /// Throws: ModelError if model and tokenizer do not belong together; ArgumentError for options out of range, a
    /// model without a head, or a cache of other models.
    Scheduler(Model model, Tokenizer tokenizer, SchedulerOptions options = {});
    /// For token ids only.
    explicit Scheduler(Model model, SchedulerOptions options = {});
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;
    /// Requests that have not ended are cancelled.
    ~Scheduler();

    /// Queues a request. Throws: QueueFullError; ArgumentError, here and not later, for a prompt that the tokenizer
    /// refuses, none at all, or options out of range.
    RequestHandle submit(Request request);

    /// Runs one pass over all requests. Returns whether there is anything left to do. Throws: ArgumentError when called
    /// by a callback or while another thread does; std::bad_alloc, before anything is computed.
    bool step();

    /// Runs passes, and waits for requests where there are none, until a stop is requested: for a thread of its own,
    /// std::jthread thread([&](std::stop_token stop) { scheduler.run(stop); }). Requests that have not ended then go on
    /// with the next `run` or `step`. Throws: as `step`.
    void run(const std::stop_token& stop);

    /// What it has done so far, and has to do.
    struct Counts {
        Index waiting = 0;                   ///< requests in the queue
        Index running = 0;                   ///< requests that were started and have not ended
        std::uint64_t finished = 0;          ///< requests that have ended, in whatever way
        std::uint64_t passes = 0;            ///< passes
        std::uint64_t prompt_tokens = 0;     ///< tokens of prompts read
        std::uint64_t cached_tokens = 0;     ///< tokens of prompts that the cache knew
        std::uint64_t generated_tokens = 0;  ///< tokens drawn
    };
    /// Those.
    [[nodiscard]] Counts counts() const;

    /// The model.
    [[nodiscard]] const Model& model() const noexcept { return model_; }
    /// As it was made with.
    [[nodiscard]] const SchedulerOptions& options() const noexcept { return options_; }

  private:
    using Shared = std::shared_ptr<generation::RequestState>;
    using PromptCallback = std::function<bool(Index position, std::span<const float> numbers)>;
    using Clock = generation::RequestState::Clock;
    struct Running;
    class Stepping;

    /// Sequences that go through the layers together.
    struct Group {
        std::vector<SequenceTokens> batch;
        std::vector<Running*> owners;  // of each
        Index tokens = 0;              // of all: columns of the residual stream

        [[nodiscard]] bool empty() const noexcept { return batch.empty(); }
        void reserve(Index count);
        void clear() noexcept;
        void add(const SequenceTokens& sequence, Running* owner);
    };

    Scheduler(Model model, std::optional<Tokenizer> tokenizer, SchedulerOptions options);
    [[nodiscard]] static bool before(const Shared& a, const Shared& b) noexcept;
    void end_unwanted();
    void admit();
    [[nodiscard]] Shared take_waiting(std::optional<int> above);
    void start(Shared request);
    void begin(Running& running);
    void plan();
    void plan_prompts(Index budget);
    [[nodiscard]] double seconds_in_step() const noexcept;
    [[nodiscard]] Group& joined();
    void compute();
    bool run_layers();
    void finish_pass(Group& group);
    void move_prompts(Index column) noexcept;
    void drop_unwanted();
    void drop_unwanted(Group& group, Index column) noexcept;
    void tell_hidden(const Group& group);
    static void tell(Running& running, const PromptCallback& callback, Index position, std::span<const float> numbers);
    void read(Running& running, Index count);
    void accept(Running& running, std::span<const float> logits, Index position);
    void checkpoint(const Running& running, std::span<const float> logits);
    void remove_ended();
    void end(std::unique_ptr<Running> running);
    void finish(const Shared& request, RequestStatus status, RequestResult result) noexcept;

    Model model_;
    std::optional<Tokenizer> tokenizer_;
    SchedulerOptions options_;
    Workspace workspace_;

    mutable std::mutex mutex_;  // guards the next two
    std::vector<Shared> waiting_;
    std::uint64_t submitted_ = 0;
    std::condition_variable submission_;

    // Of the thread that runs passes.
    std::atomic<bool> stepping_{false};
    std::vector<std::unique_ptr<Running>> running_, preempted_, idle_;  // idle_: to be used again
    std::vector<Running*> prompts_;                                     // that are to be read
    // decoding_: texts that are being generated, the first columns of a pass. reading_: pieces of prompts in the
    // columns from prompt_column_ on, which are through the layers before prompt_layer_. joined_: both.
    Group decoding_, reading_, joined_;
    Index prompt_layer_ = 0, prompt_column_ = 0;
    Conversation found_;              // in the cache
    Clock::time_point step_begin_{};  // with what the step before did behind its pass
    Clock::duration behind_pass_{};
    generation::PromptPacer pacer_;
    PassTimes pass_times_;  // for drafts
    std::atomic<Index> running_count_{0};
    std::atomic<std::uint64_t> finished_{0}, passes_{0}, prompt_tokens_{0}, cached_tokens_{0}, generated_tokens_{0};
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/generation/scheduler.inl>
#endif
