#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/core/message.hpp>
#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::text {

/// The bytes that each token id stands for. Ids may have gaps.
///
/// Thread safety: any number of threads may use a const object.
class TokenTable {
  public:
    /// Sets the bytes of an id, which is not negative, replacing those it had.
    void set(TokenId id, std::string_view bytes, bool special = false) {
        const auto index = static_cast<std::size_t>(id);
        if (index >= entries_.size()) entries_.resize(index + 1);
        entries_[index] = {bytes_.size(), static_cast<std::uint32_t>(bytes.size()), true, special};
        bytes_.append(bytes);
    }

    /// Whether there is a token of that id.
    bool contains(TokenId id) const noexcept {
        return id >= 0 && static_cast<std::size_t>(id) < entries_.size() && entry(id).known;
    }

    /// The bytes of a token that the table contains.
    std::string_view bytes(TokenId id) const noexcept {
        return std::string_view(bytes_).substr(entry(id).begin, entry(id).length);
    }

    /// Whether a token that the table contains is special: a mark such as the end of the text.
    bool is_special(TokenId id) const noexcept { return entry(id).special; }

    /// Throws ArgumentError unless the table contains the id.
    void check_id(TokenId id, const char* where) const {
        if (!contains(id)) core::fail<ArgumentError>(where, {"token id"}, {"the id of a token, below ", size()}, {id});
    }

    /// The largest id plus one.
    std::size_t size() const noexcept { return entries_.size(); }

  private:
    struct Entry {
        std::size_t begin = 0;
        std::uint32_t length = 0;
        bool known = false, special = false;
    };

    const Entry& entry(TokenId id) const noexcept { return entries_[static_cast<std::size_t>(id)]; }

    std::vector<Entry> entries_;
    std::string bytes_;  ///< of all tokens
};

}  // namespace rwkv::inline RWKV_ABI::text
