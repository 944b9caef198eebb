#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// Makes room for one more element, which can then be added without an exception. Grows as push_back does.
template <class Element>
void reserve_one(std::vector<Element>& elements) {
    if (elements.size() == elements.capacity()) elements.reserve(std::max<std::size_t>(16, 2 * elements.size()));
}

}  // namespace rwkv::inline RWKV_ABI::generation
