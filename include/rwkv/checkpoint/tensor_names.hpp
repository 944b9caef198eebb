#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <rwkv/checkpoint/rwkv4_tensors.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// What a tensor's name says about it.
enum class TensorNameKind : std::uint8_t {
    known,               ///< a tensor of an RWKV-4 model
    other_architecture,  ///< has a name like those of the model, but RWKV-4 has no such tensor: the model is another
                         ///< one
    adapter,             ///< a part of a LoRA adapter, or of a model with one that is not merged into its weights
    quantized,           ///< a part of a matrix that another program has quantized
    unknown,             ///< has nothing to do with the model: to be reported and ignored
};

/// A tensor's name, parsed.
struct TensorName {
    TensorNameKind kind = TensorNameKind::unknown;
    /// Of a known tensor, its name as Hugging Face has it, without "rwkv.": "blocks.3.attention.key.weight".
    std::string canonical;
    /// Of another architecture's tensor, the architecture ("RWKV-6"), or empty when no known one has it; of a quantized
    /// one, what has quantized it ("bitsandbytes").
    std::string_view architecture;
};

namespace detail {

/// How the names of tensors that RWKV-4 lacks begin, after "blocks.N.", "att.", "ffn." or nothing, and the architecture
/// that has them. The first match counts.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 38> other_architecture_names{{
    {"tiny_", "RWKV-4a or 4b"},
    {"pos_emb", "RWKV-4a or 4b"},
    {"ffnPre.", "RWKV-4a or 4b"},
    {"head_q.", "RWKV-4a or 4b"},
    {"head_k.", "RWKV-4a or 4b"},
    {"copy_mask", "RWKV-4a or 4b"},
    {"qq.", "RWKV-4a or 4b"},
    {"kk.", "RWKV-4a or 4b"},
    {"vv.", "RWKV-4a or 4b"},
    {"oo.", "RWKV-4a or 4b"},
    {"time_mix_qq", "RWKV-4a or 4b"},
    {"time_state", "RWKV-5 or later (a tuned state)"},
    {"time_maa", "RWKV-6"},
    {"time_decay_w", "RWKV-6"},
    {"time_faaaa", "RWKV-5 or RWKV-6"},
    {"gate.weight", "RWKV-5 or RWKV-6"},
    {"ln_x.", "RWKV-5 or later"},
    {"time_mix_g", "RWKV-5"},
    {"x_r", "RWKV-7"},
    {"x_w", "RWKV-7"},
    {"x_k", "RWKV-7"},
    {"x_v", "RWKV-7"},
    {"x_a", "RWKV-7"},
    {"x_g", "RWKV-7"},
    {"r_k", "RWKV-7"},
    {"k_k", "RWKV-7"},
    {"k_a", "RWKV-7"},
    {"w0", "RWKV-7"},
    {"w1", "RWKV-7"},
    {"w2", "RWKV-7"},
    {"a0", "RWKV-7"},
    {"a1", "RWKV-7"},
    {"a2", "RWKV-7"},
    {"v0", "RWKV-7"},
    {"v1", "RWKV-7"},
    {"v2", "RWKV-7"},
    {"g1", "RWKV-7"},
    {"g2", "RWKV-7"},
}};

/// Removes the prefix if it is there.
constexpr bool strip(std::string_view& text, std::string_view prefix) noexcept {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

/// Removes "N." and returns N as written: plain digits, no leading zero, at most six of them.
constexpr std::optional<std::string_view> strip_number(std::string_view& text) noexcept {
    const std::size_t digits = (std::min)(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0 || digits > 6 || digits == text.size() || text[digits] != '.') return std::nullopt;
    if (digits > 1 && text[0] == '0') return std::nullopt;
    const std::string_view number = text.substr(0, digits);
    text.remove_prefix(digits + 1);
    return number;
}

/// The canonical form of a name without "rwkv.", or nothing.
inline std::optional<std::string> canonical_name(std::string_view name) {
    std::string_view rest = name;
    const auto block = strip(rest, "blocks.") ? strip_number(rest) : std::nullopt;
    for (const Rwkv4Tensor& tensor : rwkv4_tensors) {
        const bool in_block = tensor.place == TensorPlace::first_block || tensor.place == TensorPlace::every_block;
        const std::string_view own_name = in_block ? rest : name;
        if (own_name != tensor.name && own_name != tensor.blinkdl_name) continue;
        if (!in_block) return std::string(tensor.name);
        if (!block || (tensor.place == TensorPlace::first_block && *block != "0")) return std::nullopt;
        return std::string("blocks.").append(*block).append(".").append(tensor.name);
    }
    return std::nullopt;
}

/// The architecture that has a tensor of that name (without "rwkv."), or empty.
constexpr std::string_view architecture_of(std::string_view name) noexcept {
    if (strip(name, "blocks.")) strip_number(name);
    for (std::string_view part : {"att.", "attention.", "ffn.", "feed_forward."})
        if (strip(name, part)) break;
    for (const auto& [prefix, architecture] : other_architecture_names)
        if (name.starts_with(prefix)) return architecture;
    return "";
}

/// Removes what programs that wrap a model put into the names of its tensors: torch.compile, FSDP and checkpointing
/// anywhere, DataParallel, DeepSpeed, PEFT and those who hold it as a member at the beginning.
inline std::string unwrapped(std::string_view name) {
    std::string text(name);
    for (const std::string_view part :
         {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_forward_module."})
        for (std::size_t at = 0; (at = text.find(part, at)) != text.npos;)
            if (at == 0 || text[at - 1] == '.')
                text.erase(at, part.size());
            else
                at += part.size();
    std::string_view rest = text;
    while (strip(rest, "module.") || strip(rest, "model.") || strip(rest, "base_model.")) continue;
    return std::string(rest);
}

/// Whether PEFT or RWKV-LM-LoRA has put a tensor of that name there.
constexpr bool is_of_adapter(std::string_view name) noexcept {
    for (const std::string_view part :
         {".lora_A", ".lora_B", ".lora_embedding_", ".lora_magnitude_vector", ".base_layer."})
        if (name.find(part) != name.npos) return true;
    return false;
}

/// What has quantized a matrix and then put a tensor of that name beside it, or empty.
constexpr std::string_view quantizer_of(std::string_view name) noexcept {
    for (const std::string_view end : {".absmax", ".quant_map", ".SCB", ".weight_format"})
        if (name.ends_with(end)) return "bitsandbytes";
    if (name.find(".quant_state.") != name.npos) return "bitsandbytes";
    for (const std::string_view end : {".qweight", ".qzeros", ".scales", ".g_idx"})
        if (name.ends_with(end)) return "GPTQ or AWQ";
    for (const std::string_view end : {"_mx", "_my", "_rx", "_ry"})
        if (name.ends_with(end)) return "the package rwkv (of ChatRWKV)";
    return "";
}

}  // namespace detail

/// Parses a tensor's name, as Hugging Face writes it (with or without "rwkv.") or as BlinkDL does, wrapped or not. Two
/// names of one file may have the same canonical form, which the caller must refuse.
inline TensorName parse_tensor_name(std::string_view name_in_file) {
    constexpr std::array<std::string_view, 14> model_prefixes{
        "rwkv.",   "blocks.",   "emb.", "embeddings.", "ln_out.", "head.",         "head_q.",
        "head_k.", "copy_mask", "att.", "attention.",  "ffn.",    "feed_forward.", "pos_emb",
    };
    if (detail::is_of_adapter(name_in_file)) return {TensorNameKind::adapter, "", ""};
    const std::string name = detail::unwrapped(name_in_file);
    std::string_view rest = name;
    const bool prefixed = detail::strip(rest, "rwkv.");
    // The head is outside of the base model, so it never has the prefix.
    if (!prefixed || !rest.starts_with("head."))
        if (auto canonical = detail::canonical_name(rest)) return {TensorNameKind::known, std::move(*canonical), ""};
    if (!std::any_of(model_prefixes.begin(), model_prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); }))
        return {};
    if (const std::string_view quantizer = detail::quantizer_of(rest); !quantizer.empty())
        return {TensorNameKind::quantized, "", quantizer};
    return {TensorNameKind::other_architecture, "", detail::architecture_of(rest)};
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
