#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/content_hash.hpp>
#include <rwkv/checkpoint/state_file.inl>
#include <rwkv/checkpoint/state_format.hpp>
#include <rwkv/checkpoint/state_reader.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/kernels/weight_matrix.hpp>
#include <rwkv/scheduler.hpp>

namespace rwkv::inline RWKV_ABI {

namespace checkpoint {

/// 16 hexadecimal digits.
inline std::string hexadecimal(std::uint64_t number) {
    std::string text(16, '0');
    for (std::size_t i = text.size(); i-- > 0; number >>= 4U) text[i] = "0123456789abcdef"[number & 15U];
    return text;
}

/// The name of the file for these tokens.
inline std::string prefix_file_name(std::span<const TokenId> tokens) {
    ContentHash hash;
    hash.add_numbers(tokens);
    return hexadecimal(hash.value()) + "-" + std::to_string(tokens.size()) + ".safetensors";
}

/// Whether `prefix_file_name` gives such names.
inline bool is_prefix_file_name(const std::string& name) {
    constexpr std::size_t digits = 16;
    const std::string_view extension = ".safetensors";
    if (name.size() <= digits + 1 + extension.size() || name[digits] != '-' || !name.ends_with(extension)) return false;
    const std::string_view hash(name.data(), digits);
    const std::string_view count =
        std::string_view(name).substr(digits + 1, name.size() - digits - 1 - extension.size());
    return hash.find_first_not_of("0123456789abcdef") == hash.npos &&
           count.find_first_not_of("0123456789") == count.npos;
}

/// The files of states in a directory, the oldest first. Throws: FileError.
inline std::vector<std::filesystem::path> prefix_files(const std::filesystem::path& directory) {
    std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> found;
    try {
        for (const auto& entry : std::filesystem::directory_iterator(directory))
            if (is_prefix_file_name(entry.path().filename().string()))
                found.emplace_back(entry.last_write_time(), entry.path());
    } catch (const std::filesystem::filesystem_error& error) {
        throw FileError(directory.string(), "cannot read the directory " + directory.string(), error.code());
    }
    std::sort(found.begin(), found.end());
    std::vector<std::filesystem::path> paths;
    for (auto& [time, path] : found) paths.push_back(std::move(path));
    return paths;
}

}  // namespace checkpoint

RWKV_INLINE std::uint64_t fingerprint(const Model& model) {
    checkpoint::ContentHash hash;
    const model::Weights& weights = model.weights();
    const Config& config = weights.config;
    const auto numbers = [&](std::initializer_list<Index> all) {
        hash.add_numbers(std::span<const Index>(all.begin(), all.size()));
    };
    const auto vector = [&](const core::Array<float>& all) {
        hash.add_numbers(std::span<const float>(all.data(), static_cast<std::size_t>(all.size())));
    };
    const auto norm = [&](const model::LayerNormWeights& all) {
        vector(all.weight);
        vector(all.bias);
        hash.add_numbers(std::span(&all.epsilon, 1));
    };
    const auto matrix = [&](const kernels::WeightMatrix& all) {
        numbers({static_cast<Index>(all.format()), static_cast<Index>(all.layout()), all.rows(), all.cols()});
        hash.add({all.data(), all.bytes()});
    };
    numbers({config.vocab_size, config.hidden_size, config.num_hidden_layers, config.attention_hidden_size,
             config.intermediate_size});
    matrix(weights.embeddings);
    norm(weights.pre_ln);
    for (const auto& block : weights.blocks) {
        const auto& [decay, first, mix_key, mix_value, mix_receptance, key, value, receptance, output] =
            block.attention;
        norm(block.ln1);
        norm(block.ln2);
        for (const auto* all : {&decay, &first, &mix_key, &mix_value, &mix_receptance}) vector(*all);
        for (const auto* all : {&key, &value, &receptance, &output}) matrix(*all);
        vector(block.feed_forward.time_mix_key);
        vector(block.feed_forward.time_mix_receptance);
        matrix(block.feed_forward.key);
        matrix(block.feed_forward.receptance);
        matrix(block.feed_forward.value);
    }
    norm(weights.ln_out);
    if (weights.head) matrix(*weights.head);
    return hash.value();
}

RWKV_INLINE void save_prefix_cache(const PrefixCache& cache, const Model& model,
                                   const std::filesystem::path& directory) {
    namespace fs = std::filesystem;
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) throw FileError(directory.string(), "cannot create " + directory.string(), error);
    const std::string model_id = checkpoint::hexadecimal(fingerprint(model));
    const auto belongs = [&](const fs::path& path) {
        try {
            const io::InputFile file(path);
            return checkpoint::StateReader(file, checkpoint::prefix_format, 7).metadata("model") == model_id;
        } catch (const Error&) {
            return false;  // is written anew
        }
    };
    std::set<std::string> old;
    for (const fs::path& path : checkpoint::prefix_files(directory))
        if (belongs(path))
            old.insert(path.filename().string());
        else
            fs::remove(path, error);
    State state(cache.config());
    std::vector<float> logits;
    fs::file_time_type time = fs::file_time_type::clock::now();  // tells the order in which they were used
    for (const std::vector<TokenId>& tokens : cache.prefixes()) {
        const std::string name = checkpoint::prefix_file_name(tokens);
        if (!cache.read(tokens, state, logits)) continue;  // removed meanwhile
        time += std::chrono::microseconds(1);
        if (old.erase(name) > 0) {
            fs::last_write_time(directory / name, time, error);
            continue;
        }
        checkpoint::StateFile file(checkpoint::prefix_format, state);
        file.metadata["model"] = model_id;
        file.add({.name = "tokens", .dtype = DType::i32, .shape = {tokens.size()}}, std::span(tokens));
        file.add({.name = "logits", .dtype = DType::f32, .shape = {logits.size()}}, std::span<const float>(logits));
        checkpoint::write_file(directory / name, file.bytes());
        fs::last_write_time(directory / name, time, error);
    }
    for (const std::string& name : old) fs::remove(directory / name, error);
}

RWKV_INLINE void load_prefix_cache(PrefixCache& cache, const Model& model, const std::filesystem::path& directory) {
    const std::string model_id = checkpoint::hexadecimal(fingerprint(model));
    for (const std::filesystem::path& path : checkpoint::prefix_files(directory)) {
        const io::InputFile file(path);
        const checkpoint::StateReader reader(file, checkpoint::prefix_format, 7);
        const std::string found = reader.metadata("model");
        if (found != model_id)
            core::fail<ModelError>(path.string(), {"model"}, {"the fingerprint ", model_id}, {core::Quoted{found}});
        cache.insert(reader.tokens(cache.config()), reader.state(cache.config()), reader.logits(cache.config()));
    }
}

}  // namespace rwkv::inline RWKV_ABI
