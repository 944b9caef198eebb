#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <rwkv/core/tensor.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Decodes token by token, into pieces of whole characters. The pieces, with what `finish()` returns, add up
/// to what `Tokenizer::decode` makes of all the ids, and each comes as early as it is certain: at most three
/// bytes are held back. One per text; used by one thread at a time. Keeps the vocabulary alive.
class StreamingDecoder {
  public:
    /// Shares the tokenizer's vocabulary. Special tokens are written out, or skipped.
    explicit StreamingDecoder(Tokenizer tokenizer, SpecialTokens special = SpecialTokens::keep)
        : tokenizer_(std::move(tokenizer)), special_(special) {}

    /// Takes the next id; returns what can now be said of the text, perhaps nothing. The piece lives until
    /// the next call. ArgumentError, and nothing changed, where the id is no token's.
    std::string_view push(TokenId id) {
        const std::string_view bytes = tokenizer_.token_bytes(id);
        piece_.clear();
        if (special_ == SpecialTokens::keep || !tokenizer_.is_special(id)) stream_.push(bytes, piece_);
        return piece_;
    }

    /// No more ids come: returns U+FFFD where a character was begun, else nothing. The decoder is then as
    /// new.
    std::string_view finish() {
        piece_.clear();
        stream_.finish(piece_);
        return piece_;
    }

  private:
    Tokenizer tokenizer_;
    SpecialTokens special_;
    text::Utf8Stream stream_;
    std::string piece_;
};

}  // namespace rwkv::inline RWKV_ABI
