#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include <rwkv/checkpoint/model_files.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// A LoRA adapter that is merged into a model while the model is loaded or converted: W becomes
/// W + scale · (alpha / rank) · B · A, and tensors that the adapter holds whole replace the model's. The sums are of
/// floats, before they are converted to the format of the weights.
///
/// It is of one of two kinds:
///
///   PEFT's         a directory with adapter_config.json beside adapter_model.safetensors or adapter_model.bin, or that
///                  file. Linear layers and the embeddings can be adapted; `modules_to_save` and biases are replaced.
///   RWKV-LM-LoRA's a .pth file, whose tensors are named "blocks.0.att.key.lora_A". It does not hold its alpha: `scale`
///                  must be given, and is all that B · A is multiplied by, lora_alpha / lora_r of the training.
struct Adapter {
    std::filesystem::path path;
    std::optional<float> scale = {};  ///< empty: 1, the strength it was trained with
    /// The adapter's files, if an application keeps them elsewhere. `path` is then the name of one of these, or empty
    /// for PEFT's.
    std::shared_ptr<const ModelFiles> files = {};
};

}  // namespace rwkv::inline RWKV_ABI
