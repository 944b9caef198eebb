#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <rwkv/core/config.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// How much a PrefixCache keeps.
struct PrefixCacheOptions {
    std::size_t max_bytes = std::size_t{1} << 30U;  ///< of states, logits, tokens and the tree that holds them
    Index checkpoint_interval = 512;                ///< tokens between two checkpoints of a long prompt; 0: none
};

/// States of token sequences, found by the longest prefix of a new one: what was read once need not be read again. A
/// radix tree over token ids, whose nodes may hold the state after the tokens on the way to them, and the logits of the
/// next token. Copies are exact, so that a sequence continued from here goes on as the one that was put in.
///
/// Where memory is short, the least recently used states go first; and before all others those of which one longer
/// sequence is known, and not two: the earlier turns of a conversation, not a beginning that several share.
/// Thread safety: any number of threads; each call waits for the others.
class PrefixCache {
  public:
    /// Throws: ArgumentError for a config that no State takes, or a negative interval.
    explicit PrefixCache(const Config& config, const PrefixCacheOptions& options = {});
    PrefixCache(const PrefixCache&) = delete;
    PrefixCache& operator=(const PrefixCache&) = delete;
    ~PrefixCache() = default;

    /// What `find` found.
    struct Match {
        Index length = 0;  ///< tokens that the state has read; 0: there is no state
        Index shared = 0;  ///< tokens that the sequence has in common with any other: at least `length`. A state after
                           ///< these is worth keeping, for the next sequence that begins so
    };

    /// Copies the state of the longest known prefix; a state of all the tokens counts only with its logits. `state` and
    /// `logits` are unchanged where there is none; `logits` becomes empty unless all tokens were known.
    /// Throws: ArgumentError for a state of another shape; std::bad_alloc.
    Match find(std::span<const TokenId> tokens, State& state, std::vector<float>& logits);

    /// Keeps a copy of the state after these tokens, and of the logits after them where there are any. Of tokens that
    /// are known the state stays, and logits are added. Returns false for no tokens, and for what exceeds `max_bytes`
    /// by itself. Throws: ArgumentError for a state or logits of another shape; std::bad_alloc, and then nothing is
    /// added.
    bool insert(std::span<const TokenId> tokens, const State& state, std::span<const float> logits = {});

    /// The tokens of every state, the least recently used first.
    [[nodiscard]] std::vector<std::vector<TokenId>> prefixes() const;

    /// Copies the state of exactly these tokens, without counting it as used. Returns false where there is none.
    /// Throws: as `find`.
    bool read(std::span<const TokenId> tokens, State& state, std::vector<float>& logits) const;

    /// Forgets everything.
    void clear() noexcept;

    /// States held.
    [[nodiscard]] std::size_t size() const;
    /// Bytes held, at most `max_bytes`.
    [[nodiscard]] std::size_t bytes() const;
    /// As it was made with.
    [[nodiscard]] const PrefixCacheOptions& options() const noexcept { return options_; }
    /// The shape of the models whose states it holds.
    [[nodiscard]] const Config& config() const noexcept { return config_; }

  private:
    struct List;
    struct Node {
        Node* parent = nullptr;
        std::vector<TokenId> tokens;  // from the parent to here
        std::vector<Node*> children;  // by first token; a node without a state has at least two, but for the root
        std::optional<State> state;   // after all tokens from the root to here
        std::vector<float> logits;    // after the same tokens, or empty
        List* list = nullptr;         // that it is in, where it has a state
        Node *older = nullptr, *newer = nullptr;  // in that list
        std::uint64_t used = 0;                   // when, by the number of the call
    };
    /// States in the order of their use.
    struct List {
        Node *oldest = nullptr, *newest = nullptr;
    };
    /// What a removed state was held in, for the one that takes its place: a full cache allocates next to nothing,
    /// which keeps the heap from going to pieces.
    struct Memory {
        std::optional<State> state;
        std::vector<float> logits;
    };
    struct Place {
        Node* node;               // the deepest node that begins the tokens, or whose own tokens they lead into
        std::size_t matched;      // tokens in common
        std::size_t inside;       // those of them that are the node's own
        Node* best;               // the deepest node with a state that `find` takes, or null
        std::size_t best_length;  // tokens that this state has read
    };

    void check_shape(const char* call, const State& state) const;
    [[nodiscard]] Place locate(std::span<const TokenId> tokens) const noexcept;
    [[nodiscard]] Node* known(std::span<const TokenId> tokens) const noexcept;
    Node* add_node(std::span<const TokenId> tokens);
    void reserve_nodes(std::size_t count);
    Node* take_node() noexcept;
    void free_node(Node* node) noexcept;
    void link(Node* node) noexcept;
    void unlink(Node* node) noexcept;
    void touch(Node* node) noexcept;
    void classify(Node* node) noexcept;
    void remove_state(Node* node, Memory* memory) noexcept;
    void prune(Node* node) noexcept;
    void merge_with_child(Node* node) noexcept;
    void make_room(std::size_t bytes, const Node* kept = nullptr, Memory* memory = nullptr) noexcept;

    Config config_;
    PrefixCacheOptions options_;
    mutable std::mutex mutex_;  // guards all that follows
    std::deque<Node> nodes_;    // the first is the root
    Node* root_;
    std::vector<Node*> free_;
    List superseded_, current_;  // of which one longer sequence is known; the others
    std::size_t bytes_ = 0, size_ = 0;
    std::uint64_t calls_ = 0;
};

}  // namespace rwkv::inline RWKV_ABI

#ifndef RWKV_COMPILED
#include <rwkv/generation/prefix_cache.inl>
#endif
