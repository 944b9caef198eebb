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

/// Whether decoding keeps special tokens, such as `<|endoftext|>`, in the text.
enum class SpecialTokens { keep, skip };

namespace text {

/// The requirements on an encoder of a Tokenizer: an immutable object that encodes text and has a table of its tokens.
template <class T>
concept Encoder = requires(const T& encoder, std::string_view text, std::vector<TokenId>& out) {
    encoder.encode(text, out);
    { encoder.tokens() } -> std::same_as<const TokenTable&>;
};

}  // namespace text

/// Converts text to token ids and back. Copies are cheap and share the vocabulary.
///
/// Thread safety: immutable, so any number of threads may use it.
class Tokenizer {
  public:
    /// From a byte-level BPE, a World vocabulary, or an encoder of the caller's own.
    template <text::Encoder T>
    explicit Tokenizer(T encoder) : encoder_(std::make_shared<const Holder<T>>(std::move(encoder))) {}
    // A tokenizer that was moved from is still one: moving copies.
    Tokenizer(const Tokenizer&) noexcept = default;             ///< shares the vocabulary
    Tokenizer& operator=(const Tokenizer&) noexcept = default;  ///< shares the vocabulary
    ~Tokenizer() = default;

    /// The ids of the text. Special tokens that are spelt in the text are encoded as such where the file of the
    /// tokenizer says so (GPT-NeoX: yes; World: never). Throws ArgumentError where the text is not UTF-8, unless the
    /// tokenizer takes any bytes (World). `text::lossy_utf8` makes UTF-8 of any text.
    [[nodiscard]] std::vector<TokenId> encode(std::string_view text) const {
        std::vector<TokenId> ids;
        encoder_->encode(text, ids);
        return ids;
    }

    /// The text of the ids in valid UTF-8: their bytes joined, with one U+FFFD for each maximal part that cannot be
    /// decoded. Throws ArgumentError where there is no token of an id.
    [[nodiscard]] std::string decode(std::span<const TokenId> ids, SpecialTokens special = SpecialTokens::keep) const {
        return text::lossy_utf8(decode_bytes(ids, special));
    }

    /// The bytes of the ids joined, which may not be UTF-8. Throws ArgumentError where there is no token of an id.
    [[nodiscard]] std::string decode_bytes(std::span<const TokenId> ids,
                                           SpecialTokens special = SpecialTokens::keep) const {
        std::string bytes;
        for (TokenId id : ids) {
            encoder_->tokens.check_id(id, "decode");
            if (special == SpecialTokens::keep || !encoder_->tokens.is_special(id))
                bytes.append(encoder_->tokens.bytes(id));
        }
        return bytes;
    }

    /// The bytes of a token, perhaps part of a character; they live as long as any copy of the tokenizer. Throws
    /// ArgumentError where there is no token of the id.
    [[nodiscard]] std::string_view token_bytes(TokenId id) const {
        encoder_->tokens.check_id(id, "token_bytes");
        return encoder_->tokens.bytes(id);
    }

    /// Whether there is a token of the id; ids below `vocab_size()` may have gaps.
    [[nodiscard]] bool contains(TokenId id) const noexcept { return encoder_->tokens.contains(id); }

    /// Whether the token is special. Throws ArgumentError where there is no token of the id.
    [[nodiscard]] bool is_special(TokenId id) const {
        encoder_->tokens.check_id(id, "is_special");
        return encoder_->tokens.is_special(id);
    }

    /// The largest id plus one: a model needs at least that number of logits.
    [[nodiscard]] std::size_t vocab_size() const noexcept { return encoder_->tokens.size(); }

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

    // The encoder is the first base, so that its table exists when Interface takes the reference.
    template <class T>
    struct Holder final : Held<T>, Interface {
        explicit Holder(T own) : Held<T>{std::move(own)}, Interface(Held<T>::encoder.tokens()) {}
        void encode(std::string_view text, std::vector<TokenId>& out) const override {
            Held<T>::encoder.encode(text, out);
        }
    };

    std::shared_ptr<const Interface> encoder_;
};

namespace text {

/// Whether a tokenizer has a World vocabulary, whose token 0, the end of a text, has no bytes.
inline bool is_world_vocabulary(const Tokenizer& tokenizer) {
    return tokenizer.contains(0) && tokenizer.token_bytes(0).empty();
}

}  // namespace text

}  // namespace rwkv::inline RWKV_ABI
