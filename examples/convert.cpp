// Writes a model as a directory for transformers, or quantized, to be loaded or mapped as it is.

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <rwkv/convert_model.hpp>

#include "adapter_option.hpp"
#include "hub_name.hpp"
#include "terminal.hpp"
#include "threads_option.hpp"

namespace {

/// "5GB" in bytes; nullopt unless it is a positive number and a unit. Units are Hugging Face's, upper or lower case.
std::optional<std::uint64_t> bytes_of(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 10> units{{{"", 1},
                                                                                {"B", 1},
                                                                                {"KB", 1'000},
                                                                                {"MB", 1'000'000},
                                                                                {"GB", 1'000'000'000},
                                                                                {"TB", 1'000'000'000'000},
                                                                                {"KIB", 1ULL << 10},
                                                                                {"MIB", 1ULL << 20},
                                                                                {"GIB", 1ULL << 30},
                                                                                {"TIB", 1ULL << 40}}};
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number == 0) return std::nullopt;
    std::string unit(text.substr(static_cast<std::size_t>(end - text.data())));
    for (char& c : unit)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    for (const auto& [name, bytes] : units)
        if (unit == name) return rwkv::core::checked_multiply(number, bytes);
    return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Writes the model IN to OUT_DIR as a Hugging Face directory: config.json, model.safetensors (or several, with\n"
        "an index) and the tokenizer. Only this library reads q8 and q4.");
    app.footer(terminal::exit_codes);
    rwkv::ConvertOptions options;
    std::string in, out, format = "stored", size = "5GB", tokenizer;
    const std::vector<std::string> formats(rwkv::weight_format_names.begin(), rwkv::weight_format_names.end());
    app.add_option("IN", in, "model to convert")->required()->each(&refuse_hub_name);
    app.add_option("OUT_DIR", out, "directory to write; must be empty or absent")->required();
    app.add_option("--format", format,
                   "format of the matrices: stored (as in IN), f32, f16, bf16, q8 (8 bits) or q4 (4 bits)")
        ->check(CLI::IsMember(formats).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    add_adapter_option(app, options.adapters);
    app.add_option("--max-shard-size", size, "maximum size of a file of weights: 500MB, 5GB, 4GiB …")
        ->check([](const std::string& text) {
            return bytes_of(text) ? "" : "expected a number of bytes, KB, MB, GB, KiB …, found " + text;
        })
        ->type_name("SIZE")
        ->capture_default_str();
    app.add_option("--tokenizer", tokenizer,
                   "tokenizer.json or World vocabulary (.txt) to copy instead of the one beside IN")
        ->type_name("FILE");
    options.threads = reading_threads();
    add_threads_option(app, options.threads);
    return terminal::run(app, argc, argv, [&] {
        options.max_shard_size = *bytes_of(size);
        options.format = *rwkv::weight_format_of(format);
        options.tokenizer = tokenizer;
        // The conversion is cancelled and removes what it has written.
        Signals::catch_end(terminal::ending_signals);
        options.progress = terminal::progress();
        const rwkv::ConvertedModel converted = rwkv::convert_model(in, out, options);
        for (const std::string& warning : converted.warnings) std::fprintf(stderr, "note: %s\n", warning.c_str());
        bool has_tokenizer = false;
        for (const std::string& file : converted.files)
            has_tokenizer = has_tokenizer || file.find("tokenizer") != file.npos || file.find("vocab") != file.npos;
        if (!has_tokenizer)
            std::fprintf(stderr, "note: there is no tokenizer beside %s (use --tokenizer FILE)\n", in.c_str());
        for (const std::string& file : converted.files) std::printf("%s\n", file.c_str());
        std::printf("%zu tensors, %s\n", converted.tensors, terminal::size_of(converted.bytes).c_str());
    });
}
