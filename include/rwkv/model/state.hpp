#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/core/config.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/kernels/activations.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// All a model remembers of a text, however long: five vectors a layer, L · (2 H + 3 A) numbers (180 KiB for 169
/// million parameters). A value, valid for an empty text from the moment it is constructed. Copying is a named call,
/// `copy()`, because its cost should be visible.
///
/// Each part has one column per layer. Two are inputs of the last token, to time mixing and to channel mixing, which
/// the next token's shift mixes in. Three are WKV's running sums (see equations.inl): numerator and denominator, held
/// as multiples of exp(maximum) so that they never overflow, and maximum.
template <class Scalar>
class BasicState {
  public:
    /// One part, a column per layer.
    using View = ActivationsView<Scalar>;
    /// Likewise, to read only.
    using ConstView = ConstActivationsView<Scalar>;

    /// The state before any text. Throws ArgumentError for a config without layers or features.
    explicit BasicState(const Config& config)
        : parts_{Part(config.hidden_size, config.num_hidden_layers), Part(config.hidden_size, config.num_hidden_layers),
                 Part(config.attention_hidden_size, config.num_hidden_layers),
                 Part(config.attention_hidden_size, config.num_hidden_layers),
                 Part(config.attention_hidden_size, config.num_hidden_layers)} {
        if (parts_.attention_shift.size() == 0 || parts_.numerator.size() == 0)
            throw ArgumentError("State", "config", "at least one layer and one feature", "none");
        reset();
    }

    /// Moves, leaving a state to be assigned to or destroyed.
    BasicState(BasicState&&) = default;
    /// Likewise.
    BasicState& operator=(BasicState&&) = default;
    BasicState& operator=(const BasicState&) = delete;

    /// A state of its own that remembers the same. Allocates.
    BasicState copy() const { return BasicState(*this); }
    /// Remembers what `other` does, in place: allocates nothing when both belong to models of one shape.
    void assign(const BasicState& other) {
        if (fits(other))
            parts_ = other.parts_;
        else
            *this = other.copy();  // in place, Eigen would be left with neither if there were no memory
    }
    /// Forgets everything.
    void reset() noexcept {
        for (Part* part : {&parts_.attention_shift, &parts_.feed_forward_shift, &parts_.numerator, &parts_.denominator})
            part->setZero();
        parts_.maximum.setConstant(Scalar(-1e38));
    }

    /// Equal element for element.
    bool operator==(const BasicState& other) const noexcept {
        return fits(other) && (parts_.attention_shift == other.parts_.attention_shift).all() &&
               (parts_.feed_forward_shift == other.parts_.feed_forward_shift).all() &&
               (parts_.numerator == other.parts_.numerator).all() &&
               (parts_.denominator == other.parts_.denominator).all() && (parts_.maximum == other.parts_.maximum).all();
    }

    /// L of the models it fits.
    Index num_hidden_layers() const noexcept { return parts_.numerator.cols(); }
    /// H of those.
    Index hidden_size() const noexcept { return parts_.attention_shift.rows(); }
    /// A of those.
    Index attention_hidden_size() const noexcept { return parts_.numerator.rows(); }
    /// Whether this is a state of models of that shape.
    bool fits(const Config& config) const noexcept {
        return num_hidden_layers() == config.num_hidden_layers && hidden_size() == config.hidden_size &&
               attention_hidden_size() == config.attention_hidden_size;
    }

    /// [H × L] the last token's input to time mixing, after its layer norm.
    View attention_shift() noexcept { return parts_.attention_shift; }
    /// To read only.
    ConstView attention_shift() const noexcept { return parts_.attention_shift; }
    /// [H × L] the last token's input to channel mixing, after its layer norm.
    View feed_forward_shift() noexcept { return parts_.feed_forward_shift; }
    /// To read only.
    ConstView feed_forward_shift() const noexcept { return parts_.feed_forward_shift; }
    /// [A × L] Σ exp(e − maximum) · v over the tokens so far, e being k and another w for each token since.
    View numerator() noexcept { return parts_.numerator; }
    /// To read only.
    ConstView numerator() const noexcept { return parts_.numerator; }
    /// [A × L] Σ exp(e − maximum), likewise.
    View denominator() noexcept { return parts_.denominator; }
    /// To read only.
    ConstView denominator() const noexcept { return parts_.denominator; }
    /// [A × L] the largest of those e; before any text Hugging Face's −1e38, with which exp(e − q) is 0 and never NaN.
    View maximum() noexcept { return parts_.maximum; }
    /// To read only.
    ConstView maximum() const noexcept { return parts_.maximum; }

    /// A fixed-size description of the text so far: what a layer has averaged, that is numerator / denominator,
    /// attention_hidden_size numbers of the size of the model's values. Zeros for no text. Throws ArgumentError for a
    /// layer there is not.
    std::vector<Scalar> embedding(Index layer) const {
        if (layer < 0 || layer >= num_hidden_layers())
            throw ArgumentError("State::embedding", "layer", "0 to " + std::to_string(num_hidden_layers() - 1),
                                std::to_string(layer));
        std::vector<Scalar> average(static_cast<std::size_t>(attention_hidden_size()));
        for (Index i = 0; i < attention_hidden_size(); ++i) {
            const Scalar weight = parts_.denominator(i, layer);
            average[static_cast<std::size_t>(i)] = weight > 0 ? parts_.numerator(i, layer) / weight : Scalar(0);
        }
        return average;
    }
    /// That of the last layer.
    std::vector<Scalar> embedding() const { return embedding(num_hidden_layers() - 1); }

  private:
    using Part = Activations<Scalar>;
    struct Parts {
        Part attention_shift, feed_forward_shift, numerator, denominator, maximum;
    };

    BasicState(const BasicState&) = default;
    bool fits(const BasicState& other) const noexcept {
        return num_hidden_layers() == other.num_hidden_layers() && hidden_size() == other.hidden_size() &&
               attention_hidden_size() == other.attention_hidden_size();
    }

    Parts parts_;
};

using State = BasicState<float>;

}  // namespace rwkv::inline RWKV_ABI
