#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The types of elements that a safetensors file can name. Models are loaded from f16, bf16, f32 and f64; the other
/// types can only be described.
enum class DType : std::uint8_t {
    boolean,
    f4,
    f6_e2m3,
    f6_e3m2,
    u8,
    i8,
    f8_e5m2,
    f8_e4m3,
    f8_e8m0,
    f8_e4m3fnuz,
    f8_e5m2fnuz,
    i16,
    u16,
    f16,
    bf16,
    i32,
    u32,
    f32,
    c64,
    f64,
    i64,
    u64
};

namespace core {

/// The name of a type in a safetensors header, and its size in bits.
struct DTypeInfo {
    DType dtype;            ///< DType::bf16
    std::string_view name;  ///< "BF16"
    unsigned bits;          ///< 16
};

/// Every type, in the order of the enumeration.
inline constexpr std::array<DTypeInfo, 22> dtypes{{
    {DType::boolean, "BOOL", 8},
    {DType::f4, "F4", 4},
    {DType::f6_e2m3, "F6_E2M3", 6},
    {DType::f6_e3m2, "F6_E3M2", 6},
    {DType::u8, "U8", 8},
    {DType::i8, "I8", 8},
    {DType::f8_e5m2, "F8_E5M2", 8},
    {DType::f8_e4m3, "F8_E4M3", 8},
    {DType::f8_e8m0, "F8_E8M0", 8},
    {DType::f8_e4m3fnuz, "F8_E4M3FNUZ", 8},
    {DType::f8_e5m2fnuz, "F8_E5M2FNUZ", 8},
    {DType::i16, "I16", 16},
    {DType::u16, "U16", 16},
    {DType::f16, "F16", 16},
    {DType::bf16, "BF16", 16},
    {DType::i32, "I32", 32},
    {DType::u32, "U32", 32},
    {DType::f32, "F32", 32},
    {DType::c64, "C64", 64},
    {DType::f64, "F64", 64},
    {DType::i64, "I64", 64},
    {DType::u64, "U64", 64},
}};

/// The name of a type in a safetensors header: "BF16".
[[nodiscard]] constexpr std::string_view name(DType dtype) noexcept {
    return dtypes[static_cast<std::size_t>(dtype)].name;
}

/// The number of bits of one element.
[[nodiscard]] constexpr unsigned bits(DType dtype) noexcept {
    return dtypes[static_cast<std::size_t>(dtype)].bits;
}

/// The type of that (case-sensitive) name, or nothing.
[[nodiscard]] constexpr std::optional<DType> dtype_of(std::string_view name) noexcept {
    for (const DTypeInfo& info : dtypes)
        if (info.name == name) return info.dtype;
    return std::nullopt;
}

}  // namespace core

}  // namespace rwkv::inline RWKV_ABI
