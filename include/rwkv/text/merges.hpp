#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <queue>
#include <span>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/text/flat_map.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// Two neighbouring tokens and what they become.
struct MergeRule {
    TokenId left, right, result;
};

/// The rules of a byte-pair encoding.
///
/// Thread safety: any number of threads may use a const object.
class Merges {
  public:
    /// Adds the next rule, which comes after all earlier ones. Returns false where the pair has a rule already.
    bool add(const MergeRule& rule) {
        return rules_.insert(key(rule.left, rule.right),
                             {static_cast<std::uint32_t>(rules_.size()), static_cast<std::uint32_t>(rule.result)});
    }

    /// Makes room for `count` rules.
    void reserve(std::size_t count) { rules_.reserve(count); }

    /// Applies the rules to a word of single-byte tokens, fewer than 2^32, and appends the result: merges the leftmost
    /// neighbours of the earliest rule until no rule applies. O(n log n).
    void apply(std::span<const TokenId> word, std::vector<TokenId>& out) const {
        if (word.size() <= longest_simple)
            apply_simple(word, out);
        else
            apply_queued(word, out);
    }

  private:
    /// The maximum length for which a search of the whole word after each merge is faster than a queue.
    static constexpr std::size_t longest_simple = 48;
    static constexpr std::uint32_t no_rank = (std::numeric_limits<std::uint32_t>::max)();
    static constexpr std::uint32_t none = (std::numeric_limits<std::uint32_t>::max)();

    struct Joint {
        std::uint32_t rank = no_rank;
        std::uint32_t result = 0;
    };

    static std::uint64_t key(TokenId left, TokenId right) noexcept {
        return std::uint64_t{static_cast<std::uint32_t>(left)} << 32U | static_cast<std::uint32_t>(right);
    }

    Joint joint(TokenId left, TokenId right) const noexcept {
        const Joint* found = rules_.find(key(left, right));
        return found ? *found : Joint{};
    }

    void apply_simple(std::span<const TokenId> word, std::vector<TokenId>& out) const {
        std::array<TokenId, longest_simple> tokens;
        std::array<Joint, longest_simple> joints;  // of each token and the next
        std::size_t count = word.size();
        std::copy(word.begin(), word.end(), tokens.begin());
        for (std::size_t i = 0; i + 1 < count; ++i) joints[i] = joint(tokens[i], tokens[i + 1]);
        while (count > 1) {
            std::size_t best = 0;
            for (std::size_t i = 1; i + 1 < count; ++i)
                if (joints[i].rank < joints[best].rank) best = i;
            if (joints[best].rank == no_rank) break;
            tokens[best] = static_cast<TokenId>(joints[best].result);
            for (std::size_t i = best + 1; i + 1 < count; ++i) {
                tokens[i] = tokens[i + 1];
                joints[i] = joints[i + 1];
            }
            --count;
            if (best + 1 < count) joints[best] = joint(tokens[best], tokens[best + 1]);
            if (best > 0) joints[best - 1] = joint(tokens[best - 1], tokens[best]);
        }
        out.insert(out.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count));
    }

    void apply_queued(std::span<const TokenId> word, std::vector<TokenId>& out) const {
        struct Link {
            TokenId token;
            std::uint32_t previous, next;
            std::uint32_t rank;  ///< of the rule that joins it with the next
        };
        const auto count = static_cast<std::uint32_t>(word.size());
        std::vector<Link> links(count);
        // Entries are rank << 32 | position: the smallest is the earliest rule, leftmost. Outdated entries stay in the
        // queue; their rank, which no other pair has, tells them.
        std::vector<std::uint64_t> entries;
        entries.reserve(count);
        const auto look = [&](std::uint32_t i) {
            const std::uint32_t next = links[i].next;
            links[i].rank = next == none ? no_rank : joint(links[i].token, links[next].token).rank;
            return links[i].rank != no_rank;
        };
        const auto entry = [&](std::uint32_t i) { return std::uint64_t{links[i].rank} << 32U | i; };
        for (std::uint32_t i = 0; i < count; ++i)
            links[i] = {word[i], i == 0 ? none : i - 1, i + 1 == count ? none : i + 1, no_rank};
        for (std::uint32_t i = 0; i < count; ++i)
            if (look(i)) entries.push_back(entry(i));
        std::priority_queue queue(std::greater<>(), std::move(entries));
        while (!queue.empty()) {
            const auto i = static_cast<std::uint32_t>(queue.top());
            const auto rank = static_cast<std::uint32_t>(queue.top() >> 32U);
            queue.pop();
            if (links[i].rank != rank) continue;
            const std::uint32_t gone = links[i].next;
            links[i].token = static_cast<TokenId>(joint(links[i].token, links[gone].token).result);
            links[i].next = links[gone].next;
            links[gone].rank = no_rank;
            if (links[i].next != none) links[links[i].next].previous = i;
            if (look(i)) queue.push(entry(i));
            if (const std::uint32_t previous = links[i].previous; previous != none && look(previous))
                queue.push(entry(previous));
        }
        for (std::uint32_t i = 0; i != none; i = links[i].next) out.push_back(links[i].token);
    }

    FlatMap<Joint> rules_;
};

}  // namespace rwkv::inline RWKV_ABI::text
