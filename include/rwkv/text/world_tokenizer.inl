#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/text/world_tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

namespace world_detail {

RWKV_INLINE std::optional<std::string> parse_literal(std::string_view literal) {
    const bool is_bytes = literal.starts_with('b');
    if (is_bytes) literal.remove_prefix(1);
    if (literal.size() < 2 || literal.front() != literal.back()) return std::nullopt;
    const char quote = literal.front();
    if (quote != '\'' && quote != '"') return std::nullopt;
    literal = literal.substr(1, literal.size() - 2);
    if (find_invalid_utf8(literal) != literal.npos) return std::nullopt;

    std::string bytes;
    for (std::size_t at = 0; at < literal.size();) {
        const char c = literal[at++];
        if (c == quote || static_cast<std::uint8_t>(c) < 0x20) return std::nullopt;
        if (is_bytes && static_cast<std::uint8_t>(c) >= 0x80) return std::nullopt;
        if (c != '\\') {
            bytes.push_back(c);
            continue;
        }
        if (at == literal.size()) return std::nullopt;
        const char kind = literal[at++];
        constexpr std::string_view escapes = "ntr\\'\"", meanings = "\n\t\r\\'\"";
        if (const auto known = escapes.find(kind); known != escapes.npos) {
            bytes.push_back(meanings[known]);
            continue;
        }
        const std::size_t digits = kind == 'x' ? 2 : kind == 'u' && !is_bytes ? 4 : 0;
        if (digits == 0 || literal.size() - at < digits) return std::nullopt;
        std::uint32_t value = 0;
        const char* const end = literal.data() + at + digits;
        if (std::from_chars(literal.data() + at, end, value, 16).ptr != end) return std::nullopt;
        at += digits;
        if (is_bytes)
            bytes.push_back(static_cast<char>(static_cast<std::uint8_t>(value)));
        else if (value >= 0xD800 && value <= 0xDFFF)
            return std::nullopt;
        else
            append_utf8(bytes, value);
    }
    return bytes;
}

RWKV_INLINE std::optional<std::uint32_t> parse_number(std::string_view text) {
    std::uint32_t value = 0;
    if (text.empty()) return std::nullopt;
    const char* const end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, value);
    if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
    if (text.front() == '0' && text.size() > 1) return std::nullopt;
    return value;
}

RWKV_INLINE void require_every_byte(const ByteTrie& trie, const std::string& where) {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const char single = static_cast<char>(static_cast<std::uint8_t>(byte));
        if (trie.longest({&single, 1}, 0).length == 0)
            core::fail<ModelError>(where, {"vocabulary"}, {"a token for every byte"},
                                   {"none for byte ", byte, " (rwkv_vocab_v20230424.txt has all)"});
    }
}

}  // namespace world_detail

RWKV_INLINE Tokenizer read_world_vocabulary(std::string_view file, const std::string& where) {
    const auto refuse = [&](const char* found) { core::fail<FormatError>(where, {}, {"a World vocabulary"}, {found}); };
    if (file.starts_with("#version")) refuse("merges.txt of a byte-level BPE: tokenizer.json is read here");
    if (file.starts_with("\xEF\xBB\xBF")) refuse("a byte order mark: save it without one");
    if (file.starts_with("\xFF\xFE")) refuse("UTF-16: save it as UTF-8");
    constexpr TokenId largest_id = 65535;
    TokenTable tokens;
    ByteTrie trie;
    tokens.set(0, "", true);
    TokenId id = 0;
    for (std::size_t at = 0; at < file.size();) {
        ++id;
        const auto need = [&](bool holds, core::MessageParts expected, const char* found) {
            if (!holds) core::fail<FormatError>(where, {"line ", id}, expected, {found});
        };
        const std::size_t end = (std::min)(file.find('\n', at), file.size());
        std::string_view line = file.substr(at, end - at);
        if (line.ends_with('\r')) line.remove_suffix(1);  // as a download on Windows may end it
        at = end + 1;
        // The literal itself may hold spaces.
        const std::size_t first = line.find(' '), last = line.rfind(' ');
        need(first != line.npos && first < last, {"an id, a literal and a length"}, "fewer parts");
        need(id <= largest_id, {"at most ", largest_id, " lines"}, "more");
        need(world_detail::parse_number(line.substr(0, first)) == static_cast<std::uint32_t>(id), {"the id ", id},
             "another or none");
        const auto bytes = world_detail::parse_literal(line.substr(first + 1, last - first - 1));
        need(bytes.has_value(), {"a Python string or bytes literal"}, "something else");
        need(!bytes->empty(), {"a token of at least one byte"}, "none");
        need(world_detail::parse_number(line.substr(last + 1)) == bytes->size(), {"the length ", bytes->size()},
             "another or none");
        need(trie.insert(*bytes, id), {"every token once"}, "one of an earlier line");
        tokens.set(id, *bytes);
    }
    world_detail::require_every_byte(trie, where);
    return Tokenizer(WorldTokenizer(std::move(tokens), std::move(trie)));
}

}  // namespace rwkv::inline RWKV_ABI::text
