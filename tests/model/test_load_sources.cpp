#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../archive.hpp"
#include "../catch.hpp"
#include "support.hpp"

#include <rwkv/convert_model.hpp>
#include <rwkv/load_safetensors.hpp>
#include <rwkv/load_tokenizer.hpp>
#include <rwkv/state_file.hpp>

using namespace rwkv;
using namespace rwkv::test;

namespace fs = std::filesystem;

namespace {

std::vector<float> last_logits(const Model& model) {
    State state(model.config());
    Workspace workspace(model.config());
    const auto logits = model.forward(std::vector<TokenId>{1, 32, 7, 0, 13}, state, workspace);
    return {logits.begin(), logits.end()};
}

/// All that tells one model from another.
bool same(const Model& a, const Model& b) {
    return a.config() == b.config() && all_elements(a) == all_elements(b) && a.has_head() == b.has_head() &&
           (!a.has_head() || last_logits(a) == last_logits(b));
}

/// Bytes that lie `shift` bytes after what any type is aligned to.
std::shared_ptr<const std::vector<std::byte>> shifted(const std::string& text, std::size_t shift) {
    std::vector<std::byte> bytes(text.size() + shift);
    std::memcpy(bytes.data() + shift, text.data(), text.size());
    return std::make_shared<const std::vector<std::byte>>(std::move(bytes));
}

std::string weights_of(const std::string& name) {
    return read_all(fixture(name) / "model.safetensors");
}

}  // namespace

TEST_CASE("a model is the same from a path, from memory and from an application's own files", "[source]") {
    const TempDir directory;
    convert_model(fixture("plain"), directory.path() / "q8", {.format = WeightFormat::q8});
    convert_model(fixture("mixed"), directory.path() / "q4", {.format = WeightFormat::q4, .max_shard_size = 20'000});
    for (const fs::path& path :
         {fixture("plain"), fixture("mixed"), fixture("odd"), fixture("tied"), fixture("bare"), fixture("sharded"),
          fixture("blinkdl"), fixture("pytorch/f16"), fixture("pytorch/views"), fixture("pytorch/sharded"),
          fixture("pytorch/blinkdl"), directory.path() / "q8", directory.path() / "q4"}) {
        const MemoryFiles memory = in_memory(path);
        Archive archive;
        archive.add_directory(path);
        for (const LoadOptions& options : {LoadOptions{}, LoadOptions{.threads = 1}, LoadOptions{.mapped = true}}) {
            CAPTURE(path.string(), options.mapped, options.threads);
            const Model expected = load_model(path, options);
            CHECK(same(load_model(memory, options), expected));
            CHECK(load_model(memory, options).warnings() == expected.warnings());
            CHECK(load_config(memory) == expected.config());
            // Such files cannot be mapped, and weights that are read lie by group, so that sums are made in another
            // order.
            CHECK(same(load_model(archive, options), load_model(path, {.threads = options.threads})));
        }
    }
    CHECK(same(load_safetensors(in_memory(fixture("sharded"))), load_model(fixture("sharded"))));
    CHECK(outcome([&] { return load_safetensors(in_memory(fixture("pytorch/f16"))); }) ==
          "ModelError memory/pytorch_model.bin: expected a safetensors file, found a PyTorch file, which is not read "
          "here: convert it to safetensors");
}

TEST_CASE("weights by themselves are a model, whatever they are called", "[source]") {
    for (const auto& [path, weights] : std::vector<std::pair<fs::path, std::string>>{
             {fixture("blinkdl") / "model.safetensors", weights_of("blinkdl")},
             {fixture("pytorch/blinkdl") / "RWKV-4-Pile-tiny.pth",
              read_all(fixture("pytorch/blinkdl") / "RWKV-4-Pile-tiny.pth")}}) {
        const TempDir directory;  // where no config.json is
        fs::copy_file(path, directory.path() / path.filename());
        const Model expected = load_model(directory.path() / path.filename());
        for (const std::string& name : {path.filename().string(), std::string("asset 17"), std::string()})
            CHECK(same(load_model(MemorySource(name, weights)), expected));
        CHECK(load_config(MemorySource("asset 17", weights)) == expected.config());
    }
    CHECK(same(load_safetensors(MemorySource("weights", weights_of("blinkdl"))),
               load_safetensors(MemorySource("", weights_of("blinkdl")))));
    CHECK(as_expected(outcome([] { return load_model(MemorySource("a page", "<html>not found</html>")); }),
                      {"FormatError a page: expected a safetensors file, found an HTML page"}));
    CHECK(as_expected(outcome([] { return load_model(MemorySource("nothing", "")); }), {"FormatError nothing: "}));
    CHECK(as_expected(outcome([] { return load_model(MemorySource("notes", "# A model, and more")); }),
                      {"FormatError notes: expected a safetensors file, found a text"}));
    CHECK(as_expected(outcome([] {
                          return load_model(
                              MemorySource("model.safetensors.index.json", R"({"weight_map":{"a":"x.safetensors"}})"));
                      }),
                      {"FileError x.safetensors: expected a file, found none of that name"}));
}

TEST_CASE("files that are missing are named", "[source]") {
    MemoryFiles files("pack");
    CHECK(outcome([&] { return load_model(files); }) ==
          "FileError pack: expected a model.safetensors file, found none");
    CHECK(
        outcome([&] { return load_tokenizer(files); }) ==
        "FileError pack: expected tokenizer.json, 20B_tokenizer.json or rwkv_vocab_v20230424.txt, found none of them");
    const std::string weights = weights_of("plain");
    files.add("model.safetensors", weights);
    CHECK(outcome([&] { return load_model(files); }) ==
          "FileError pack/config.json: expected a file, found none of that name");
    MemoryFiles shards("pack");
    for (const auto& name : {"model.safetensors.index.json", "model-00001-of-00003.safetensors"}) {
        const auto bytes = std::make_shared<const std::string>(read_all(fixture("sharded") / name));
        shards.add(name, *bytes, bytes);
    }
    CHECK(outcome([&] { return load_model(shards); }) ==
          "FileError pack/model-00002-of-00003.safetensors: expected a file, found none of that name");
    MemoryFiles one("pack");
    for (const auto& name : {"config.json", "model-00001-of-00003.safetensors"}) {
        const auto bytes = std::make_shared<const std::string>(read_all(fixture("sharded") / name));
        one.add(name, *bytes, bytes);
    }
    CHECK(
        as_expected(outcome([&] { return load_model(one); }),
                    {"ModelError pack: ", "found none of that name (the file is one of several shards: give their "}));
}

TEST_CASE("a model is read in pieces of any size", "[source]") {
    for (const char* name : {"plain", "pytorch/views", "sharded"}) {
        const Model expected = load_model(fixture(name));
        for (const std::size_t most : {1U, 13U, 4093U}) {
            Archive archive([&](std::size_t, std::size_t bytes) { return std::min(most, bytes); });
            archive.add_directory(fixture(name));
            for (const int threads : {1, 3}) CHECK(same(load_model(archive, {.threads = threads}), expected));
        }
    }
}

TEST_CASE("a model whose source fails from any read on is an error that names the file", "[source]") {
    for (const char* name : {"plain", "pytorch/sharded", "sharded"}) {
        Archive whole;
        whole.add_directory(fixture(name));
        (void)load_model(whole, {.threads = 1});
        REQUIRE(whole.reads() > 20);
        for (std::size_t failing = 0; failing < whole.reads(); ++failing) {
            for (const auto kind : {0, 1, 2}) {
                Archive archive([&](std::size_t number, std::size_t bytes) -> std::size_t {
                    if (number < failing) return bytes;
                    if (kind == 0) throw std::runtime_error("torn");
                    return kind == 1 ? 0 : bytes + 1;
                });
                archive.add_directory(fixture(name));
                const std::string found = outcome([&] { return load_model(archive, {.threads = 1 + kind}); });
                CAPTURE(name, failing, kind, found);
                CHECK(as_expected(found, {"FileError ", "archive/"}));
                if (kind == 0) CHECK(as_expected(found, {"cannot read ", ": torn"}));
            }
        }
    }
}

TEST_CASE("a source that does not have the size it says is an error", "[source]") {
    for (const auto& [name, file] : std::vector<std::pair<std::string, std::string>>{
             {"plain", "model.safetensors"}, {"pytorch/f16", "pytorch_model.bin"}, {"plain", "config.json"}}) {
        const std::string bytes = read_all(fixture(name) / file);
        const auto load = [&, &name = name, &file = file](const std::string& there, std::uint64_t size) {
            Archive archive;
            archive.add_directory(fixture(name));
            archive.add(file, there, size);
            return outcome([&] { return load_model(archive, {.threads = 2}); });
        };
        CHECK(load(bytes, bytes.size()) == "accepted");
        const std::size_t step = std::max<std::size_t>(1, bytes.size() / 60);
        for (std::size_t length = 0; length < bytes.size() - 2; length += step) {
            // The bytes end before the size that is said, and both end there.
            for (const auto& found :
                 {load(bytes.substr(0, length), bytes.size()), load(bytes.substr(0, length), length)}) {
                CAPTURE(file, length, found);
                CHECK(as_expected(found, {"archive/" + file}));
                CHECK((found.starts_with("FileError") || found.starts_with("FormatError")));
            }
        }
        for (const std::uint64_t size : {std::uint64_t(bytes.size() + 1), std::uint64_t(1) << 40, ~std::uint64_t(0)}) {
            const std::string found = load(bytes, size);
            CAPTURE(file, size, found);
            CHECK(as_expected(found, {"archive/" + file}));
            CHECK((found.starts_with("FileError") || found.starts_with("FormatError")));
        }
    }
}

TEST_CASE("weights in memory are used where they lie, and kept as long as the model", "[source]") {
    const Model expected = load_model(fixture("plain"), {.mapped = true});
    const std::string weights = weights_of("plain"), config = read_all(fixture("plain") / "config.json");
    std::size_t in_place = 0;
    for (const std::size_t shift : {0U, 1U, 2U, 3U}) {
        auto bytes = shifted(weights, shift);
        const std::weak_ptr<const std::vector<std::byte>> kept = bytes;
        const std::byte *const begin = bytes->data(), *const end = begin + bytes->size();
        auto files = std::make_optional<MemoryFiles>("memory");
        files->add("config.json", config);
        files->add("model.safetensors", std::span(*bytes).subspan(shift), bytes);
        bytes.reset();
        auto model = std::make_optional(load_model(*files, {.mapped = true}));
        files.reset();
        const auto* const place = reinterpret_cast<const std::byte*>(model->weights().embeddings.data());
        const bool lies_there = place >= begin && place < end;
        in_place += lies_there;
        CAPTURE(shift, lies_there);
        CHECK(kept.expired() != lies_there);
        CHECK(all_elements(*model) == all_elements(expected));
        if (lies_there) CHECK(last_logits(*model) == last_logits(expected));
        const Model copy = *model;
        model.reset();
        CHECK(kept.expired() != lies_there);
        CHECK(last_logits(copy).size() == 101);
    }
    CHECK(in_place == 1);  // floats lie at multiples of 4

    // Not mapped, nothing of it is needed once it is loaded.
    auto bytes = shifted(weights, 0);
    MemoryFiles files("memory");
    files.add("config.json", config);
    files.add("model.safetensors", *bytes);
    const Model model = load_model(files);
    bytes.reset();
    CHECK(same(model, load_model(fixture("plain"))));
}

TEST_CASE("a source's own mapping is used, and lives as long as the model", "[source]") {
    struct Asset final : ByteSource {
        explicit Asset(std::shared_ptr<const std::string> all)
            : ByteSource("asset", all->size()), bytes(std::move(all)) {}
        std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override {
            return bytes->copy(reinterpret_cast<char*>(out.data()), out.size(), static_cast<std::size_t>(offset));
        }
        std::shared_ptr<const std::byte[]> do_map(std::uint64_t offset, std::size_t) const override {
            ++maps;
            if (fails) throw std::runtime_error("no address space");
            return {bytes, reinterpret_cast<const std::byte*>(bytes->data()) + offset};
        }
        std::shared_ptr<const std::string> bytes;
        mutable std::atomic<int> maps{0};
        bool fails = false;
    };
    auto bytes = std::make_shared<const std::string>(weights_of("blinkdl"));
    const std::weak_ptr<const std::string> kept = bytes;
    auto asset = std::make_unique<Asset>(std::move(bytes));
    CHECK(all_elements(load_model(*asset)) == all_elements(load_model(fixture("blinkdl"))));
    CHECK(asset->maps == 0);
    auto model = std::make_optional(load_model(*asset, {.mapped = true}));
    CHECK(asset->maps > 0);
    asset->fails = true;
    CHECK(outcome([&] { return load_model(*asset, {.mapped = true}); }) ==
          "FileError cannot map asset: no address space");
    asset.reset();
    CHECK_FALSE(kept.expired());
    CHECK(all_elements(*model) == all_elements(load_model(fixture("blinkdl"))));
    model.reset();
    CHECK(kept.expired());
}

TEST_CASE("loading from a source tells its progress, and is cancelled, as from a path", "[source]") {
    const auto told = [](const auto& from) {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
        (void)load_model(from,
                         {.threads = 1, .progress = [&](std::string_view, std::uint64_t done, std::uint64_t total) {
                              all.emplace_back(done, total);
                              return true;
                          }});
        return all.back();
    };
    const MemoryFiles memory = in_memory(fixture("plain"));
    CHECK(told(memory) == told(fixture("plain")));
    CHECK_THROWS_AS(load_model(memory, {.progress = [](auto...) { return false; }}), Cancelled);
}

TEST_CASE("adapters from sources", "[source]") {
    const fs::path folder = fixture("adapters");
    const auto peft = std::make_shared<const MemoryFiles>(in_memory(folder / "default"));
    const auto blinkdl = std::make_shared<const MemoryFiles>(in_memory(folder / "rwkv-lm-lora"));
    for (const auto& [base, on_disk, in_files] :
         {std::tuple("plain", Adapter{folder / "default"}, Adapter{.path = {}, .files = peft}),
          std::tuple("bf16", Adapter{folder / "rwkv-lm-lora" / "rwkv-0.pth", 2.0f},
                     Adapter{"rwkv-0.pth", 2.0f, blinkdl})}) {
        const MemoryFiles model = in_memory(fixture(base));
        CHECK(same(load_model(model, {.adapters = {in_files}}), load_model(fixture(base), {.adapters = {on_disk}})));
        CHECK_FALSE(same(load_model(model, {.adapters = {in_files}}), load_model(model)));
    }
    const Adapter none{"none.pth", 1.0f, peft};
    CHECK(outcome([&] { return load_model(fixture("plain"), {.adapters = {none}}); }) ==
          "FileError memory/none.pth: expected a file, found none of that name");
}

TEST_CASE("tokenizers from sources", "[source]") {
    const Tokenizer expected = load_tokenizer(fixture("text"));
    const std::string text = "Once upon a time, naïve 你好 <|endoftext|>\n",
                      file = read_all(fixture("text") / "tokenizer.json");
    Archive archive([](std::size_t, std::size_t bytes) { return std::min<std::size_t>(bytes, 1000); });
    archive.add_directory(fixture("text"));
    CHECK(load_tokenizer(archive).encode(text) == expected.encode(text));
    CHECK(load_tokenizer(in_memory(fixture("text"))).encode(text) == expected.encode(text));
    for (const char* name : {"tokenizer.json", "row 7", ""})
        CHECK(load_tokenizer(MemorySource(name, file)).encode(text) == expected.encode(text));
    CHECK(as_expected(outcome([&] { return load_tokenizer(MemorySource("row 7", file.substr(0, 1000))); }),
                      {"FormatError row 7"}));
    CHECK(&guess_prompt_format(archive) == &guess_prompt_format(fixture("text")));
}

TEST_CASE("states and conversations from sources", "[source]") {
    const Model model = load_model(fixture("plain"));
    Conversation conversation{State(model.config()), {1, 42, 7}, {}};
    Workspace workspace(model.config());
    const auto logits = model.forward(conversation.tokens, conversation.state, workspace);
    conversation.logits.assign(logits.begin(), logits.end());
    const auto text_of = [](const std::vector<std::byte>& bytes) {
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    Archive archive([](std::size_t, std::size_t bytes) { return std::min<std::size_t>(bytes, 100); });
    archive.add("state", text_of(to_bytes(conversation.state)));
    archive.add("conversation", text_of(to_bytes(conversation)));
    CHECK(load_state(*archive.open("state"), model.config()) == conversation.state);
    const Conversation found = load_conversation(*archive.open("conversation"), model.config());
    CHECK(found.state == conversation.state);
    CHECK(found.tokens == conversation.tokens);
    CHECK(found.logits == conversation.logits);
    CHECK(as_expected(outcome([&] { return load_state(*archive.open("conversation"), model.config()); }),
                      {"ModelError archive/conversation: format"}));
}
