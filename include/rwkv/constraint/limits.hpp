#pragma once

#include <cstddef>
#include <cstdint>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// The nodes of a constraint's regular expressions, derivatives included.
inline constexpr std::size_t max_nodes = std::size_t{1} << 24U;
/// The nesting of a regular expression, and of groups in a grammar's text.
inline constexpr std::uint32_t max_depth = 200;
/// The symbols of a grammar's rules, all together.
inline constexpr std::size_t max_grammar_symbols = std::size_t{1} << 22U;
/// The length of the text of a grammar, a schema or an expression, in bytes.
inline constexpr std::size_t max_text_bytes = std::size_t{1} << 24U;
/// What is kept of derivatives, automata, rows and masks for one constraint and tokenizer, in bytes. Where it is
/// exceeded, what is not in use is forgotten; where that does not help, the constraint is refused as too ambiguous.
inline constexpr std::size_t max_cache_bytes = std::size_t{256} << 20U;
/// What is kept of masks besides, in bytes.
inline constexpr std::size_t max_mask_bytes = std::size_t{64} << 20U;
/// The items of one row of the parser, and the rows in progress: both are small unless a grammar is ambiguous.
inline constexpr std::size_t max_row_items = std::size_t{1} << 18U;
/// The places where the lexeme in progress may have begun.
inline constexpr std::size_t max_parallel_lexemes = 4096;

}  // namespace rwkv::inline RWKV_ABI::constraint
