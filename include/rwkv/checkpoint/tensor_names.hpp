#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::checkpoint {

/// What a tensor's name says about it.
enum class TensorNameKind : std::uint8_t {
    known,      ///< part of an RWKV-4 model
    foreign,    ///< claims to be part of the model, but RWKV-4 has no such tensor: the model is another one
    unrelated,  ///< claims nothing: to be listed, not minded
};

/// A name found in a file, understood.
struct TensorName {
    TensorNameKind kind = TensorNameKind::unrelated;
    /// For a known tensor, its name as Hugging Face has it, without "rwkv.": "blocks.3.attention.key.weight".
    std::string canonical;
    /// For a foreign one, the architecture that has such tensors ("RWKV-6"), or empty when none is known to.
    std::string_view architecture;
};

namespace detail {

/// BlinkDL's spelling of a part of a name and Hugging Face's.
struct Spelling {
    std::string_view original;
    std::string_view canonical;
};

/// Outside the blocks.
inline constexpr std::array<Spelling, 4> outer_names{{
    {"emb.weight", "embeddings.weight"},
    {"ln_out.weight", "ln_out.weight"},
    {"ln_out.bias", "ln_out.bias"},
    {"head.weight", "head.weight"},
}};

/// Within a block, after "blocks.N.".
inline constexpr std::array<Spelling, 20> block_names{{
    {"ln0.weight", "pre_ln.weight"},
    {"ln0.bias", "pre_ln.bias"},
    {"ln1.weight", "ln1.weight"},
    {"ln1.bias", "ln1.bias"},
    {"ln2.weight", "ln2.weight"},
    {"ln2.bias", "ln2.bias"},
    {"att.time_decay", "attention.time_decay"},
    {"att.time_first", "attention.time_first"},
    {"att.time_mix_k", "attention.time_mix_key"},
    {"att.time_mix_v", "attention.time_mix_value"},
    {"att.time_mix_r", "attention.time_mix_receptance"},
    {"att.key.weight", "attention.key.weight"},
    {"att.value.weight", "attention.value.weight"},
    {"att.receptance.weight", "attention.receptance.weight"},
    {"att.output.weight", "attention.output.weight"},
    {"ffn.time_mix_k", "feed_forward.time_mix_key"},
    {"ffn.time_mix_r", "feed_forward.time_mix_receptance"},
    {"ffn.key.weight", "feed_forward.key.weight"},
    {"ffn.receptance.weight", "feed_forward.receptance.weight"},
    {"ffn.value.weight", "feed_forward.value.weight"},
}};

/// How the names of tensors that RWKV-4 lacks begin, after "blocks.N.", "att.", "ffn." or nothing, and who
/// has them. The first that fits counts.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 32> foreign_names{{
    {"tiny_", "RWKV-4a or 4b"},
    {"pos_emb", "RWKV-4a or 4b"},
    {"ffnPre.", "RWKV-4a or 4b"},
    {"head_q.", "RWKV-4a or 4b"},
    {"head_k.", "RWKV-4a or 4b"},
    {"copy_mask", "RWKV-4a or 4b"},
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
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0 || digits > 6 || digits == text.size() || text[digits] != '.') return std::nullopt;
    if (digits > 1 && text[0] == '0') return std::nullopt;
    const std::string_view number = text.substr(0, digits);
    text.remove_prefix(digits + 1);
    return number;
}

/// The canonical form of a name without "rwkv.", or nothing.
inline std::optional<std::string> canonical_name(std::string_view name) {
    for (const Spelling& spelling : outer_names)
        if (name == spelling.original || name == spelling.canonical) return std::string(spelling.canonical);
    if (!strip(name, "blocks.")) return std::nullopt;
    const auto block = strip_number(name);
    if (!block) return std::nullopt;
    for (const Spelling& spelling : block_names) {
        if (name != spelling.original && name != spelling.canonical) continue;
        // Only the first block normalises its input.
        if (spelling.canonical.starts_with("pre_ln.") && *block != "0") return std::nullopt;
        return std::string("blocks.").append(*block).append(".").append(spelling.canonical);
    }
    return std::nullopt;
}

/// Which architecture has a tensor of that name (without "rwkv."), or empty.
constexpr std::string_view architecture_of(std::string_view name) noexcept {
    if (strip(name, "blocks.")) strip_number(name);
    for (std::string_view part : {"att.", "attention.", "ffn.", "feed_forward."})
        if (strip(name, part)) break;
    for (const auto& [beginning, architecture] : foreign_names)
        if (name.starts_with(beginning)) return architecture;
    return "";
}

}  // namespace detail

/// Understands a tensor's name, as Hugging Face writes it (with or without "rwkv.") or as BlinkDL does. Two
/// names of one file may have the same canonical form; whoever collects tensors must refuse that.
inline TensorName understand_tensor_name(std::string_view name) {
    constexpr std::array<std::string_view, 14> claims{
        "rwkv.",   "blocks.",   "emb.", "embeddings.", "ln_out.", "head.",         "head_q.",
        "head_k.", "copy_mask", "att.", "attention.",  "ffn.",    "feed_forward.", "pos_emb",
    };
    std::string_view rest = name;
    const bool prefixed = detail::strip(rest, "rwkv.");
    // The head is outside of the base model, so it never has the prefix.
    if (!prefixed || !rest.starts_with("head."))
        if (auto canonical = detail::canonical_name(rest)) return {TensorNameKind::known, std::move(*canonical), ""};
    if (std::ranges::any_of(claims, [&](std::string_view claim) { return name.starts_with(claim); }))
        return {TensorNameKind::foreign, "", detail::architecture_of(rest)};
    return {};
}

}  // namespace rwkv::inline RWKV_ABI::checkpoint
