// A converted model is the model it was made from, in every form, and failing leaves nothing behind.

#include <csignal>
#include <cstring>
#include <map>
#include <variant>

#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include <rwkv/checkpoint/export_plan.hpp>
#include <rwkv/checkpoint/tensor_specs.hpp>
#include <rwkv/checkpoint/weight_members.hpp>
#include <rwkv/convert_model.hpp>
#include <rwkv/io/file.hpp>

#include "../archive.hpp"
#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;
using nlohmann::json;

namespace {

constexpr std::initializer_list<WeightFormat> formats{WeightFormat::stored, WeightFormat::f32, WeightFormat::f16,
                                                      WeightFormat::bf16,   WeightFormat::q8,  WeightFormat::q4};

/// Every number that a model computes with, and the format of each matrix.
struct Numbers {
    explicit Numbers(const Model& model) : matrices(all_elements(model)), config(model.config()) {
        // For reading only: weight_member changes nothing where the head is there.
        auto& weights = const_cast<model::Weights&>(model.weights());
        for (const checkpoint::TensorSpec& spec : checkpoint::tensor_specs(config, model.has_head())) {
            const checkpoint::WeightMember member = checkpoint::weight_member(weights, spec);
            if (auto* const* vector = std::get_if<core::Array<float>*>(&member))
                vectors.insert(vectors.end(), (*vector)->begin(), (*vector)->end());
            else
                formats.push_back(std::get<kernels::WeightMatrix*>(member)->format());
        }
    }
    bool operator==(const Numbers&) const = default;

    std::vector<float> matrices, vectors;
    std::vector<WeightFormat> formats;
    Config config;
};

std::vector<float> logits_of(const Model& model) {
    std::vector<TokenId> tokens;
    for (TokenId i = 0; i < 20; ++i) tokens.push_back(static_cast<TokenId>(i * 7 % model.config().vocab_size));
    State state(model.config());
    Workspace workspace(model.config(), {.threads = 1, .chunk = 16});
    std::vector<float> all;
    model.forward_all(tokens, state, workspace, [&](Index, std::span<const float> row) {
        all.insert(all.end(), row.begin(), row.end());
        return true;
    });
    return all;
}

/// The whole of a directory, by name.
std::map<std::string, std::string> contents(const std::filesystem::path& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
        files[entry.path().filename().string()] = read_all(entry.path());
    return files;
}

/// `plain` as a base model saved alone: without its head and the prefix.
void write_headless(const std::filesystem::path& directory) {
    write_changed("plain", directory, [](auto& tensors) {
        std::erase_if(tensors, [](const RawTensor& tensor) { return tensor.info.name == "head.weight"; });
        for (RawTensor& tensor : tensors) tensor.info.name = tensor.info.name.substr(5);
    });
}

}  // namespace

TEST_CASE("a converted model is the original in that format, number for number") {
    for (const char* name :
         {"plain", "odd", "tied", "bare", "blinkdl", "sharded", "mixed", "f16", "bf16", "loud", "text"}) {
        for (const WeightFormat format : formats) {
            CAPTURE(name, rwkv::name(format));
            const TempDir directory;
            const auto out = directory.path() / "out";
            const ConvertedModel converted = convert_model(fixture(name), out, {.format = format});
            CHECK(converted.warnings.empty());
            const Model original = load_model(fixture(name), {.format = format}), stored = load_model(out);
            const Numbers expected(original);
            CHECK((Numbers(stored) == expected));
            CHECK((Numbers(load_model(out, {.format = format})) == expected));
            CHECK((Numbers(load_model(out, {.mapped = true})) == expected));
            CHECK((logits_of(stored) == logits_of(original)));
            CHECK(stored.warnings().empty());
            // Converting it again changes nothing.
            convert_model(out, directory.path() / "again");
            CHECK((contents(directory.path() / "again") == contents(out)));
        }
    }
}

TEST_CASE("what is stored stays byte for byte, under Hugging Face's names and in its shapes") {
    for (const auto& [from, model] : std::map<std::string, std::string>{{"plain", "plain"},
                                                                        {"sharded", "plain"},
                                                                        {"odd", "odd"},
                                                                        {"tied", "tied"},
                                                                        {"bare", "tied"},
                                                                        {"f16", "f16"},
                                                                        {"bf16", "bf16"},
                                                                        {"blinkdl", "bf16"}}) {
        CAPTURE(from);
        const TempDir directory;
        convert_model(fixture(from), directory.path());
        const auto expected = checkpoint::Checkpoint::open(fixture(model)),
                   found = checkpoint::Checkpoint::open(directory.path());
        CHECK(found.metadata() == std::map<std::string, std::string>{{"format", "pt"}});
        REQUIRE(found.tensors().size() == expected.tensors().size());
        for (const auto& tensor : expected.tensors()) {
            CAPTURE(tensor.info.name);
            REQUIRE(found.find(tensor.info.name));
            CHECK(found.find(tensor.info.name)->info.shape == tensor.info.shape);
            CHECK(found.find(tensor.info.name)->info.dtype == tensor.info.dtype);
            CHECK((elements<char>(found, tensor.info.name) == elements<char>(expected, tensor.info.name)));
        }
    }
}

TEST_CASE("config.json has every field of RwkvConfig") {
    const auto converted = [](const std::filesystem::path& from, WeightFormat format) {
        const TempDir directory;
        convert_model(from, directory.path(), {.format = format});
        return json::parse(read_all(directory.path() / "config.json"));
    };
    CHECK(converted(fixture("odd"), WeightFormat::stored) == json{{"architectures", {"RwkvForCausalLM"}},
                                                                  {"attention_hidden_size", 29},
                                                                  {"bos_token_id", 0},
                                                                  {"context_length", 1024},
                                                                  {"eos_token_id", 0},
                                                                  {"hidden_size", 35},
                                                                  {"intermediate_size", 53},
                                                                  {"layer_norm_epsilon", 1e-4},
                                                                  {"model_type", "rwkv"},
                                                                  {"num_hidden_layers", 7},
                                                                  {"rescale_every", 2},
                                                                  {"tie_word_embeddings", false},
                                                                  {"torch_dtype", "float32"},
                                                                  {"use_cache", true},
                                                                  {"vocab_size", 67}});
    const auto type = [&](const char* name, WeightFormat format) {
        return converted(fixture(name), format).at("torch_dtype").get<std::string>();
    };
    CHECK(type("plain", WeightFormat::f16) == "float16");
    CHECK(type("tied", WeightFormat::bf16) == "bfloat16");
    CHECK(type("f16", WeightFormat::stored) == "float16");  // though some vectors are float32
    CHECK(type("blinkdl", WeightFormat::stored) == "bfloat16");
    CHECK(type("mixed", WeightFormat::stored) == "float32");
    CHECK(type("f16", WeightFormat::q4) == "float32");
    CHECK(converted(fixture("tied"), WeightFormat::q8).at("tie_word_embeddings") == true);
}

TEST_CASE("a base model without its head stays one") {
    const TempDir directory;
    write_headless(directory.path());
    for (const WeightFormat format : formats) {
        const auto out = directory.path() / std::string(name(format));
        convert_model(directory.path(), out, {.format = format});
        CHECK(json::parse(read_all(out / "config.json")).at("architectures") == json{"RwkvModel"});
        const Model found = load_model(out);
        CHECK_FALSE(found.has_head());
        CHECK((Numbers(found) == Numbers(load_model(directory.path(), {.format = format}))));
    }
}

TEST_CASE("a model is split where the next tensor would not fit") {
    for (const char* name : {"plain", "tied", "sharded"}) {
        for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q4}) {
            for (const std::uint64_t limit : {1u, 3000u, 15000u, 100000u, 10000000u}) {
                CAPTURE(name, rwkv::name(format), limit);
                const TempDir directory;
                const auto converted =
                    convert_model(fixture(name), directory.path(), {.format = format, .max_shard_size = limit});
                const Model found = load_model(directory.path(), {.mapped = true});
                CHECK(found.warnings().empty());  // of a wrong total_size, say
                CHECK((Numbers(found) == Numbers(load_model(fixture(name), {.format = format}))));
                CHECK(directory.count() == converted.files.size());
                CHECK(converted.files.back() == "config.json");

                const auto checkpoint = checkpoint::Checkpoint::open(directory.path());
                const std::size_t shards = checkpoint.file_count();
                CHECK(std::filesystem::exists(directory.path() / "model.safetensors") == (shards == 1));
                CHECK(std::filesystem::exists(directory.path() / "model.safetensors.index.json") == (shards > 1));
                if (limit == 1) CHECK(shards == checkpoint.tensors().size());
                if (limit == 10000000) CHECK(shards == 1);
                std::vector<std::uint64_t> bytes(shards), tensors(shards);
                for (const auto& tensor : checkpoint.tensors())
                    bytes[tensor.file] += tensor.info.bytes, ++tensors[tensor.file];
                for (std::size_t i = 0; i < shards; ++i) {
                    CHECK((bytes[i] <= limit || tensors[i] == 1));
                    if (i > 0) CHECK((bytes[i - 1] + bytes[i] > limit || tensors[i - 1] == 1));
                }
                if (shards == 1) continue;
                const auto index =
                    checkpoint::read_index(io::InputFile(directory.path() / "model.safetensors.index.json"));
                CHECK(index.total_size == converted.bytes);
                CHECK(index.weight_map.size() == converted.tensors);
                char last[40];
                std::snprintf(last, sizeof last, "model-%05zu-of-%05zu.safetensors", shards, shards);
                CHECK(converted.files.at(shards - 1) == last);
            }
        }
    }
}

TEST_CASE("the tokenizer comes along") {
    const TempDir directory;
    convert_model(fixture("text"), directory.path() / "own");
    CHECK(read_all(directory.path() / "own" / "tokenizer.json") == read_all(fixture("text") / "tokenizer.json"));
    const auto world = directory.write("any name.txt", "1 'a' 1\n"), other = directory.write("other", "{}");
    convert_model(fixture("text"), directory.path() / "world", {.tokenizer = world});
    CHECK(read_all(directory.path() / "world" / "rwkv_vocab_v20230424.txt") == "1 'a' 1\n");
    CHECK_FALSE(std::filesystem::exists(directory.path() / "world" / "tokenizer.json"));
    convert_model(directory.path() / "world", directory.path() / "worlds");
    CHECK(read_all(directory.path() / "worlds" / "rwkv_vocab_v20230424.txt") == "1 'a' 1\n");
    convert_model(fixture("plain"), directory.path() / "given", {.tokenizer = other});
    CHECK(read_all(directory.path() / "given" / "tokenizer.json") == "{}");
    std::ofstream(directory.path() / "own" / "tokenizer_config.json") << R"({"split_special_tokens": true, "x": 1})";
    convert_model(directory.path() / "own", directory.path() / "split");
    CHECK(read_all(directory.path() / "split" / "tokenizer_config.json") == "{\"split_special_tokens\": true}\n");
    CHECK(convert_model(fixture("plain"), directory.path() / "none").files ==
          std::vector<std::string>{"model.safetensors", "config.json"});
}

TEST_CASE("a model of an application's own files is converted as one on disk") {
    const TempDir directory;
    const std::filesystem::path adapter = fixture("adapters") / "default";
    const auto adapter_files = std::make_shared<const MemoryFiles>(in_memory(adapter));
    for (const char* name : {"text", "plain", "sharded", "pytorch/sharded"}) {
        CAPTURE(name);
        const MemoryFiles files = in_memory(fixture(name));
        const TempDir disk, memory;
        const ConvertedModel one = convert_model(fixture(name), disk.path() / "out", {.format = WeightFormat::q8});
        const ConvertedModel other = convert_model(files, memory.path() / "out", {.format = WeightFormat::q8});
        CHECK(other.files == one.files);
        CHECK(contents(memory.path() / "out") == contents(disk.path() / "out"));
    }
    convert_model(fixture("plain"), directory.path() / "a", {.adapters = {Adapter{adapter}}});
    convert_model(in_memory(fixture("plain")), directory.path() / "b",
                  {.adapters = {Adapter{.path = {}, .files = adapter_files}}});
    CHECK(contents(directory.path() / "a") == contents(directory.path() / "b"));
    CHECK(outcome([&] { convert_model(MemoryFiles("pack"), directory.path() / "c"); }).starts_with("FileError pack"));
    CHECK_FALSE(std::filesystem::exists(directory.path() / "c"));
}

TEST_CASE("converting reports every byte it reads, and says what was odd") {
    for (const char* name : {"mixed", "tied"}) {
        for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8}) {
            const TempDir directory;
            write_changed(name, directory.path(), [](auto& tensors) {
                tensors.push_back({{.name = "step", .dtype = DType::i64, .shape = {1}}, std::vector<std::byte>(8)});
            });
            std::uint64_t last = 0, all = 0;
            bool rising = true;
            const auto told = [&](std::string_view stage, std::uint64_t done, std::uint64_t total) {
                rising = rising && stage == "converting" && done > last && done <= total;
                last = done;
                all = total;
                return true;
            };
            const auto converted =
                convert_model(directory.path(), directory.path() / "out", {.format = format, .progress = told});
            CHECK(rising);
            CHECK(last == all);
            CHECK(all > 0);
            REQUIRE(converted.warnings.size() == 1);
            CHECK(converted.warnings[0].find("\"step\"") != std::string::npos);
            CHECK_FALSE(checkpoint::Checkpoint::open(directory.path() / "out").find("step"));
        }
    }
}

TEST_CASE("a matrix in many windows is the matrix in one, by any number of threads") {
    const TempDir directory;
    write_wide(directory.path());
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
        const checkpoint::CheckpointPlan plan(directory.path(), format);
        for (const checkpoint::ExportTensor& tensor : checkpoint::export_tensors(plan)) {
            if (tensor.planned.spec.rows < 6000 && tensor.planned.spec.cols < 6000) continue;
            const auto streamed = [&](int threads, std::size_t window) {
                std::vector<std::byte> all;
                const Progress none;
                checkpoint::ProgressMeter meter("", none, 0);
                checkpoint::stream_tensor(
                    plan, tensor.planned, threads, meter,
                    [&](std::span<const std::byte> bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); },
                    window);
                return all;
            };
            const auto expected = streamed(1, std::size_t(1) << 30);
            CHECK(expected.size() == tensor.info.bytes);
            CHECK((streamed(1, 1) == expected));
            CHECK((streamed(3, 300'000) == expected));
        }
    }
}

TEST_CASE("after any failure nothing is left behind") {
    const TempDir directory;
    const auto bad = [&](const std::string& name, std::uint32_t bits) {
        const auto path = directory.path() / name;
        std::filesystem::create_directory(path);
        write_changed("plain", path, [&](auto& tensors) {
            std::memcpy(tensor_named(tensors, "rwkv.blocks.2.feed_forward.value.weight").bytes.data() + 400, &bits, 4);
        });
        return path;
    };
    const auto nan = bad("nan", 0x7fc00001), large = bad("large", 0x4788b800);  // 70000
    struct Enough : std::runtime_error {
        using std::runtime_error::runtime_error;
    };
    int calls = 0;
    const auto fails = [&](const std::filesystem::path& from, const ConvertOptions& options) {
        for (const bool is_there : {false, true}) {
            const auto out = directory.path() / "out";
            if (is_there) std::filesystem::create_directory(out);
            std::string found;
            try {
                found = outcome([&] { convert_model(from, out, options); });
            } catch (const Enough&) {
                found = "Enough";
            }
            CHECK(std::filesystem::exists(out) == is_there);
            if (is_there) CHECK(std::filesystem::is_empty(out));
            std::filesystem::remove_all(out);
            if (is_there) return found;
        }
        return std::string();
    };
    for (const WeightFormat format : formats)
        CHECK(as_expected(fails(nan, {.format = format, .max_shard_size = 30000}),
                          {"ModelError",
                           "blocks.2.feed_forward.value.weight: expected "
                           "finite weights, found nan (element 100)"}));
    CHECK(as_expected(fails(large, {.format = WeightFormat::f16, .max_shard_size = 1}),
                      {"ModelError", "value.weight: expected values within the range of the weight format", "70000"}));
    CHECK(as_expected(fails(directory.path() / "none", {}), {"FileError", "none"}));
    CHECK(as_expected(fails(fixture("plain"), {.tokenizer = directory.path() / "absent.json"}),
                      {"FileError", "absent.json"}));
    for (const int enough : {1, 20, 60}) {
        calls = 0;
        CHECK(fails(fixture("plain"), {.max_shard_size = 1, .progress = [&](auto, std::uint64_t, std::uint64_t) {
                                           if (++calls % enough == 0) throw Enough("");
                                           return true;
                                       }}) == "Enough");
    }

    // A disk that is full after so many bytes of a file.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    for (const rlim_t room : {0u, 5000u, 20000u, 40000u}) {
        const rlimit limit{room, before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
        const std::string found = fails(fixture("plain"), {.max_shard_size = 60000});
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        CHECK(as_expected(found, {"FileError", "model-0000"}));
    }
    std::signal(SIGXFSZ, SIG_DFL);
}

TEST_CASE("only an empty directory is written to") {
    const TempDir directory;
    const auto file = directory.write("file", "here first");
    CHECK(as_expected(outcome([&] { convert_model(fixture("plain"), directory.path()); }),
                      {"FileError " + directory.path().string(), "expected an empty directory, or none"}));
    CHECK(as_expected(outcome([&] { convert_model(fixture("plain"), file); }), {"FileError", "file"}));
    CHECK(as_expected(outcome([&] { convert_model(fixture("plain"), directory.path() / "no" / "such"); }),
                      {"FileError", "such"}));
    CHECK(directory.count() == 1);
    CHECK(read_all(file) == "here first");
    CHECK(outcome([&] { convert_model(fixture("plain"), (directory.path() / "new").string() + "/"); }) == "accepted");
    CHECK((Numbers(load_model(directory.path() / "new")) == Numbers(load_model(fixture("plain")))));
}
