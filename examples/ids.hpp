#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>

#include "text_input.hpp"

/// Token ids from a text: numbers between white space or commas; a JSON array is fine too. `where` names the text in
/// the message of the FormatError it throws for anything else.
inline std::vector<rwkv::TokenId> parse_ids(std::string_view text, const std::string& where) {
    std::vector<rwkv::TokenId> ids;
    for (std::size_t at = 0; (at = text.find_first_not_of(" \t\r\n,[]", at)) != text.npos;) {
        rwkv::TokenId id = 0;
        const auto [next, error] = std::from_chars(text.data() + at, text.data() + text.size(), id);
        if (error != std::errc())
            throw rwkv::FormatError(where, text_input::place_of(text, at), "a token id",
                                    rwkv::core::quoted(text.substr(at, 12)));
        ids.push_back(id);
        at = static_cast<std::size_t>(next - text.data());
    }
    return ids;
}
