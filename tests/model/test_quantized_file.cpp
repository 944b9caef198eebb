// Files of quantized weights, and every way in which they can be wrong.

#include <cstring>
#include <functional>
#include <map>

#include <rwkv/checkpoint/export_plan.hpp>
#include <rwkv/convert_model.hpp>
#include <rwkv/io/file.hpp>

#include "../catch.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

using Metadata = std::map<std::string, std::string>;
using Damage = std::function<void(std::vector<RawTensor>&, Metadata&)>;

const std::string key = "rwkv.blocks.1.attention.key.weight";  // [37, 37] of `plain`

/// A fixture quantized, and after that changed.
class Quantized {
  public:
    Quantized(const std::string& name, WeightFormat format, const Damage& change = {}) {
        convert_model(fixture(name), path(), {.format = format});
        if (!change) return;
        std::vector<RawTensor> tensors;
        Metadata metadata;
        {
            const auto from = checkpoint::Checkpoint::open(path());
            metadata = from.metadata();
            for (const checkpoint::CheckpointTensor& tensor : from.tensors())
                tensors.push_back({tensor.info, elements<std::byte>(from, tensor.info.name)});
        }
        change(tensors, metadata);
        std::vector<TensorInfo> infos;
        for (const RawTensor& tensor : tensors) infos.push_back(tensor.info);
        io::SafetensorsWriter writer(path() / "model.safetensors", std::move(infos), metadata);
        for (const RawTensor& tensor : tensors) writer.write(tensor.bytes);
        writer.finish();
    }

    const std::filesystem::path& path() const { return directory_.path(); }
    std::string loaded(const LoadOptions& options = {}) const {
        return outcome([&] { return load_model(path(), options); });
    }
    /// Replaces a text in a file by one of the same length.
    void replace(const std::string& file, const std::string& from, const std::string& to) const {
        std::string text = read_all(path() / file);
        const auto at = text.find(from);
        REQUIRE(at != text.npos);
        directory_.write(file, text.replace(at, from.size(), to));
    }

  private:
    TempDir directory_;
};

/// How loading `plain`, in q4, ends after the change.
std::string damaged(const Damage& change) {
    const Quantized model("plain", WeightFormat::q4, change);
    const std::string found = model.loaded();
    CHECK(model.loaded({.mapped = true}) == found);
    CHECK(found.find((model.path() / "model.safetensors").string()) != found.npos);
    return found;
}

std::string with_metadata(const std::function<void(Metadata&)>& change) {
    return damaged([&](auto&, Metadata& metadata) { change(metadata); });
}

std::string with_tensor(const std::string& name, const std::function<void(RawTensor&)>& change) {
    return damaged([&](auto& tensors, Metadata&) { change(tensor_named(tensors, name)); });
}

}  // namespace

TEST_CASE("quantized matrices are stored as in memory, each on a cache line") {
    for (const WeightFormat format : {WeightFormat::q8, WeightFormat::q4}) {
        const Quantized model("tied", format);
        const auto file = checkpoint::Checkpoint::open(model.path());
        CHECK(file.metadata().at("format") == "pt");
        CHECK(file.metadata().at("rwkv.weights") == name(format));
        CHECK(file.metadata().at("rwkv.layout") == "1");
        CHECK(file.metadata().at("head.weight") == "[41, 19]");
        const Model original = load_model(fixture("tied"), {.format = format});
        const auto same = [&](const std::string& name, const kernels::WeightMatrix& matrix) {
            const std::vector<std::byte> bytes(matrix.data(), matrix.data() + matrix.bytes());
            CHECK((elements<std::byte>(file, name) == bytes));
            const TensorInfo& info = file.find(name)->info;
            CHECK(info.dtype == DType::u8);
            CHECK(info.offset % 64 == 0);
            CHECK(info.shape.at(0) == static_cast<std::uint64_t>((matrix.rows() + 15) / 16));
        };
        same("head.weight", *original.weights().head);
        same("rwkv.blocks.1.feed_forward.value.weight", original.weights().blocks[1].feed_forward.value);
        CHECK(file.find("rwkv.embeddings.weight")->info.dtype == DType::f32);
    }
}

TEST_CASE("metadata that is wrong or missing is refused") {
    const std::string layout =
        "metadata rwkv.layout: expected \"1\", the only layout of quantized weights that is known, ";
    CHECK(as_expected(with_metadata([](Metadata& data) { data.clear(); }),
                      {"ModelError", "expected dtype F32, F16, BF16 or F64, found U8 and no metadata rwkv.weights"}));
    CHECK(as_expected(with_metadata([](Metadata& data) { data["rwkv.layout"] = "2"; }), {layout + "found \"2\""}));
    CHECK(as_expected(with_metadata([](Metadata& data) { data.erase("rwkv.layout"); }), {layout + "found none"}));
    const std::string weights = "metadata rwkv.weights: expected \"q8\" or \"q4\", found ";
    for (const char* wrong : {"q5", "f32", "stored", "", "Q4"})
        CHECK(as_expected(with_metadata([&](Metadata& data) { data["rwkv.weights"] = wrong; }),
                          {"ModelError", weights + "\"" + wrong + "\""}));
    CHECK(as_expected(with_metadata([](Metadata& data) { data.erase("rwkv.weights"); }), {weights + "none"}));
    CHECK(as_expected(with_metadata([](Metadata& data) { data["rwkv.weights"] = "q8"; }),
                      {"ModelError",
                       "blocks.0.attention.key.weight: expected shape [3, 1088] (q8 of [37, 37]), found "
                       "[3, 576]"}));
    CHECK(as_expected(with_metadata([](Metadata& data) { data.erase(key); }),
                      {"ModelError", key + ": expected metadata \"[37, 37]\" (by the config), found none"}));
    for (const char* wrong : {"[38, 37]", "[37,37]", "", "37"})
        CHECK(as_expected(with_metadata([&](Metadata& data) { data[key] = wrong; }),
                          {"ModelError", key + ": expected metadata", std::string("found \"") + wrong + "\""}));
}

TEST_CASE("tensors that are not what the metadata says are refused") {
    const std::string expected = key + ": expected shape [3, 576] (q4 of [37, 37]), found ";
    for (const Shape& shape : {Shape{576, 3}, Shape{1728}, Shape{1, 3, 576}, Shape{6, 288}})
        CHECK(as_expected(with_tensor(key, [&](RawTensor& tensor) { tensor.info.shape = shape; }),
                          {"ModelError", expected + core::to_string(shape)}));
    CHECK(as_expected(with_tensor(key,
                                  [&](RawTensor& tensor) {
                                      tensor.info.shape = {2, 576};
                                      tensor.bytes.resize(1152);
                                  }),
                      {"ModelError", expected + "[2, 576]"}));
    CHECK(as_expected(with_tensor(key, [](RawTensor& tensor) { tensor.info.dtype = DType::i8; }),
                      {"ModelError", key + ": expected dtype F32, F16, BF16 or F64, found I8"}));
    for (const char* name : {"rwkv.embeddings.weight", "rwkv.blocks.0.ln1.bias"})
        CHECK(as_expected(with_tensor(name,
                                      [](RawTensor& tensor) {
                                          tensor.info.dtype = DType::u8;
                                          tensor.info.shape.back() *= 4;
                                      }),
                          {"ModelError", std::string(name) + ": expected dtype F32, F16, BF16 or F64, found U8"}));
    CHECK(as_expected(damaged([](auto& tensors, Metadata&) {
                          tensors.push_back(tensors.front());
                          tensors.back().info.name += "s";
                      }),
                      {"ModelError", "expected only tensors of an RWKV-4 model"}));
    const Quantized missing("plain", WeightFormat::q4, [](auto& tensors, Metadata&) {
        std::erase_if(tensors, [](const RawTensor& tensor) { return tensor.info.name == key; });
    });
    CHECK(as_expected(missing.loaded(), {"ModelError", key.substr(5) + ": expected a tensor of shape [37, 37]"}));

    const Quantized lying("plain", WeightFormat::q4);
    lying.replace("model.safetensors", "[3,576]", "[3,577]");
    CHECK(as_expected(lying.loaded(), {"FormatError", "model.safetensors", "blocks.0.attention.key.weight",
                                       "expected 1731 bytes for U8 [3, 577], found 1728 bytes"}));
    const Quantized other("odd", WeightFormat::q8);
    other.replace("config.json", "\"intermediate_size\": 53", "\"intermediate_size\": 54");
    CHECK(as_expected(other.loaded(), {"ModelError",
                                       "feed_forward.key.weight: expected metadata \"[54, 35]\" (by the "
                                       "config), found \"[53, 35]\""}));
}

TEST_CASE("a quantized model is loaded as it is stored, or not at all") {
    for (const WeightFormat stored : {WeightFormat::q8, WeightFormat::q4}) {
        const Quantized model("tied", stored);
        for (const WeightFormat format :
             {WeightFormat::f32, WeightFormat::f16, WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
            const std::string found = model.loaded({.format = format});
            CAPTURE(found);
            if (format == stored) {
                CHECK(found == "accepted");
                continue;
            }
            CHECK(as_expected(found, {"ModelError " + (model.path() / "model.safetensors").string(),
                                      "blocks.0.attention.key.weight: expected weights to convert to " +
                                          std::string(name(format)) + ", found " + std::string(name(stored)) +
                                          " weights, which can only be loaded as they are stored"}));
            const TempDir out;
            CHECK(outcome([&] { convert_model(model.path(), out.path(), {.format = format}); }) == found);
        }
        CHECK(load_model(model.path()).weights().head->format() == stored);
    }
}

TEST_CASE("the head of a tied model that is quantized must be there") {
    const Quantized model("tied", WeightFormat::q4, [](auto& tensors, Metadata&) {
        std::erase_if(tensors, [](const RawTensor& tensor) { return tensor.info.name == "head.weight"; });
    });
    CHECK(as_expected(model.loaded(), {"ModelError", "head.weight: expected a tensor of shape [41, 19], found none"}));
}

TEST_CASE("a scale that is no finite number is found where weights are read") {
    for (const auto bits : std::initializer_list<std::uint16_t>{0x7f80, 0xff80, 0x7fc1}) {
        // Block 1, row 5 of group 2: row 37 is past the last, and looked at all the same.
        const Quantized model("plain", WeightFormat::q4, [&](auto& tensors, Metadata&) {
            std::memcpy(tensor_named(tensors, key).bytes.data() + 2 * 576 + (1 * 16 + 5) * 2, &bits, 2);
        });
        for (const int threads : {1, 3})
            CHECK(as_expected(model.loaded({.threads = threads}),
                              {"ModelError", key + ": expected finite scales, found ", "(row 37, from column 32)"}));
        const TempDir out;
        CHECK(outcome([&] { convert_model(model.path(), out.path()); }) == model.loaded());
        CHECK(model.loaded({.mapped = true}) == "accepted");  // for no one looks
        CHECK(as_expected(outcome([&] { checkpoint::check_weights(checkpoint::CheckpointPlan(model.path()), {}); }),
                          {"expected finite scales"}));
    }
}

TEST_CASE("quantized weights out of line are read, also when mapped") {
    for (const WeightFormat format : {WeightFormat::q8, WeightFormat::q4}) {
        const Quantized model("plain", format, [](auto& tensors, Metadata&) {
            tensors.insert(tensors.begin(),
                           {{.name = "odd", .dtype = DType::u8, .shape = {32}}, std::vector<std::byte>(32)});
        });
        const Model mapped = load_model(model.path(), {.mapped = true});
        CHECK((all_elements(mapped) == all_elements(load_model(fixture("plain"), {.format = format}))));
        CHECK(reinterpret_cast<std::uintptr_t>(mapped.weights().head->data()) % 64 == 0);
    }
}

TEST_CASE("shards may be quantized differently, each by its own metadata") {
    const TempDir directory;
    const auto q4 = directory.path() / "q4", q8 = directory.path() / "q8";
    convert_model(fixture("plain"), q4, {.format = WeightFormat::q4, .max_shard_size = 1});
    convert_model(fixture("plain"), q8, {.format = WeightFormat::q8, .max_shard_size = 1});
    const std::string shard =
        checkpoint::read_index(io::InputFile(q4 / "model.safetensors.index.json")).weight_map.at(key);
    std::filesystem::copy_file(q8 / shard, q4 / shard, std::filesystem::copy_options::overwrite_existing);
    const Model model = load_model(q4);
    CHECK(model.weights().blocks[1].attention.key.format() == WeightFormat::q8);
    CHECK(model.weights().blocks[0].attention.key.format() == WeightFormat::q4);
    CHECK(as_expected(outcome([&] { return load_model(q4, {.format = WeightFormat::q4}); }),
                      {"ModelError", key + ": expected weights to convert to q4, found q8 weights"}));
}

TEST_CASE("a quantized model in many pieces is read by any number of threads, and every byte reported") {
    const TempDir directory;
    write_wide(directory.path());
    for (const WeightFormat format : {WeightFormat::q8, WeightFormat::q4}) {
        const auto out = directory.path() / std::string(name(format));
        convert_model(directory.path(), out, {.format = format});
        const auto expected = all_elements(load_model(directory.path(), {.format = format}));
        for (const int threads : {1, 2, 5}) {
            std::uint64_t last = 0, all = 0;
            bool rising = true;
            const auto told = [&](std::string_view, std::uint64_t done, std::uint64_t total) {
                rising = rising && done > last && done <= total;
                last = done, all = total;
                return true;
            };
            CHECK((all_elements(load_model(out, {.threads = threads, .progress = told})) == expected));
            CHECK(rising);
            CHECK(last == all);
            CHECK(all > 0);
        }
    }
}

TEST_CASE("a quantized model cut short anywhere is an error") {
    const Quantized model("text", WeightFormat::q4);
    const std::string bytes = read_all(model.path() / "model.safetensors");
    const TempDir directory;
    std::filesystem::copy_file(model.path() / "config.json", directory.path() / "config.json");
    for (std::size_t length = 0; length < bytes.size(); length += 61) {
        directory.write("model.safetensors", bytes.substr(0, length));
        CHECK_THROWS_AS(load_model(directory.path()), Error);
    }
}
