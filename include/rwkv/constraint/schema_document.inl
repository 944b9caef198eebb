#pragma once

#include <rwkv/constraint/interner.hpp>
#include <rwkv/constraint/limits.hpp>
#include <rwkv/constraint/schema_document.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/utf8.hpp>
#include <rwkv/text/utf8.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// Reads a JSON text into the values of a SchemaDocument, one after the other and without recursion.
class SchemaReader {
  public:
    SchemaReader(std::string_view text, std::string_view where, SchemaDocument& document)
        : text_(text), where_(where), document_(document), values_(document.values_) {}

    void read() {
        if (text_.size() > max_text_bytes) fail({"at most ", max_text_bytes, " bytes"}, {text_.size(), " bytes"});
        if (const auto invalid = core::find_invalid_utf8(text_); invalid != text_.npos) {
            at_ = invalid;
            fail({"UTF-8"}, {"another byte"});
        }
        skip_space();
        begin_value();
        while (!open_.empty()) next_member();
        skip_space();
        if (at_ != text_.size()) fail({"the end"}, {"more text"});
    }

  private:
    [[noreturn]] void fail(core::MessageParts expected, core::MessageParts found) const {
        core::fail<ArgumentError>(where_, {"the JSON text of the schema, byte ", at_ + 1}, expected, found);
    }
    [[noreturn]] void fail(core::MessageParts expected) const {
        if (at_ >= text_.size()) fail(expected, {"the end of the text"});
        fail(expected, {core::Quoted{text_.substr(at_, 1)}});
    }
    char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char c) noexcept {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    void skip_space() noexcept {
        while (at_ < text_.size() &&
               (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
            ++at_;
    }
    bool skip_digits() noexcept {
        const std::size_t begin = at_;
        while (peek() >= '0' && peek() <= '9') ++at_;
        return at_ != begin;
    }

    /// Reads a value whole, or up to the bracket that opens it.
    JsonIndex begin_value() {
        const auto index = static_cast<JsonIndex>(values_.size());
        JsonValue& value = values_.emplace_back();
        value.parent = open_.empty() ? no_value : open_.back();
        if (take('{') || take('[')) {
            value.kind = text_[at_ - 1] == '{' ? JsonKind::object : JsonKind::array;
            if (open_.size() >= SchemaDocument::max_nesting)
                fail({"JSON nested at most ", SchemaDocument::max_nesting, " deep"}, {"more"});
            open_.push_back(index);
        } else if (peek() == '"') {
            value.kind = JsonKind::string;
            read_string(value.text);
        } else if (take_word("true") || take_word("false")) {
            value.kind = JsonKind::boolean;
            value.truth = text_[at_ - 2] == 'u';
        } else if (!take_word("null")) {
            value.kind = JsonKind::number;
            const std::size_t begin = at_;
            take('-');
            if (!take('0') && !skip_digits()) fail({"a JSON value"});
            if (take('.') && !skip_digits()) fail({"a digit"});
            if (take('e') || take('E')) {
                if (!take('+')) take('-');
                if (!skip_digits()) fail({"a digit"});
            }
            value.text = text_.substr(begin, at_ - begin);
        }
        return index;
    }

    bool take_word(std::string_view word) noexcept {
        if (text_.substr(at_, word.size()) != word) return false;
        at_ += word.size();
        return true;
    }

    /// Reads the next member of the innermost array or object, or its end.
    void next_member() {
        const JsonIndex parent = open_.back();
        const bool is_object = values_[parent].kind == JsonKind::object;
        skip_space();
        if (take(is_object ? '}' : ']')) {
            open_.pop_back();
            return;
        }
        if (!values_[parent].members.empty()) {
            if (!take(',')) fail({"a comma or the closing bracket"});
            skip_space();
        }
        std::string name;
        if (is_object) {
            if (peek() != '"') fail({"a member's name"});
            read_string(name);
            skip_space();
            if (!take(':')) fail({"a colon"});
            skip_space();
        }
        const auto index = static_cast<JsonIndex>(values_.size());
        const auto position = static_cast<std::uint32_t>(values_[parent].members.size());
        if (is_object) {
            if (document_.find(parent, name) != no_value)
                fail({"every key once in its object"}, {"the key ", core::Quoted{name}, " twice"});
            std::uint64_t hash = SchemaDocument::hash(parent, name);
            while (!document_.names_.insert(hash, index)) ++hash;
        }
        values_[parent].members.emplace_back(std::move(name), index);
        begin_value();
        values_[index].position = position;
    }

    unsigned read_hex() {
        unsigned value = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            const char c = peek();
            const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                                   : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                                   : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A' + 10)
                                                          : 16;
            if (digit == 16) fail({"four hexadecimal digits"});
            value = value * 16 + digit;
        }
        return value;
    }

    void read_string(std::string& out) {
        ++at_;
        for (;;) {
            if (at_ >= text_.size() || static_cast<unsigned char>(text_[at_]) < 0x20) fail({"the end of a string"});
            const char c = text_[at_++];
            if (c == '"') return;
            if (c != '\\') {
                out.push_back(c);
                continue;
            }
            constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
            if (const auto known = letters.find(peek()); at_ < text_.size() && known != letters.npos) {
                out.push_back(meanings[known]);
                ++at_;
                continue;
            }
            if (!take('u')) fail({"an escape of JSON"});
            char32_t code = read_hex();
            if (code >= 0xD800 && code < 0xE000) {
                if (code >= 0xDC00 || !take_word("\\u")) fail({"both halves of a surrogate pair"}, {"one"});
                const unsigned low = read_hex();
                if (low < 0xDC00 || low >= 0xE000) fail({"both halves of a surrogate pair"}, {"one"});
                code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
            }
            text::append_utf8(out, code);
        }
    }

    std::string_view text_;
    std::string_view where_;
    SchemaDocument& document_;
    std::vector<JsonValue>& values_;
    std::vector<JsonIndex> open_;  ///< the arrays and objects we are inside of, outermost first
    std::size_t at_ = 0;
};

RWKV_INLINE SchemaDocument::SchemaDocument(std::string_view text, std::string_view where) {
    SchemaReader(text, where, *this).read();
}

RWKV_INLINE std::uint64_t SchemaDocument::hash(JsonIndex object, std::string_view name) noexcept {
    std::uint64_t hash = object;
    for (const char c : name) hash = Interner::combine(hash, static_cast<unsigned char>(c));
    return Interner::combine(hash, name.size()) >> 1U;  // never all ones, even when counted on
}

RWKV_INLINE JsonIndex SchemaDocument::find(JsonIndex object, std::string_view name) const noexcept {
    std::uint64_t key = hash(object, name);
    for (const JsonIndex* found = names_.find(key); found; found = names_.find(++key)) {
        const JsonValue& value = values_[*found];
        if (value.parent == object && values_[object].members[value.position].first == name) return *found;
    }
    return no_value;
}

RWKV_INLINE std::string SchemaDocument::pointer(JsonIndex index) const {
    std::vector<std::string> steps;
    for (JsonIndex parent = values_[index].parent; parent != no_value; index = parent, parent = values_[index].parent) {
        const std::uint32_t position = values_[index].position;
        if (values_[parent].kind == JsonKind::array) {
            steps.push_back(std::to_string(position));
            continue;
        }
        std::string step;
        for (const char c : values_[parent].members[position].first.substr(0, 80)) {
            if (c == '~' || c == '/')
                step += c == '~' ? "~0" : "~1";
            else
                step.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c);
        }
        steps.push_back(std::move(step));
    }
    std::string text = "#";
    for (std::size_t i = steps.size(); i-- > 0;) text.append(1, '/').append(steps[i]);
    return text;
}

RWKV_INLINE std::string SchemaDocument::describe(JsonIndex index) const {
    const JsonValue& value = values_[index];
    switch (value.kind) {
        case JsonKind::null:
            return "null";
        case JsonKind::boolean:
            return value.truth ? "true" : "false";
        case JsonKind::number:
            return "the number " + value.text.substr(0, 40);
        case JsonKind::string:
            return core::join({"the string ", core::Quoted{value.text}});
        case JsonKind::array:
            return value.members.empty() ? "an empty list" : "a list";
        default:
            return "an object";
    }
}

}  // namespace rwkv::inline RWKV_ABI::constraint
