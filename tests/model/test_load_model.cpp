#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <thread>

#include "../catch.hpp"
#include "support.hpp"

#include <rwkv/checkpoint/export_plan.hpp>

using namespace rwkv;
using namespace rwkv::test;

namespace {

using Change = std::function<void(std::vector<RawTensor>&)>;

/// How loading ends after a change to the tensors of fixture `plain` (V 101, H 37, L 3).
std::string after(const Change& change, const std::string& name = "plain") {
    const TempDir directory;
    write_changed(name, directory.path(), change);
    return outcome([&] { return load_model(directory.path()); });
}

std::vector<std::string> names_of(const std::string& name) {
    std::vector<std::string> names;
    const auto checkpoint = checkpoint::Checkpoint::open(fixture(name));
    for (const auto& tensor : checkpoint.tensors()) names.push_back(tensor.info.name);
    return names;
}

Change add(const std::string& name) {
    return [name](auto& tensors) {
        tensors.push_back({{.name = name, .dtype = DType::f32, .shape = {2}}, std::vector<std::byte>(8)});
    };
}

std::string with_config(const std::string& from, const std::string& to, const std::string& name = "plain") {
    const TempDir directory;
    write_changed(name, directory.path(), [](auto&) {});
    std::string config = read_all(fixture(name) / "config.json");
    const auto at = config.find(from);
    REQUIRE(at != config.npos);
    directory.write("config.json", config.replace(at, from.size(), to));
    return outcome([&] { return load_model(directory.path()); });
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

}  // namespace

TEST_CASE("an unchanged copy loads") {
    CHECK(after([](auto&) {}) == "accepted");
}

TEST_CASE("every missing tensor is missed, by name") {
    for (const std::string& name : names_of("plain")) {
        const std::string found = after([&](auto& tensors) {
            std::erase_if(tensors, [&](const RawTensor& tensor) { return tensor.info.name == name; });
        });
        CAPTURE(name, found);
        CHECK(found.starts_with("ModelError"));
        CHECK(holds(found, name.starts_with("rwkv.") ? name.substr(5) : name));
        CHECK(holds(found, "found none of that name"));
    }
}

TEST_CASE("every misshapen tensor is refused, by name") {
    for (const std::string& name : names_of("plain")) {
        for (const bool transposed : {false, true}) {
            const std::string found = after([&](auto& tensors) {
                RawTensor& tensor = tensor_named(tensors, name);
                Shape& shape = tensor.info.shape;
                if (transposed && shape.size() > 1 && shape[0] != shape.back()) {
                    std::swap(shape[0], shape.back());
                } else if (shape.size() == 2) {
                    shape.insert(shape.begin(), 1);
                } else {
                    shape.push_back(1);
                }
            });
            CAPTURE(name, found);
            CHECK(found.starts_with("ModelError"));
            CHECK(holds(found, name + ": expected shape ["));
        }
    }
}

TEST_CASE("a vector may keep or drop dimensions of one") {
    const auto reshaped = [](const Shape& before) {
        return after([&](auto& tensors) {
            for (RawTensor& tensor : tensors)
                if (Shape& shape = tensor.info.shape; shape.size() != 2) {
                    const std::uint64_t size = shape.back();
                    shape = before;
                    shape.push_back(size);
                }
        });
    };
    for (const Shape& before : {Shape{}, Shape{1}, Shape{1, 1}, Shape{1, 1, 1}}) CHECK(reshaped(before) == "accepted");
    CHECK(holds(after([](auto& tensors) {
                    RawTensor& mix = tensor_named(tensors, "rwkv.blocks.0.attention.time_mix_key");
                    mix.info.shape = {37, 1, 1};
                }),
                "time_mix_key: expected shape [1, 1, 37] (by the config), found [37, 1, 1]"));
}

TEST_CASE("names that torch.compile and others have wrapped are read") {
    const auto renamed = [](const std::string& name, const std::string& prefix) {
        const TempDir directory;
        write_changed(name, directory.path(), [&](auto& tensors) {
            for (RawTensor& tensor : tensors) tensor.info.name = prefix + tensor.info.name;
        });
        const Expected expected("bf16");
        const Model model = load_model(directory.path());
        State state(model.config());
        Workspace workspace(model.config());
        const auto last = static_cast<std::size_t>(model.config().vocab_size);
        return error_of(model.forward(expected.tokens, state, workspace), std::span(expected.logits).last(last));
    };
    for (const char* prefix : {"_orig_mod.", "module.", "model.", "module._orig_mod.", "_forward_module."})
        for (const char* name : {"bf16", "blinkdl"}) CHECK(renamed(name, prefix) < tolerance);
    // A base model saved alone stays one.
    const TempDir bare;
    write_changed("bare", bare.path(), [](auto& tensors) {
        for (RawTensor& tensor : tensors) tensor.info.name = "_orig_mod." + tensor.info.name;
    });
    CHECK(load_model(bare.path()).has_head());
    CHECK(holds(after([](auto& tensors) {
                    RawTensor again = tensor_named(tensors, "rwkv.ln_out.bias");
                    again.info.name = "module.rwkv.ln_out.bias";
                    tensors.push_back(again);
                }),
                "each tensor once"));
}

TEST_CASE("what is no model of weights as trained is named for what it is") {
    const auto only = [](const std::string& name) {
        return after([&](auto& tensors) {
            tensors.resize(1);
            tensors[0].info.name = name;
        });
    };
    CHECK(holds(only("base_model.model.rwkv.blocks.0.attention.key.lora_A.weight"),
                "expected the weights of a model, found a LoRA adapter without its model"));
    CHECK(holds(only("blocks.0.att.key.lora_A"), "a LoRA adapter without its model"));
    CHECK(holds(after(add("rwkv.blocks.0.attention.key.lora_A.weight")), "a LoRA adapter that is not merged"));
    CHECK(holds(after(add("rwkv.blocks.0.attention.key.weight.absmax")), "weights quantized by bitsandbytes"));
    CHECK(holds(after(add("rwkv.blocks.0.attention.key.SCB")), "weights quantized by bitsandbytes"));
    CHECK(holds(after(add("rwkv.blocks.0.attention.key.qweight")), "weights quantized by GPTQ or AWQ"));
    CHECK(holds(after([](auto& tensors) {
                    std::erase_if(tensors, [](const RawTensor& tensor) { return holds(tensor.info.name, "pre_ln"); });
                }),
                "blocks.0.pre_ln.weight: expected the layer norm of the embeddings, found none: a model converted"));
    CHECK(holds(only("model.embed_tokens.weight"),
                "expected tensors of an RWKV-4 model, found none, but \"model.embed_tokens.weight\""));
    CHECK(holds(with_config("\"rwkv\"", "\"rwkv\", \"quantization_config\": {\"quant_method\": \"bitsandbytes\"}"),
                "weights quantized by \"bitsandbytes\""));
}

TEST_CASE("a config is read without the weights") {
    CHECK(load_config(fixture("odd")) == load_model(fixture("odd")).config());
    CHECK(holds(outcome([&] { return load_config(fixture("none")); }), "FileError"));
}

TEST_CASE("a type no model computes from is refused, by name") {
    for (const std::string& name : names_of("plain")) {
        const std::string found = after([&](auto& tensors) { tensor_named(tensors, name).info.dtype = DType::i32; });
        CAPTURE(name, found);
        CHECK(found.starts_with("ModelError"));
        CHECK(holds(found, name + ": expected dtype F32, F16, BF16 or F64, found I32"));
    }
}

TEST_CASE("a tensor that claims to belong to the model and does not is refused, by name") {
    CHECK(holds(after(add("rwkv.blocks.0.attention.gate.weight")), "RWKV-5 or RWKV-6"));
    CHECK(holds(after(add("blocks.0.att.time_maa_x")), "RWKV-6"));
    CHECK(holds(after(add("blocks.2.att.r_k")), "RWKV-7"));
    CHECK(holds(after(add("blocks.1.ffn.tiny_q.weight")), "4a or 4b"));
    CHECK(holds(after(add("rwkv.blocks.0.attention.key.bias")), "expected only tensors of an RWKV-4 model"));
    CHECK(holds(after(add("rwkv.blocks.3.ln1.weight")), "expected only the tensors the config calls for"));
    CHECK(holds(after(add("emb.weight")), "each tensor once"));
}

TEST_CASE("a tensor that claims nothing is listed and left alone") {
    const TempDir directory;
    write_changed("plain", directory.path(), add("optimizer\nstep"));
    const Model model = load_model(directory.path());
    REQUIRE(model.warnings().size() == 1);
    CHECK(holds(model.warnings()[0], "\"optimizer\\x0astep\""));
}

TEST_CASE("config.json and tensors must agree") {
    CHECK(holds(with_config("\"vocab_size\": 101", "\"vocab_size\": 100"),
                "embeddings.weight: expected shape [100, 37]"));
    CHECK(holds(with_config("\"hidden_size\": 37", "\"hidden_size\": 38"), "expected shape [101, 38]"));
    CHECK(holds(with_config("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4"), "blocks.3.ln1.weight"));
    CHECK(holds(with_config("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2"), "one more"));
    CHECK(holds(with_config("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 1000000000"), "num_hidden_layers"));
    CHECK(holds(with_config("\"hidden_size\": 37", "\"hidden_size\": 4194304"), "intermediate_size"));
    CHECK(holds(with_config("\"rwkv\"", "\"llama\""), "model_type"));
}

TEST_CASE("a head beside tied embeddings is left alone, and said so") {
    const TempDir directory;
    write_changed("tied", directory.path(), [](auto& tensors) {
        RawTensor head = tensor_named(tensors, "rwkv.embeddings.weight");
        head.info.name = "head.weight";
        for (std::byte& byte : head.bytes) byte = std::byte(0);
        tensors.push_back(head);
    });
    const Model model = load_model(directory.path());
    CHECK(model.warnings().size() == 1);
    const Expected expected("tied");
    State state(model.config());
    Workspace workspace(model.config());
    CHECK(error_of(model.forward(expected.tokens, state, workspace), std::span(expected.logits).last(41)) < tolerance);
}

TEST_CASE("tied embeddings are held once, in any format") {
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::f32, WeightFormat::bf16}) {
        const Model model = load_model(fixture("tied"), {.format = format});
        CHECK(model.weights().head->data() == model.weights().embeddings.data());
        CHECK(model.weights().head->format() ==
              (format == WeightFormat::bf16 ? WeightFormat::bf16 : WeightFormat::f32));
    }
}

TEST_CASE("a finite weight that the format asked for has no number for is refused") {
    const TempDir directory;
    write_changed("plain", directory.path(), [](auto& tensors) {
        const float large = 70000;
        std::memcpy(tensor_named(tensors, "rwkv.blocks.1.feed_forward.value.weight").bytes.data() + 400, &large, 4);
    });
    CHECK(outcome([&] { return load_model(directory.path()); }) == "accepted");
    CHECK(outcome([&] { return load_model(directory.path(), {.format = WeightFormat::bf16}); }) == "accepted");
    const std::string found = outcome([&] { return load_model(directory.path(), {.format = WeightFormat::f16}); });
    CHECK(found.starts_with("ModelError"));
    CHECK(holds(found, "blocks.1.feed_forward.value.weight: expected values within the range"));
    CHECK(holds(found, "70000"));
}

TEST_CASE("a weight that a format rounds to infinity is refused, and the largest below it is not") {
    // How loading ends when one weight of a matrix, stored as a T, has that value.
    const auto with_weight = [](auto value, WeightFormat format) {
        using T = decltype(value);
        const TempDir directory;
        write_changed("plain", directory.path(), [&](auto& tensors) {
            RawTensor& tensor = tensor_named(tensors, "rwkv.blocks.1.feed_forward.value.weight");
            const std::size_t count = tensor.bytes.size() / sizeof(float);
            std::vector<T> weights(count, T(0.5));
            weights[100] = value;
            tensor.info.dtype = sizeof(T) == 8 ? DType::f64 : DType::f32;
            tensor.bytes.resize(count * sizeof(T));
            std::memcpy(tensor.bytes.data(), weights.data(), tensor.bytes.size());
        });
        const std::string found = outcome([&] { return load_model(directory.path(), {.format = format}); });
        if (found != "accepted")
            CHECK(as_expected(found, {"ModelError", "expected values within the range", "(element 100)"}));
        return found == "accepted";
    };
    const float beyond_f16 = 65520, beyond_bf16 = 0x1.FFp127f;
    for (const float sign : {1.0f, -1.0f}) {
        CHECK(with_weight(sign * std::nextafter(beyond_f16, 0.0f), WeightFormat::f16));
        CHECK_FALSE(with_weight(sign * beyond_f16, WeightFormat::f16));
        CHECK(with_weight(sign * std::nextafter(beyond_bf16, 0.0f), WeightFormat::bf16));
        CHECK_FALSE(with_weight(sign * beyond_bf16, WeightFormat::bf16));
        const double beyond_f32 = 0x1.FFFFFFp127;
        for (const WeightFormat format : {WeightFormat::stored, WeightFormat::f32, WeightFormat::q8}) {
            CHECK(with_weight(sign * std::numeric_limits<float>::max(), format));
            CHECK(with_weight(sign * std::nextafter(beyond_f32, 0.0), format));
            CHECK_FALSE(with_weight(sign * beyond_f32, format));
        }
    }
}

TEST_CASE("a weight that is no finite number is refused, by name and place") {
    const std::uint32_t nan32 = 0x7fc00001, inf32 = 0xff800000;
    for (const std::uint32_t bits : {nan32, inf32}) {
        for (const char* name :
             {"rwkv.blocks.2.feed_forward.value.weight", "rwkv.blocks.0.ln1.bias", "rwkv.embeddings.weight"}) {
            for (const WeightFormat format : {WeightFormat::stored, WeightFormat::f16}) {
                const TempDir directory;
                write_changed("plain", directory.path(), [&](auto& tensors) {
                    std::memcpy(tensor_named(tensors, name).bytes.data() + 4 * 30, &bits, 4);
                });
                const std::string found = outcome([&] { return load_model(directory.path(), {.format = format}); });
                CAPTURE(found);
                CHECK(found.starts_with("ModelError"));
                CHECK(holds(found, std::string(name) + ": expected finite weights"));
                CHECK(holds(found, "(element 30)"));
            }
        }
    }
    for (const char* name : {"f16", "bf16"}) {
        const std::string found = after(
            [](auto& tensors) {
                const std::uint16_t nan16 = 0x7fff;  // in either type
                std::memcpy(tensor_named(tensors, "rwkv.blocks.1.attention.output.weight").bytes.data() + 2 * 300,
                            &nan16, 2);
            },
            name);
        CHECK(holds(found, "output.weight: expected finite weights, found nan (element 300)"));
    }
}

TEST_CASE("loading reports every byte it reads") {
    for (const char* name : {"mixed", "tied"}) {
        for (const WeightFormat format : {WeightFormat::stored, WeightFormat::f16}) {
            std::uint64_t last = 0, all = 0;
            bool rising = true;
            const Model model = load_model(
                fixture(name),
                {.format = format, .progress = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
                     rising = rising && stage == "loading" && done > last && done <= total;
                     last = done;
                     all = total;
                     return true;
                 }});
            CAPTURE(name);
            CHECK(rising);
            CHECK(last == all);
            CHECK(all > 0);
        }
    }
    // Likewise where weights are looked at and not kept.
    std::uint64_t last = 0, all = 0;
    checkpoint::check_weights(
        checkpoint::CheckpointPlan(fixture("mixed")),
        [&](std::string_view, std::uint64_t done, std::uint64_t total) { return last = done, all = total, true; });
    CHECK((last == all && all > 0));
}

TEST_CASE("a model cut short anywhere is an error") {
    const TempDir directory;
    write_changed("text", directory.path(), [](auto&) {});
    const std::string bytes = read_all(directory.path() / "model.safetensors");
    for (std::size_t length = 0; length < bytes.size(); length += length < 9000 ? 1 : 997) {
        directory.write("model.safetensors", bytes.substr(0, length));
        CHECK_THROWS_AS(load_model(directory.path()), Error);
    }
}

namespace {

void put_infinity(std::vector<RawTensor>& tensors, const std::string& name, std::size_t element) {
    const float infinity = std::numeric_limits<float>::infinity();
    std::memcpy(tensor_named(tensors, name).bytes.data() + 4 * element, &infinity, 4);
}

}  // namespace

TEST_CASE("weights are the same whichever threads read them, and mapped") {
    const TempDir directory;
    write_wide(directory.path());
    for (const std::filesystem::path& path :
         {directory.path(), fixture("mixed"), fixture("odd"), fixture("tied"), fixture("bare"), fixture("sharded")}) {
        for (const WeightFormat format :
             {WeightFormat::stored, WeightFormat::f32, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
            const auto expected = all_elements(load_model(path, {.format = format, .threads = 1}));
            CAPTURE(path.string(), static_cast<int>(format));
            for (const int threads : {0, 2, 5})
                CHECK(all_elements(load_model(path, {.format = format, .threads = threads})) == expected);
            CHECK(all_elements(load_model(path, {.format = format, .mapped = true})) == expected);
        }
    }
}

TEST_CASE("a mapped model needs its files no more once it is loaded") {
    const auto directory = std::make_optional<TempDir>();
    write_changed("plain", directory->path(), [](auto&) {});
    const Model model = load_model(directory->path(), {.mapped = true});
    std::filesystem::remove_all(directory->path());
    CHECK(all_elements(model) == all_elements(load_model(fixture("plain"))));
    const Expected expected("plain");
    State state(model.config());
    Workspace workspace(model.config());
    CHECK(error_of(model.forward(expected.tokens, state, workspace), std::span(expected.logits).last(101)) < tolerance);
}

TEST_CASE("matrices that do not lie as their elements must are read, also when mapped") {
    const TempDir directory;
    write_changed("plain", directory.path(), [](auto& tensors) {
        tensors.insert(tensors.begin(),
                       {{.name = "odd", .dtype = DType::u8, .shape = {3}, .bytes = 3}, std::vector<std::byte>(3)});
    });
    CHECK(all_elements(load_model(directory.path(), {.mapped = true})) == all_elements(load_model(fixture("plain"))));
}

TEST_CASE("of several faults the first is reported, whichever thread finds which") {
    const TempDir directory;
    write_wide(directory.path(), [](auto& tensors) {
        put_infinity(tensors, "rwkv.blocks.1.feed_forward.value.weight", 200000);
        put_infinity(tensors, "rwkv.blocks.0.feed_forward.key.weight", 221999);  // the very last
        put_infinity(tensors, "rwkv.blocks.2.feed_forward.key.weight", 3);
    });
    for (const WeightFormat format : {WeightFormat::f32, WeightFormat::q4}) {
        for (const int threads : {1, 2, 5, 5, 5}) {
            // The caller's thread, which is first to take a piece, is made slow: the others find later faults sooner.
            const auto wait = [](std::string_view, std::uint64_t, std::uint64_t) {
                std::this_thread::sleep_for(std::chrono::milliseconds(2));
                return true;
            };
            const std::string found = outcome(
                [&] { return load_model(directory.path(), {.format = format, .threads = threads, .progress = wait}); });
            CAPTURE(threads, found);
            CHECK(
                holds(found, "blocks.0.feed_forward.key.weight: expected finite weights, found inf (element 221999)"));
        }
    }
}

TEST_CASE("loading is given up where progress throws") {
    const TempDir directory;
    write_wide(directory.path());
    for (const int threads : {1, 3}) {
        struct Enough {};
        int calls = 0;
        const auto load = [&] {
            return load_model(directory.path(),
                              {.threads = threads, .progress = [&](auto, std::uint64_t, std::uint64_t) {
                                   ++calls;
                                   throw Enough();
                                   return true;
                               }});
        };
        CHECK_THROWS_AS(load(), Enough);
        CHECK(calls == 1);
    }
}

TEST_CASE("loading is cancelled where progress returns false") {
    const TempDir directory;
    write_wide(directory.path());
    for (const int threads : {1, 3}) {
        int calls = 0;
        const auto stop = [&](auto, std::uint64_t, std::uint64_t) { return ++calls < 1; };
        CHECK_THROWS_AS(load_model(directory.path(), {.threads = threads, .progress = stop}), Cancelled);
        CHECK(calls == 1);
    }
}

TEST_CASE("loading that a callback went on with in a child of fork() is refused there at once") {
    const TempDir directory;
    write_wide(directory.path());
    const auto expected = all_elements(load_model(directory.path(), {.threads = 1}));
    constexpr int refused = 17, right = 18, cancelled = 19;
    // The child ends with this status, or by a signal after ten seconds.
    const auto status_of_child = [&](int threads, int at_call, bool child_goes_on) {
        int calls = 0;
        pid_t child = -1;
        bool in_child = false;
        const auto fork_once = [&](auto, std::uint64_t, std::uint64_t) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the others are in the middle of their work
            if (++calls != at_call) return true;
            child = ::fork();
            in_child = child == 0;
            if (in_child) ::alarm(10);
            return !in_child || child_goes_on;
        };
        try {
            const Model model = load_model(directory.path(), {.threads = threads, .progress = fork_once});
            const bool same = all_elements(model) == expected;
            if (in_child) ::_exit(same ? right : 1);
            CHECK(same);
        } catch (const ArgumentError& error) {
            if (in_child)
                ::_exit(holds(error.what(), "loading: progress: expected a callback that returns in") ? refused : 2);
            throw;
        } catch (const Cancelled&) {
            if (in_child) ::_exit(cancelled);
            throw;
        }
        int status = 0;
        REQUIRE(child > 0);
        REQUIRE(::waitpid(child, &status, 0) == child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    };
    for (const int at_call : {1, 2, 3}) {
        CHECK(status_of_child(3, at_call, true) == refused);
        CHECK(status_of_child(3, at_call, false) == cancelled);
        CHECK(status_of_child(1, at_call, true) == right);
    }
}
