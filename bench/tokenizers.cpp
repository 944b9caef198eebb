// What loading a tokenizer, encoding and decoding cost. The texts and vocabularies are those of the folder that the
// environment's RWKV_SHARED_DATA names; what is not there is skipped, and says so.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/io/file.hpp>
#include <rwkv/load_tokenizer.hpp>

namespace {

using rwkv::TokenId;

constexpr const char *neox = "20B_tokenizer.json", *world = "rwkv_vocab_v20230424.txt";
constexpr const char *lambada = "lambada_test.jsonl", *tales = "fairy-tales.txt";

std::filesystem::path data(const std::string& name) {
    const char* const directory = std::getenv("RWKV_SHARED_DATA");
    return std::filesystem::path(directory ? directory : RWKV_SHARED_DATA_DIR) / name;
}

/// The passages of a .jsonl, or the whole of a text.
std::vector<std::string> passages(const std::string& name) {
    if (!name.ends_with(".jsonl")) return {rwkv::io::read_text(data(name), std::uint64_t(1) << 30)};
    std::vector<std::string> result;
    std::ifstream file(data(name));
    for (std::string line; std::getline(file, line);) result.push_back(nlohmann::json::parse(line).at("text"));
    return result;
}

bool at_hand(benchmark::State& bench, std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (!std::filesystem::exists(data(name))) {
            bench.SkipWithError((data(name).string() + " is not at hand").c_str());
            return false;
        }
    return true;
}

void load(benchmark::State& bench, const char* vocabulary) {
    if (!at_hand(bench, {vocabulary})) return;
    for (auto _ : bench) benchmark::DoNotOptimize(rwkv::load_tokenizer(data(vocabulary)));
}
BENCHMARK_CAPTURE(load, neox, neox)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(load, world, world)->Unit(benchmark::kMillisecond);

void encode(benchmark::State& bench, const char* vocabulary, const char* text) {
    if (!at_hand(bench, {vocabulary, text})) return;
    const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(data(vocabulary));
    const std::vector<std::string> parts = passages(text);
    std::size_t bytes = 0;
    for (const std::string& part : parts) bytes += part.size();
    for (auto _ : bench)
        for (const std::string& part : parts) benchmark::DoNotOptimize(tokenizer.encode(part));
    bench.SetBytesProcessed(bench.iterations() * static_cast<std::int64_t>(bytes));
}
BENCHMARK_CAPTURE(encode, neox_lambada, neox, lambada)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, neox_tales, neox, tales)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, world_lambada, world, lambada)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, world_tales, world, tales)->Unit(benchmark::kMillisecond);

void decode(benchmark::State& bench, const char* vocabulary) {
    if (!at_hand(bench, {vocabulary, tales})) return;
    const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(data(vocabulary));
    const std::string text = passages(tales).front();
    const std::vector<TokenId> ids = tokenizer.encode(text);
    for (auto _ : bench) benchmark::DoNotOptimize(tokenizer.decode(ids));
    bench.SetBytesProcessed(bench.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK_CAPTURE(decode, neox, neox)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode, world, world)->Unit(benchmark::kMillisecond);

/// Text that a careless tokenizer takes the square of its length for; 1, 2, 4 … MB should take little more than 1, 2, 4
/// …
void encode_hostile(benchmark::State& bench, const char* part) {
    if (!at_hand(bench, {neox})) return;
    const rwkv::Tokenizer tokenizer = rwkv::load_tokenizer(data(neox));
    std::string text;
    while (text.size() < static_cast<std::size_t>(bench.range(0)) * 1'000'000) text += part;
    for (auto _ : bench) benchmark::DoNotOptimize(tokenizer.encode(text));
    bench.SetBytesProcessed(bench.iterations() * static_cast<std::int64_t>(text.size()));
}
#define HOSTILE(name, part) \
    BENCHMARK_CAPTURE(encode_hostile, name, part)->Arg(1)->Arg(2)->Arg(4)->Arg(10)->Unit(benchmark::kMillisecond)
HOSTILE(one_letter, "a");
HOSTILE(one_word, "thequickbrownfox");
HOSTILE(spaces, " ");
HOSTILE(line_feeds, "\n");
HOSTILE(one_mark, "\xCC\x81");
HOSTILE(marks_in_disorder, "\xCC\x81\xCC\xA3\xCC\x95");
HOSTILE(half_a_special_token, "<|endoftext");

}  // namespace

BENCHMARK_MAIN();
