#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <rwkv/core/tensor.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// Restricts a text token by token, to a grammar, a JSON schema or a list of choices, say. Passed in
/// SamplingOptions::constraint. Each Sampler clones it, so that options can be used again, and a copied Sampler or
/// Sequence continues as the original would.
/// Thread safety: each clone is used by one thread at a time; `clone` of the one in the options by any number.
class TokenConstraint {
  public:
    TokenConstraint() = default;
    virtual ~TokenConstraint() = default;

    /// Forbids tokens by setting their logits to −∞. Called before each token, perhaps more than once, after all other
    /// changes to the logits. At least one token must remain possible.
    virtual void mask(std::span<float> logits) = 0;

    /// Called when the token was drawn. May throw, if it then changes nothing.
    virtual void accept(TokenId token) = 0;

    /// Appends the tokens that must come next, as far as they are known without the model: those where `mask` would
    /// allow no other. The model then reads them in one pass. `text` holds the new tokens so far. Never more than a
    /// hint: each token is drawn and accepted like any other.
    virtual void forced([[maybe_unused]] std::span<const TokenId> text, [[maybe_unused]] std::vector<TokenId>& tokens) {
    }

    /// Whether the text is complete: the sequence ends with FinishReason::constraint. Where a text may end but need
    /// not, let the end-of-text token through instead.
    [[nodiscard]] virtual bool finished() const { return false; }

    /// A copy that continues from the same place.
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
