#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/text/token_table.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Whether decoding writes special tokens (such as `<|endoftext|>`) out or leaves them out.
enum class SpecialTokens { keep, skip };

namespace text {

/// What a Tokenizer can be made of: something that encodes and knows its tokens, and is immutable.
template <class T>
concept Encoder = requires(const T& encoder, std::string_view text, std::vector<TokenId>& out) {
    encoder.encode(text, out);
    { encoder.tokens() } -> std::same_as<const TokenTable&>;
};

}  // namespace text

/// Text to token ids and back. Immutable, and shared by any number of threads; copies are cheap and share the
/// vocabulary. An object that was moved from may only be assigned to or destroyed.
class Tokenizer {
  public:
    /// From a byte-level BPE, a World vocabulary, or an encoder of the caller's own.
    template <text::Encoder T>
    explicit Tokenizer(T encoder) : encoder_(std::make_shared<const Holder<T>>(std::move(encoder))) {}

    /// The ids of the text. Special tokens written out in the text are taken for such where the tokenizer's
    /// file says so (GPT-NeoX: yes; World: never). ArgumentError where the text is not UTF-8, unless the
    /// tokenizer takes any bytes (World): `text::lossy_utf8` mends such text.
    std::vector<TokenId> encode(std::string_view text) const {
        std::vector<TokenId> ids;
        encoder_->encode(text, ids);
        return ids;
    }

    /// The text of the ids, valid UTF-8: all their bytes joined, then one U+FFFD for each maximal part that
    /// cannot be decoded. ArgumentError where an id is no token's.
    std::string decode(std::span<const TokenId> ids, SpecialTokens special = SpecialTokens::keep) const {
        return text::lossy_utf8(decode_bytes(ids, special));
    }

    /// The bytes of the ids joined, as they are: perhaps not UTF-8. ArgumentError where an id is no token's.
    std::string decode_bytes(std::span<const TokenId> ids, SpecialTokens special = SpecialTokens::keep) const {
        std::string bytes;
        for (TokenId id : ids) {
            encoder_->tokens.check(id, "decode");
            if (special == SpecialTokens::keep || !encoder_->tokens.is_special(id))
                bytes.append(encoder_->tokens.bytes(id));
        }
        return bytes;
    }

    /// The bytes of one token, perhaps part of a character; they live as long as any copy of the tokenizer.
    /// ArgumentError where the id is no token's.
    std::string_view token_bytes(TokenId id) const {
        encoder_->tokens.check(id, "token_bytes");
        return encoder_->tokens.bytes(id);
    }

    /// Whether the id is a token's; below `vocab_size()` there may be gaps.
    bool contains(TokenId id) const noexcept { return encoder_->tokens.contains(id); }

    /// Whether the id is a special token's. ArgumentError where it is no token's.
    bool is_special(TokenId id) const {
        encoder_->tokens.check(id, "is_special");
        return encoder_->tokens.is_special(id);
    }

    /// The largest id and one: a model needs at least so many logits.
    std::size_t vocab_size() const noexcept { return encoder_->tokens.size(); }

  private:
    struct Interface {
        explicit Interface(const text::TokenTable& table) : tokens(table) {}
        Interface(const Interface&) = delete;
        Interface& operator=(const Interface&) = delete;
        virtual ~Interface() = default;
        virtual void encode(std::string_view text, std::vector<TokenId>& out) const = 0;
        const text::TokenTable& tokens;
    };

    template <class T>
    struct Held {
        T encoder;
    };

    // The encoder is a base listed first, so that its table is there when Interface takes the reference.
    template <class T>
    struct Holder final : Held<T>, Interface {
        explicit Holder(T own) : Held<T>{std::move(own)}, Interface(Held<T>::encoder.tokens()) {}
        void encode(std::string_view text, std::vector<TokenId>& out) const override {
            Held<T>::encoder.encode(text, out);
        }
    };

    std::shared_ptr<const Interface> encoder_;
};

}  // namespace rwkv::inline RWKV_ABI
