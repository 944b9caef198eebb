#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <rwkv/core/tensor.hpp>
#include <rwkv/text/tokenizer.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Decodes one token at a time into chunks of whole characters. The chunks, with what `finish()` returns, add up to
/// what `Tokenizer::decode` makes of all the ids, and each comes as early as it is certain: at most three bytes are
/// held back. Use one per text; it keeps the vocabulary alive.
///
/// Thread safety: one thread at a time.
class StreamingDecoder {
  public:
    /// Shares the vocabulary of the tokenizer. Special tokens are kept in the text or skipped.
    explicit StreamingDecoder(Tokenizer tokenizer, SpecialTokens special = SpecialTokens::keep)
        : tokenizer_(std::move(tokenizer)), special_(special) {}

    /// Takes the next id and returns the text that is now certain, perhaps empty; it lives until the next call. Throws
    /// ArgumentError, and changes nothing, where there is no token of the id.
    std::string_view push(TokenId id) {
        const std::string_view bytes = tokenizer_.token_bytes(id);
        chunk_.clear();
        if (special_ == SpecialTokens::keep || !tokenizer_.is_special(id)) stream_.push(bytes, chunk_);
        return chunk_;
    }

    /// Ends the text: returns U+FFFD where a character is incomplete. The decoder can then be used for another text.
    std::string_view finish() {
        chunk_.clear();
        stream_.finish(chunk_);
        return chunk_;
    }

  private:
    Tokenizer tokenizer_;
    SpecialTokens special_;
    text::Utf8Stream stream_;
    std::string chunk_;
};

}  // namespace rwkv::inline RWKV_ABI
