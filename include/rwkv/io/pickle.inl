#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/quote.hpp>
#include <rwkv/io/byte_reader.hpp>
#include <rwkv/io/pickle.hpp>
#include <rwkv/io/pickle_opcodes.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::io {

RWKV_INLINE std::string describe(const PickleValue& value) {
    constexpr std::array<std::string_view, 11> kinds{"None",
                                                     "a boolean",
                                                     "an integer",
                                                     "a number",
                                                     "a string",
                                                     "a tuple",
                                                     "a list",
                                                     "a dict",
                                                     "a symbol",
                                                     "a reference to a storage",
                                                     "a tensor or parameter"};
    if (value.kind == PickleKind::symbol) return core::quoted(value.text);
    return std::string(kinds[static_cast<std::size_t>(value.kind)]);
}

namespace detail {

/// The names that a pickle may contain, which stay names.
inline constexpr std::array<std::string_view, 13> pickle_symbols{"collections.OrderedDict",
                                                                 "torch._utils._rebuild_tensor_v2",
                                                                 "torch._utils._rebuild_parameter",
                                                                 "torch.FloatStorage",
                                                                 "torch.HalfStorage",
                                                                 "torch.BFloat16Storage",
                                                                 "torch.DoubleStorage",
                                                                 "torch.LongStorage",
                                                                 "torch.IntStorage",
                                                                 "torch.ShortStorage",
                                                                 "torch.CharStorage",
                                                                 "torch.ByteStorage",
                                                                 "torch.BoolStorage"};

/// Runs the opcodes of one pickle on a stack of values.
class PickleMachine {
  public:
    PickleMachine(std::span<const std::byte> bytes, const std::string& where)
        : reader_(bytes, where, "pickle"), where_(where) {}

    Pickle run() {
        if (next() != 0x80) fail({"PROTO 2 first"}, {"another opcode"});
        if (const auto protocol = reader_.u8(); protocol != 2) fail({"protocol 2"}, {protocol});
        while (next() != '.') step();
        if (stack_.size() != 1 || !marks_.empty()) fail({"one value left on the stack"}, {stack_.size()});
        if (reader_.remaining() > 0) fail({"the pickle to end here"}, {reader_.remaining(), " bytes more"});
        pickle_.root = stack_[0];
        return std::move(pickle_);
    }

  private:
    using Value = PickleValue*;
    using enum PickleKind;

    std::uint8_t next() {
        at_ = reader_.position();
        return opcode_ = reader_.u8();
    }

    void step() {
        switch (opcode_) {
            case 'N':
                return push(make(none));
            case 0x88:
                return push(make(boolean, 1));
            case 0x89:
                return push(make(boolean, 0));
            case 'K':
                return push(make(integer, reader_.u8()));
            case 'M':
                return push(make(integer, reader_.u16()));
            case 'J':
                return push(make(integer, static_cast<std::int32_t>(reader_.u32())));
            case 0x8a:
                return push(make(integer, long_integer(reader_.u8())));
            case 'G':
                reader_.take(8);
                return push(make(real));  // the value of real numbers is not used
            case 'X':
                return push(make(text, 0, std::string(reader_.text(reader_.u32()))));
            case 'c':
                return push(make(symbol, 0, allowed_symbol()));
            case '(':
                return mark();
            case ')':
                return push(make(tuple));
            case 0x85:
                return pack(stack_.size() - available(1));
            case 0x86:
                return pack(stack_.size() - available(2));
            case 0x87:
                return pack(stack_.size() - available(3));
            case 't':
                return pack(unmark());
            case ']':
                return push(make(list));
            case 'a':
                return append(stack_.size() - available(1));
            case 'e':
                return append(unmark());
            case '}':
                return push(make(dict));
            case 's':
                return set_items(stack_.size() - available(2));
            case 'u':
                return set_items(unmark());
            case 'q':
                return put(reader_.u8());
            case 'r':
                return put(reader_.u32());
            case 'h':
                return push(got(reader_.u8()));
            case 'j':
                return push(got(reader_.u32()));
            case 'Q':
                return refer();
            case 'R':
                return call_symbol();
            case 'b':
                return build();
            default:
                fail({"an opcode of a plain state dict"}, {"this one"});
        }
    }

    Value make(PickleKind kind, std::int64_t number = 0, std::string words = {}) {
        if (pickle_.values.size() == max_pickle_values) fail({"at most ", max_pickle_values, " values"}, {"more"});
        return &pickle_.values.emplace_back(PickleValue{kind, number, std::move(words)});
    }

    void push(Value value) {
        if (stack_.size() == max_pickle_values) fail({"at most ", max_pickle_values, " values on the stack"}, {"more"});
        stack_.push_back(value);
    }

    /// Checks that `count` values lie on the stack above the last mark, and returns the count.
    std::size_t available(std::size_t count) const {
        const std::size_t there = stack_.size() - (marks_.empty() ? 0 : marks_.back());
        if (there < count) fail({count, " values on the stack"}, {there});
        return count;
    }

    Value pop() {
        available(1);
        const Value value = stack_.back();
        stack_.pop_back();
        return value;
    }

    /// The value below those from `first` on.
    Value under(std::size_t first, PickleKind kind, const char* wanted) const {
        if (first == (marks_.empty() ? 0 : marks_.back())) fail({wanted}, {"nothing on the stack"});
        const Value value = stack_[first - 1];
        if (value->kind != kind) fail({wanted}, {describe(*value)});
        return value;
    }

    void mark() {
        if (marks_.size() == max_pickle_values) fail({"at most ", max_pickle_values, " marks"}, {"more"});
        marks_.push_back(stack_.size());
    }

    /// Removes the last mark and returns its place on the stack.
    std::size_t unmark() {
        if (marks_.empty()) fail({"a mark on the stack"}, {"none"});
        const std::size_t at = marks_.back();
        marks_.pop_back();
        return at;
    }

    /// Moves the values from `first` on from the stack to the end of the items of `owner`.
    void move_to(Value owner, std::size_t first) {
        const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(first);
        owner->items.insert(owner->items.end(), from, stack_.end());
        stack_.erase(from, stack_.end());
    }

    void pack(std::size_t first) {
        const Value value = make(tuple);
        move_to(value, first);
        push(value);
    }

    void append(std::size_t first) { move_to(under(first, list, "a list to append to"), first); }

    void set_items(std::size_t first) {
        const Value owner = under(first, dict, "a dict to set items of");
        if ((stack_.size() - first) % 2 != 0) fail({"a value for each key"}, {"an odd number of them"});
        for (std::size_t i = first; i < stack_.size(); i += 2)
            if (stack_[i]->kind != text)
                fail({"a string as key"},
                     {describe(*stack_[i]),
                      " (a checkpoint of a training? save the model's state_dict(), and that alone)"});
        move_to(owner, first);
    }

    void put(std::uint32_t number) {
        available(1);
        memo_.insert_or_assign(number, stack_.back());
        if (memo_.size() > max_pickle_values) fail({"at most ", max_pickle_values, " values remembered"}, {"more"});
    }

    Value got(std::uint32_t number) const {
        const auto found = memo_.find(number);
        if (found == memo_.end()) fail({"a value remembered as number ", number}, {"none"});
        return found->second;
    }

    void refer() {
        const Value value = make(reference);
        value->items = {pop()};
        push(value);
    }

    /// An empty OrderedDict becomes a dict, any other call a value.
    void call_symbol() {
        const Value arguments = pop(), callee = pop();
        if (callee->kind != symbol || callee->text.ends_with("Storage"))
            fail({"OrderedDict, _rebuild_tensor_v2 or _rebuild_parameter to call"}, {describe(*callee)});
        if (arguments->kind != tuple) fail({"a tuple of arguments"}, {describe(*arguments)});
        const bool is_dict = callee->text == "collections.OrderedDict";
        if (is_dict && !arguments->items.empty()) fail({"an OrderedDict without arguments"}, {describe(*arguments)});
        const Value value = make(is_dict ? dict : call);
        if (!is_dict) value->items = {callee, arguments};
        push(value);
    }

    /// Drops what is set on an object: `_metadata` of a state dict, which nothing here uses.
    void build() {
        available(1);
        under(stack_.size() - 1, dict, "a dict to set attributes of");
        pop();
    }

    std::int64_t long_integer(std::size_t bytes) {
        if (bytes > 8) fail({"an integer of 64 bits"}, {bytes, " bytes"});
        if (bytes == 0) return 0;
        // Shifted to the top and back, which extends the sign.
        const std::size_t missing = 64 - 8 * bytes;
        return static_cast<std::int64_t>(reader_.number(bytes) << missing) >> missing;
    }

    std::string line() {
        constexpr std::size_t longest = 256;
        std::string read;
        for (char c; (c = static_cast<char>(reader_.u8())) != '\n'; read.push_back(c))
            if (read.size() == longest) fail({"a name of at most ", longest, " bytes"}, {"more"});
        return read;
    }

    std::string allowed_symbol() {
        const std::string module = line(), name = line(), both = module + '.' + name;
        // Without a dot in the name there is only one way to spell each.
        if (name.find('.') != name.npos ||
            std::find(pickle_symbols.begin(), pickle_symbols.end(), both) == pickle_symbols.end())
            fail({"a name that a plain state dict needs"},
                 {core::Quoted{both},
                  both == "torch._utils._rebuild_tensor_v3"
                      ? ", for a tensor of a type that is not read here, such as float8"
                      : ", which is not on the list of those allowed (save the model's state_dict(), "
                        "and that alone)"});
        return both;
    }

    [[noreturn]] void fail(core::MessageParts expected, core::MessageParts found) const {
        constexpr std::string_view hex = "0123456789abcdef";
        const std::string_view name = pickle_opcode_name(opcode_);
        core::fail<FormatError>(where_,
                                {"pickle: opcode 0x", hex.substr(opcode_ >> 4U, 1), hex.substr(opcode_ & 15U, 1),
                                 name.empty() ? "" : " (", name, name.empty() ? "" : ")", " at byte ", at_},
                                expected, found);
    }

    ByteReader reader_;
    const std::string& where_;
    std::size_t at_ = 0;  ///< where the opcode is
    std::uint8_t opcode_ = 0;
    Pickle pickle_;
    std::vector<Value> stack_;
    std::vector<std::size_t> marks_;  ///< sizes of the stack when it was marked
    std::unordered_map<std::uint32_t, Value> memo_;
};

}  // namespace detail

RWKV_INLINE Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where) {
    return detail::PickleMachine(bytes, where).run();
}

}  // namespace rwkv::inline RWKV_ABI::io
