// Requests run together get what each gets alone, whatever else happens beside them.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// Options of which every part has something to remember from token to token.
GenerationOptions some_options(unsigned seed) {
    GenerationOptions options{.max_new_tokens = 1 + static_cast<Index>(seed * 7 % 40)};
    if (seed % 2 == 0) return options;
    options.sampling = {.temperature = 1.5f,
                        .top_p = 0.95f,
                        .presence_penalty = 0.4f,
                        .repetition_penalty = 1.2f,
                        .no_repeat_ngram_size = 3,
                        .logit_bias = {{TokenId{0xC3}, 3.0f}, {TokenId{'a'}, 2.0f}},
                        .seed = seed};
    options.stop_strings = {"aab", "\u00e9\u00e9"};
    return options;
}

struct Job {
    std::string prompt;
    GenerationOptions options;
    Generation expected;
};

/// Whether the two most likely tokens are nearly as likely somewhere in the text, so that rounding may decide.
bool has_near_tie(const Setup& setup, const std::string& prompt, GenerationOptions options) {
    options.top_logprobs = 2;
    for (const std::vector<TokenLogProbability>& top : setup.alone(prompt, options).top_logprobs)
        if (top[0].log_probability - top[1].log_probability < 1e-3) return true;
    return false;
}

/// Prompts of 1 to 300 tokens, with what each gets alone; greedy texts have no near ties.
std::vector<Job> some_jobs(const Setup& setup, unsigned count, bool greedy) {
    std::vector<Job> jobs;
    std::mt19937 random(count);
    for (unsigned i = 0; i < count; ++i) {
        const std::size_t length = i % 4 == 0 ? 100 + random() % 200 : 1 + random() % 20;
        Job job{some_text(length, i), some_options(greedy ? 2 * i : i), {}};
        for (unsigned seed = i + count; greedy && has_near_tie(setup, job.prompt, job.options); seed += count)
            job.prompt = some_text(length, seed);
        job.expected = setup.alone(job.prompt, job.options);
        jobs.push_back(std::move(job));
    }
    return jobs;
}

/// Runs everything on the calling thread, and calls a function before each loop.
class WatchedExecutor final : public Executor {
  public:
    std::function<void(int loop)> before_loop;
    int loops = 0;
    int threads() const noexcept override { return 1; }
    void run(Index shares, Index count, LoopBody body) noexcept override {
        if (before_loop) before_loop(loops);
        ++loops;
        for (Index share = 0; share < shares; ++share)
            for (Index i = 0; i < count; ++i) body(share, i, 0);
    }
};

/// A conversation of which nothing but the state is known.
std::shared_ptr<const Conversation> of_nothing(State state) {
    return std::make_shared<const Conversation>(Conversation{std::move(state), {}, {}});
}

void run_all(Scheduler& scheduler) {
    while (scheduler.step()) {
    }
}

}  // namespace

TEST_CASE("requests that come at random times get the texts that each gets alone") {
    Index accepted = 0;  // where drafts pay, which times decide
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8, WeightFormat::q4}) {
        const Setup setup(format);
        // In float formats a random choice may fall to the other side of rounding.
        const std::vector<Job> jobs = some_jobs(setup, 24, !setup.is_exact());
        std::mt19937 random(static_cast<unsigned>(format));
        for (const SchedulerOptions& options :
             {SchedulerOptions{.workspace = {.threads = 1, .chunk = 7}, .max_running = 3},
              SchedulerOptions{.workspace = {.threads = 2, .chunk = 64}, .max_running = 5, .prefill_chunk = 3},
              SchedulerOptions{.workspace = {.threads = 2}, .prefill_chunk = 40},
              SchedulerOptions{.workspace = {.threads = 1}}}) {
            Scheduler scheduler(setup.model, setup.tokenizer, options);
            std::vector<std::size_t> order(jobs.size());
            for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
            std::shuffle(order.begin(), order.end(), random);
            std::vector<std::pair<std::size_t, RequestHandle>> handles;
            std::vector<std::string> streamed(jobs.size());
            bool more = true;
            for (std::size_t next = 0; next < jobs.size() || more;) {
                if (next < jobs.size() && random() % 3 == 0) {
                    const std::size_t i = order[next++];
                    Request request{.options = jobs[i].options, .priority = static_cast<int>(random() % 3)};
                    if (i % 2 == 0) request.options.speculation.max_draft_tokens = 1 + static_cast<Index>(i) % 9;
                    if (i % 3 == 0)
                        request.tokens = ids(jobs[i].prompt);
                    else
                        request.prompt = jobs[i].prompt;
                    request.on_step = [&streamed, i](const Step& step) { return streamed[i] += step.text, true; };
                    handles.emplace_back(i, scheduler.submit(std::move(request)));
                }
                more = scheduler.step();
            }
            REQUIRE(handles.size() == jobs.size());
            for (const auto& [i, handle] : handles) {
                CAPTURE(name(format), options.workspace.chunk, i, jobs[i].prompt);
                REQUIRE(handle.status() == RequestStatus::finished);
                check_same(handle.generation(), jobs[i].expected, setup.is_exact());
                CHECK(streamed[i] == jobs[i].expected.text);
                CHECK(handle.generation().prompt_tokens == jobs[i].expected.prompt_tokens);
                CHECK(handle.generation().decode_steps == jobs[i].expected.decode_steps);
            }
            for (const auto& [i, handle] : handles) accepted += handle.generation().accepted_tokens;
            const Scheduler::Counts counts = scheduler.counts();
            CHECK(counts.finished == jobs.size());
            CHECK(counts.waiting == 0);
            CHECK(counts.running == 0);
        }
    }
    CHECK(accepted > 0);
}

TEST_CASE("speculation changes no text, whatever runs beside it") {
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8}) {
        const Setup setup(format);
        const std::vector<Job> jobs = some_jobs(setup, 16, !setup.is_exact());
        for (const Index max_running : {3, 16}) {
            Scheduler scheduler(setup.model, setup.tokenizer,
                                {.workspace = {.threads = 1, .chunk = 64}, .max_running = max_running});
            std::vector<RequestHandle> handles;
            std::size_t steps = 0;
            Index drafted = 0;
            for (std::size_t i = 0; i < jobs.size(); ++i) {
                Request request{.prompt = jobs[i].prompt, .options = jobs[i].options};
                request.options.speculation.max_draft_tokens = i % 4 == 0 ? 0 : 6;
                request.on_step = [&](const Step& step) { return steps += step.token.has_value(), true; };
                handles.push_back(scheduler.submit(std::move(request)));
                if (i % 3 == 0) scheduler.step();
            }
            run_all(scheduler);
            std::size_t tokens = 0;
            for (std::size_t i = 0; i < jobs.size(); ++i) {
                CAPTURE(name(format), max_running, i);
                check_same(handles[i].generation(), jobs[i].expected, setup.is_exact());
                tokens += handles[i].generation().tokens.size();
                drafted += handles[i].generation().drafted_tokens;
            }
            CHECK(steps == tokens);
            CHECK(scheduler.counts().generated_tokens == tokens);
            CHECK(drafted > 0);
        }
    }
}

TEST_CASE("a running text gets a token with every pass while a long prompt is read") {
    const Setup setup;
    for (const Index prefill_chunk : {Index{0}, Index{5}}) {
        Scheduler scheduler(setup.model, setup.tokenizer,
                            {.workspace = {.threads = 1, .chunk = 32}, .prefill_chunk = prefill_chunk});
        int tokens = 0;
        const RequestHandle running = scheduler.submit(
            {.prompt = "x",
             .options = {.max_new_tokens = 10'000, .sampling = {.logit_bias = {{TokenId{'a'}, 1000.0f}}}},
             .on_step = [&](const Step&) { return ++tokens, true; }});
        scheduler.step();
        CHECK(tokens == 1);
        bool first = false;
        const RequestHandle long_one = scheduler.submit({.prompt = some_text(600, 1),
                                                         .options = {.max_new_tokens = 2},
                                                         .on_step = [&](const Step&) { return first = true; }});
        int passes = 0;
        while (!first) {
            const auto before = scheduler.counts().prompt_tokens;
            scheduler.step();
            CHECK(tokens == ++passes + 1);
            const auto read = scheduler.counts().prompt_tokens - before;
            CHECK(read <= static_cast<std::uint64_t>(prefill_chunk > 0 ? prefill_chunk : 31));
            if (prefill_chunk > 0) CHECK(read >= 1);
        }
        if (prefill_chunk > 0) CHECK(passes == 120);
        CHECK(passes <= 600 * 2 * 4);  // at least one token, through one of two layers, in every fourth
        running.cancel();
        run_all(scheduler);
        CHECK(running.status() == RequestStatus::cancelled);
        CHECK(long_one.status() == RequestStatus::finished);
    }
}

TEST_CASE("prompts share a pass evenly, and a short one does not wait for a long one") {
    const Setup setup;
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1, .chunk = 30}});
    std::vector<int> done;
    for (int i = 0; i < 3; ++i)
        scheduler.submit({.prompt = some_text(i == 2 ? 4 : 100, 7),
                          .options = {.max_new_tokens = 1},
                          .on_finished = [&done, i](const RequestResult&) { done.push_back(i); }});
    scheduler.step();
    CHECK(done == std::vector<int>{2});
    CHECK(scheduler.counts().prompt_tokens == 30);
    run_all(scheduler);
    CHECK(done == std::vector<int>{2, 0, 1});
}

TEST_CASE("a higher priority goes first, and takes the place of a running text, which goes on later") {
    const Setup setup;
    const GenerationOptions options{.max_new_tokens = 20};
    Scheduler scheduler(setup.model, setup.tokenizer,
                        {.workspace = {.threads = 1}, .max_running = 2, .prefill_chunk = 8});
    std::vector<int> done;
    std::vector<RequestHandle> handles;
    const auto submit = [&](int number, int priority) {
        handles.push_back(
            scheduler.submit({.prompt = some_text(30, static_cast<unsigned>(number)),
                              .options = options,
                              .on_finished = [&done, number](const RequestResult&) { done.push_back(number); },
                              .priority = priority}));
    };
    submit(0, 1), submit(1, 0), submit(2, 0);
    for (int i = 0; i < 5; ++i) scheduler.step();
    submit(3, 5);  // 1 gives way
    scheduler.step();
    CHECK(handles[3].status() == RequestStatus::running);
    CHECK(scheduler.counts().running == 3);
    run_all(scheduler);
    CHECK(done == std::vector<int>{0, 3, 1, 2});
    for (int i = 0; i < 4; ++i) {
        CHECK(handles[static_cast<std::size_t>(i)].generation().text ==
              setup.alone(some_text(30, static_cast<unsigned>(i)), options).text);
    }
}

TEST_CASE("a request cancelled at any place of a pass ends there, and the others are as if it had not been") {
    const Setup setup(WeightFormat::q8);
    const GenerationOptions options{.max_new_tokens = 12};
    const std::vector<std::string> prompts{some_text(20, 1), some_text(50, 2), some_text(3, 3)};
    std::vector<Generation> expected;
    for (const std::string& prompt : prompts) expected.push_back(setup.alone(prompt, options));
    std::size_t partial = 0;
    for (std::size_t victim = 0; victim < prompts.size(); ++victim) {
        for (int loop = 0;; ++loop) {
            const auto executor = std::make_shared<WatchedExecutor>();
            Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.chunk = 32, .executor = executor}});
            std::vector<RequestHandle> handles;
            std::stop_source source;
            for (std::size_t i = 0; i < prompts.size(); ++i) {
                handles.push_back(scheduler.submit({.prompt = prompts[i], .options = options}));
                if (i == victim && loop % 2 == 1) {
                    handles.back().cancel();
                    GenerationOptions stoppable = options;
                    stoppable.stop = source.get_token();
                    handles.back() = scheduler.submit({.prompt = prompts[i], .options = stoppable});
                }
            }
            executor->before_loop = [&](int now) {
                if (now != loop) return;
                handles[victim].cancel();
                source.request_stop();
            };
            run_all(scheduler);
            if (executor->loops <= loop) break;  // the text was complete before
            for (std::size_t i = 0; i < prompts.size(); ++i) {
                CAPTURE(victim, loop, i);
                if (i != victim) {
                    CHECK(handles[i].status() == RequestStatus::finished);
                    check_same(handles[i].generation(), expected[i], setup.is_exact());
                } else if (handles[i].status() != RequestStatus::finished) {
                    CHECK(handles[i].status() == RequestStatus::cancelled);
                    const Generation& text = handles[i].generation();
                    CHECK(text.finish_reason == FinishReason::callback);
                    CHECK(expected[i].text.starts_with(text.text));
                    partial += !text.tokens.empty();
                }
            }
        }
    }
    CHECK(partial > 10);
}

TEST_CASE("a request alone is cancelled before the next layer") {
    const Setup setup;
    const auto executor = std::make_shared<WatchedExecutor>();
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.executor = executor}});
    const RequestHandle handle = scheduler.submit({.prompt = some_text(200, 1), .options = {.max_new_tokens = 1}});
    run_all(scheduler);
    const int whole = executor->loops;
    executor->loops = 0;
    const RequestHandle other = scheduler.submit({.prompt = some_text(200, 1), .options = {.max_new_tokens = 1}});
    executor->before_loop = [&](int) { other.cancel(); };
    CHECK_FALSE(scheduler.step());
    CHECK(other.status() == RequestStatus::cancelled);
    CHECK(executor->loops < whole * 3 / 4);  // one of two layers, and no head
}

TEST_CASE("a deadline ends a request wherever it stands") {
    using Clock = std::chrono::steady_clock;
    const Setup setup;
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1}, .max_running = 1});
    std::string text;
    const RequestHandle running =
        scheduler.submit({.prompt = "Hello",
                          .options = {.max_new_tokens = 1'000'000},
                          .on_step = [&](const Step& step) { return text += step.text, true; },
                          .deadline = Clock::now() + std::chrono::milliseconds(50)});
    const RequestHandle late = scheduler.submit({.prompt = "Hello", .deadline = Clock::now()});
    const RequestHandle waiting = scheduler.submit({.prompt = "Hello", .options = {.max_new_tokens = 3}});
    scheduler.step();
    CHECK(late.status() == RequestStatus::expired);
    CHECK(late.generation().tokens.empty());
    CHECK(late.generation().finish_reason == FinishReason::callback);
    CHECK(running.status() == RequestStatus::running);
    CHECK(waiting.status() == RequestStatus::waiting);
    CHECK_FALSE(waiting.done());
    CHECK_THROWS_AS(waiting.result(), ArgumentError);
    run_all(scheduler);
    CHECK(running.status() == RequestStatus::expired);
    CHECK(running.generation().text == text);
    CHECK_FALSE(text.empty());
    CHECK(waiting.status() == RequestStatus::finished);
    CHECK(waiting.result().waiting_seconds > 0.01);
}

TEST_CASE("a full queue refuses with an error of its own") {
    const Setup setup;
    Scheduler scheduler(setup.model, setup.tokenizer,
                        {.workspace = {.threads = 1}, .max_running = 1, .max_waiting = 2});
    const Request request{.prompt = "Hello", .options = {.max_new_tokens = 2}};
    scheduler.submit(request), scheduler.submit(request);
    CHECK_THROWS_AS(scheduler.submit(request), QueueFullError);
    CHECK(outcome([&] {
              try {
                  scheduler.submit(request);
              } catch (const QueueFullError& error) {
                  throw ArgumentError(error.where(), error.subject(), error.expected(), error.found());
              }
          }).find("Scheduler::submit: queue: expected fewer than 2 requests that wait, found 2") != std::string::npos);
    scheduler.step();
    CHECK_NOTHROW(scheduler.submit(request));
    run_all(scheduler);
    CHECK(scheduler.counts().finished == 3);
}

TEST_CASE("what a callback throws ends its own request only") {
    const Setup setup;
    const GenerationOptions options{.max_new_tokens = 15};
    const std::string expected = setup.alone("Hello", options).text;
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1, .chunk = 4}, .max_running = 4});
    struct Enough {};
    int steps = 0;
    Request request{.prompt = "Hello", .options = options};
    std::vector<RequestHandle> good, bad;
    const auto add = [&](auto change) {
        Request changed = request;
        change(changed);
        bad.push_back(scheduler.submit(std::move(changed)));
        good.push_back(scheduler.submit(request));
    };
    add([&](Request& r) { r.on_step = [&](const Step&) -> bool { return ++steps < 4 ? true : throw Enough(); }; });
    add([&](Request& r) { r.options.progress = [](auto, auto, auto) -> bool { throw Enough(); }; });
    add([&](Request& r) { r.options.sampling.logits_processor = [](auto, auto) { throw Enough(); }; });
    add([&](Request& r) {
        r.on_step = [&](const Step&) { return scheduler.step(); };  // not from within
    });
    run_all(scheduler);
    for (std::size_t i = 0; i < bad.size(); ++i) {
        CAPTURE(i);
        CHECK(bad[i].status() == RequestStatus::failed);
        CHECK(bad[i].result().error);
        if (i < 3)
            CHECK_THROWS_AS(bad[i].generation(), Enough);
        else
            CHECK_THROWS_AS(bad[i].generation(), ArgumentError);
        CHECK(good[i].generation().text == expected);
    }
    CHECK(bad[0].result().generation.tokens.size() == 4);
    // What on_finished throws is dropped.
    request.on_finished = [](const RequestResult&) { throw Enough(); };
    const RequestHandle last = scheduler.submit(request);
    run_all(scheduler);
    CHECK(last.generation().text == expected);
}

TEST_CASE("a callback that returns false ends its text, and progress its prompt") {
    const Setup setup;
    const GenerationOptions options{.max_new_tokens = 15};
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1, .chunk = 4}, .max_running = 4});
    int steps = 0;
    const RequestHandle text =
        scheduler.submit({.prompt = "Hello", .options = options, .on_step = [&](const Step&) { return ++steps < 3; }});
    GenerationOptions watched = options;
    std::vector<std::uint64_t> done;
    watched.progress = [&](std::string_view, std::uint64_t read, std::uint64_t total) {
        CHECK(total == 20);
        done.push_back(read);
        return read < 8;
    };
    const RequestHandle prompt = scheduler.submit({.prompt = some_text(20, 1), .options = watched});
    run_all(scheduler);
    CHECK(text.status() == RequestStatus::finished);
    CHECK(text.generation().finish_reason == FinishReason::callback);
    CHECK(text.generation().tokens.size() == 3);
    CHECK(prompt.status() == RequestStatus::cancelled);
    CHECK(prompt.generation().tokens.empty());
    CHECK(done.back() >= 8);
    CHECK(done.back() < 20);
}

TEST_CASE("a conversation is handed out, kept as bytes, and handed back") {
    const Setup setup(WeightFormat::q8);
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1}});
    Generator generator(setup.model, setup.tokenizer, {.threads = 1});
    std::shared_ptr<const Conversation> conversation;
    for (const std::string& turn : {std::string("Hello"), std::string(" and"), std::string(), std::string("!")}) {
        const GenerationOptions options = some_options(static_cast<unsigned>(turn.size()));
        const Generation expected = generator.generate(turn, options);
        const RequestHandle handle = scheduler.submit(
            {.prompt = turn, .options = options, .conversation = conversation, .keep_conversation = true});
        run_all(scheduler);
        check_same(handle.generation(), expected, setup.is_exact());
        REQUIRE(handle.result().conversation);
        conversation = std::make_shared<const Conversation>(
            conversation_from_bytes(to_bytes(*handle.result().conversation), setup.model.config()));
        CHECK(std::ranges::equal(conversation->tokens, generator.tokens()));
        if (setup.is_exact()) CHECK(conversation->state == generator.state());
    }
    Config other = setup.model.config();
    other.hidden_size += 1;
    CHECK_THROWS_AS(scheduler.submit({.prompt = "x", .conversation = of_nothing(State(other))}), ArgumentError);
}

TEST_CASE("what makes no sense is refused when it is submitted") {
    const Setup setup;
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1}});
    const auto refuses = [](Scheduler& by, Request request) {
        CHECK_THROWS_AS(by.submit(std::move(request)), ArgumentError);
    };
    refuses(scheduler, {});
    refuses(scheduler, {.prompt = "\xff"});
    refuses(scheduler, {.prompt = "x", .tokens = {1}});
    refuses(scheduler, {.tokens = {256}});
    refuses(scheduler, {.prompt = "x", .options = {.max_new_tokens = -1}});
    refuses(scheduler, {.prompt = "x", .options = {.sampling = {.top_p = 2.0f}}});
    refuses(scheduler, {.prompt = "x", .options = {.sampling = {.suppress_tokens = {-1}}}});
    refuses(scheduler, {.prompt = "x", .options = {.speculation = {.max_draft_tokens = 33}}});
    refuses(scheduler, {.conversation = of_nothing(State(setup.model.config()))});
    Scheduler of_ids(setup.model, {.workspace = {.threads = 1}});
    refuses(of_ids, {.prompt = "x"});
    refuses(of_ids, {.tokens = {1}, .options = {.stop_strings = {"x"}}});
    CHECK(scheduler.counts().waiting == 0);
    CHECK_FALSE(scheduler.step());

    const RequestHandle handle = of_ids.submit({.tokens = ids("Hello"), .options = {.max_new_tokens = 9}});
    run_all(of_ids);
    CHECK(handle.generation().tokens == setup.alone("Hello", {.max_new_tokens = 9}).tokens);
    CHECK(handle.generation().text.empty());

    for (const SchedulerOptions& options :
         {SchedulerOptions{.max_running = 0}, SchedulerOptions{.max_waiting = 0}, SchedulerOptions{.prefill_chunk = -1},
          SchedulerOptions{.max_slowdown = 1.0},
          SchedulerOptions{.cache = std::make_shared<PrefixCache>(load_model(fixture("plain")).config())}})
        CHECK_THROWS_AS(Scheduler(setup.model, options), ArgumentError);
}

TEST_CASE("requests of a scheduler that is destroyed are cancelled") {
    const Setup setup;
    std::vector<RequestHandle> handles;
    int told = 0;
    {
        Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 1}, .max_running = 1});
        for (int i = 0; i < 3; ++i)
            handles.push_back(scheduler.submit({.prompt = "Hello", .on_finished = [&](const RequestResult& result) {
                                                    told += result.status == RequestStatus::cancelled;
                                                }}));
        scheduler.step();
        scheduler.step();
    }
    CHECK(told == 3);
    for (const RequestHandle& handle : handles) CHECK(handle.status() == RequestStatus::cancelled);
    CHECK(handles[0].generation().tokens.size() == 2);
}

TEST_CASE("many threads submit, wait and cancel while a thread of its own runs the passes", "[threads]") {
    const Setup setup(WeightFormat::q8);
    const std::vector<Job> jobs = some_jobs(setup, 8, !setup.is_exact());
    const auto cache = std::make_shared<PrefixCache>(setup.model.config(), PrefixCacheOptions{.max_bytes = 200'000});
    Scheduler scheduler(setup.model, setup.tokenizer, {.workspace = {.threads = 2}, .max_running = 4, .cache = cache});
    std::stop_source stop;
    std::thread runner([&] { scheduler.run(stop.get_token()); });
    std::atomic<int> wrong{0}, cancelled{0};
    in_threads(4, [&](std::size_t thread) {
        std::mt19937 random(static_cast<unsigned>(thread));
        for (int i = 0; i < 30; ++i) {
            const Job& job = jobs[random() % jobs.size()];
            const RequestHandle handle = scheduler.submit({.prompt = job.prompt, .options = job.options});
            if (random() % 4 == 0) {
                if (random() % 2) std::this_thread::yield();
                handle.cancel();
            }
            static_cast<void>(scheduler.counts());
            static_cast<void>(cache->bytes());
            handle.wait();
            if (handle.status() == RequestStatus::cancelled)
                ++cancelled;
            else if (handle.status() != RequestStatus::finished || handle.generation().text != job.expected.text)
                ++wrong;
        }
    });
    stop.request_stop();
    runner.join();
    CHECK(wrong == 0);
    CHECK(cancelled < 60);
    CHECK(scheduler.counts().finished == 120);
    // Where it was stopped it goes on.
    const RequestHandle handle = scheduler.submit({.prompt = jobs[0].prompt, .options = jobs[0].options});
    run_all(scheduler);
    CHECK(handle.generation().text == jobs[0].expected.text);
}
