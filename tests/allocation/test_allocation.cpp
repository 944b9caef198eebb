// A warm forward pass allocates nothing: every operator new of this program is counted, and Eigen's own allocations are
// forbidden outright.

#undef NDEBUG  // Eigen's ban on allocation is an assertion; this program is one file, so that nothing differs
#include <atomic>
#include <cstdlib>
#include <new>

#include <rwkv/generation/draft_model.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/generation/sequence.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/scheduler.hpp>

#include "../catch.hpp"
#include "../model/support.hpp"

namespace {
std::atomic<long> allocations{0};
}

// Never inlined: gcc would see malloc on one side and operator delete on the other, and warn of a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size ? size : 1)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    ++allocations;
    const auto align = static_cast<std::size_t>(alignment);
    if (void* memory = std::aligned_alloc(align, (size + align - 1) / align * align)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    ++allocations;  // of its own under the address sanitizer, which else pairs its own new with our delete
    return std::malloc(size ? size : 1);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

using namespace rwkv;
using namespace rwkv::test;

TEST_CASE("a warm forward pass allocates nothing") {
    long sink = 0;
    for (const char* name : {"plain", "odd", "mixed", "f16", "bf16", "tied"}) {
        for (const kernels::Target* target : kernels::available_targets()) {
            kernels::choose_target(target);
            const auto quantized = std::string(name) == "odd" ? WeightFormat::q8 : WeightFormat::q4;
            const bool as_stored = std::string(name) != "odd" && std::string(name) != "f16";
            const Model model = load_model(fixture(name), {.format = as_stored ? WeightFormat::stored : quantized});
            const Expected expected(name);
            std::vector<State> states;
            std::vector<State*> batch;
            for (int i = 0; i < 20; ++i) states.emplace_back(model.config());
            for (State& one : states) batch.push_back(&one);
            const std::vector<TokenId> next(20, 1);
            for (const Index chunk : {1, 3, 64}) {
                State state(model.config());
                Workspace workspace(model.config(), {.threads = 2, .chunk = chunk});
                const auto pass = [&] {
                    sink += static_cast<long>(model.forward(expected.tokens, state, workspace).size());
                    sink += static_cast<long>(model.forward(TokenId(1), state, workspace).size());
                    model.forward_state(expected.tokens, state, workspace);
                    model.forward_all(expected.tokens, state, workspace,
                                      [&](Index p, auto) { return sink += p, true; });
                    model.forward_hidden(expected.tokens, state, workspace,
                                         [&](Index p, auto) { return sink += p, true; });
                    model.forward_batch(next, batch, workspace, [&](Index p, auto) { return sink += p, true; });
                    state.reset();
                };
                pass();
                const long before = allocations;
                Eigen::internal::set_is_malloc_allowed(false);
                pass();
                Eigen::internal::set_is_malloc_allowed(true);
                const long after = allocations;
                CAPTURE(name, target->name, chunk);
                CHECK(after == before);
            }
        }
    }
    kernels::choose_target(nullptr);
    CHECK(sink > 0);
}

TEST_CASE("warm sampling allocates nothing unless a penalty needs to remember") {
    std::vector<float> many(5'000), few(10);
    Random random(1);
    for (float& logit : many) logit = static_cast<float>(random.below(1'000)) / 64.0f;
    for (float& logit : few) logit = static_cast<float>(random.below(1'000)) / 64.0f;
    constexpr auto hugging_face = SamplingOrder::hugging_face;
    const std::vector<SamplingOptions> table{
        {},
        {.temperature = 0.9f},
        {.temperature = 0.9f, .top_k = 40, .top_p = 0.9f},
        {.temperature = 0.9f, .top_k = 40, .top_p = 0.9f, .min_p = 0.01f, .typical_p = 0.9f, .order = hugging_face},
        {.temperature = 0.9f, .typical_p = 0.5f, .mirostat_tau = 4.0f},
        {.temperature = 0.9f, .logit_bias = {{3, 1.0f}}, .suppress_tokens = {0}},
    };
    for (std::size_t i = 0; i < table.size(); ++i) {
        Sampler sampler(table[i]);
        long sum = sampler.sample(many);
        for (int step = 0; step < 30; ++step) sum += sampler.sample(step % 2 == 0 ? few : many);
        const long before = allocations;
        for (int step = 0; step < 30; ++step) sum += sampler.sample(step % 2 == 0 ? few : many);
        const long after = allocations;
        CAPTURE(i, sum);
        CHECK(after == before);
    }
}

TEST_CASE("a warm step of a sequence allocates nothing but room for what it remembers") {
    const Model model = load_model(fixture("text"));
    Workspace workspace(model.config(), {.threads = 1, .chunk = 1});
    Sequence sequence(model.config(), load_tokenizer(fixture("text")));
    // An answer of 900 tokens, a byte each: vectors and the string grow at powers of two and soon after.
    sequence.begin("x", {.max_new_tokens = 900,
                         .sampling = {.temperature = 1.0f, .top_p = 0.9f, .logit_bias = {{TokenId{'a'}, 1000.0f}}},
                         .stop_strings = {"aab", "never"}});
    long before = 0, after = 0;
    while (!sequence.finished()) {
        sequence.accept(model.forward(sequence.pending(), sequence.state(), workspace));
        if (sequence.result().tokens.size() == 600) before = allocations;
        if (sequence.result().tokens.size() == 899) after = allocations;
    }
    CHECK(sequence.result().tokens.size() == 900);
    CHECK(before > 0);
    CHECK(after == before);
}

namespace {

/// Forces a text of words that come again and again, in an order that does not.
class Words : public TokenConstraint {
  public:
    void mask(std::span<float> logits) override {
        for (std::size_t i = 0; i < logits.size(); ++i)
            if (i != next()) logits[i] = -std::numeric_limits<float>::infinity();
    }
    void accept(TokenId) override {
        const bool at_end = next() == ' ';
        at_ = at_end ? 0 : at_ + 1;
        if (at_end) state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    }
    std::unique_ptr<TokenConstraint> clone() const override { return std::make_unique<Words>(*this); }

  private:
    std::size_t next() const { return static_cast<unsigned char>(words_[state_ >> 62][at_]); }

    static constexpr std::string_view words_[] = {"forest ", "princess ", "once ", "prince "};
    std::uint64_t state_ = 1;
    std::size_t at_ = 0;
};

}  // namespace

TEST_CASE("a warm speculative step allocates nothing but room for what it remembers") {
    const Model model = load_model(fixture("text"));
    for (const bool by_model : {false, true}) {
        Workspace workspace(model.config(), {.threads = 1, .chunk = 16});
        Sequence sequence(model.config(), load_tokenizer(fixture("text")));
        GenerationOptions options{.max_new_tokens = 900, .stop_strings = {"never"}};
        options.sampling.constraint = std::make_shared<Words>();
        options.speculation.max_draft_tokens = 8;
        if (by_model)
            options.speculation.draft_model = std::make_shared<DraftModel>(model, WorkspaceOptions{.threads = 1});
        options.speculation.prompt_lookup = !by_model;
        sequence.begin("x", options);
        PassTimes times;
        long before = 0, after = 0;
        while (!sequence.finished()) {
            const SequenceTokens pass = sequence.next_pass(times);
            const auto logits = model.forward_sequence(pass, workspace);
            for (Index i = 0; i < logits.cols() && !sequence.finished(); ++i)
                sequence.accept({logits.col(i), static_cast<std::size_t>(logits.rows())},
                                logits.cols() > 1 ? i : std::ssize(pass.tokens) - 1);
            times.add(std::ssize(pass.tokens), 1.0);
            if (sequence.result().tokens.size() < 640) before = allocations;
            if (sequence.result().tokens.size() < 890) after = allocations;
        }
        CAPTURE(by_model);
        CHECK(sequence.result().tokens.size() == 900);
        CHECK(sequence.result().drafted_tokens > 100);
        if (!by_model) CHECK(sequence.result().accepted_tokens > 100);
        CHECK(sequence.result().accepted_tokens < sequence.result().drafted_tokens);
        CHECK(before > 0);
        CHECK(after == before);
    }
}

TEST_CASE("a warm pass of a scheduler allocates nothing but room for what its sequences remember") {
    const Model model = load_model(fixture("text"));
    Scheduler scheduler(model, load_tokenizer(fixture("text")), {.workspace = {.threads = 2}, .prefill_chunk = 5});
    const GenerationOptions options{
        .max_new_tokens = 900,
        .sampling = {.temperature = 1.0f, .top_p = 0.9f, .logit_bias = {{TokenId{'a'}, 1000.0f}}},
        .stop_strings = {"aab", "never"}};
    long tokens = 0;
    std::vector<RequestHandle> texts;
    for (int i = 0; i < 3; ++i)
        texts.push_back(scheduler.submit(
            {.prompt = "x", .options = options, .on_step = [&](const Step&) { return ++tokens > 0; }}));
    const RequestHandle prompt =
        scheduler.submit({.tokens = std::vector<TokenId>(5000, TokenId{'y'}), .options = {.max_new_tokens = 1}});
    while (tokens < 3 * 600) scheduler.step();
    const long before = allocations;
    while (tokens < 3 * 890) scheduler.step();
    const long after = allocations;
    CHECK(after == before);
    CHECK(prompt.status() == RequestStatus::running);
}

TEST_CASE("in a full prefix cache a state that takes the place of another needs no memory but for its tokens") {
    const Config config = load_model(fixture("text")).config();
    const State state(config);
    const std::vector<float> logits(static_cast<std::size_t>(config.vocab_size));
    PrefixCache cache(config, {.max_bytes = 20 * (state.bytes() + logits.size() * sizeof(float))});
    std::vector<TokenId> tokens{0, 0, 0};
    const auto insert = [&] {
        ++tokens[0];
        return cache.insert(tokens, state, logits);
    };
    for (int i = 0; i < 40; ++i) REQUIRE(insert());
    const std::size_t full = cache.size();
    const long before = allocations;
    for (int i = 0; i < 40; ++i) REQUIRE(insert());
    const long after = allocations;
    CHECK(cache.size() == full);
    CHECK(after == before + 40);
}
