// A model with adapters is the model that PEFT merges them into, in every format; what does not fit is refused by name.

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/adapter_set.hpp>
#include <rwkv/convert_model.hpp>
#include <rwkv/load_safetensors.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

namespace fs = std::filesystem;

const fs::path adapters = fixture("adapters");
const fs::path lm_lora = adapters / "rwkv-lm-lora" / "rwkv-0.pth";
constexpr float lm_lora_scale = 6.0F / 3.0F;

std::vector<float> all_logits_of(const Model& model, const std::vector<TokenId>& tokens) {
    State state(model.config());
    Workspace workspace(model.config());
    std::vector<float> all;
    model.forward_all(tokens, state, workspace, [&](Index, std::span<const float> row) {
        all.insert(all.end(), row.begin(), row.end());
        return true;
    });
    return all;
}

/// A tensor of floats, all of them small and none of them zero.
RawTensor small_floats(const std::string& name, Shape shape) {
    RawTensor tensor{{.name = name, .dtype = DType::f32, .shape = std::move(shape)}, {}};
    std::vector<float> values(*core::element_count(tensor.info.shape, 1));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = (static_cast<float>((i * 7919 + name.size() * 31) % 1013) - 506.5F) / 5000.0F;
    tensor.bytes.resize(values.size() * sizeof(float));
    std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
    tensor.info.bytes = tensor.bytes.size();
    return tensor;
}

std::vector<float> floats_of(const RawTensor& tensor) {
    std::vector<float> values(tensor.bytes.size() / sizeof(float));
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
}

/// Writes an adapter; PEFT's, with the config of `default`, where `is_peft`. Returns its path.
fs::path write_adapter(const TempDir& directory, const std::vector<RawTensor>& tensors, bool is_peft) {
    const fs::path file = directory.path() / "adapter_model.safetensors";
    std::vector<TensorInfo> infos;
    for (const RawTensor& tensor : tensors) infos.push_back(tensor.info);
    io::SafetensorsWriter writer(file, std::move(infos));
    for (const RawTensor& tensor : tensors) writer.write(tensor.bytes);
    writer.finish();
    if (!is_peft) return file;
    directory.write("adapter_config.json", read_all(adapters / "default" / "adapter_config.json"));
    return directory.path();
}

std::string adapter_refusal(const fs::path& model, std::vector<Adapter> some,
                            WeightFormat format = WeightFormat::stored) {
    return outcome([&] { return load_model(model, {.format = format, .adapters = std::move(some)}); });
}

/// The refusal of an adapter of these tensors by the model `plain`.
std::string adapter_refusal(const std::vector<RawTensor>& tensors, bool is_peft = true,
                            std::optional<float> scale = std::nullopt) {
    const TempDir directory;
    return adapter_refusal(fixture("plain"), {{write_adapter(directory, tensors, is_peft), scale}});
}

const std::string attention_key = "base_model.model.rwkv.blocks.1.attention.key";

/// The factors of rank 5 for that matrix of [37, 37].
std::vector<RawTensor> factors() {
    return {small_floats(attention_key + ".lora_A.weight", {5, 37}),
            small_floats(attention_key + ".lora_B.weight", {37, 5})};
}

}  // namespace

TEST_CASE("logits with adapters are those of the model that PEFT merges them into") {
    const auto expected = checkpoint::Checkpoint::open(adapters / "expected.safetensors");
    struct Merge {
        std::string name, model;
        std::vector<Adapter> adapters;
        std::string tokens = "tokens";
    };
    const std::vector<Merge> merges{{"default", "plain", {{adapters / "default"}}},
                                    {"default", "plain", {{adapters / "default" / "adapter_model.safetensors", 1.0F}}},
                                    {"default", "sharded", {{adapters / "default"}}},
                                    {"default_scaled", "plain", {{adapters / "default", -0.75F}}},
                                    {"patterns", "plain", {{adapters / "patterns"}}},
                                    {"default_second", "plain", {{adapters / "default"}, {adapters / "second"}}},
                                    {"rwkv_lm_lora", "blinkdl", {{lm_lora, lm_lora_scale}}, "tokens_rwkv_lm_lora"},
                                    {"rwkv_lm_lora", "bf16", {{lm_lora, lm_lora_scale}}, "tokens_rwkv_lm_lora"}};
    for (const Merge& merge : merges)
        for (const int threads : {1, 3})
            for (const bool mapped : {false, true}) {
                CAPTURE(merge.name, merge.model, threads, mapped);
                const Model model = load_model(
                    fixture(merge.model),
                    {.format = WeightFormat::f32, .threads = threads, .mapped = mapped, .adapters = merge.adapters});
                CHECK(model.warnings().empty());
                CHECK(error_of(all_logits_of(model, elements<TokenId>(expected, merge.tokens)),
                               elements<float>(expected, merge.name)) < tolerance);
            }
}

TEST_CASE("in every format, weights with adapters are those of the merged model converted to it") {
    for (const auto& [name, adapter] :
         {std::pair("plain", Adapter{adapters / "patterns"}), std::pair("blinkdl", Adapter{lm_lora, lm_lora_scale})}) {
        const TempDir merged;
        convert_model(fixture(name), merged.path(), {.format = WeightFormat::f32, .adapters = {adapter}});
        const std::vector<TokenId> tokens{1, 5, 3, 40, 2};
        for (const WeightFormat format :
             {WeightFormat::f32, WeightFormat::f16, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
            CAPTURE(name, rwkv::name(format));
            const Model expected = load_model(merged.path(), {.format = format});
            const Model found = load_model(fixture(name), {.format = format, .adapters = {adapter}});
            CHECK(all_elements(found) == all_elements(expected));
            CHECK(all_logits_of(found, tokens) == all_logits_of(expected, tokens));
            const TempDir converted;
            convert_model(fixture(name), converted.path(), {.format = format, .adapters = {adapter}});
            CHECK(all_logits_of(load_model(converted.path()), tokens) == all_logits_of(expected, tokens));
        }
    }
}

TEST_CASE("products are added to matrices that are converted in many pieces, by several threads") {
    const TempDir model, directory;
    write_wide(model.path());
    const RawTensor a = small_floats("blocks.1.ffn.key.lora_A", {7, 37}),
                    b = small_floats("blocks.1.ffn.key.lora_B", {6000, 7});
    const RawTensor wide_a = small_floats("blocks.1.ffn.value.lora_A", {2, 6000}),
                    wide_b = small_floats("blocks.1.ffn.value.lora_B", {37, 2});
    const fs::path adapter = write_adapter(directory, {a, b, wide_a, wide_b}, false);
    const Model before = load_model(model.path());
    for (const int threads : {1, 4}) {
        const Model after = load_model(model.path(), {.threads = threads, .adapters = {{adapter, 1.5F}}});
        const auto check = [&](const kernels::WeightMatrix& was, const kernels::WeightMatrix& is,
                               const RawTensor& right, const RawTensor& left) {
            const std::vector<float> r = floats_of(right), l = floats_of(left);
            const auto cols = static_cast<std::size_t>(is.cols()), rank = r.size() / cols;
            std::vector<float> old_row(cols), row(cols);
            double largest = 0;
            for (Index i = 0; i < is.rows(); ++i) {
                was.copy_row(i, 0, is.cols(), old_row.data());
                is.copy_row(i, 0, is.cols(), row.data());
                for (std::size_t j = 0; j < cols; ++j) {
                    double sum = 0;
                    for (std::size_t k = 0; k < rank; ++k)
                        sum += static_cast<double>(l[static_cast<std::size_t>(i) * rank + k]) *
                               static_cast<double>(r[k * cols + j]);
                    const double expected = static_cast<double>(old_row[j]) + 1.5 * sum;
                    largest = std::max(largest, std::abs(static_cast<double>(row[j]) - expected));
                }
            }
            CHECK(largest < 1e-8);
        };
        const auto &was = before.weights().blocks[1].feed_forward, &is = after.weights().blocks[1].feed_forward;
        check(was.key, is.key, a, b);
        check(was.value, is.value, wide_a, wide_b);
    }
}

TEST_CASE("names of adapters' tensors are understood as PEFT and RWKV-LM-LoRA write them") {
    using checkpoint::AdapterPart;
    const auto is = [](const char* name, AdapterPart part, const std::string& canonical) {
        const auto parsed = checkpoint::parse_adapter_tensor_name(name);
        CAPTURE(name);
        CHECK(parsed.part == part);
        CHECK(parsed.canonical == canonical);
    };
    is("base_model.model.rwkv.blocks.0.attention.key.lora_A.weight", AdapterPart::a, "blocks.0.attention.key.weight");
    is("base_model.model.blocks.11.feed_forward.value.lora_B.weight", AdapterPart::b,
       "blocks.11.feed_forward.value.weight");
    is("rwkv.blocks.0.attention.key.lora_A.weight", AdapterPart::a, "blocks.0.attention.key.weight");
    is("blocks.0.att.key.lora_A", AdapterPart::a, "blocks.0.attention.key.weight");
    is("blocks.0.ffn.receptance.lora_B", AdapterPart::b, "blocks.0.feed_forward.receptance.weight");
    is("base_model.model.rwkv.embeddings.lora_embedding_A", AdapterPart::embedding_a, "embeddings.weight");
    is("base_model.model.rwkv.embeddings.lora_embedding_B", AdapterPart::embedding_b, "embeddings.weight");
    is("base_model.model.rwkv.embeddings.base_layer.weight", AdapterPart::whole, "embeddings.weight");
    is("base_model.model.head.modules_to_save.weight", AdapterPart::whole, "head.weight");
    is("base_model.model.rwkv.blocks.0.ln1.bias", AdapterPart::whole, "blocks.0.ln1.bias");
    is("blocks.0.att.time_mix_k", AdapterPart::whole, "blocks.0.attention.time_mix_key");
    is("base_model.model.rwkv.blocks.0.attention.key.lora_magnitude_vector", AdapterPart::whole, "");
    is("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", AdapterPart::a, "");
    is("base_model.model.rwkv.blocks.0.attention.time_decay.lora_A.weight", AdapterPart::a, "");
    is("lora_A", AdapterPart::whole, "");
    is("", AdapterPart::whole, "");
}

TEST_CASE("tensors of adapters that do not fit the model are refused by name") {
    CHECK(adapter_refusal(factors()) == "accepted");
    const auto with = [](const std::string& name, Shape shape) {
        std::vector<RawTensor> tensors = factors();
        tensors.push_back(small_floats(name, std::move(shape)));
        return tensors;
    };
    const auto is = [](const std::string& found, std::vector<std::string> expected) {
        CAPTURE(found);
        expected.push_back("adapter_model.safetensors");
        expected.push_back("ModelError");
        CHECK(as_expected(found, expected));
    };
    is(adapter_refusal(with("base_model.model.transformer.wte.weight", {2, 2})),
       {"base_model.model.transformer.wte.weight"});
    is(adapter_refusal(with("base_model.model.rwkv.blocks.3.ln1.bias", {37})),
       {"base_model.model.rwkv.blocks.3.ln1.bias", "blocks.3.ln1.bias, which it does not have"});
    is(adapter_refusal({factors()[0]}), {attention_key + ".lora_A.weight", "no lora_B"});
    is(adapter_refusal({factors()[1]}), {attention_key + ".lora_B.weight", "no lora_A"});
    is(adapter_refusal(with("rwkv.blocks.1.attention.key.lora_A.weight", {5, 37})),
       {"a second one for blocks.1.attention.key.weight"});
    is(adapter_refusal({small_floats(attention_key + ".lora_A.weight", {4, 37}),
                        small_floats(attention_key + ".lora_B.weight", {37, 4})}),
       {attention_key + ".lora_A.weight", "shape [5, 37]", "[4, 37]"});
    is(adapter_refusal({factors()[0], small_floats(attention_key + ".lora_B.weight", {37, 4})}),
       {attention_key + ".lora_B.weight", "[37, 5]", "[37, 4]"});
    is(adapter_refusal({small_floats(attention_key + ".lora_A.weight", {5, 36}), factors()[1]}),
       {attention_key + ".lora_A.weight", "[5, 37]", "[5, 36]"});
    is(adapter_refusal({small_floats(attention_key + ".lora_A", {185}), factors()[1]}, false, 1.0F),
       {attention_key + ".lora_A", "a matrix", "[185]"});
    is(adapter_refusal({small_floats("rwkv.blocks.0.ln1.lora_A.weight", {5, 37}),
                        small_floats("rwkv.blocks.0.ln1.lora_B.weight", {37, 5})}),
       {"rwkv.blocks.0.ln1.lora_A.weight", "vector"});
    is(adapter_refusal({small_floats("rwkv.embeddings.lora_A.weight", {5, 37}),
                        small_floats("rwkv.embeddings.lora_B.weight", {101, 5})}),
       {"rwkv.embeddings.lora_A.weight", "lora_embedding_A"});
    is(adapter_refusal(with("rwkv.blocks.0.ln1.weight", {36})), {"rwkv.blocks.0.ln1.weight", "[37]", "[36]"});
    is(adapter_refusal(with("rwkv.blocks.1.attention.key.weight", {36, 37})), {"[37, 37]", "[36, 37]"});
    is(adapter_refusal(with("base_model.model.head.weight", {103, 37})),
       {"base_model.model.head.weight", "tokens were added"});
    is(adapter_refusal(std::vector<RawTensor>{}), {"a LoRA adapter", "no tensors"});

    std::vector<RawTensor> wrong = factors();
    wrong[1].info.dtype = DType::i32;
    is(adapter_refusal(wrong), {attention_key + ".lora_B.weight", "I32"});
    wrong = factors();
    const float infinity = std::numeric_limits<float>::infinity();
    std::memcpy(wrong[0].bytes.data() + 40 * sizeof(float), &infinity, sizeof infinity);
    is(adapter_refusal(wrong), {attention_key + ".lora_A.weight", "finite numbers", "element 40"});
}

TEST_CASE("an adapter that cannot be merged is refused with the reason") {
    const auto is = [](const std::string& found, const std::vector<std::string>& expected) {
        CAPTURE(found);
        CHECK(as_expected(found, expected));
    };
    for (const auto& [name, field] :
         {std::pair("dora", "use_dora"), std::pair("pissa", "init_lora_weights"),
          std::pair("tokens", "trainable_token_indices"), std::pair("parameters", "target_parameters"),
          std::pair("invocation", "alora_invocation_tokens"), std::pair("regular-expression", "alpha_pattern"),
          std::pair("loha", "peft_type")})
        is(adapter_refusal(fixture("plain"), {{adapters / "refused" / name}}),
           {"ModelError", "adapter_config.json", field});
    const std::string config = read_all(adapters / "default" / "adapter_config.json");
    const auto with = [&](const std::string& text) {
        const TempDir directory;
        write_adapter(directory, {}, true);
        directory.write("adapter_config.json", text);
        return adapter_refusal(fixture("plain"), {{directory.path()}});
    };
    is(with("[]"), {"FormatError", "adapter_config.json", "a JSON object"});
    for (const char* rank : {"0", "-1", "1.5", "\"2\"", "null"}) {
        nlohmann::json changed = nlohmann::json::parse(config);
        changed["r"] = nlohmann::json::parse(rank);
        is(with(changed.dump()), {"ModelError", "adapter_config.json", "r: expected a rank, a whole number above 0"});
    }

    // RWKV-LM-LoRA's files do not say by what their products are multiplied.
    is(adapter_refusal(fixture("bf16"), {{lm_lora}}),
       {"ArgumentError", "rwkv-0.pth", "scale", "lora_alpha / lora_r", "lora_r is 3"});
    is(adapter_refusal(fixture("plain"), {{adapters / "default", std::nanf("")}}),
       {"ArgumentError", "scale", "finite"});
    is(adapter_refusal(fixture("plain"), {{adapters}}), {"FileError", "no adapter_config.json"});
    is(adapter_refusal(fixture("plain"), {{adapters / "nothing"}}), {"FileError", "nothing"});
    is(adapter_refusal(fixture("plain"), {{fixture("plain") / "model.safetensors", 1.0F}}),
       {"ModelError", "a LoRA adapter", "a model"});
    is(adapter_refusal(fixture("plain"), {{adapters / "patterns"}, {adapters / "patterns"}}),
       {"ModelError", "adapter_model.bin", "a second change to"});
    is(adapter_refusal(fixture("odd"), {{adapters / "default"}}),
       {"ModelError", "adapter_model.safetensors", "by model and rank"});
    is(outcome([] { return load_safetensors(fixture("plain"), {.adapters = {{adapters / "patterns"}}}); }),
       {"ModelError", "adapter_model.bin", "safetensors"});

    // Embeddings that are the head, too, and weights that are quantized already.
    const TempDir directory, quantized;
    const fs::path tied = write_adapter(directory,
                                        {small_floats("rwkv.embeddings.lora_embedding_A", {5, 41}),
                                         small_floats("rwkv.embeddings.lora_embedding_B", {19, 5})},
                                        true);
    for (const WeightFormat format : {WeightFormat::stored, WeightFormat::q8})
        is(adapter_refusal(fixture("tied"), {{tied}}, format),
           {"ModelError", "rwkv.embeddings.lora_embedding_A", "one matrix"});
    convert_model(fixture("plain"), quantized.path(), {.format = WeightFormat::q8});
    is(adapter_refusal(quantized.path(), {{adapters / "default"}}),
       {"ModelError", "adapter_model.safetensors", "stored quantized"});
    is(adapter_refusal(fixture("plain"), {{adapters / "default", 1e7F}}, WeightFormat::f16),
       {"ModelError", "model.safetensors", "within the range", "with adapters"});
}
