#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::core {

// Sorting where speed does not matter: one function for items of all types, because each instantiation of the standard
// library's takes long to compile.

/// The positions of `count` items in the order of before(a, b), which says whether the item at position a goes before
/// the one at position b; equal items keep their order.
[[nodiscard]] inline std::vector<std::size_t> sorted_positions(
    std::size_t count, const std::function<bool(std::size_t, std::size_t)>& before) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        if (before(a, b)) return true;
        return a < b && !before(b, a);
    });
    return order;
}

/// Sorts items by before(a, b); equal items keep their order.
template <class Item, class Before>
void sort_stably(std::vector<Item>& items, const Before& before) {
    std::vector<Item> sorted;
    sorted.reserve(items.size());
    for (const std::size_t i :
         sorted_positions(items.size(), [&](std::size_t a, std::size_t b) { return before(items[a], items[b]); }))
        sorted.push_back(std::move(items[i]));
    items = std::move(sorted);
}

}  // namespace rwkv::inline RWKV_ABI::core
