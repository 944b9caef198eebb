#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <rwkv/generation/candidates.hpp>
#include <rwkv/generation/options.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// A rule that removes candidates. To add one: a class below and a line in FilterChain's constructor.
/// Thread safety: immutable, any number of threads.
class Filter {
  public:
    virtual ~Filter() = default;
    /// The option that sets it, such as "top_p".
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
    /// Removes candidates, never all of them.
    virtual void apply(Candidates& candidates) const = 0;
    /// A shortcut, called before candidates are collected: says which of all tokens `apply` will certainly remove.
    /// Returns whether later filters may do the same, that is, whether what `apply` keeps is the same with or without
    /// the tokens that they remove.
    [[nodiscard]] virtual bool narrow(Candidates& all) const;
};

/// Keeps the k most likely.
class TopK final : public Filter {
  public:
    /// k: 1 or more.
    TopK(int k, TieBreak tie_break) noexcept : k_(static_cast<std::size_t>(k)), tie_break_(tie_break) {}
    [[nodiscard]] std::string_view name() const noexcept override { return "top_k"; }
    void apply(Candidates& candidates) const override;
    [[nodiscard]] bool narrow(Candidates& all) const override;

  private:
    std::size_t k_;
    TieBreak tie_break_;
};

/// Keeps the most likely that make up a part p of the probability of those it is given.
class TopP final : public Filter {
  public:
    /// p: 0 to 1.
    TopP(float p, TieBreak tie_break) noexcept : p_(p), tie_break_(tie_break) {}
    [[nodiscard]] std::string_view name() const noexcept override { return "top_p"; }
    void apply(Candidates& candidates) const override;
    [[nodiscard]] bool narrow(Candidates& all) const override;

  private:
    float p_;
    TieBreak tie_break_;
};

/// Keeps those that are at least `ratio` times as likely as the most likely token.
class MinP final : public Filter {
  public:
    /// ratio: above 0, at most 1.
    explicit MinP(float ratio) noexcept;
    [[nodiscard]] std::string_view name() const noexcept override { return "min_p"; }
    void apply(Candidates& candidates) const override;
    [[nodiscard]] bool narrow(Candidates& all) const override;

  private:
    std::uint64_t min_weight_;
};

/// Locally typical sampling (Meister et al. 2022): keeps those whose surprise −log2 p is nearest to the expected one,
/// until they make up a part of the probability.
class Typical final : public Filter {
  public:
    /// part: 0 to 1.
    explicit Typical(float part) noexcept : part_(part) {}
    [[nodiscard]] std::string_view name() const noexcept override { return "typical_p"; }
    void apply(Candidates& candidates) const override;
    [[nodiscard]] bool narrow(Candidates& all) const override;

  private:
    float part_;
};

/// The filters and the temperature of some options, in their order.
/// Thread safety: immutable, any number of threads; copies share the filters.
class FilterChain {
  public:
    /// `options` are in range, their temperature is not 0.
    explicit FilterChain(const SamplingOptions& options);

    /// What may be drawn from these logits. Of equally likely tokens at the boundary RWKV's order keeps all for top-p
    /// and the lowest ids for top-k, Hugging Face's all for top-k and the highest ids for top-p (transformers leaves
    /// which to torch's sort).
    /// Throws: as `largest_logit`.
    void apply(std::span<const float> logits, Candidates& candidates) const;

    /// In the order in which they are applied.
    [[nodiscard]] std::span<const std::shared_ptr<const Filter>> filters() const noexcept { return filters_; }

  private:
    float temperature_;
    bool temperature_first_;
    std::vector<std::shared_ptr<const Filter>> filters_;
};

}  // namespace rwkv::inline RWKV_ABI::generation

#ifndef RWKV_COMPILED
#include <rwkv/generation/filters.inl>
#endif
