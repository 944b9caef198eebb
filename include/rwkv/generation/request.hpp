#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/conversation.hpp>
#include <rwkv/generation/generation.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/generation/sequence.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A queue is full: the request may be submitted again later.
class RWKV_API QueueFullError : public Error {
  public:
    using Error::Error;  ///< as Error
};

/// Where a request stands.
enum class RequestStatus {
    waiting,    ///< in the queue
    running,    ///< its prompt is being read, or its text is being generated
    finished,   ///< the text is complete, Generation::finish_reason says why; or `on_step` returned false
    cancelled,  ///< by `cancel`, GenerationOptions::stop or GenerationOptions::progress; the text so far is there
    expired,    ///< its deadline came first; the text so far is there
    failed,     ///< RequestResult::error was thrown: by a callback, or because no token could be drawn
};

/// What came of a request.
struct RequestResult {
    RequestStatus status = RequestStatus::waiting;  ///< the last one
    Generation generation = {};                     ///< as a Generator's; the seconds include waiting for others
    Index cached_tokens = 0;                        ///< of the prompt, not read because their state was known
    double waiting_seconds = 0;                     ///< spent in the queue
    std::optional<Conversation> conversation = {};  ///< where it ended, if asked for and the text is complete
    std::exception_ptr error = {};                  ///< what was thrown, where it failed
};

/// One text to be generated, by a Scheduler. Callbacks are called by the thread that runs the scheduler: while they run
/// all requests wait. What one throws ends this request, and no other.
struct Request {
    std::string prompt = {};           ///< text; PromptFormat makes it of messages
    std::vector<TokenId> tokens = {};  ///< or the prompt in token ids
    GenerationOptions options = {};    ///< as of a Generator
    /// Receives each step, the last included; return false to end the text there.
    std::function<bool(const Step& step)> on_step = {};
    /// Receives the logits after each token of the prompt in order, `position` being its index in the prompt (-1: the
    /// last of `conversation`, where the state has not read it); return false to cancel. The cache is not asked then:
    /// all tokens are read.
    std::function<bool(Index position, std::span<const float> logits)> on_prompt_logits = {};
    /// The same for the hidden state after each token of the prompt, as Model::forward_hidden has it.
    std::function<bool(Index position, std::span<const float> hidden)> on_hidden = {};
    /// Receives the result at the end, whatever the status; what it throws is dropped.
    std::function<void(const RequestResult& result)> on_finished = {};
    int priority = 0;  ///< requests of a greater one go first: they leave the queue before, and take the place of
                       ///< running ones, which go on later
    std::optional<std::chrono::steady_clock::time_point> deadline = {};  ///< it ends by then, complete or not
    /// To be continued, instead of a new one; it is copied. The prompt may then be empty.
    std::shared_ptr<const Conversation> conversation = {};
    bool keep_conversation = false;  ///< so that RequestResult has it
    bool use_cache = true;           ///< the PrefixCache, if there is one and no `conversation`
};

namespace generation {

/// What a scheduler and the handles of a request share.
struct RequestState {
    using Clock = std::chrono::steady_clock;

    explicit RequestState(Request own) : request(std::move(own)) {}

    /// Whether the request ought to be ended, and how.
    [[nodiscard]] std::optional<RequestStatus> unwanted() const noexcept {
        if (cancelled.load(std::memory_order_relaxed) || request.options.stop.stop_requested())
            return RequestStatus::cancelled;
        if (request.deadline && Clock::now() >= *request.deadline) return RequestStatus::expired;
        return std::nullopt;
    }

    Request request;
    std::uint64_t number = 0;  // in the order of submission
    Clock::time_point submitted = Clock::now();
    std::atomic<bool> cancelled{false};
    std::atomic<RequestStatus> status{RequestStatus::waiting};
    RequestResult result;  // written before `status` says that there is one
};

}  // namespace generation

/// A submitted request. Copies refer to the same one; it outlives the scheduler. Thread safety: any number of threads.
class RequestHandle {
  public:
    /// Where it stands.
    [[nodiscard]] RequestStatus status() const noexcept { return state_->status.load(std::memory_order_acquire); }
    /// Whether it has ended, in whatever way.
    [[nodiscard]] bool done() const noexcept { return status() > RequestStatus::running; }
    /// Asks for its end: at once while it waits, before the next layer of a pass while it runs.
    void cancel() const noexcept { state_->cancelled.store(true, std::memory_order_relaxed); }
    /// Waits until it has ended. Another thread must run the scheduler.
    void wait() const noexcept {
        for (RequestStatus now = status(); now <= RequestStatus::running; now = status()) state_->status.wait(now);
    }
    /// What came of it. Throws: ArgumentError unless it is `done`.
    [[nodiscard]] const RequestResult& result() const {
        if (!done()) throw ArgumentError("RequestHandle::result", "", "a request that has ended", "one that has not");
        return state_->result;
    }
    /// Its text and more. Throws: what the request failed with; ArgumentError unless it is `done`.
    [[nodiscard]] const Generation& generation() const {
        if (result().error) std::rethrow_exception(result().error);
        return result().generation;
    }

  private:
    friend class Scheduler;
    explicit RequestHandle(std::shared_ptr<generation::RequestState> state) noexcept : state_(std::move(state)) {}

    std::shared_ptr<generation::RequestState> state_;
};

}  // namespace rwkv::inline RWKV_ABI
