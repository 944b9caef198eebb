#include <rwkv/state_file.hpp>
#include <type_traits>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

static_assert(!std::is_copy_constructible_v<State>, "copying is a named call");
static_assert(!std::is_copy_assignable_v<State>);
static_assert(std::is_nothrow_move_constructible_v<State>);

TEST_CASE("a state is valid when constructed, and a value") {
    const Model model = load_model(fixture("odd"));
    const Expected expected("odd");
    Workspace workspace(model.config());
    State state(model.config());
    const State fresh(model.config());
    CHECK(state == fresh);
    for (float value : state.embedding()) CHECK(value == 0);

    model.forward_state(expected.tokens, state, workspace);
    CHECK_FALSE(state == fresh);
    State copy = state.copy();
    CHECK(copy == state);
    const std::vector<TokenId> more{1, 2, 3};
    model.forward_state(more, copy, workspace);
    CHECK_FALSE(copy == state);
    copy.assign(state);
    CHECK(copy == state);
    const State moved = std::move(copy);
    CHECK(moved == state);
    state.reset();
    CHECK(state == fresh);

    const auto embedding = moved.embedding();
    const auto first = moved.embedding(0);
    REQUIRE(embedding.size() == 29);
    const Index last = model.config().num_hidden_layers - 1;
    CHECK(embedding[3] == moved.numerator()(3, last) / moved.denominator()(3, last));
    CHECK(first[28] == moved.numerator()(28, 0) / moved.denominator()(28, 0));

    CHECK_FALSE(State(load_model(fixture("plain")).config()) == fresh);
}

TEST_CASE("a state goes to a file and back, for a model of its shape only") {
    const Model model = load_model(fixture("odd"));
    const Expected expected("odd");
    Workspace workspace(model.config());
    State state(model.config());
    model.forward_state(expected.tokens, state, workspace);
    const TempDir directory;
    const auto path = directory.path() / "a state.safetensors";
    save_state(state, path);
    CHECK(load_state(path, model.config()) == state);
    save_state(State(model.config()), path);  // over the old one
    CHECK(load_state(path, model.config()) == State(model.config()));
    CHECK(directory.count() == 1);

    for (const char* other : {"plain", "tied"}) {
        const std::string found = outcome([&] { load_state(path, load_model(fixture(other)).config()); });
        CHECK(found.starts_with("ModelError"));
        CHECK(found.find("attention.shift: expected shape [") != std::string::npos);
    }
    CHECK(outcome([&] { load_state(fixture("odd") / "model.safetensors", model.config()); }).starts_with("ModelError"));
    CHECK(outcome([&] { load_state(directory.path() / "none", model.config()); }).starts_with("FileError"));
}
