#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../catch.hpp"
#include "../support.hpp"

#include <rwkv.h>
#include <rwkv/rwkv.hpp>

// That C gets from the library what C++ does. tests/c/program.c is about the C interface itself.

namespace {

const std::string model_dir = std::string(RWKV_FIXTURES_DIR) + "/text";

}  // namespace

TEST_CASE("C gets the texts, tokens and logits that C++ does", "[c]") {
    rwkv::Generator generator(rwkv::load_model(model_dir, {.format = rwkv::WeightFormat::q8}),
                              rwkv::load_tokenizer(model_dir), {.threads = 1});
    const rwkv::GenerationOptions options{
        .max_new_tokens = 30,
        .sampling = {.temperature = 0.9f, .top_k = 50, .top_p = 0.95f, .presence_penalty = 0.2f, .seed = 7}};
    const std::string prompt = "In the middle";
    const rwkv::Generation expected = generator.generate(prompt, options);

    rwkv_error error;
    rwkv_load_options load = {};
    load.format = RWKV_Q8;
    rwkv_model* const model = rwkv_model_load(model_dir.c_str(), &load, &error);
    rwkv_tokenizer* const tokenizer = rwkv_tokenizer_load(model_dir.c_str(), &error);
    rwkv_generator* const found = rwkv_generator_new(model, tokenizer, 1, 0, &error);
    REQUIRE(found);
    rwkv_generation_options same;
    rwkv_generation_options_init(&same);
    same.max_new_tokens = 30;
    same.sampling.temperature = 0.9f;
    same.sampling.top_k = 50;
    same.sampling.top_p = 0.95f;
    same.sampling.presence_penalty = 0.2f;
    same.sampling.seed = 7;
    REQUIRE(rwkv_generator_generate(found, prompt.data(), prompt.size(), &same, nullptr, nullptr, &error) == RWKV_OK);
    rwkv_generation result;
    REQUIRE(rwkv_generator_result(found, &result, &error) == RWKV_OK);
    CHECK(std::string_view(result.text, result.text_bytes) == expected.text);
    CHECK(std::vector(result.tokens, result.tokens + result.token_count) == expected.tokens);
    CHECK(std::vector(result.log_probabilities, result.log_probabilities + result.token_count) ==
          expected.log_probabilities);

    const std::vector<rwkv::TokenId> tokens{3, 1, 4, 1, 5};
    rwkv::State state(generator.model().config());
    rwkv::Workspace workspace(generator.model().config(), {.threads = 1});
    const auto logits = generator.model().forward(tokens, state, workspace);
    rwkv_state* const c_state = rwkv_state_new(model, &error);
    rwkv_workspace* const c_workspace = rwkv_workspace_new(model, 1, 0, &error);
    std::vector<float> c_logits(logits.size());
    REQUIRE(rwkv_model_forward(model, tokens.data(), tokens.size(), c_state, c_workspace, c_logits.data(), &error) ==
            RWKV_OK);
    CHECK(std::vector(logits.begin(), logits.end()) == c_logits);

    // A state that C++ has saved is the state of C, and the other way round.
    const std::vector<std::byte> bytes = rwkv::to_bytes(state);
    std::vector<std::byte> c_bytes(bytes.size());
    std::size_t size = 0;
    REQUIRE(rwkv_state_to_bytes(c_state, c_bytes.data(), c_bytes.size(), &size, &error) == RWKV_OK);
    CHECK(size == bytes.size());
    CHECK((c_bytes == bytes));

    rwkv_workspace_free(c_workspace);
    rwkv_state_free(c_state);
    rwkv_generator_free(found);
    rwkv_tokenizer_free(tokenizer);
    rwkv_model_free(model);
}

TEST_CASE("the C interface reports a tokenizer that may be another model's", "[c]") {
    const std::string larger = std::string(RWKV_FIXTURES_DIR) + "/../../examples/fairy-tales";
    rwkv_error error;
    rwkv_model* const model = rwkv_model_load(larger.c_str(), nullptr, &error);
    const auto described = [&](const std::string& directory) {
        rwkv_tokenizer* const tokenizer = rwkv_tokenizer_load(directory.c_str(), &error);
        char text[200];
        std::size_t bytes = 1;
        CHECK(rwkv_tokenizer_describe_mismatch(tokenizer, model, text, sizeof text, &bytes, &error) == RWKV_OK);
        CHECK(bytes == std::string(text).size());
        rwkv_tokenizer_free(tokenizer);
        return std::string(text);
    };
    CHECK(described(larger).empty());
    CHECK(described(model_dir).starts_with("the tokenizer has 256 tokens and the model "));
    std::size_t bytes = 0;
    CHECK(rwkv_tokenizer_describe_mismatch(nullptr, model, nullptr, 0, &bytes, &error) == RWKV_ARGUMENT_ERROR);
    rwkv_model_free(model);
}

TEST_CASE("each kind of error has a status", "[c]") {
    const rwkv::test::TempDir directory;
    rwkv_error error;
    const auto status_of = [&](const std::string& path) {
        rwkv_model* const model = rwkv_model_load(path.c_str(), nullptr, &error);
        rwkv_model_free(model);
        return error.status;
    };
    CHECK(status_of(model_dir) == RWKV_OK);
    CHECK(std::string(error.message).empty());
    CHECK(status_of("none") == RWKV_FILE_ERROR);
    CHECK(status_of(directory.write("broken.safetensors", "{}").string()) == RWKV_FORMAT_ERROR);
    CHECK(status_of(std::string(RWKV_FIXTURES_DIR) + "/pytorch/others/RWKV-5.pth") == RWKV_MODEL_ERROR);
    CHECK(std::string(error.message).starts_with(RWKV_FIXTURES_DIR));
}
