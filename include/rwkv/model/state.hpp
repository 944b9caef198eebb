#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <rwkv/core/aligned_buffer.hpp>
#include <rwkv/core/config.hpp>
#include <rwkv/core/error.hpp>
#include <rwkv/core/matrix_view.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

namespace model {

/// The value of an option or of a config's field. Throws: ArgumentError where it is not within `min` to `max`.
inline Index checked_range(const char* where, const char* name, Index value, Index min, Index max) {
    if (value < min || value > max)
        throw ArgumentError(where, name, std::to_string(min) + " to " + std::to_string(max), std::to_string(value));
    return value;
}

}  // namespace model

/// All that a model remembers of a sequence, however long: five vectors a layer, L · (2 H + 3 A) numbers (180 KiB for
/// 169 million parameters). A value, valid for an empty sequence from the moment it is constructed. Copying is a named
/// call, `copy()`, because its cost should be visible.
///
/// Each part has one column per layer, and the parts follow one another in memory. Two are inputs of the last token, to
/// time mixing and to channel mixing, which the next token's shift mixes in. Three are WKV's running sums (see
/// kernels/simd/equations.inl): numerator and denominator, held as multiples of exp(maximum) so that they never
/// overflow, and maximum.
template <class Scalar>
class BasicState {
  public:
    /// One part, a column per layer.
    using View = MatrixView<Scalar>;
    /// To read only.
    using ConstView = MatrixView<const Scalar>;

    /// The state before any token. Throws: ArgumentError for a config with a size that no model has; std::bad_alloc.
    explicit BasicState(const Config& config)
        : layers_(config.num_hidden_layers), hidden_(config.hidden_size), attention_(config.attention_hidden_size) {
        model::checked_range("State", "num_hidden_layers", layers_, 1, max_model_layers);
        model::checked_range("State", "hidden_size", hidden_, 1, max_model_size);
        model::checked_range("State", "attention_hidden_size", attention_, 1, max_model_size);
        numbers_ = core::Array<Scalar>(layers_ * (2 * hidden_ + 3 * attention_));
        reset();
    }

    /// Moves, leaving a state without layers, which no model takes.
    BasicState(BasicState&& other) noexcept
        : layers_(std::exchange(other.layers_, 0)),
          hidden_(std::exchange(other.hidden_, 0)),
          attention_(std::exchange(other.attention_, 0)),
          numbers_(std::move(other.numbers_)) {}
    /// Likewise.
    BasicState& operator=(BasicState&& other) noexcept {
        if (this == &other) return *this;
        numbers_ = std::move(other.numbers_);
        layers_ = std::exchange(other.layers_, 0);
        hidden_ = std::exchange(other.hidden_, 0);
        attention_ = std::exchange(other.attention_, 0);
        return *this;
    }
    BasicState(const BasicState&) = delete;
    BasicState& operator=(const BasicState&) = delete;

    /// An independent copy. Throws: std::bad_alloc.
    [[nodiscard]] BasicState copy() const { return BasicState(*this, numbers_.copy()); }
    /// Becomes a copy of `other`, in place; does not allocate if both belong to models of the same shape.
    /// Throws: std::bad_alloc, and then nothing is changed.
    void assign(const BasicState& other) {
        if (fits(other))
            std::copy(other.numbers_.begin(), other.numbers_.end(), numbers_.begin());
        else
            *this = other.copy();
    }
    /// Becomes the state before any token.
    void reset() noexcept {
        std::fill(numbers_.begin(), numbers_.end(), Scalar(0));
        const View maxima = maximum();
        std::fill_n(maxima.data(), maxima.size(), Scalar(-1e38));
    }

    /// Equal element for element.
    [[nodiscard]] bool operator==(const BasicState& other) const noexcept {
        return fits(other) && std::equal(numbers_.begin(), numbers_.end(), other.numbers_.begin());
    }

    /// The number of layers, L, of the models it belongs to.
    [[nodiscard]] Index num_hidden_layers() const noexcept { return layers_; }
    /// H of these models.
    [[nodiscard]] Index hidden_size() const noexcept { return hidden_; }
    /// A of these models.
    [[nodiscard]] Index attention_hidden_size() const noexcept { return attention_; }
    /// Whether this is a state of models of that shape.
    [[nodiscard]] bool fits(const Config& config) const noexcept {
        return layers_ == config.num_hidden_layers && hidden_ == config.hidden_size &&
               attention_ == config.attention_hidden_size;
    }
    /// Bytes of all numbers.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return static_cast<std::size_t>(numbers_.size()) * sizeof(Scalar);
    }

    /// [H × L] the last token's input to time mixing, after its layer norm.
    [[nodiscard]] View attention_shift() noexcept { return hidden_part(numbers_.data(), 0); }
    /// To read only.
    [[nodiscard]] ConstView attention_shift() const noexcept { return hidden_part(numbers_.data(), 0); }
    /// [H × L] the last token's input to channel mixing, after its layer norm.
    [[nodiscard]] View feed_forward_shift() noexcept { return hidden_part(numbers_.data(), 1); }
    /// To read only.
    [[nodiscard]] ConstView feed_forward_shift() const noexcept { return hidden_part(numbers_.data(), 1); }
    /// [A × L] Σ exp(e − maximum) · v over the tokens so far, e being k plus w for each token since.
    [[nodiscard]] View numerator() noexcept { return attention_part(numbers_.data(), 0); }
    /// To read only.
    [[nodiscard]] ConstView numerator() const noexcept { return attention_part(numbers_.data(), 0); }
    /// [A × L] Σ exp(e − maximum) over the tokens so far.
    [[nodiscard]] View denominator() noexcept { return attention_part(numbers_.data(), 1); }
    /// To read only.
    [[nodiscard]] ConstView denominator() const noexcept { return attention_part(numbers_.data(), 1); }
    /// [A × L] the largest of those e; before any token Hugging Face's −1e38, with which exp(e − q) is 0 and never NaN.
    [[nodiscard]] View maximum() noexcept { return attention_part(numbers_.data(), 2); }
    /// To read only.
    [[nodiscard]] ConstView maximum() const noexcept { return attention_part(numbers_.data(), 2); }

    /// WKV's average of the values so far in a layer, numerator / denominator: attention_hidden_size numbers, zeros for
    /// an empty sequence. It can serve as an embedding of the text. Throws: ArgumentError for a layer that does not
    /// exist.
    [[nodiscard]] std::vector<Scalar> wkv_average(Index layer) const {
        if (layer < 0 || layer >= layers_)
            throw ArgumentError("State::wkv_average", "layer",
                                layers_ ? "0 to " + std::to_string(layers_ - 1) : "a state not moved from",
                                std::to_string(layer));
        std::vector<Scalar> average(static_cast<std::size_t>(attention_));
        for (Index i = 0; i < attention_; ++i) {
            const Scalar weight = denominator()(i, layer);
            average[static_cast<std::size_t>(i)] = weight > 0 ? numerator()(i, layer) / weight : Scalar(0);
        }
        return average;
    }
    /// That of the last layer.
    [[nodiscard]] std::vector<Scalar> wkv_average() const { return wkv_average(layers_ - 1); }

  private:
    BasicState(const BasicState& shape, core::Array<Scalar> numbers) noexcept
        : layers_(shape.layers_), hidden_(shape.hidden_), attention_(shape.attention_), numbers_(std::move(numbers)) {}

    [[nodiscard]] bool fits(const BasicState& other) const noexcept {
        return layers_ == other.layers_ && hidden_ == other.hidden_ && attention_ == other.attention_;
    }
    template <class T>
    MatrixView<T> hidden_part(T* numbers, Index part) const noexcept {
        return {numbers + part * layers_ * hidden_, hidden_, layers_, hidden_};
    }
    template <class T>
    MatrixView<T> attention_part(T* numbers, Index part) const noexcept {
        return {numbers + layers_ * (2 * hidden_ + part * attention_), attention_, layers_, attention_};
    }

    Index layers_, hidden_, attention_;
    core::Array<Scalar> numbers_;
};

/// The state of one sequence.
using State = BasicState<float>;

}  // namespace rwkv::inline RWKV_ABI
