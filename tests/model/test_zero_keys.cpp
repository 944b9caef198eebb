// Channel mixing's zeros: columns of feed_forward.value that meet one are not read, and nothing changes by that.

#include <cstdint>
#include <vector>

#include <rwkv/convert_model.hpp>
#include <rwkv/load_model.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

const std::filesystem::path trained_model = fixture("../../examples/fairy-tales");
const std::vector<TokenId> some_tokens{17, 300, 4, 99, 2021, 5, 1000, 64};

/// The logits after each token, `chunk` of them read together.
std::vector<float> logits_of(const Model& model, Index chunk, int threads) {
    Workspace workspace(model.config(), {.threads = threads, .chunk = chunk});
    State state(model.config());
    std::vector<float> all;
    model.forward_all(some_tokens, state, workspace, [&](Index, std::span<const float> logits) {
        all.insert(all.end(), logits.begin(), logits.end());
        return true;
    });
    return all;
}

kernels::Layout layout_of(const Model& model) {
    return model.weights().blocks.back().feed_forward.value.layout();
}

}  // namespace

TEST_CASE("skipping zeros leaves a model's logits as they are: the same bits when quantized, else by rounding") {
    for (const WeightFormat format : {WeightFormat::q8, WeightFormat::q4, WeightFormat::bf16, WeightFormat::f32}) {
        CAPTURE(name(format));
        const TempDir directory;
        convert_model(trained_model, directory.path(), {.format = format});
        const Model loaded = load_model(directory.path()), mapped = load_model(directory.path(), {.mapped = true});
        CHECK(layout_of(loaded) == kernels::Layout::column_major);
        CHECK(layout_of(mapped) ==
              (kernels::is_quantized(format) ? kernels::Layout::row_groups : kernels::Layout::row_major));
        CHECK((all_elements(loaded) == all_elements(mapped)));
        CHECK((all_elements(load_model(trained_model, {.format = format})) == all_elements(loaded)));
        const std::vector<float> dense = logits_of(mapped, 1, 1);
        for (const Index chunk : {1, 2, 3, 8})
            for (const int threads : {1, 2, 3}) {
                CAPTURE(chunk, threads);
                const std::vector<float> found = logits_of(loaded, chunk, threads);
                if (kernels::is_quantized(format))
                    CHECK((found == logits_of(mapped, chunk, threads)));
                else
                    CHECK(error_of(found, dense) < tolerance);
            }
    }
}

TEST_CASE("a workspace counts the keys that are zero once asked to") {
    const Model model = load_model(trained_model);
    Workspace workspace(model.config(), {.threads = 2, .chunk = 4});
    State state(model.config());
    model.forward_state(some_tokens, state, workspace);
    CHECK(workspace.key_counts().keys == 0);
    CHECK(workspace.key_counts().zero_share() == 0);
    workspace.count_keys();
    model.forward_state(some_tokens, state, workspace);
    const Config& config = model.config();
    CHECK(workspace.key_counts().keys ==
          static_cast<std::uint64_t>(config.num_hidden_layers * config.intermediate_size) * some_tokens.size());
    CHECK(workspace.key_counts().zero_share() > 0.6);
    CHECK(workspace.key_counts().zero_share() < 0.95);
}
