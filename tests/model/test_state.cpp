#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <rwkv/state_file.hpp>

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
    for (float value : state.wkv_average()) CHECK(value == 0);

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

    const auto embedding = moved.wkv_average();
    const auto first = moved.wkv_average(0);
    REQUIRE(embedding.size() == 29);
    const Index last = model.config().num_hidden_layers - 1;
    CHECK(embedding[3] == moved.numerator()(3, last) / moved.denominator()(3, last));
    CHECK(first[28] == moved.numerator()(28, 0) / moved.denominator()(28, 0));

    CHECK_FALSE(State(load_model(fixture("plain")).config()) == fresh);
}

namespace {

/// A state and a conversation of fixture `odd` after its tokens.
struct Example {
    Model model = load_model(fixture("odd"));
    Conversation conversation{State(model.config()), Expected("odd").tokens, {}};

    Example() {
        Workspace workspace(model.config());
        const auto logits = model.forward(conversation.tokens, conversation.state, workspace);
        conversation.logits.assign(logits.begin(), logits.end());
    }
};

bool equal(const Conversation& a, const Conversation& b) {
    return a.state == b.state && a.tokens == b.tokens && a.logits == b.logits;
}

std::vector<std::byte> bytes_of(const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Replaces a text by one of the same length.
std::vector<std::byte> replaced(const std::vector<std::byte>& bytes, const std::string& from, const std::string& to) {
    std::string text = text_of(bytes);
    const auto at = text.find(from);
    REQUIRE(at != text.npos);
    REQUIRE(from.size() == to.size());
    return bytes_of(text.replace(at, from.size(), to));
}

}  // namespace

TEST_CASE("a state goes to a file and back, for a model of its shape only") {
    const Example example;
    const Config config = example.model.config();
    const TempDir directory;
    const auto path = directory.path() / "a state.safetensors";
    save_state(example.conversation.state, path);
    CHECK(load_state(path, config) == example.conversation.state);
    save_state(State(config), path);  // over the old one
    CHECK(load_state(path, config) == State(config));
    CHECK(directory.count() == 1);

    for (const char* other : {"plain", "tied"}) {
        const std::string found = outcome([&] { return load_state(path, load_model(fixture(other)).config()); });
        CHECK(found.starts_with("ModelError"));
        CHECK(found.find("attention.shift: expected shape [") != std::string::npos);
    }
    CHECK(outcome([&] { return load_state(fixture("odd") / "model.safetensors", config); }).starts_with("ModelError"));
    CHECK(outcome([&] { return load_state(directory.path() / "none", config); }).starts_with("FileError"));
    CHECK(outcome([&] { return load_state(directory.path(), config); }).starts_with("FileError"));
    // Whatever the file is called.
    save_state(example.conversation.state, directory.path() / "state.bin");
    CHECK(load_state(directory.path() / "state.bin", config) == example.conversation.state);
}

TEST_CASE("states and conversations go to bytes and back, which are those of the file") {
    const Example example;
    const Config config = example.model.config();
    const TempDir directory;
    const auto path = directory.path() / "file";

    const std::vector<std::byte> state = to_bytes(example.conversation.state);
    CHECK(state_from_bytes(state, config) == example.conversation.state);
    save_state(example.conversation.state, path);
    CHECK(read_all(path) == text_of(state));

    for (const bool has_logits : {true, false}) {
        Conversation conversation = example.conversation.copy();
        if (!has_logits) conversation.logits.clear();
        const std::vector<std::byte> bytes = to_bytes(conversation);
        CHECK(equal(conversation_from_bytes(bytes, config), conversation));
        save_conversation(conversation, path);
        CHECK(read_all(path) == text_of(bytes));
        CHECK(equal(load_conversation(path, config), conversation));
    }
    // Bytes at any address.
    std::vector<std::byte> shifted(state.size() + 1);
    std::ranges::copy(state, shifted.begin() + 1);
    CHECK(state_from_bytes(std::span(shifted).subspan(1), config) == example.conversation.state);
}

TEST_CASE("bytes that are no state or conversation of the model are refused") {
    const Example example;
    const Config config = example.model.config();
    const std::vector<std::byte> state = to_bytes(example.conversation.state),
                                 conversation = to_bytes(example.conversation);
    const auto as_state = [&](const std::vector<std::byte>& bytes) {
        return outcome([&] { return state_from_bytes(bytes, config); });
    };
    const auto as_conversation = [&](const std::vector<std::byte>& bytes) {
        return outcome([&] { return conversation_from_bytes(bytes, config); });
    };
    for (std::size_t size = 0; size < state.size(); size += size < 1000 ? 1 : 97)
        CHECK(as_state({state.begin(), state.begin() + static_cast<std::ptrdiff_t>(size)})
                  .starts_with("FormatError state: "));
    for (std::size_t size = 0; size < conversation.size(); size += size < 1000 ? 1 : 97)
        CHECK(as_conversation({conversation.begin(), conversation.begin() + static_cast<std::ptrdiff_t>(size)})
                  .starts_with("FormatError conversation: "));
    std::vector<std::byte> longer = state;
    longer.push_back(std::byte{0});
    CHECK(as_expected(as_state(longer), {"FormatError state", "1 bytes more"}));
    CHECK(as_state(bytes_of(std::string(1000, 'x'))).starts_with("FormatError state: "));

    CHECK(as_expected(as_state(conversation),
                      {"ModelError state: format: expected rwkv-4 state, found \"rwkv-4 conversation\""}));
    CHECK(as_expected(as_conversation(state), {"ModelError conversation: format: expected rwkv-4 conversation"}));
    CHECK(as_expected(as_state(replaced(state, "attention.shift", "attention.drift")),
                      {"ModelError state: attention.shift: expected a tensor of that name, found none"}));
    CHECK(as_expected(as_state(replaced(state, "\"F32\"", "\"I32\"")),
                      {"ModelError state: ", ": expected dtype F32, found I32"}));
    CHECK(as_expected(as_conversation(replaced(conversation, "\"I32\"", "\"F32\"")),
                      {"ModelError conversation: tokens: expected dtype I32, found F32"}));
    const std::string other = outcome([&] { return state_from_bytes(state, load_model(fixture("plain")).config()); });
    CHECK(as_expected(other, {"ModelError state: attention.shift: expected shape ["}));

    const float infinity = std::numeric_limits<float>::infinity();
    std::vector<std::byte> infinite = state;  // the last number
    std::memcpy(infinite.data() + infinite.size() - sizeof infinity, &infinity, sizeof infinity);
    CHECK(as_expected(as_state(infinite), {"FormatError state: attention.maximum: expected finite numbers"}));
    infinite = conversation;
    std::memcpy(infinite.data() + infinite.size() - sizeof infinity, &infinity, sizeof infinity);
    CHECK(as_expected(as_conversation(infinite), {"FormatError conversation: logits: expected finite numbers"}));

    Conversation changed = example.conversation.copy();
    changed.tokens.back() = static_cast<TokenId>(config.vocab_size);
    CHECK(as_expected(as_conversation(to_bytes(changed)), {"tokens: expected ids from 0 to 66, found 67"}));
    changed.tokens.back() = -1;
    CHECK(as_expected(as_conversation(to_bytes(changed)), {"tokens: expected ids from 0 to 66, found -1"}));
    changed = example.conversation.copy();
    changed.logits.push_back(0);
    CHECK(as_expected(as_conversation(to_bytes(changed)),
                      {"logits: expected shape [67] (by the model) or [0], found [68]"}));
}
