#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/checkpoint_plan.hpp>
#include <rwkv/checkpoint/config_json.hpp>
#include <rwkv/checkpoint/export_plan.hpp>
#include <rwkv/checkpoint/index_json.hpp>
#include <rwkv/checkpoint/model_location.hpp>
#include <rwkv/checkpoint/progress_meter.hpp>
#include <rwkv/checkpoint/shards.hpp>
#include <rwkv/checkpoint/tokenizer_file.hpp>
#include <rwkv/convert_model.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/io/file.hpp>
#include <rwkv/io/output_directory.hpp>
#include <rwkv/io/pytorch.hpp>

namespace rwkv::inline RWKV_ABI {

namespace checkpoint {

inline ConvertedModel convert_model_at(const ModelLocation& location, const std::filesystem::path& to,
                                       const ConvertOptions& options) {
    const CheckpointPlan plan(location, options.format, io::read_pytorch_tensors, options.adapters);
    const std::optional<TokenizerFile> tokenizer = options.tokenizer.empty()
                                                       ? find_tokenizer_file(*location.files, plan.config().vocab_size)
                                                       : given_tokenizer_file(options.tokenizer);
    const std::string tokenizer_text = tokenizer ? read_tokenizer_text(*tokenizer->source) : "";

    std::vector<ExportTensor> tensors = export_tensors(plan);
    const std::string dtype = torch_dtype(tensors);
    ConvertedModel result{.files = {}, .tensors = tensors.size(), .warnings = plan.warnings()};
    const std::vector<Shard> shards = split_into_shards(std::move(tensors), options.max_shard_size);

    io::OutputDirectory directory(to);
    const auto new_file = [&](std::string name) -> const std::filesystem::path& {
        return directory.file(result.files.emplace_back(std::move(name)));
    };
    ProgressMeter meter("converting", options.progress, plan.bytes_to_read());
    ShardIndex index;
    for (std::size_t i = 0; i < shards.size(); ++i) {
        const std::string name = shard_name(i, shards.size());
        for (const ExportTensor& tensor : shards[i]) {
            index.weight_map.emplace(tensor.info.name, name);
            result.bytes += tensor.info.bytes;
        }
        write_shard(plan, shards[i], new_file(name), options.threads, meter);
    }
    meter.finish();
    index.total_size = result.bytes;
    if (tokenizer) io::write_text(new_file(usual_name(tokenizer->kind)), tokenizer_text);
    if (tokenizer && tokenizer->split_special_tokens)
        io::write_text(new_file("tokenizer_config.json"), "{\"split_special_tokens\": true}\n");
    if (shards.size() > 1) io::write_text(new_file("model.safetensors.index.json"), index_text(index));
    const char* const architecture = plan.head() == HeadKind::none ? "RwkvModel" : "RwkvForCausalLM";
    io::write_text(new_file("config.json"), config_text(plan.config(), architecture, dtype));
    directory.keep();
    return result;
}

}  // namespace checkpoint

RWKV_INLINE ConvertedModel convert_model(const std::filesystem::path& from, const std::filesystem::path& to,
                                         const ConvertOptions& options) {
    return checkpoint::convert_model_at(from, to, options);
}

RWKV_INLINE ConvertedModel convert_model(const ModelFiles& from, const std::filesystem::path& to,
                                         const ConvertOptions& options) {
    return checkpoint::convert_model_at(from, to, options);
}

}  // namespace rwkv::inline RWKV_ABI
