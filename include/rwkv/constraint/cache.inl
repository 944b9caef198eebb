#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/constraint/cache.hpp>
#include <rwkv/constraint/limits.hpp>
#include <rwkv/core/inline.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

RWKV_INLINE Cache::Cache(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie)
    : trie_(std::move(trie)), parser_(std::move(grammar)) {
    RegexSet& regexes = parser_.lexer().regexes();
    const CharacterRange not_text[] = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}, {0x7F, 0x7F}};
    classes_[0] = regexes.add_character_class(regexes.characters_except(not_text));
    const CharacterRange word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    classes_[1] = regexes.add_character_class(regexes.characters(word));
}

inline void set_bits(std::span<const TokenId> tokens, std::span<std::uint64_t> words) noexcept {
    for (const TokenId token : tokens) {
        const auto id = static_cast<std::size_t>(token);
        words[id / 64] |= std::uint64_t{1} << id % 64;
    }
}

inline std::uint64_t thread_key(const Thread& thread) noexcept {
    return std::uint64_t{thread.row} << 32U | thread.state;
}

inline bool all_set(std::span<const TokenId> tokens, std::span<const std::uint64_t> words) noexcept {
    for (const TokenId token : tokens) {
        const auto id = static_cast<std::size_t>(token);
        if ((words[id / 64] >> id % 64 & 1U) == 0) return false;
    }
    return true;
}

RWKV_INLINE void Cache::forget_masks() {
    U64Map of_regex, of_state, of_thread;  // may fail, before anything is changed
    mask_of_regex_ = std::move(of_regex);
    mask_of_state_ = std::move(of_state);
    mask_of_thread_ = std::move(of_thread);
    lexer_masks_.clear();
    thread_masks_.clear();
    mask_bytes_ = 0;
}

RWKV_INLINE void Cache::mask(std::span<const Thread> threads, std::span<std::uint64_t> words) {
    if (mask_bytes_ > max_mask_bytes) forget_masks();
    for (const Thread& thread : threads) row_mask(thread, words);
}

RWKV_INLINE void Cache::row_mask(const Thread& thread, std::span<std::uint64_t> words) {
    const auto add = [&](const std::vector<std::uint64_t>& mask) {
        for (std::size_t i = 0; i < mask.size(); ++i) words[i] |= mask[i];
    };
    if (const std::uint32_t* known = mask_of_thread_.find(thread_key(thread))) return add(thread_masks_[*known]);
    if (general_mask(thread, words)) return;
    const LexerMask& known = lexer_mask(thread.state);
    if (known.crossings.empty()) return add(known.words);
    std::vector<std::uint64_t> mask = known.words;
    // What follows a lexeme alone in its state depends on the thread: its number is not kept.
    const std::span<const Lexeme> lexemes = parser_.lexer().lexemes(thread.state);
    const Lexer::Accepted alone = lexemes.size() == 1 ? parser_.lexer().accepted_alone(lexemes[0].terminal) : 0;
    for (const auto& [node, accepted] : known.crossings) {
        if (all_set(known.trie->longer_tokens(node), mask)) continue;
        const Chart::Row row = parser_.chart().scan(thread.row, alone != 0 ? alone : accepted);
        if (parser_.chart().start(row) != Lexer::dead)
            walk(*known.trie, node, {row, parser_.chart().start(row)}, mask, false);
    }
    add(mask);
    keep(thread, std::move(mask));
}

RWKV_INLINE void Cache::keep(const Thread& thread, std::vector<std::uint64_t> mask) {
    mask_bytes_ += mask.size() * 8 + 64;
    thread_masks_.push_back(std::move(mask));
    mask_of_thread_.insert(thread_key(thread), static_cast<std::uint32_t>(thread_masks_.size() - 1));
}

/// The mask of a thread whose lexemes have limits that are far away: that of the same without these limits, which
/// threads with other counts have, too. Limits are seldom so far away that the longest tokens do not reach them, so
/// that these, which are few, are looked at on their own. False where no limit is far away.
RWKV_INLINE bool Cache::general_mask(const Thread& thread, std::span<std::uint64_t> words) {
    const Thread general = without_far_limits(thread, trie_->short_length());
    if (general.state == thread.state || !ends_nearby(general.state)) return false;
    std::vector<std::uint64_t> mask(words.size(), 0);
    row_mask(general, mask);
    const FlatTrie& long_tokens = trie_->long_tokens();
    const auto walk_from = [&](const Thread& from, bool general_too) {
        for (const TokenId token : long_tokens.ids)
            mask[static_cast<std::size_t>(token) / 64] &= ~(std::uint64_t{1} << static_cast<std::size_t>(token) % 64);
        return walk(long_tokens, 0, from, mask, general_too);
    };
    // Without the limits that even these do not reach, states are shared; with them, they are exact.
    if (!walk_from(without_far_limits(thread, long_tokens.max_depth), true)) walk_from(thread, false);
    for (std::size_t i = 0; i < mask.size(); ++i) words[i] |= mask[i];
    keep(thread, std::move(mask));
    return true;
}

/// Whether, in each state that tokens which are not long lead to, what is in progress has an end nearby.
RWKV_INLINE bool Cache::ends_nearby(Lexer::State state) {
    Lexer& lexer = parser_.lexer();
    if (lexer.is_plain(state)) return true;
    if (const std::uint32_t* known = ends_nearby_.find(state)) return *known != 0;
    const FlatTrie& trie = trie_->all();
    states_.resize(trie.max_depth + 1);
    states_[0] = state;
    bool result = lexer.ends_nearby(state);
    for (std::uint32_t i = 1, end = trie.nodes[0].skip; i < end && result;) {
        const FlatTrie::Node& node = trie.nodes[i];
        const Lexer::State before = states_[node.depth - 1U], next = lexer.next(before, node.byte);
        states_[node.depth] = next;
        if (next == Lexer::dead || node.depth > trie_->short_length()) {
            i = node.skip;
            continue;
        }
        result = next == before || lexer.ends_nearby(next);
        ++i;
    }
    ends_nearby_.insert(state, result ? 1 : 0);
    return result;
}

/// The thread without the limits that no `length` bytes reach, nor the end of what is in progress after them.
RWKV_INLINE Thread Cache::without_far_limits(const Thread& thread, std::size_t length) {
    const auto away = static_cast<std::uint32_t>(length + Lexer::max_end);
    return {thread.row, parser_.lexer().without_far_limits(thread.state, away)};
}

RWKV_INLINE const Cache::LexerMask& Cache::lexer_mask(Lexer::State state) {
    const std::span<const Lexeme> lexemes = parser_.lexer().lexemes(state);
    // A lexeme alone in its state is followed by the same, whatever terminal it is.
    const bool alone = lexemes.size() == 1;
    const std::uint64_t key = alone ? static_cast<std::uint64_t>(lexemes[0].rest) : state;
    U64Map& map = alone ? mask_of_regex_ : mask_of_state_;
    if (const std::uint32_t* known = map.find(key)) return *lexer_masks_[*known];
    auto mask = std::make_unique<LexerMask>();
    compute_lexer_mask(state, *mask);
    mask_bytes_ += mask->words.size() * 8 + mask->crossings.size() * 8 + 128;
    lexer_masks_.push_back(std::move(mask));
    map.insert(key, static_cast<std::uint32_t>(lexer_masks_.size() - 1));
    return *lexer_masks_.back();
}

RWKV_INLINE void Cache::compute_lexer_mask(Lexer::State state, LexerMask& mask) {
    Lexer& lexer = parser_.lexer();
    mask.words.assign(trie_->words(), 0);
    mask.trie = &trie_->all();
    for (const TokenTrie::Slice& slice : trie_->slices()) {
        bool whole = false;
        for (std::size_t i = 0; i < lexer.lexemes(state).size() && !whole; ++i) {
            const Regex rest = lexer.lexemes(state)[i].rest;
            whole =
                lexer.regexes().accepts_run(rest, classes_[static_cast<std::size_t>(slice.characters)], slice.length);
        }
        if (!whole) continue;
        mask.words = slice.mask;
        mask.trie = &slice.others;
        break;
    }
    const FlatTrie& trie = *mask.trie;
    states_.resize(trie.max_depth + 1);
    states_[0] = state;
    for (std::uint32_t i = 1, end = trie.nodes[0].skip; i < end;) {
        const FlatTrie::Node& node = trie.nodes[i];
        const Lexer::State next = lexer.next(states_[node.depth - 1U], node.byte);
        if (next == Lexer::dead) {
            i = node.skip;
            continue;
        }
        states_[node.depth] = next;
        set_bits(trie.tokens(i), mask.words);
        if (lexer.accepted(next) != 0 && trie.has_children(i)) mask.crossings.push_back({i, lexer.accepted(next)});
        ++i;
    }
}

/// Adds the tokens below a node, where the thread stands. With `nearby`, false, and not all, where something in
/// progress since the thread has no end nearby.
RWKV_INLINE bool Cache::walk(const FlatTrie& trie, std::uint32_t root, const Thread& thread,
                             std::span<std::uint64_t> words, bool nearby) {
    const std::size_t root_depth = trie.nodes[root].depth;
    begins_.resize(trie.max_depth + 2);
    threads_.clear();
    threads_.push_back(thread);
    begins_[root_depth] = 0;
    begins_[root_depth + 1] = 1;  // of each depth, and of the one after the last
    for (std::uint32_t i = root + 1, end = trie.nodes[root].skip; i < end;) {
        const FlatTrie::Node& node = trie.nodes[i];
        const std::size_t first = begins_[node.depth - 1U], last = begins_[node.depth];
        threads_.resize(last);
        if (!parser_.next(threads_, first, last, node.byte).possible) {
            i = node.skip;
            continue;
        }
        begins_[node.depth + 1U] = threads_.size();
        for (std::size_t k = last; nearby && k < threads_.size(); ++k)
            if (threads_[k].row == thread.row && !parser_.lexer().ends_nearby(threads_[k].state)) return false;
        set_bits(trie.tokens(i), words);
        ++i;
    }
    return true;
}

}  // namespace rwkv::inline RWKV_ABI::constraint
