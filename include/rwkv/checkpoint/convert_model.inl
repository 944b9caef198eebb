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

RWKV_INLINE ConvertedModel convert_model(const std::filesystem::path& from, const std::filesystem::path& to,
                                         const ConvertOptions& options) {
    const checkpoint::ModelLocation location(from);
    const checkpoint::CheckpointPlan plan(location, options.format, io::read_pytorch_tensors, options.adapters);
    const std::optional<checkpoint::TokenizerFile> tokenizer =
        options.tokenizer.empty() ? checkpoint::find_tokenizer_file(*location.files, plan.config().vocab_size)
                                  : checkpoint::given_tokenizer_file(options.tokenizer);
    const std::string tokenizer_text = tokenizer ? checkpoint::read_tokenizer_text(*tokenizer->source) : "";

    std::vector<checkpoint::ExportTensor> tensors = checkpoint::export_tensors(plan);
    const std::string torch_dtype = checkpoint::torch_dtype(tensors);
    ConvertedModel result{.files = {}, .tensors = tensors.size(), .warnings = plan.warnings()};
    const std::vector<checkpoint::Shard> shards =
        checkpoint::split_into_shards(std::move(tensors), options.max_shard_size);

    io::OutputDirectory directory(to);
    const auto new_file = [&](std::string name) -> const std::filesystem::path& {
        return directory.file(result.files.emplace_back(std::move(name)));
    };
    checkpoint::ProgressMeter meter("converting", options.progress, plan.bytes_to_read());
    checkpoint::ShardIndex index;
    for (std::size_t i = 0; i < shards.size(); ++i) {
        const std::string name = checkpoint::shard_name(i, shards.size());
        for (const checkpoint::ExportTensor& tensor : shards[i]) {
            index.weight_map.emplace(tensor.info.name, name);
            result.bytes += tensor.info.bytes;
        }
        checkpoint::write_shard(plan, shards[i], new_file(name), options.threads, meter);
    }
    meter.finish();
    index.total_size = result.bytes;
    if (tokenizer) io::write_text(new_file(checkpoint::usual_name(tokenizer->kind)), tokenizer_text);
    if (shards.size() > 1) io::write_text(new_file("model.safetensors.index.json"), checkpoint::index_text(index));
    const char* const architecture = plan.head() == checkpoint::HeadKind::none ? "RwkvModel" : "RwkvForCausalLM";
    io::write_text(new_file("config.json"), checkpoint::config_text(plan.config(), architecture, torch_dtype));
    directory.keep();
    return result;
}

}  // namespace rwkv::inline RWKV_ABI
