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
    /// Throws: ModelError for a tensor of another architecture, for weights that another program has quantized, for an
    /// adapter, for two tensors of one canonical name, and where no tensor is one of the model.
    TensorSource(const Checkpoint& checkpoint, std::string where)
        : checkpoint_(checkpoint), where_(std::move(where)), warnings_(checkpoint.warnings()) {
        const CheckpointTensor* adapter = nullptr;
        for (const CheckpointTensor& tensor : checkpoint.tensors()) {
            const TensorName name = parse_tensor_name(tensor.info.name);
            switch (name.kind) {
                case TensorNameKind::known:
                    add(tensor, name.canonical);
                    break;
                case TensorNameKind::adapter:
                    adapter = adapter ? adapter : &tensor;
                    break;
                case TensorNameKind::unknown:
                    warn_ignored(tensor, "no part of an RWKV-4 model");
                    break;
                case TensorNameKind::quantized:
                    core::fail<ModelError>(file(tensor), {core::Quoted{tensor.info.name}},
                                           {"weights as they were trained"},
                                           {"a part of weights quantized by ", name.architecture});
                case TensorNameKind::other_architecture:
                    core::fail<ModelError>(file(tensor), {core::Quoted{tensor.info.name}},
                                           {"only tensors of an RWKV-4 model"},
                                           {name.architecture.empty() ? "one that it does not have"
                                                                      : "one of " + std::string(name.architecture)});
            }
        }
        if (adapter)
            core::fail<ModelError>(file(*adapter), {core::Quoted{adapter->info.name}}, {"the weights of a model"},
                                   {find(rwkv4_tensor(TensorRole::embeddings).canonical_name())
                                        ? "a LoRA adapter that is not merged into them"
                                        : "a LoRA adapter without its model"});
        const std::string pre_ln = rwkv4_tensor(TensorRole::pre_ln_weight).canonical_name();
        if (find(rwkv4_tensor(TensorRole::ln1_weight).canonical_name()) && !find(pre_ln) &&
            !find(rwkv4_tensor(TensorRole::pre_ln_bias).canonical_name()))
            core::fail<ModelError>(where_, {pre_ln}, {"the layer norm of the embeddings"},
                                   {"none: a model converted for another program, which has applied it to them (take "
                                    "what it was made of)"});
        if (tensors_.empty() && !checkpoint.tensors().empty())
            core::fail<ModelError>(where_, {}, {"tensors of an RWKV-4 model"},
                                   {"none, but ", core::Quoted{checkpoint.tensors()[0].info.name}, " for example"});
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
    /// The path the model was asked for by.
    const std::string& where() const noexcept { return where_; }
    /// The name of the file that holds the tensor.
    const std::string& file(const CheckpointTensor& tensor) const { return checkpoint_.file_of(tensor); }
    /// Warnings about the files, a sentence each.
    const std::vector<std::string>& warnings() const noexcept { return warnings_; }
    void warn(std::string warning) { warnings_.push_back(std::move(warning)); }

    /// Whether the names are those of a model saved without its prefix "rwkv.", as a base model is.
    bool is_base_model() const noexcept { return is_base_model_; }
    /// Whether the names are BlinkDL's.
    bool is_blinkdl_model() const noexcept { return is_blinkdl_model_; }
    /// Whether some matrices are stored quantized.
    bool has_quantized() const noexcept { return has_quantized_; }

  private:
    void add(const CheckpointTensor& tensor, const std::string& canonical) {
        if (!tensors_.emplace(canonical, &tensor).second)
            core::fail<ModelError>(file(tensor), {tensor.info.name}, {"each tensor once"}, {"a second ", canonical});
        has_quantized_ = has_quantized_ || quantized_format(checkpoint_, tensor);
        const Rwkv4Tensor& embeddings = rwkv4_tensor(TensorRole::embeddings);
        if (canonical != embeddings.name) return;
        const std::string name = detail::unwrapped(tensor.info.name);
        is_base_model_ = name == embeddings.name;
        is_blinkdl_model_ = name == embeddings.blinkdl_name;
    }

    void warn_ignored(const CheckpointTensor& tensor, const std::string& why) {
        warnings_.push_back(file(tensor) + ": ignored " + core::quoted(tensor.info.name) + ", " + why);
    }

    const Checkpoint& checkpoint_;
    std::string where_;
    std::map<std::string, const CheckpointTensor*> tensors_;
    std::vector<std::string> warnings_;
    bool has_quantized_ = false;
    bool is_base_model_ = false;
    bool is_blinkdl_model_ = false;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
