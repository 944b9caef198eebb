// Writes a model as a directory for transformers, or quantized, to be loaded or mapped as it is.

#include <cstdint>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>

#include <rwkv/convert_model.hpp>

#include "chat/interrupts.hpp"
#include "terminal.hpp"

namespace {

/// A bar on a terminal; Ctrl-C ends the work, and so removes what was written.
rwkv::Progress progress() {
    Interrupts::catch_all();
    return [bar = terminal::progress_bar()](std::string_view stage, std::uint64_t done, std::uint64_t total) {
        if (Interrupts::taken()) throw std::runtime_error("interrupted: nothing was converted");
        if (bar) bar(stage, done, total);
    };
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Writes the model IN as OUT_DIR, a directory as on Hugging Face: config.json, model.safetensors (with an "
        "index\n"
        "where there are several) and the tokenizer. q8 and q4 are for this library only, and load as they are.");
    app.footer("Exit codes: 0; 1 with the reason on standard error; 2 for a wrong command line.");
    rwkv::ConvertOptions options;
    std::string in, out, format = "stored", tokenizer;
    const std::vector<std::string> formats(rwkv::weight_format_names.begin(), rwkv::weight_format_names.end());
    app.add_option("IN", in, "the model to convert")->required();
    app.add_option("OUT_DIR", out, "the directory to write: empty, or not there yet")->required();
    app.add_option("--format", format, "bring the matrices to f32, f16, bf16, q8 (8 bits) or q4 (4 bits), or as stored")
        ->check(CLI::IsMember(formats).description(""))
        ->type_name("FORMAT")
        ->capture_default_str();
    app.add_option("--max-shard-size", options.max_shard_size, "bytes of weights in a file: 500MB, 5GB, 4GiB …")
        ->transform(CLI::AsSizeValue(true).description(""))
        ->check(CLI::Range(std::uint64_t(1), std::numeric_limits<std::uint64_t>::max()).description(""))
        ->type_name("SIZE")
        ->default_str("5GB");
    app.add_option("--tokenizer", tokenizer, "tokenizer.json or World vocabulary (.txt) to copy in place of IN's")
        ->type_name("FILE");
    return terminal::run(app, argc, argv, [&] {
        options.format = *rwkv::weight_format_of(format);
        options.tokenizer = tokenizer;
        options.progress = progress();
        const rwkv::ConvertedModel converted = rwkv::convert_model(in, out, options);
        for (const std::string& warning : converted.warnings) std::fprintf(stderr, "note: %s\n", warning.c_str());
        for (const std::string& file : converted.files) std::printf("%s\n", file.c_str());
        std::printf("%zu tensors, %s\n", converted.tensors, terminal::size_of(converted.bytes).c_str());
    });
}
