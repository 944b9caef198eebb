#pragma once

#include <cstdint>

#include <rwkv/generation/candidates.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::generation {

/// Mirostat 2.0 (Basu et al. 2021): a filter that removes what is too surprising, and after each token adjusts how
/// surprising that is, so that the mean surprise −log2 p becomes tau bits. Works on what filters and temperature left.
/// A value: a copy goes on as the original would.
class Mirostat {
  public:
    /// tau: above 0, at most 64; eta, the rate of adjustment: 0 to 1.
    Mirostat(float tau, float eta) noexcept : tau_(tau), eta_(eta), max_surprise_(2 * static_cast<double>(tau)) {}

    /// Keeps the candidates whose surprise is at most the maximum, or else only the most likely.
    void apply(Candidates& candidates) const;

    /// The token drawn had this weight among candidates of this total weight. In units of 2^-20 bits the products are
    /// exact: fusing them with the sum changes nothing.
    void update(std::uint64_t total, std::uint64_t weight) noexcept;

  private:
    float tau_, eta_;
    double max_surprise_;  // mu, in bits
};

}  // namespace rwkv::inline RWKV_ABI::generation

#ifndef RWKV_COMPILED
#include <rwkv/generation/mirostat.inl>
#endif
