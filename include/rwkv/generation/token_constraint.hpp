#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// What a text must obey, token by token: a grammar, a JSON schema, a list of choices. Handed over in
/// SamplingOptions::constraint; each Sampler clones it, so that options can be used again, and a copied Sampler or
/// Sequence goes on as the original would.
/// Thread safety: each clone is used by one thread at a time; `clone` of the one in the options by any number.
class TokenConstraint {
  public:
    TokenConstraint() = default;
    virtual ~TokenConstraint() = default;

    /// Forbids tokens by setting their logits to −∞. Comes after all other changes to the logits. Called before each
    /// token, and perhaps more than once. One token at least must stay possible.
    virtual void mask(std::span<float> logits) = 0;

    /// The token was drawn. Throws: whatever it likes, if it then has changed nothing.
    virtual void accept(TokenId token) = 0;

    /// Appends tokens that alone may come next, one after the other, as far as that is known without the model: `mask`
    /// lets nothing else through there. The model then reads them in one pass. `text` holds the new tokens so far.
    /// Never more than a hint: each token is drawn and accepted like any other.
    virtual void forced([[maybe_unused]] std::span<const TokenId> text, [[maybe_unused]] std::vector<TokenId>& tokens) {
    }

    /// Whether the text is complete: the sequence ends with FinishReason::constraint. Where a text may end but need
    /// not, let the end-of-text token through instead.
    [[nodiscard]] virtual bool finished() const { return false; }

    /// One that goes on from the same place.
    [[nodiscard]] virtual std::unique_ptr<TokenConstraint> clone() const = 0;

  protected:
    /// For clone().
    TokenConstraint(const TokenConstraint&) = default;
    /// Likewise.
    TokenConstraint& operator=(const TokenConstraint&) = default;
};

namespace generation {

/// A TokenConstraint, or none, as a value: copying clones it.
class ConstraintValue {
  public:
    ConstraintValue() = default;
    explicit ConstraintValue(const TokenConstraint* original) : own_(original ? original->clone() : nullptr) {}
    ConstraintValue(const ConstraintValue& other) : ConstraintValue(other.own_.get()) {}
    ConstraintValue(ConstraintValue&&) noexcept = default;
    ConstraintValue& operator=(ConstraintValue other) noexcept {
        own_ = std::move(other.own_);
        return *this;
    }
    ~ConstraintValue() = default;

    [[nodiscard]] TokenConstraint* get() const noexcept { return own_.get(); }

  private:
    std::unique_ptr<TokenConstraint> own_;
};

}  // namespace generation

}  // namespace rwkv::inline RWKV_ABI
