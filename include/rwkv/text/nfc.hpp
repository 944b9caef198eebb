#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/text/unicode_tables.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

namespace nfc_detail {

// Hangul syllables are composed of leading consonant, vowel and (optional) trailing consonant by arithmetic.
inline constexpr char32_t hangul_base = 0xAC00, l_base = 0x1100, v_base = 0x1161, t_base = 0x11A7;
inline constexpr char32_t l_count = 19, v_count = 21, t_count = 28;
inline constexpr char32_t hangul_count = l_count * v_count * t_count;

/// Whether NFC may change the character, move it, or compose it with what precedes it. Text may be cut before any other
/// character.
constexpr bool is_relevant(char32_t c) noexcept {
    if (c < 0x300) return false;
    const std::size_t block = tables::nfc_order[c >> 8U];
    return tables::nfc_blocks[block * 32 + (c >> 3U & 31U)] >> (c & 7U) & 1U;
}

inline std::uint8_t combining_class(char32_t c) noexcept {
    const auto after = std::upper_bound(tables::combining_runs.begin(), tables::combining_runs.end(),
                                        std::uint64_t{c} << 32U | 0xFFFFFFFFU);
    if (after == tables::combining_runs.begin()) return 0;
    const std::uint64_t run = *std::prev(after);
    const auto first = static_cast<char32_t>(run >> 32U);
    const auto length = static_cast<char32_t>(run >> 8U & 0xFFFFFFU);
    return c - first < length ? static_cast<std::uint8_t>(run) : std::uint8_t{0};
}

/// The character that two become, or 0.
inline char32_t composed(char32_t first, char32_t second) noexcept {
    if (first - l_base < l_count && second - v_base < v_count)
        return hangul_base + ((first - l_base) * v_count + (second - v_base)) * t_count;
    if (first - hangul_base < hangul_count && (first - hangul_base) % t_count == 0 && second > t_base &&
        second - t_base < t_count)
        return first + (second - t_base);
    const std::uint64_t key = std::uint64_t{first} << 42U | std::uint64_t{second} << 21U;
    const auto pair = std::lower_bound(tables::compositions.begin(), tables::compositions.end(), key);
    if (pair == tables::compositions.end() || (*pair & ~std::uint64_t{0x1FFFFF}) != key) return 0;
    return static_cast<char32_t>(*pair & 0x1FFFFFU);
}

/// A character and its combining class, which is needed several times.
struct Mark {
    char32_t code_point;
    std::uint8_t combining_class;
};

inline void append_decomposed(std::vector<Mark>& out, char32_t c) {
    if (c - hangul_base < hangul_count) {
        const char32_t index = c - hangul_base;
        out.push_back({l_base + index / (v_count * t_count), 0});
        out.push_back({v_base + index / t_count % v_count, 0});
        if (index % t_count != 0) out.push_back({t_base + index % t_count, 0});
        return;
    }
    const auto entry =
        std::lower_bound(tables::decompositions.begin(), tables::decompositions.end(), std::uint64_t{c} << 42U);
    if (entry == tables::decompositions.end() || *entry >> 42U != c) {
        out.push_back({c, combining_class(c)});
        return;
    }
    // Only the first part can be taken apart further: at most three calls deep.
    append_decomposed(out, static_cast<char32_t>(*entry >> 21U & 0x1FFFFFU));
    if (const auto second = static_cast<char32_t>(*entry & 0x1FFFFFU); second != 0) append_decomposed(out, second);
}

/// Sorts marks by their classes, those of a class left in their order. O(n): a run of a million marks must not cost its
/// square.
inline void sort_by_class(std::span<Mark> run) {
    std::array<std::size_t, 257> begins{};  // of each class, one place further on
    for (const Mark& mark : run) ++begins[mark.combining_class + std::size_t{1}];
    for (std::size_t i = 1; i < begins.size(); ++i) begins[i] += begins[i - 1];
    const std::vector<Mark> marks(run.begin(), run.end());
    for (const Mark& mark : marks) run[begins[mark.combining_class]++] = mark;
}

/// Puts a stretch of decomposed text into canonical order and composes it, in place.
inline void order_and_compose(std::vector<Mark>& text) {
    for (auto run = text.begin(); run != text.end();) {
        if (run->combining_class == 0) {
            ++run;
            continue;
        }
        const auto end = std::find_if(run, text.end(), [](const Mark& mark) { return mark.combining_class == 0; });
        const auto less = [](const Mark& a, const Mark& b) { return a.combining_class < b.combining_class; };
        // Nearly every run is of one or two.
        if (!std::is_sorted(run, end, less)) sort_by_class({run, end});
        run = end;
    }
    std::size_t kept = 0, starter = 0;
    bool has_starter = false;
    for (const Mark mark : text) {
        if (has_starter) {
            // Joined unless something of the same or a higher class (or another starter) stands between.
            const bool adjacent = kept == starter + 1;
            const std::uint8_t last = text[kept - 1].combining_class;
            if (adjacent || (last != 0 && last < mark.combining_class)) {
                if (const char32_t c = composed(text[starter].code_point, mark.code_point); c != 0) {
                    text[starter].code_point = c;
                    continue;
                }
            }
        }
        if (mark.combining_class == 0) {
            starter = kept;
            has_starter = true;
        }
        text[kept++] = mark;
    }
    text.resize(kept);
}

}  // namespace nfc_detail

/// Normalization form C of valid UTF-8, by the data of Unicode 9.0: later characters stay as they are. Returns nothing
/// where the text is in that form already, which for most text is found in one pass without allocating. O(n).
[[nodiscard]] inline std::optional<std::string> nfc(std::string_view text) {
    std::string result;
    std::vector<nfc_detail::Mark> stretch;
    std::size_t copied = 0;    // all before this is in the result
    std::size_t boundary = 0;  // the last character the text may be cut before
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t plain = skip_ascii(text, at);
        if (plain > at) boundary = plain - 1;
        at = plain;
        if (at == text.size()) break;
        const Utf8Step step = decode_utf8(text, at);
        if (!nfc_detail::is_relevant(step.code_point)) {
            boundary = at;
            at += step.length;
            continue;
        }
        std::size_t end = at;
        for (; end < text.size(); end += decode_utf8(text, end).length)
            if (!nfc_detail::is_relevant(decode_utf8(text, end).code_point)) break;
        stretch.clear();
        for (std::size_t i = boundary; i < end;) {
            const Utf8Step part = decode_utf8(text, i);
            nfc_detail::append_decomposed(stretch, part.code_point);
            i += part.length;
        }
        nfc_detail::order_and_compose(stretch);
        result.append(text, copied, boundary - copied);
        for (const nfc_detail::Mark& mark : stretch) append_utf8(result, mark.code_point);
        copied = boundary = at = end;
    }
    if (copied == 0) return std::nullopt;
    result.append(text, copied);
    if (result == text) return std::nullopt;
    return result;
}

}  // namespace rwkv::inline RWKV_ABI::text
