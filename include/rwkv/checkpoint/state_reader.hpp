#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <rwkv/checkpoint/state_format.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/dtype.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/finite.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/generation/conversation.hpp>
#include <rwkv/io/byte_source.hpp>
#include <rwkv/io/safetensors.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// Reads a state or a conversation, which may come from anywhere: what is taken has the model's shape, and is finite.
/// Throws: FileError, FormatError, ModelError.
class StateReader {
  public:
    /// Reads the header and checks that it announces `tensors` tensors under that format's name. The source must live
    /// as long as the reader.
    StateReader(const ByteSource& source, const char* format, std::size_t tensors)
        : source_(source), where_(source.name()), header_(io::read_safetensors_header(source)) {
        const auto found = header_.metadata.find("format");
        if (found == header_.metadata.end() || found->second != format)
            core::fail<ModelError>(where_, {"format"}, {format},
                                   {found == header_.metadata.end() ? "none" : core::quoted(found->second)});
        if (header_.tensors.size() != tensors)
            core::fail<ModelError>(where_, {"tensors"}, {tensors}, {header_.tensors.size()});
    }

    /// What the metadata say under that key; empty where they say nothing.
    std::string metadata(const std::string& key) const {
        const auto found = header_.metadata.find(key);
        return found == header_.metadata.end() ? std::string() : found->second;
    }

    State state(const Config& config) const {
        State state(config);
        for (auto& [name, part] : state_parts(state)) {
            const TensorInfo& tensor = find(name, DType::f32);
            if (tensor.shape != state_shape(part))
                core::fail<ModelError>(where_, {name},
                                       {"shape ", core::to_string(state_shape(part)), " (by the model)"},
                                       {core::to_string(tensor.shape)});
            const std::span numbers(part.data(), static_cast<std::size_t>(part.size()));
            source_.read(tensor.offset, std::as_writable_bytes(numbers));
            require_finite(name, numbers);
        }
        return state;
    }

    std::vector<TokenId> tokens(const Config& config) const {
        const TensorInfo& tensor = find("tokens", DType::i32);
        if (tensor.shape.size() != 1)
            core::fail<ModelError>(where_, {"tokens"}, {"one dimension"}, {core::to_string(tensor.shape)});
        std::vector<TokenId> tokens(static_cast<std::size_t>(tensor.shape[0]));
        source_.read(tensor.offset, std::as_writable_bytes(std::span(tokens)));
        for (const TokenId token : tokens)
            if (token < 0 || token >= config.vocab_size)
                core::fail<ModelError>(where_, {"tokens"}, {"ids from 0 to ", config.vocab_size - 1}, {token});
        return tokens;
    }

    std::vector<float> logits(const Config& config) const {
        const TensorInfo& tensor = find("logits", DType::f32);
        const Shape all{static_cast<std::uint64_t>(config.vocab_size)}, none{0};
        if (tensor.shape != all && tensor.shape != none)
            core::fail<ModelError>(where_, {"logits"},
                                   {"shape ", core::to_string(all), " (by the model) or ", core::to_string(none)},
                                   {core::to_string(tensor.shape)});
        std::vector<float> logits(static_cast<std::size_t>(tensor.shape[0]));
        source_.read(tensor.offset, std::as_writable_bytes(std::span(logits)));
        require_finite("logits", logits);
        return logits;
    }

  private:
    const TensorInfo& find(const char* name, DType dtype) const {
        const auto tensor = std::find_if(header_.tensors.begin(), header_.tensors.end(),
                                         [&](const TensorInfo& each) { return each.name == name; });
        if (tensor == header_.tensors.end())
            core::fail<ModelError>(where_, {name}, {"a tensor of that name"}, {"none"});
        if (tensor->dtype != dtype)
            core::fail<ModelError>(where_, {name}, {"dtype ", core::name(dtype)}, {core::name(tensor->dtype)});
        return *tensor;
    }

    void require_finite(const char* name, std::span<const float> numbers) const {
        if (!std::all_of(numbers.begin(), numbers.end(), [](float number) { return core::is_finite(number); }))
            core::fail<FormatError>(where_, {name}, {"finite numbers"}, {"an infinity or NaN"});
    }

    const ByteSource& source_;
    std::string where_;
    io::SafetensorsHeader header_;
};

}  // namespace rwkv::inline RWKV_ABI::checkpoint
