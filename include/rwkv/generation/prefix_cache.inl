#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/inline.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/generation/prefix_cache.hpp>
#include <rwkv/generation/reserve_one.hpp>

namespace rwkv::inline RWKV_ABI {

namespace generation {

/// Bytes of some tokens.
inline std::size_t token_bytes(std::size_t count) noexcept {
    return count * sizeof(TokenId);
}

/// Where the child is, or would be, whose tokens begin with this one.
template <class Nodes>
auto child_place(Nodes& children, TokenId token) noexcept {
    return std::lower_bound(children.begin(), children.end(), token,
                            [](const auto* child, TokenId first) { return child->tokens.front() < first; });
}

}  // namespace generation

RWKV_INLINE PrefixCache::PrefixCache(const Config& config, const PrefixCacheOptions& options)
    : config_(config), options_(options) {
    static_cast<void>(State(config));  // checks the shape
    if (options.checkpoint_interval < 0)
        core::fail<ArgumentError>("PrefixCache", {"checkpoint_interval"}, {"0 or more"}, {options.checkpoint_interval});
    root_ = &nodes_.emplace_back();
}

RWKV_INLINE void PrefixCache::check_shape(const char* call, const State& state) const {
    if (!state.fits(config_))
        core::fail<ArgumentError>(call, {"state"}, {"one of this cache's models"}, {"one of other sizes"});
}

RWKV_INLINE PrefixCache::Place PrefixCache::locate(std::span<const TokenId> tokens) const noexcept {
    Place place{root_, 0, 0, nullptr, 0};
    for (;;) {
        Node* const node = place.node;
        const bool is_whole = place.matched == tokens.size();
        if (node->state && (!is_whole || !node->logits.empty())) {
            place.best = node;
            place.best_length = place.matched;
        }
        if (is_whole) return place;
        const auto child = generation::child_place(node->children, tokens[place.matched]);
        if (child == node->children.end() || (*child)->tokens.front() != tokens[place.matched]) return place;
        const std::vector<TokenId>& own = (*child)->tokens;
        const std::size_t count = (std::min)(own.size(), tokens.size() - place.matched);
        std::size_t common = 1;
        while (common < count && own[common] == tokens[place.matched + common]) ++common;
        place.node = *child;
        place.matched += common;
        place.inside = common;
        if (common < own.size()) return place;
    }
}

/// The node with the state after exactly these tokens, or null.
RWKV_INLINE PrefixCache::Node* PrefixCache::known(std::span<const TokenId> tokens) const noexcept {
    const Place place = locate(tokens);
    const bool ends_here = place.matched == tokens.size() && place.inside == place.node->tokens.size();
    return ends_here && place.node->state ? place.node : nullptr;
}

RWKV_INLINE PrefixCache::Match PrefixCache::find(std::span<const TokenId> tokens, State& state,
                                                 std::vector<float>& logits) {
    check_shape("PrefixCache::find", state);
    const std::lock_guard lock(mutex_);
    const Place place = locate(tokens);
    if (place.best) {
        if (place.best_length == tokens.size())
            logits.assign(place.best->logits.begin(), place.best->logits.end());
        else
            logits.clear();
        state.assign(*place.best->state);
        touch(place.best);
    }
    return {static_cast<Index>(place.best_length), static_cast<Index>(place.matched)};
}

RWKV_INLINE bool PrefixCache::read(std::span<const TokenId> tokens, State& state, std::vector<float>& logits) const {
    check_shape("PrefixCache::read", state);
    const std::lock_guard lock(mutex_);
    const Node* const node = known(tokens);
    if (!node) return false;
    logits.assign(node->logits.begin(), node->logits.end());
    state.assign(*node->state);
    return true;
}

RWKV_INLINE bool PrefixCache::insert(std::span<const TokenId> tokens, const State& state,
                                     std::span<const float> logits) {
    check_shape("PrefixCache::insert", state);
    if (!logits.empty() && std::ssize(logits) != config_.vocab_size)
        core::fail<ArgumentError>("PrefixCache::insert", {"logits"}, {config_.vocab_size, ", or none"},
                                  {logits.size()});
    if (tokens.empty()) return false;
    const std::lock_guard lock(mutex_);
    if (Node* const node = known(tokens)) {
        touch(node);
        if (logits.empty() || !node->logits.empty()) return true;
        make_room(logits.size_bytes(), node);
        if (bytes_ + logits.size_bytes() > options_.max_bytes) return true;
        node->logits.assign(logits.begin(), logits.end());
        bytes_ += logits.size_bytes();
        return true;
    }
    const std::size_t own_bytes = state.bytes() + logits.size_bytes();
    const std::size_t most = own_bytes + generation::token_bytes(tokens.size()) + 2 * sizeof(Node);
    if (most > options_.max_bytes) return false;
    Memory memory;
    make_room(most, nullptr, &memory);
    if (!memory.state) memory.state.emplace(config_);
    memory.state->assign(state);
    if (logits.empty()) memory.logits = std::vector<float>();
    memory.logits.assign(logits.begin(), logits.end());
    Node* const node = add_node(tokens);
    // From here on nothing throws.
    node->state = std::move(memory.state);
    node->logits = std::move(memory.logits);
    bytes_ += own_bytes;
    ++size_;
    link(node);
    classify(node->parent);
    return true;
}

/// The node at the end of these tokens, which has no state; made where there is none.
RWKV_INLINE PrefixCache::Node* PrefixCache::add_node(std::span<const TokenId> tokens) {
    const Place place = locate(tokens);
    Node* const below = place.node;
    const bool splits = place.inside < below->tokens.size(), grows = place.matched < tokens.size();
    const auto inside = static_cast<std::ptrdiff_t>(place.inside);
    // What may throw comes first.
    reserve_nodes(2);
    const std::vector<TokenId>& own = below->tokens;
    std::vector<TokenId> first, second, added;
    std::vector<Node*> middle_children;
    if (splits) {
        first.assign(own.begin(), own.begin() + inside);
        second.assign(own.begin() + inside, own.end());
        middle_children.reserve(2);
    }
    if (grows) {
        added.assign(tokens.begin() + static_cast<std::ptrdiff_t>(place.matched), tokens.end());
        if (!splits) generation::reserve_one(below->children);
    }
    // From here on nothing throws.
    Node* end = below;
    if (splits) {
        Node* const middle = end = take_node();
        middle->parent = below->parent;
        *generation::child_place(below->parent->children, first.front()) = middle;
        middle->tokens = std::move(first);
        middle->children = std::move(middle_children);
        middle->children.push_back(below);
        below->parent = middle;
        below->tokens = std::move(second);
    }
    if (grows) {
        Node* const leaf = take_node();
        leaf->parent = end;
        leaf->tokens = std::move(added);
        bytes_ += generation::token_bytes(leaf->tokens.size());
        end->children.insert(generation::child_place(end->children, leaf->tokens.front()), leaf);
        end = leaf;
    }
    return end;
}

RWKV_INLINE void PrefixCache::reserve_nodes(std::size_t count) {
    while (free_.size() < count) {
        free_.reserve((std::max)(free_.capacity(), 2 * (nodes_.size() + 1)));  // `free_node` then never allocates
        nodes_.emplace_back();
        free_.push_back(&nodes_.back());
    }
}

RWKV_INLINE PrefixCache::Node* PrefixCache::take_node() noexcept {
    Node* const node = free_.back();
    free_.pop_back();
    bytes_ += sizeof(Node);
    return node;
}

/// Of a node that no other refers to.
RWKV_INLINE void PrefixCache::free_node(Node* node) noexcept {
    bytes_ -= sizeof(Node) + generation::token_bytes(node->tokens.size());
    *node = Node();
    free_.push_back(node);
}

/// Makes a node with a state the most recently used of its list.
RWKV_INLINE void PrefixCache::link(Node* node) noexcept {
    List& list = node->children.size() == 1 ? superseded_ : current_;
    node->list = &list;
    node->older = list.newest;
    node->newer = nullptr;
    (list.newest ? list.newest->newer : list.oldest) = node;
    list.newest = node;
    node->used = ++calls_;
}

RWKV_INLINE void PrefixCache::unlink(Node* node) noexcept {
    (node->older ? node->older->newer : node->list->oldest) = node->newer;
    (node->newer ? node->newer->older : node->list->newest) = node->older;
    node->list = nullptr;
}

RWKV_INLINE void PrefixCache::touch(Node* node) noexcept {
    unlink(node);
    link(node);
}

/// Puts a node into the other list where its number of children calls for it.
RWKV_INLINE void PrefixCache::classify(Node* node) noexcept {
    if (node->state && (node->list == &superseded_) != (node->children.size() == 1)) touch(node);
}

/// Moves what the state and its logits were held in to `memory`, where that is given.
RWKV_INLINE void PrefixCache::remove_state(Node* node, Memory* memory) noexcept {
    bytes_ -= node->state->bytes() + node->logits.size() * sizeof(float);
    --size_;
    unlink(node);
    if (memory) {
        memory->state = std::move(node->state);
        if (!node->logits.empty()) memory->logits = std::move(node->logits);
    }
    node->state.reset();
    node->logits = std::vector<float>();
    prune(node);
}

/// Removes nodes that hold nothing and lead nowhere, and joins those with a single way on.
RWKV_INLINE void PrefixCache::prune(Node* node) noexcept {
    while (node->parent && !node->state && node->children.empty()) {
        Node* const parent = node->parent;
        parent->children.erase(generation::child_place(parent->children, node->tokens.front()));
        free_node(node);
        node = parent;
    }
    classify(node);
    if (node->parent && !node->state && node->children.size() == 1) merge_with_child(node);
}

RWKV_INLINE void PrefixCache::merge_with_child(Node* node) noexcept {
    Node* const child = node->children.front();
    std::vector<TokenId> joined;
    try {
        joined.reserve(node->tokens.size() + child->tokens.size());
    } catch (const std::bad_alloc&) {
        return;  // a node more than needed
    }
    joined.insert(joined.end(), node->tokens.begin(), node->tokens.end());
    joined.insert(joined.end(), child->tokens.begin(), child->tokens.end());
    *generation::child_place(node->parent->children, node->tokens.front()) = child;
    child->parent = node->parent;
    child->tokens = std::move(joined);
    bytes_ += generation::token_bytes(node->tokens.size());
    free_node(node);
}

/// Removes states until there is room for `bytes` bytes, or nothing is left to be removed. The memory of the last goes
/// to `memory`, where that is given.
RWKV_INLINE void PrefixCache::make_room(std::size_t bytes, const Node* kept, Memory* memory) noexcept {
    const auto oldest = [kept](const List& list) {
        return list.oldest && list.oldest == kept ? list.oldest->newer : list.oldest;
    };
    while (bytes_ + bytes > options_.max_bytes) {
        Node* const node = oldest(superseded_) ? oldest(superseded_) : oldest(current_);
        if (!node) return;
        remove_state(node, memory);
    }
}

RWKV_INLINE std::vector<std::vector<TokenId>> PrefixCache::prefixes() const {
    const std::lock_guard lock(mutex_);
    std::vector<const Node*> nodes;
    nodes.reserve(size_);
    for (const Node& node : nodes_)
        if (node.state) nodes.push_back(&node);
    std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) { return a->used < b->used; });
    std::vector<std::vector<TokenId>> prefixes;
    prefixes.reserve(nodes.size());
    for (const Node* node : nodes) {
        std::vector<TokenId>& tokens = prefixes.emplace_back();
        for (; node->parent; node = node->parent)
            tokens.insert(tokens.end(), node->tokens.rbegin(), node->tokens.rend());
        std::reverse(tokens.begin(), tokens.end());
    }
    return prefixes;
}

RWKV_INLINE void PrefixCache::clear() noexcept {
    const std::lock_guard lock(mutex_);
    superseded_ = current_ = List();
    bytes_ = size_ = 0;
    free_.clear();
    *root_ = Node();
    nodes_.resize(1);
}

RWKV_INLINE std::size_t PrefixCache::size() const {
    const std::lock_guard lock(mutex_);
    return size_;
}

RWKV_INLINE std::size_t PrefixCache::bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

}  // namespace rwkv::inline RWKV_ABI
