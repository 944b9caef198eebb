#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/text/flat_map.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// Finds the longest of many byte strings at a place in a text.
///
/// Thread safety: any number of threads may use a const object.
class ByteTrie {
  public:
    ByteTrie() : nodes_(1) { first_.fill(0); }

    /// A string found: its id, and its length; nothing was found where the length is 0.
    struct Match {
        TokenId id = 0;
        std::size_t length = 0;
    };

    /// Adds a string that is not empty. Returns false where it is there already.
    bool insert(std::string_view bytes, TokenId id) {
        std::uint32_t node = 0;
        for (char c : bytes) {
            const auto byte = static_cast<std::uint8_t>(c);
            std::uint32_t next = child(node, byte);
            if (next == 0) {
                next = static_cast<std::uint32_t>(nodes_.size());
                nodes_.push_back({});
                nodes_[node].has_children = true;
                if (node == 0)
                    first_[byte] = next;
                else
                    edges_.insert(edge(node, byte), next);
            }
            node = next;
        }
        if (nodes_[node].is_end) return false;
        nodes_[node].id = id;
        nodes_[node].is_end = true;
        return true;
    }

    /// The longest string that begins at byte `at` (less than the size).
    Match longest(std::string_view text, std::size_t at) const noexcept {
        Match match;
        std::uint32_t node = 0;
        for (std::size_t i = at; i < text.size() && nodes_[node].has_children; ++i) {
            node = child(node, static_cast<std::uint8_t>(text[i]));
            if (node == 0) break;
            // A prefix need not be a string of its own: remember the last that was.
            if (nodes_[node].is_end) match = {nodes_[node].id, i + 1 - at};
        }
        return match;
    }

    /// Moves `at` to the first place from there on where one of the strings begins, and returns the longest. Where
    /// there is none, `at` is the end of the text and the length is 0.
    Match search(std::string_view text, std::size_t& at) const noexcept {
        for (; at < text.size(); ++at) {
            if (first_[static_cast<std::uint8_t>(text[at])] == 0) continue;
            if (const Match match = longest(text, at); match.length != 0) return match;
        }
        return {};
    }

    bool empty() const noexcept { return nodes_.size() == 1; }

  private:
    struct Node {
        TokenId id = 0;
        bool is_end = false;
        bool has_children = false;
    };

    static std::uint64_t edge(std::uint32_t node, std::uint8_t byte) noexcept {
        return std::uint64_t{node} << 8U | byte;
    }

    std::uint32_t child(std::uint32_t node, std::uint8_t byte) const noexcept {
        if (node == 0) return first_[byte];
        const std::uint32_t* next = edges_.find(edge(node, byte));
        return next ? *next : 0;
    }

    std::array<std::uint32_t, 256> first_;  ///< the root's children; 0: none
    FlatMap<std::uint32_t> edges_;          ///< the children of all other nodes
    std::vector<Node> nodes_;
};

}  // namespace rwkv::inline RWKV_ABI::text
