#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/text/byte_alphabet.hpp>
#include <rwkv/text/byte_level_bpe.hpp>
#include <rwkv/text/json_fields.hpp>
#include <rwkv/text/token_table.hpp>
#include <rwkv/text/tokenizer_json.hpp>
#include <rwkv/text/utf8.hpp>
#include <rwkv/text/word_table.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

namespace json_detail {

/// Turns the parsed file into the parts of a tokenizer. It refuses what it does not know: to ignore a component or an
/// option would silently give other ids than those the model was trained on. (The parameter: see BasicJsonDocument.)
template <class Json = nlohmann::json>
class Reader : JsonFields<Json> {
    using Fields = JsonFields<Json>;
    using typename Fields::Step;
    using json = nlohmann::json;

  public:
    Reader(const json& root, const std::string& where, bool split_special_tokens)
        : Fields(where), root_(root), split_special_tokens_(split_special_tokens) {}

    BpeParts read() {
        refuse_answer();
        allow_only(root_, "",
                   {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
                    "decoder", "model"});
        const json& version = optional(root_, "version");
        if (!version.is_null() && !is(version, "1.0")) malformed("version", {"\"1.0\""}, version);
        // How transformers cut and filled up texts when it wrote the file. It does neither unless it is asked again.
        for (const char* name : {"truncation", "padding"})
            if (const json& value = optional(root_, name); !value.is_null()) object(value, name);
        normalizer();
        pre_tokenizer();
        const auto decoders = steps(at(root_, "", "decoder"), "decoder", "decoders");
        if (decoders.size() != 1) unsupported("decoder", "ByteLevel", root_["decoder"]);
        byte_level(decoders[0], Splits::nothing);
        if (const json& post = optional(root_, "post_processor"); !post.is_null())
            for (const Step& step : steps(post, "post_processor", "processors")) adds_nothing(step);
        model(at(root_, "", "model"));
        if (const json& added = optional(root_, "added_tokens"); !added.is_null()) added_tokens(added);
        return std::move(parts_);
    }

  private:
    using Fields::at, Fields::object, Fields::list, Fields::boolean, Fields::string, Fields::id, Fields::allow_only;
    using Fields::nothing, Fields::malformed, Fields::unsupported, Fields::describe, Fields::is, Fields::optional,
        Fields::path;
    using Fields::steps, Fields::require_type, Fields::where_;

    void normalizer() {
        const json& value = optional(root_, "normalizer");
        if (value.is_null()) return;
        for (const Step& step : steps(value, "normalizer", "normalizers")) {
            require_type(step, "NFC");
            allow_only(step.value, step.subject, {"type"});
            parts_.nfc = true;
        }
    }

    /// ByteLevel, which splits by GPT-2's pattern; or a Split by that pattern and a ByteLevel that splits no more.
    void pre_tokenizer() const {
        const auto all = steps(at(root_, "", "pre_tokenizer"), "pre_tokenizer", "pretokenizers");
        const bool has_split = all.size() == 2 && is(all[0].type, "Split");
        if (all.size() == 1) return byte_level(all[0], Splits::words);
        if (!has_split) unsupported("pre_tokenizer.type", "ByteLevel", root_["pre_tokenizer"]["type"]);
        const auto& [value, subject, type] = all[0];
        allow_only(value, subject, {"type", "pattern", "behavior", "invert"});
        const json& pattern = at(value, subject, "pattern");
        const json& regex = object(pattern, path(subject, "pattern")).empty() ? pattern : *pattern.begin();
        constexpr std::string_view gpt2 =
            R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
        constexpr std::string_view gpt2_short =
            R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
        if (!pattern.contains("Regex") || (!is(regex, gpt2) && !is(regex, gpt2_short)))
            unsupported(path(subject, "pattern"), "the pattern of GPT-2", regex);
        // Every character is in a match, so that it is the same whether matches are split off or all else is removed.
        const json& behavior = at(value, subject, "behavior");
        const json& invert = optional(value, "invert");
        const bool inverted = !invert.is_null() && boolean(invert, path(subject, "invert"));
        if (!is(behavior, inverted ? "Removed" : "Isolated"))
            unsupported(path(subject, "behavior"), inverted ? "Removed" : "Isolated", behavior);
        byte_level(all[1], Splits::nothing_more);
    }

    /// What a ByteLevel does to the text: in the pre-tokenizer it splits it into words, or leaves words that were split
    /// before; elsewhere its options have no effect.
    enum class Splits { words, nothing_more, nothing };

    void byte_level(const Step& step, Splits splits) const {
        require_type(step, "ByteLevel");
        allow_only(step.value, step.subject, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
        const auto option = [&](const char* name, bool absent) {
            const json& value = optional(step.value, name);
            return step.value.contains(name) ? boolean(value, path(step.subject, name)) : absent;
        };
        const bool adds_space = option("add_prefix_space", false), uses_regex = option("use_regex", true);
        option("trim_offsets", true);
        if (splits == Splits::nothing) return;
        if (adds_space) unsupported(path(step.subject, "add_prefix_space"), "false", step.value["add_prefix_space"]);
        if (uses_regex != (splits == Splits::words))
            unsupported(path(step.subject, "use_regex"), splits == Splits::words ? "true" : "false",
                        optional(step.value, "use_regex"));
    }

    /// Refuses a post-processor that changes the ids of a text. ByteLevel concerns offsets only.
    void adds_nothing(const Step& step) const {
        if (is(step.type, "ByteLevel")) return byte_level(step, Splits::nothing);
        if (!is(step.type, "TemplateProcessing"))
            unsupported(path(step.subject, "type"), "ByteLevel or a TemplateProcessing that adds no token", step.type);
        allow_only(step.value, step.subject, {"type", "single", "pair", "special_tokens"});
        const std::string subject = path(step.subject, "single");
        int texts = 0;
        for (const json& piece : list(at(step.value, step.subject, "single"), subject)) {
            object(piece, subject);
            if (const json& text = optional(piece, "Sequence"); text.is_object()) {
                texts += is(at(text, subject, "id"), "A");
                continue;
            }
            const json& token = at(piece, subject, "SpecialToken");
            const json& name = (object(token, subject), at(token, subject, "id"));
            if (has_ids(step, string(name, subject))) unsupported(subject, "no token that is added to a text", name);
        }
        if (texts != 1) unsupported(subject, "the text, once", optional(step.value, "single"));
    }

    /// Whether a template's special token has ids. (One that it does not describe is taken to have some.)
    bool has_ids(const Step& step, const std::string& name) const {
        const json& tokens = optional(step.value, "special_tokens");
        if (!tokens.is_object() || !tokens.contains(name) || !tokens[name].is_object()) return true;
        const json& ids = optional(tokens[name], "ids");
        return !ids.is_array() || !ids.empty();
    }

    /// A message of a server: {"error": "Repository not found"}.
    void refuse_answer() const {
        const json& error = root_.is_object() ? optional(root_, "error") : nothing();
        if (error.is_string() && !root_.contains("model"))
            core::fail<FormatError>(where_, {}, {"a tokenizer"},
                                    {"a server's answer: ", describe(error), " (a failed download)"});
    }

    static bool is_zero(const json& value) {
        const auto* natural = value.get_ptr<const json::number_unsigned_t*>();
        const auto* real = value.get_ptr<const json::number_float_t*>();
        return (natural && *natural == 0) || (real && *real == 0.0);
    }

    bool is_on(const json& model, const char* option) const {
        const json& value = optional(model, option);
        return !value.is_null() && boolean(value, path("model", option));
    }

    void model(const json& value) {
        object(value, "model");
        // Files of early versions do not name the type, but BPE alone has merges.
        if (const json& type = optional(value, "type"); !type.is_null() || !value.contains("merges"))
            if (!is(at(value, "model", "type"), "BPE")) unsupported("model.type", "BPE", type);
        allow_only(value, "model",
                   {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                    "byte_fallback", "ignore_merges", "vocab", "merges"});
        if (const json& dropout = optional(value, "dropout"); !dropout.is_null() && !is_zero(dropout))
            unsupported("model.dropout", "null", dropout);
        for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"})
            if (const json& option = optional(value, name); !option.is_null() && !is(option, ""))
                unsupported(path("model", name), "null", option);
        if (is_on(value, "ignore_merges")) unsupported("model.ignore_merges", "false", value["ignore_merges"]);
        // For characters without a token, of which there are none where each byte has one.
        if (const json& unknown = optional(value, "unk_token"); !unknown.is_null()) string(unknown, "model.unk_token");
        for (const char* name : {"fuse_unk", "byte_fallback"}) is_on(value, name);
        vocabulary(at(value, "model", "vocab"));
        merges(at(value, "model", "merges"));
    }

    void vocabulary(const json& vocab) {
        const std::string subject = "model.vocab";
        ids_.reserve(vocab.size());
        // In the order of ids, which is nearly that of the merges: what is used together then lies together.
        std::vector<const json::object_t::value_type*> members;
        for (const auto& member : object(vocab, subject)) {
            const auto index = static_cast<std::size_t>(id(member.second, subject));
            if (index >= members.size()) members.resize(index + 1);
            if (members[index]) malformed(subject, {"every id once"}, member.second);
            members[index] = &member;
        }
        for (std::size_t index = 0; index < members.size(); ++index) {
            if (!members[index]) continue;
            const std::string& token = members[index]->first;
            const auto token_id = static_cast<TokenId>(index);
            if (find_invalid_utf8(token) != std::string_view::npos)
                core::fail<FormatError>(where_, {subject}, {"tokens in UTF-8"}, {core::Quoted{token}});
            spellings_.set(token_id, token);
            ids_.insert(spellings_, token_id);
            ++vocabulary_size_;
            parts_.tokens.set(token_id, bytes_of_token(token));
        }
        for (std::size_t byte = 0; byte < 256; ++byte) {
            std::string stand_in;
            append_utf8(stand_in, byte_alphabet[byte]);
            parts_.bytes[byte] = ids_.find(spellings_, stand_in);
            // The reference would leave such bytes of a text out.
            const bool in_utf8 = byte < 0xC0 || (byte > 0xC1 && byte < 0xF5);
            if (in_utf8 && parts_.bytes[byte] == WordTable::no_token)
                core::fail<ModelError>(where_, {"model.vocab"}, {"a token for every byte"}, {"none for byte ", byte});
        }
    }

    TokenId token(std::string_view text) const {
        const TokenId found = ids_.find(spellings_, text);
        if (found == WordTable::no_token)
            core::fail<FormatError>(where_, {"model.merges"}, {"tokens of the vocabulary"}, {core::Quoted{text}});
        return found;
    }

    void merges(const json& value) {
        const std::string subject = "model.merges";
        const json::array_t& rules = list(value, subject);
        parts_.merges.reserve(rules.size());
        parts_.words.reserve(rules.size());
        std::string joined;
        for (const json& merge : rules) {
            std::string_view left, right;
            if (merge.is_array() && merge.size() == 2) {
                left = string(merge[0], subject);
                right = string(merge[1], subject);
            } else {
                const std::string_view both = string(merge, subject);
                // The first line of old files, which the reference ignores wherever it stands.
                if (both.starts_with("#version")) continue;
                const std::size_t space = both.find(' ');
                if (space == both.npos || both.find(' ', space + 1) != both.npos)
                    malformed(subject, {"pairs of tokens, as [\"a\", \"b\"] or \"a b\""}, merge);
                left = both.substr(0, space);
                right = both.substr(space + 1);
            }
            joined.assign(left).append(right);
            const TokenId result = token(joined);
            if (!parts_.merges.add({token(left), token(right), result})) malformed(subject, {"every pair once"}, merge);
            parts_.words.push_back(result);
        }
        for (TokenId byte : parts_.bytes)
            if (byte >= 0) parts_.words.push_back(byte);
        std::sort(parts_.words.begin(), parts_.words.end());
        parts_.words.erase(std::unique(parts_.words.begin(), parts_.words.end()), parts_.words.end());
    }

    void added_tokens(const json& value) {
        const json::array_t& entries = list(value, "added_tokens");
        std::set<std::string> texts, patterns, special;
        std::vector<std::string> decoded;  // since tokenizers 0.23, the normalised form where that is looked for
        TokenId next = vocabulary_size_;
        for (std::size_t i = 0; i < entries.size(); ++i) {
            const json& entry = entries[i];
            const std::string subject = core::join({"added_tokens[", i, "]"});
            allow_only(entry, subject, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
            for (const char* name : {"single_word", "lstrip", "rstrip"})
                if (const json& option = at(entry, subject, name); boolean(option, path(subject, name)))
                    unsupported(path(subject, name), "false", option);
            const json& content = at(entry, subject, "content");
            AddedToken added;
            added.text = string(content, path(subject, "content"));
            added.normalized = boolean(at(entry, subject, "normalized"), path(subject, "normalized"));
            added.id = id(at(entry, subject, "id"), path(subject, "id"));
            if (boolean(at(entry, subject, "special"), path(subject, "special"))) special.insert(added.text);
            if (added.text.empty()) malformed(path(subject, "content"), {"some text"}, content);
            // The reference numbers added tokens itself, and ignores an id that differs.
            const TokenId known = ids_.find(spellings_, added.text);
            const TokenId expected = known == WordTable::no_token ? next++ : known;
            if (added.id != expected || (known == WordTable::no_token && parts_.tokens.contains(expected)))
                malformed(path(subject, "id"), {expected, ", and no other token's"}, at(entry, subject, "id"));
            std::string normal = (parts_.nfc && added.normalized ? nfc(added.text) : std::nullopt).value_or(added.text);
            if (!texts.insert(added.text).second || (added.normalized && !patterns.insert(normal).second))
                malformed(path(subject, "content"), {"every added token once"}, content);
            decoded.push_back(std::move(normal));
            parts_.added.push_back(std::move(added));
        }
        // To the reference, a token is special if its decoded form is that of a special token in the file, so not one
        // that NFC has changed.
        for (std::size_t i = 0; i < decoded.size(); ++i)
            parts_.tokens.set(parts_.added[i].id, bytes_of_token(decoded[i]), special.contains(decoded[i]));
        for (AddedToken& token : parts_.added) token.is_split = split_special_tokens_ && special.contains(token.text);
    }

    const json& root_;
    const bool split_special_tokens_;
    BpeParts parts_;
    TokenTable spellings_;  ///< of tokens, as the vocabulary writes them
    WordTable ids_;         ///< of the spellings
    TokenId vocabulary_size_ = 0;
};

}  // namespace json_detail

RWKV_INLINE Tokenizer read_tokenizer_json(const nlohmann::json& file, const std::string& where,
                                          bool split_special_tokens) {
    return Tokenizer(ByteLevelBpe(json_detail::Reader<>(file, where, split_special_tokens).read()));
}

}  // namespace rwkv::inline RWKV_ABI::text
