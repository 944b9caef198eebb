// Memory that runs out, at every single allocation: an exception, nothing lost, and what is left goes on working.

#include "support.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <pthread.h>

#include "../io/safetensors_bytes.hpp"

#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/convert_model.hpp>
#include <rwkv/generation/generator.hpp>
#include <rwkv/generation/sampler.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/pytorch.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/state_file.hpp>

using namespace rwkv;
using namespace rwkv::test;

namespace fs = std::filesystem;

TEST_CASE("loading a model without enough memory", "[memory]") {
    const TempDir directory;
    const fs::path quantized = directory.path() / "q4", poisoned = directory.path() / "poisoned";
    convert_model(fixture("bf16"), quantized, {.format = WeightFormat::q4});
    fs::create_directory(poisoned);
    write_changed("bf16", poisoned, [](std::vector<RawTensor>& tensors) {
        for (RawTensor& tensor : tensors)
            if (tensor.info.shape.size() == 2) std::ranges::fill(tensor.bytes, std::byte{0xff});  // NaN
    });
    const auto mapped = [] { return read_all("/proc/self/maps").find("safetensors") != std::string::npos; };
    const auto load = [&](const fs::path& path, const LoadOptions& options) {
        run_out_of_memory(
            path.string(), [&] { return load_model(path, options); },
            [&] { CHECK_FALSE((options.mapped && mapped())); });
    };
    for (const int threads : {1, 2}) {
        load(fixture("bf16"), {.threads = threads});
        // Here every thread has an error to report.
        bool accepted = false;
        run_out_of_memory("weights that are not finite", [&] {
            try {
                static_cast<void>(load_model(poisoned, {.threads = threads}));
                accepted = true;
            } catch (const ModelError&) {
            }
        });
        CHECK_FALSE(accepted);
    }
    load(fixture("bf16"), {.format = WeightFormat::q4, .threads = 1});
    load(fixture("pytorch") / "views", {.format = WeightFormat::q8, .threads = 2});
    const fs::path adapter = fixture("adapters") / "second";
    load(fixture("plain"), {.format = WeightFormat::bf16, .threads = 1, .adapters = {{adapter, 0.5F}}});
    load(fixture("bf16"), {.threads = 1, .mapped = true});
    load(quantized, {.threads = 1});
    load(quantized, {.threads = 1, .mapped = true});
    load(fixture("pytorch") / "blinkdl" / "RWKV-4-Pile-tiny.pth", {.format = WeightFormat::f32, .threads = 1});
}

TEST_CASE("reading small files without enough memory", "[memory]") {
    const TempDir directory;
    const auto config = directory.write("config.json", R"({"hidden_size":8,"architectures":["RwkvForCausalLM"]})");
    run_out_of_memory("config.json", [&] { checkpoint::read_config(io::InputFile(config)); });
    run_out_of_memory("an index and its files", [&] { checkpoint::Checkpoint::open(fixture("sharded")); });
    run_out_of_memory("a refusal", [] {
        outcome([] { checkpoint::parse_config(R"({"hidden_size":"eight, written out"})", "config.json"); });
    });
    run_out_of_memory("an index, written", [] {
        checkpoint::index_text(
            {.weight_map = {{"a tensor", "model-00001-of-00002.safetensors"}}, .total_size = 1, .warnings = {}});
    });
    run_out_of_memory("config.json, written", [] { checkpoint::config_text({}, "RwkvForCausalLM", "float32"); });
    run_out_of_memory("PyTorch's file", [] {
        const auto checkpoint = checkpoint::Checkpoint::open(fixture("pytorch") / "new.pth", io::read_pytorch_tensors);
        std::vector<std::byte> bytes(96);
        checkpoint.read(*checkpoint.find("turned"), 0, bytes);
    });
}

TEST_CASE("tokenizers without enough memory", "[memory]") {
    const TempDir directory;
    const std::string text = "The cat, caf\xC3\xA9 and the abcd: " + repeat("x", 60) + "\n\n";  // one long word
    for (const fs::path& path : {fixture("text"), directory.write("world.txt", small_vocabulary())}) {
        run_out_of_memory("loading " + path.string(), [&] { return load_tokenizer(path); });
        const Tokenizer tokenizer = load_tokenizer(path);
        const std::vector<TokenId> ids = tokenizer.encode(text);
        REQUIRE(tokenizer.decode(ids) == text);
        run_out_of_memory(
            "encoding", [&] { return tokenizer.encode(text); }, [&] { CHECK(tokenizer.encode(text) == ids); });
        run_out_of_memory(
            "decoding", [&] { return tokenizer.decode(ids); }, [&] { CHECK(tokenizer.decode(ids) == text); });
    }
}

TEST_CASE("a generator that lacked memory stands where it says, and goes on from there", "[memory]") {
    const Model model = load_model(fixture("text"));
    const Tokenizer tokenizer = load_tokenizer(fixture("text"));
    const std::string prompt = " sat on the";
    const GenerationOptions options{.max_new_tokens = 12,
                                    .sampling = {.temperature = 0.9f,
                                                 .top_k = 100,
                                                 .top_p = 0.9f,
                                                 .typical_p = 0.95f,
                                                 .mirostat_tau = 5.0f,
                                                 .presence_penalty = 0.1f,
                                                 .repetition_penalty = 1.1f,
                                                 .no_repeat_ngram_size = 3,
                                                 .logit_bias = {{3, 1.0f}},
                                                 .seed = 7},
                                    .stop_strings = {"a stop string that does not come", "nor this one"},
                                    .top_logprobs = 3};
    for (const int threads : {1, 2}) {
        CAPTURE(threads);
        const WorkspaceOptions how{.threads = threads, .chunk = 1};
        Generator reference(model, tokenizer, how);
        reference.generate("The cat", {.max_new_tokens = 3});
        const Conversation start = reference.conversation();
        const std::string text = reference.generate(prompt, options).text;
        const std::vector<TokenId> whole(reference.tokens().begin(), reference.tokens().end());
        const std::size_t prompt_end = start.tokens.size() + tokenizer.encode(prompt).size();

        std::optional<Generator> generator;
        std::optional<Generation> answer;
        const auto generate = [&] {
            generator.emplace(model, tokenizer, how);
            generator->resume(start);
            answer = generator->generate(prompt, options);
            static_cast<void>(generator->conversation());
        };
        const auto look = [&] {
            if (answer) CHECK(answer->text == text);
            answer.reset();
            if (!generator) return;
            const std::span<const TokenId> tokens = generator->tokens();
            CHECK((tokens.empty() || tokens.size() == start.tokens.size() || tokens.size() >= prompt_end));
            CHECK(std::ranges::equal(tokens, std::span(whole).first(tokens.size())));
            if (!tokens.empty()) {
                Generator fresh(model, how);
                const auto expected = fresh.generate(tokens, {.max_new_tokens = 2});
                const auto continued = generator->generate(std::span<const TokenId>(), {.max_new_tokens = 2});
                CHECK(continued.tokens == expected.tokens);
                CHECK(continued.log_probabilities == expected.log_probabilities);
            }
            generator->resume(start);
            CHECK(generator->generate(prompt, options).text == text);
            generator.reset();
        };
        run_out_of_memory("generating", generate, look);
    }
}

TEST_CASE("a sampler that lacked memory draws what it would have drawn", "[memory]") {
    std::vector<float> logits(500);
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i * 7919 % 101) / 20.0f;
    const SamplingOptions options{
        .temperature = 0.9f, .mirostat_tau = 4.0f, .presence_penalty = 0.3f, .repetition_penalty = 1.2f, .seed = 3};
    const auto draw = [&](long k) {
        Sampler sampler(options);
        std::vector<TokenId> drawn;
        drawn.reserve(40);
        faults.allocations.fail(k);
        while (drawn.size() < drawn.capacity()) {
            try {
                drawn.push_back(sampler.sample(logits));
            } catch (const std::bad_alloc&) {
            }
        }
        return drawn;
    };
    const std::vector<TokenId> expected = draw(1'000'000);
    CHECK_FALSE(faults.allocations.heal());
    long k = 0;
    for (; draw(k) == expected && faults.allocations.heal(); ++k) {
    }
    CHECK(draw(k) == expected);
    CHECK_FALSE(faults.allocations.heal());
    CHECK(k >= 10);
}

TEST_CASE("a pass that has no room for its logits changes nothing", "[memory]") {
    const Model model = load_model(fixture("text"));
    const std::vector<TokenId> tokens{1, 2, 3, 4, 5};
    State state(model.config()), other(model.config());
    std::optional<Workspace> workspace;
    const auto start = [&] {
        workspace.emplace(model.config(), WorkspaceOptions{.threads = 1, .chunk = 8}), state.reset();
    };
    const auto none = [](Index, std::span<const float>) { return true; };
    const std::map<std::string, std::function<void()>> passes{
        {"forward_all", [&] { model.forward_all(tokens, state, *workspace, none); }},
        {"forward_batch",
         [&] {
             std::vector<State*> states{&state, &other};
             other.reset();
             model.forward_batch(std::vector<TokenId>{1, 2}, states, *workspace, none);
         }},
    };
    const State empty(model.config());
    for (const auto& [name, pass] : passes)
        for (long k = 0;; ++k) {
            start();
            faults.allocations.fail(k);
            bool ran_out = false;
            try {
                pass();
            } catch (const std::bad_alloc&) {
                ran_out = true;
            }
            const bool failed = faults.allocations.heal();
            CAPTURE(name, k);
            CHECK(ran_out == failed);
            CHECK((state == empty) == failed);
            if (!failed) break;
        }
}

TEST_CASE("states without enough memory", "[memory]") {
    const TempDir directory;
    const Model model = load_model(fixture("text"));
    Generator generator(model, load_tokenizer(fixture("text")));
    generator.generate("The cat", {.max_new_tokens = 0});
    const Conversation conversation = generator.conversation();
    const fs::path in = directory.path() / "in", out = directory.path() / "out";

    save_state(conversation.state, in);
    const std::string state = read_all(in);
    const auto whole_or_absent = [&](const std::string& whole) {
        if (fs::exists(out)) CHECK(read_all(out) == whole);
        fs::remove(out);
        CHECK(directory.count() == 1);
    };
    run_out_of_memory(
        "save_state", [&] { save_state(conversation.state, out); }, [&] { whole_or_absent(state); });
    run_out_of_memory("load_state", [&] { return load_state(in, model.config()); });
    save_conversation(conversation, in);
    const std::string said = read_all(in);
    run_out_of_memory(
        "save_conversation", [&] { save_conversation(conversation, out); }, [&] { whole_or_absent(said); });
    run_out_of_memory("load_conversation", [&] { return load_conversation(in, model.config()); });
    const std::vector<std::byte> bytes = to_bytes(conversation);
    run_out_of_memory("to_bytes", [&] { return to_bytes(conversation); });
    run_out_of_memory("conversation_from_bytes", [&] { return conversation_from_bytes(bytes, model.config()); });

    // A state of another shape, which cannot be had without memory.
    const Model larger = load_model(fixture("plain"));
    std::optional<State> changed;
    run_out_of_memory(
        "assign",
        [&] {
            changed.emplace(model.config());
            changed->assign(State(larger.config()));
        },
        [&] {
            if (changed) CHECK((changed->fits(model.config()) || changed->fits(larger.config())));
            changed.reset();
        });
}

TEST_CASE("converting a model without enough memory leaves nothing behind", "[memory]") {
    const TempDir directory;
    const fs::path out = directory.path() / "out";
    const ConvertOptions options{.format = WeightFormat::q8, .max_shard_size = 50'000, .threads = 1};
    convert_model(fixture("text"), out, options);
    const auto whole = files_in(out);
    CHECK(whole.size() == 5);  // two with weights, an index, the tokenizer and the config
    fs::remove_all(out);
    run_out_of_memory(
        "convert_model", [&] { convert_model(fixture("text"), out, options); },
        [&] {
            if (fs::exists(out)) CHECK(files_in(out) == whole);
            fs::remove_all(out);
            CHECK(directory.count() == 0);
        });
}

TEST_CASE("a header's memory stays in proportion", "[memory]") {
    std::string attack = "{", good = "{";
    for (int i = 0; i < 100'000; ++i) {
        const std::string key = (i ? ",\"t" : "\"t") + std::to_string(i) + "\":";
        attack += key + entry("I32", "[2,2]", "[0,16]");
        good += key + entry("U8", "[1]", "[" + std::to_string(i) + "," + std::to_string(i + 1) + "]");
    }
    const std::string attack_file = file_of(attack + "}", z(16)), good_file = file_of(good + "}", z(100'000));
    for (const std::string* file : {&attack_file, &good_file}) {
        const std::size_t before = faults.live_bytes;
        faults.most_bytes = before;
        const std::string found = outcome([&] { parse(*file); });
        INFO(found.substr(0, 200) << ": " << faults.most_bytes - before << " bytes");
        CHECK((found == "accepted") == (file == &good_file));
        CHECK(faults.most_bytes - before < 100'000'000 - file->size());
        CHECK(faults.live_bytes <= before + 1000);
    }
}

TEST_CASE("models are loaded and used by fewer threads where the system has none to give", "[faults]") {
    // No thread can be started while a stack is to be larger than the address space.
    pthread_attr_t attributes;
    REQUIRE(::pthread_getattr_default_np(&attributes) == 0);
    std::size_t usual = 0;
    REQUIRE(::pthread_attr_getstacksize(&attributes, &usual) == 0);
    REQUIRE(::pthread_attr_setstacksize(&attributes, std::size_t(1) << 47U) == 0);
    REQUIRE(::pthread_setattr_default_np(&attributes) == 0);
    bool refused = false;
    try {
        std::thread([] {}).join();
    } catch (const std::system_error&) {
        refused = true;
    }
    CHECK(refused);
    for (const int threads : {0, 2, 64}) {
        CAPTURE(threads);
        const Model model = load_model(fixture("bf16"), {.threads = threads});
        const auto logits = [&](int number) {
            State state(model.config());
            Workspace workspace(model.config(), {.threads = number});
            const std::span<const float> found = model.forward(std::vector<TokenId>{3, 1, 4, 1, 5}, state, workspace);
            return std::vector<float>(found.begin(), found.end());
        };
        CHECK(logits(threads) == logits(1));
        ThreadPool pool(threads);
        for (int round = 0; round < 100; ++round) {
            int done = 0;
            kernels::parallel_for(pool, 50, [&](Index, int thread) { done += thread == 0; });
            CHECK(done == 50);
        }
    }
    REQUIRE(::pthread_attr_setstacksize(&attributes, usual) == 0);
    REQUIRE(::pthread_setattr_default_np(&attributes) == 0);
    ::pthread_attr_destroy(&attributes);
}
