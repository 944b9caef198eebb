#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/checkpoint/checkpoint.hpp>
#include <rwkv/checkpoint/quantized_tensor.hpp>
#include <rwkv/checkpoint/rwkv4_tensors.hpp>
#include <rwkv/checkpoint/tensor_names.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// The tensors of a checkpoint under their canonical names.
class TensorSource {
  public:
    /// `where` is what the model was asked for by: a path, the name of a source. The checkpoint must live as long as
    /// the source.
    ///
    /// Throws: ModelError for a tensor of another architecture, and for two tensors of one canonical name.
    TensorSource(const Checkpoint& checkpoint, std::string where)
        : checkpoint_(checkpoint), where_(std::move(where)), warnings_(checkpoint.warnings()) {
        for (const CheckpointTensor& tensor : checkpoint.tensors()) {
            const TensorName name = parse_tensor_name(tensor.info.name);
            if (name.kind == TensorNameKind::unknown) {
                warn_ignored(tensor, "no part of an RWKV-4 model");
            } else if (name.kind == TensorNameKind::other_architecture) {
                core::fail<ModelError>(file(tensor), {core::Quoted{tensor.info.name}},
                                       {"only tensors of an RWKV-4 model"},
                                       {name.architecture.empty() ? "one that it does not have"
                                                                  : "one of " + std::string(name.architecture)});
            } else if (!tensors_.emplace(name.canonical, &tensor).second) {
                core::fail<ModelError>(file(tensor), {tensor.info.name}, {"each tensor once"},
                                       {"a second ", name.canonical});
            }
            has_quantized_ = has_quantized_ || quantized_format(checkpoint, tensor);
        }
    }

    /// Removes the head, where there is one, since the embeddings are used in its place.
    void ignore_tied_head() {
        const auto head = tensors_.find(rwkv4_tensor(TensorRole::head).canonical_name());
        if (head == tensors_.end()) return;
        warn_ignored(*head->second, "the head is tied to the embeddings");
        tensors_.erase(head);
    }

    /// The tensor of that canonical name, or null.
    const CheckpointTensor* find(const std::string& name) const {
        const auto at = tensors_.find(name);
        return at == tensors_.end() ? nullptr : at->second;
    }
    /// All of them by canonical name.
    const std::map<std::string, const CheckpointTensor*>& tensors() const noexcept { return tensors_; }

    const Checkpoint& checkpoint() const noexcept { return checkpoint_; }
    /// What the model was asked for by.
    const std::string& where() const noexcept { return where_; }
    /// The name of the file that holds the tensor.
    const std::string& file(const CheckpointTensor& tensor) const { return checkpoint_.file_of(tensor); }
    /// Warnings about the files, a sentence each.
    const std::vector<std::string>& warnings() const noexcept { return warnings_; }

    /// Whether the names are those of a model saved without its prefix "rwkv.", as a base model is.
    bool is_base_model() const noexcept { return checkpoint_.find(rwkv4_tensor(TensorRole::embeddings).name); }
    /// Whether the names are BlinkDL's.
    bool is_blinkdl_model() const noexcept {
        return checkpoint_.find(rwkv4_tensor(TensorRole::embeddings).blinkdl_name);
    }
    /// Whether some matrices are stored quantized.
    bool has_quantized() const noexcept { return has_quantized_; }

  private:
    void warn_ignored(const CheckpointTensor& tensor, const std::string& why) {
        warnings_.push_back(file(tensor) + ": ignored " + core::quoted(tensor.info.name) + ", " + why);
    }

    const Checkpoint& checkpoint_;
    std::string where_;
    std::map<std::string, const CheckpointTensor*> tensors_;
    std::vector<std::string> warnings_;
    bool has_quantized_ = false;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
