// A cache is kept in a directory, and found again by the model that it belongs to.

#include <filesystem>
#include <string>
#include <vector>

#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// Two states with logits, and one without.
void fill(PrefixCache& cache, const Model& model) {
    Workspace workspace(model.config(), {.threads = 1});
    for (const std::string& text : {std::string("Hello"), std::string("Hello world"), std::string("Good")}) {
        State state(model.config());
        const auto logits = model.forward(ids(text), state, workspace);
        REQUIRE(cache.insert(ids(text), state, text == "Good" ? std::span<const float>() : logits));
    }
}

}  // namespace

TEST_CASE("a cache comes back from its directory") {
    const Setup setup;
    const TempDir directory;
    const auto path = directory.path() / "states" / "here";
    PrefixCache cache(setup.model.config());
    fill(cache, setup.model);
    save_prefix_cache(cache, setup.model, path);
    PrefixCache other(setup.model.config());
    load_prefix_cache(other, setup.model, path);
    CHECK(other.prefixes() == cache.prefixes());  // in the order of their use
    CHECK(other.bytes() == cache.bytes());
    State state(setup.model.config()), expected(setup.model.config());
    std::vector<float> logits, expected_logits;
    for (const auto& tokens : cache.prefixes()) {
        CHECK(cache.read(tokens, expected, expected_logits));
        CHECK(other.read(tokens, state, logits));
        CHECK(state == expected);
        CHECK(logits == expected_logits);
    }
    // What is used comes last; files that are there stay; those of states that were forgotten go.
    cache.find(ids("Hello"), state, logits);
    save_prefix_cache(cache, setup.model, path);
    PrefixCache again(setup.model.config());
    load_prefix_cache(again, setup.model, path);
    CHECK(again.prefixes().back() == ids("Hello"));
    cache.clear();
    fill(cache, setup.model);
    CHECK(cache.insert(ids("more"), state));
    std::filesystem::create_directory(path / "other");
    directory.write("states/here/note.txt", "not ours");
    save_prefix_cache(cache, setup.model, path);
    PrefixCache with_more(setup.model.config());
    load_prefix_cache(with_more, setup.model, path);
    CHECK(with_more.size() == 4);
    cache.clear();
    save_prefix_cache(cache, setup.model, path);
    CHECK(std::filesystem::exists(path / "note.txt"));
    with_more.clear();
    load_prefix_cache(with_more, setup.model, path);
    CHECK(with_more.size() == 0);
}

TEST_CASE("states of another model are refused, by its weights") {
    const Setup setup, quantized(WeightFormat::q8);
    const TempDir directory;
    PrefixCache cache(setup.model.config());
    fill(cache, setup.model);
    save_prefix_cache(cache, setup.model, directory.path());
    CHECK(fingerprint(setup.model) == fingerprint(Setup().model));
    CHECK(fingerprint(setup.model) != fingerprint(quantized.model));
    PrefixCache other(quantized.model.config());
    CHECK(as_expected(outcome([&] { load_prefix_cache(other, quantized.model, directory.path()); }),
                      {"ModelError", "model: expected the fingerprint"}));
    // One weight of one tensor is another.
    const TempDir changed;
    write_changed("text", changed.path(), [](auto& tensors) {
        tensor_named(tensors, "rwkv.blocks.1.feed_forward.value.weight").bytes[40] ^= std::byte{1};
    });
    const Model nearly = load_model(changed.path());
    CHECK(fingerprint(nearly) != fingerprint(setup.model));
    CHECK_THROWS_AS(load_prefix_cache(cache, nearly, directory.path()), ModelError);
    // Saving there replaces them.
    PrefixCache own(nearly.config());
    fill(own, nearly);
    save_prefix_cache(own, nearly, directory.path());
    CHECK(directory.count() == 3);
    CHECK_THROWS_AS(load_prefix_cache(cache, setup.model, directory.path()), ModelError);
}

TEST_CASE("a damaged file of a state is refused with its name") {
    const Setup setup;
    const TempDir directory;
    PrefixCache cache(setup.model.config());
    fill(cache, setup.model);
    save_prefix_cache(cache, setup.model, directory.path());
    const auto path = std::filesystem::directory_iterator(directory.path())->path();
    const std::string bytes = read_all(path);
    for (const std::size_t size : {std::size_t{0}, std::size_t{7}, bytes.size() / 2, bytes.size() - 1}) {
        directory.write(path.filename().string(), bytes.substr(0, size));
        PrefixCache other(setup.model.config());
        CHECK(as_expected(outcome([&] { load_prefix_cache(other, setup.model, directory.path()); }),
                          {"FormatError", path.filename().string()}));
    }
    CHECK_THROWS_AS(load_prefix_cache(cache, setup.model, directory.path() / "none"), FileError);
    save_prefix_cache(cache, setup.model, directory.path());  // writes it anew
    PrefixCache other(setup.model.config());
    load_prefix_cache(other, setup.model, directory.path());
    CHECK(other.size() == 3);
}
