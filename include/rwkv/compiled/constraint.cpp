// The library compiled once, part 4 of 4: constraints on generated text.
#ifndef RWKV_COMPILED
#error "files of rwkv/compiled/ belong to a program that defines RWKV_COMPILED for all of its source files"
#endif

#include <rwkv/constraint/cache.inl>
#include <rwkv/constraint/chart.inl>
#include <rwkv/constraint/constraint.inl>
#include <rwkv/constraint/decimal.inl>
#include <rwkv/constraint/formats.inl>
#include <rwkv/constraint/gbnf.inl>
#include <rwkv/constraint/grammar.inl>
#include <rwkv/constraint/grammar_builder.inl>
#include <rwkv/constraint/json_schema.inl>
#include <rwkv/constraint/lexer.inl>
#include <rwkv/constraint/parser.inl>
#include <rwkv/constraint/regex_derivatives.inl>
#include <rwkv/constraint/regex_limits.inl>
#include <rwkv/constraint/regex_operations.inl>
#include <rwkv/constraint/regex_set.inl>
#include <rwkv/constraint/regex_syntax.inl>
#include <rwkv/constraint/schema_document.inl>
#include <rwkv/constraint/schema_merge.inl>
#include <rwkv/constraint/schema_references.inl>
#include <rwkv/constraint/spelling.inl>
#include <rwkv/constraint/token_trie.inl>
