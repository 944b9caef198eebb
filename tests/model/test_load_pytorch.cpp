#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "../catch.hpp"
#include "support.hpp"

#include <rwkv/load_safetensors.hpp>

using namespace rwkv;
using namespace rwkv::test;

namespace {

namespace fs = std::filesystem;

const fs::path pytorch = fixture("pytorch");

std::vector<float> logits_of(const Model& model, std::span<const TokenId> tokens) {
    State state(model.config());
    Workspace workspace(model.config());
    const auto logits = model.forward(tokens, state, workspace);
    return {logits.begin(), logits.end()};
}

/// A fixture's weights in a directory of their own, under that name.
fs::path alone(const TempDir& directory, const fs::path& weights, const std::string& name) {
    fs::copy_file(weights, directory.path() / name);
    return directory.path() / name;
}

std::string refusal(const fs::path& path) {
    return outcome([&] { return load_model(path); });
}

}  // namespace

TEST_CASE("models from PyTorch files equal their safetensors twins", "[pytorch]") {
    for (const auto& [name, twin] : std::map<std::string, std::string>{
             {"f16", "f16"}, {"mixed", "mixed"}, {"views", "mixed"}, {"sharded", "bf16"}, {"blinkdl", "blinkdl"}}) {
        for (const LoadOptions& options :
             {LoadOptions{.rescale = false}, LoadOptions{.format = WeightFormat::f32, .rescale = false, .threads = 1},
              LoadOptions{.format = WeightFormat::q8, .rescale = false},
              LoadOptions{.rescale = false, .mapped = true}}) {
            const Model found = load_model(pytorch / name, options);
            const Model expected = load_safetensors(fixture(twin), options);
            CAPTURE(name, static_cast<int>(options.format), options.mapped);
            CHECK(found.warnings().empty());
            CHECK(all_elements(found) == all_elements(expected));
            const std::vector<TokenId> tokens{1, 42, 7, 0, 13};
            // A view is read, and lies by group; its mapped twin lies by row, where sums are made in another order.
            if (name == "views" && options.mapped)
                CHECK(error_of(logits_of(found, tokens), logits_of(expected, tokens)) < 1e-5);
            else
                CHECK(logits_of(found, tokens) == logits_of(expected, tokens));
        }
    }
}

TEST_CASE("a config.json beside the weights holds for them, however they are named", "[pytorch]") {
    const Config expected = load_model(fixture("mixed")).config();
    CHECK(expected.rescale_every == 1);
    CHECK(load_model(pytorch / "mixed").config() == expected);
    CHECK(load_model(pytorch / "mixed" / "pytorch_model.bin").config() == expected);
    CHECK(load_model(pytorch / "sharded" / "pytorch_model.bin.index.json").config() == expected);
    CHECK(load_model(fixture("mixed") / "model.safetensors").config() == expected);
}

TEST_CASE("without a config.json the sizes are those of the tensors", "[pytorch]") {
    Config expected = load_model(fixture("blinkdl")).config();
    expected.rescale_every = 0;
    for (const fs::path& path : {pytorch / "blinkdl", pytorch / "blinkdl" / "RWKV-4-Pile-tiny.pth"})
        CHECK(load_model(path).config() == expected);

    const auto same = [](const std::string& name, bool tied, bool head) {
        const TempDir directory;
        Config config = load_model(fixture(name)).config();
        config.rescale_every = 0;
        config.layer_norm_epsilon = 1e-5;
        const Model model = load_model(alone(directory, fixture(name) / "model.safetensors", "x.safetensors"));
        CAPTURE(name);
        CHECK(model.config().tie_word_embeddings == tied);
        CHECK(model.has_head() == head);
        config.tie_word_embeddings = tied;
        CHECK(model.config() == config);
        CHECK(load_safetensors(directory.path() / "x.safetensors").config() == config);
        // Hugging Face's weights come with a config.json: a directory of them without one is not whole.
        CHECK(as_expected(refusal(directory.path()), {"FileError cannot open ", "config.json: No such file"}));
    };
    same("odd", false, true);
    same("tied", true, true);
    same("bare", false, false);
    same("mixed", false, true);
}

TEST_CASE("weights of BlinkDL's lie among downloads of other models", "[pytorch]") {
    const TempDir directory;
    const auto path = alone(directory, pytorch / "blinkdl" / "RWKV-4-Pile-tiny.pth", "RWKV-4.pth");
    const auto config = directory.write("config.json", R"({"model_type": "llama", "hidden_size": 4096})");
    const Model model = load_model(path);
    CHECK(model.config() == load_model(pytorch / "blinkdl").config());
    CHECK(model.warnings() == std::vector{config.string() + ": ignored, because it is of another architecture"});
    CHECK(as_expected(refusal(directory.path()), {"ModelError", "model_type: expected \"rwkv\", found \"llama\""}));
    directory.write("config.json", R"({"hidden_size": "4096"})");
    CHECK(as_expected(refusal(path), {"FormatError", "hidden_size"}));
}

TEST_CASE("sizes that cannot be inferred", "[pytorch]") {
    const auto after = [](const std::function<void(std::vector<RawTensor>&)>& change) {
        const TempDir directory;
        write_changed("blinkdl", directory.path(), change);
        fs::remove(directory.path() / "config.json");
        return refusal(directory.path() / "model.safetensors");
    };
    const auto without = [&](const std::string& name) {
        return after([&](auto& tensors) {
            std::erase_if(tensors, [&](const RawTensor& tensor) { return tensor.info.name == name; });
        });
    };
    const auto shaped = [&](const std::string& name, const Shape& shape) {
        return after([&](auto& tensors) {
            RawTensor& tensor = tensor_named(tensors, name);
            tensor.info.shape = shape;
            tensor.bytes.resize(*core::element_count(shape) * 2);
        });
    };
    CHECK(after([](auto&) {}) == "accepted");
    CHECK(as_expected(without("emb.weight"), {"ModelError", "embeddings.weight: expected a matrix that tells"}));
    CHECK(as_expected(without("blocks.0.att.key.weight"), {"ModelError", "blocks.0.attention.key.weight: expected"}));
    CHECK(as_expected(without("head.weight"), {"ModelError", "head.weight: expected a tensor of shape [43, 19]"}));
    CHECK(as_expected(without("blocks.1.ln1.bias"), {"ModelError", "blocks.1.ln1.bias: expected a tensor of shape"}));
    CHECK(as_expected(shaped("emb.weight", {43, 1, 19}), {"ModelError", "embeddings.weight: expected a matrix of"}));
    CHECK(as_expected(shaped("emb.weight", {0, 19}), {"ModelError", "embeddings.weight: expected a matrix of"}));
    CHECK(as_expected(shaped("emb.weight", {4'194'305, 1}), {"ModelError", "a matrix of at most 4194304 rows and"}));
    CHECK(as_expected(shaped("emb.weight", {4'194'304, 1}), {"ModelError", "expected shape [1] (by the config)"}));
    CHECK(
        as_expected(shaped("emb.weight", {43, 18}), {"ModelError", "expected shape [18] (by the config), found [19]"}));
    CHECK(as_expected(shaped("blocks.0.ffn.key.weight", {100, 19}), {"ModelError", "expected shape [19, 100]"}));
    CHECK(as_expected(shaped("blocks.0.ffn.key.weight", {19, 52}),
                      {"ModelError", "expected a matrix of 19 columns, found one of as many rows: transposed"}));
    CHECK(as_expected(after([](auto& tensors) {
                          RawTensor far = tensor_named(tensors, "blocks.0.ln1.weight");
                          far.info.name = "blocks.4096.ln1.weight";
                          tensors.push_back(far);
                      }),
                      {"ModelError", "blocks: expected at most 4096, found 4097"}));
}

TEST_CASE("PyTorch files of other architectures are refused by name", "[pytorch]") {
    for (const auto& [file, architecture] : std::map<std::string, std::string>{
             {"4a", "RWKV-4a or 4b"}, {"5", "RWKV-5 or RWKV-6"}, {"6", "RWKV-6"}, {"7", "RWKV-7"}}) {
        const TempDir directory;
        const auto path = alone(directory, pytorch / "others" / ("RWKV-" + file + ".pth"), "x.pth");
        for (const fs::path& given : {path, directory.path()})
            CHECK(as_expected(refusal(given), {"ModelError " + path.string(), "only tensors of an RWKV-4 model, found",
                                               "one of " + architecture}));
    }
}

TEST_CASE("load_safetensors reads no PyTorch file", "[pytorch]") {
    for (const fs::path& path : {pytorch / "mixed", pytorch / "mixed" / "pytorch_model.bin", pytorch / "sharded"}) {
        const std::string found = outcome([&] { return load_safetensors(path); });
        CAPTURE(found);
        CHECK(as_expected(found,
                          {"ModelError", "expected a safetensors file", "a PyTorch file, which is not read here"}));
    }
}
