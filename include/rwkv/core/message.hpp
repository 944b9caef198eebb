#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

/// Text from a file, to be written into a message as `quoted` writes it.
struct Quoted {
    std::string_view text;  ///< any bytes
};

/// A part of a message: text, which stays the caller's, or a number. A list of them, {"at most ", 8, " dimensions"}, is
/// joined only where the message is needed, so that a place which may fail is short to read and cheap to compile.
class MessagePart {
  public:
    MessagePart(const char* text) noexcept : text_(text) {}
    MessagePart(std::string_view text) noexcept : text_(text) {}
    MessagePart(const std::string& text) noexcept : text_(text) {}
    MessagePart(Quoted quoted) noexcept : text_(quoted.text), kind_(Kind::quoted) {}
    template <std::integral Number>
    MessagePart(Number number) noexcept
        : integer_(static_cast<std::uint64_t>(number)),
          kind_(std::is_signed_v<Number> ? Kind::signed_integer : Kind::unsigned_integer) {}
    template <std::floating_point Number>
    MessagePart(Number number) noexcept : real_(static_cast<double>(number)), kind_(Kind::real) {}

    /// Appends the part: numbers in decimal, real ones to six digits.
    void append_to(std::string& message) const;

  private:
    enum class Kind : std::uint8_t { text, quoted, signed_integer, unsigned_integer, real };

    union {
        std::string_view text_;
        std::uint64_t integer_;
        double real_;
    };
    Kind kind_ = Kind::text;
};

/// The parts of a message, in order.
using MessageParts = std::initializer_list<MessagePart>;

/// The parts as one string.
[[nodiscard]] std::string join(MessageParts parts);

/// Throws an error of that class: FormatError, ModelError, ArgumentError or FileError.
template <class AnError>
[[noreturn, gnu::cold, gnu::noinline]] void fail(std::string_view where, MessageParts subject, MessageParts expected,
                                                 MessageParts found) {
    throw AnError(std::string(where), join(subject), join(expected), join(found));
}

}  // namespace rwkv::inline RWKV_ABI::core

#ifndef RWKV_COMPILED
#include <rwkv/core/message.inl>
#endif
