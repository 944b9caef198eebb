#pragma once

#include <algorithm>
#include <span>

#include <rwkv/model/state.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Whose tokens the columns of a chunk are: `each` tokens of every text, one text after the other. One text that is
/// read many tokens at a time, or many texts that are continued by one token.
template <class Scalar>
struct Texts {
    std::span<BasicState<Scalar>* const> states;  ///< one for each text
    Index each = 1;                               ///< tokens of a text

    /// Of texts.
    Index count() const noexcept { return static_cast<Index>(states.size()); }
    /// Of all texts together: columns.
    Index tokens() const noexcept { return count() * each; }
    /// That text's.
    BasicState<Scalar>& state(Index text) const noexcept { return *states[static_cast<std::size_t>(text)]; }
};

/// What the token shift of one layer reads: the columns of x and, for the first token of a text, the column that its
/// state kept of the token before.
template <class Scalar, class Previous>
struct Shifted {
    const Texts<Scalar>& texts;  ///< whose the columns are
    ActivationsView<Scalar> x;   ///< [H × T]
    Previous previous;           ///< where a state keeps its last column

    /// The column before that one in its text.
    const Scalar* before(Index column) const noexcept {
        return column % texts.each == 0 ? previous(texts.state(column / texts.each)) : x.col(column - 1).data();
    }
    /// Keeps the last column of each text in its state, for the text's next token.
    void keep() const noexcept {
        for (Index text = 0; text < texts.count(); ++text)
            std::copy_n(x.col((text + 1) * texts.each - 1).data(), x.rows(), previous(texts.state(text)));
    }
};

template <class Scalar, class Previous>
Shifted(const Texts<Scalar>&, ActivationsView<Scalar>, Previous) -> Shifted<Scalar, Previous>;

}  // namespace rwkv::inline RWKV_ABI
