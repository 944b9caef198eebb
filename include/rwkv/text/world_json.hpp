#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/text/byte_trie.hpp>
#include <rwkv/text/token_table.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/text/world_tokenizer.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// Whether a parsed file is a World vocabulary in JSON rather than a tokenizer.json.
inline bool is_world_json(const nlohmann::json& file) {
    if (!file.is_object() || file.find("model") != file.end()) return false;
    const auto first = file.find("1");
    return first != file.end() && !first->is_number();
}

/// The tokenizer of a World vocabulary in JSON, as web-rwkv and Ai00 have it (rwkv_vocab_v20230424.json): each id with
/// a text, or with the bytes of a token that is not UTF-8, as a list of numbers. `where` names the file in messages.
///
/// Throws: FormatError, naming the id; ModelError where a single byte has no token, as in Hugging Face's file of the
/// same name, which has no token that is not UTF-8.
inline Tokenizer read_world_json(const nlohmann::json& file, const std::string& where) {
    using json = nlohmann::json;
    constexpr std::size_t largest_id = 65535;
    const auto* members = file.get_ptr<const json::object_t*>();
    if (!members) core::fail<FormatError>(where, {}, {"an object of ids and tokens"}, {"something else"});
    std::vector<const json*> by_id;
    for (const auto& [key, value] : *members) {
        const auto id = world_detail::parse_number(key);
        if (!id || *id > largest_id)
            core::fail<FormatError>(where, {core::Quoted{key}}, {"an id from 0 to ", largest_id}, {"something else"});
        if (*id >= by_id.size()) by_id.resize(*id + 1);
        by_id[*id] = &value;
    }

    TokenTable tokens;
    ByteTrie trie;
    tokens.set(0, "", true);
    std::string bytes;
    for (std::size_t id = 1; id < by_id.size(); ++id) {
        if (!by_id[id]) continue;
        const auto need = [&](bool holds, const char* expected, const char* found) {
            if (!holds) core::fail<FormatError>(where, {"id ", id}, {expected}, {found});
        };
        bytes.clear();
        if (const auto* text = by_id[id]->get_ptr<const json::string_t*>()) {
            bytes = *text;
        } else {
            const auto* list = by_id[id]->get_ptr<const json::array_t*>();
            need(list != nullptr, "a string or a list of bytes", "something else");
            for (const json& item : *list) {
                const auto* byte = item.get_ptr<const json::number_unsigned_t*>();
                need(byte && *byte < 256, "numbers from 0 to 255", "something else");
                bytes.push_back(static_cast<char>(static_cast<std::uint8_t>(*byte)));
            }
        }
        need(!bytes.empty(), "a token of at least one byte", "none");
        need(trie.insert(bytes, static_cast<TokenId>(id)), "every token once", "one of another id");
        tokens.set(static_cast<TokenId>(id), bytes);
    }
    world_detail::require_every_byte(trie, where);
    return Tokenizer(WorldTokenizer(std::move(tokens), std::move(trie)));
}

}  // namespace rwkv::inline RWKV_ABI::text
