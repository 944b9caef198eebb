#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <rwkv/constraint/regex_set.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

/// A number as JSON writes it, exact to the last digit.
class Decimal {
  public:
    /// The digits before and after the point that a number may need to be written without an exponent.
    static constexpr std::int64_t max_digits = 100;

    Decimal() = default;
    /// Of a number of JSON's grammar.
    explicit Decimal(std::string_view text);

    /// Whether it can be written without an exponent in `max_digits`; the other functions take that for granted, but
    /// for `==`.
    bool is_plain() const noexcept { return is_plain_; }
    bool is_negative() const noexcept { return negative_; }
    bool is_zero() const noexcept { return whole_ == "0" && fraction_.empty(); }
    bool is_integer() const noexcept { return fraction_.empty(); }
    /// The digits before the point, without leading zeros: at least one.
    const std::string& whole() const noexcept { return whole_; }
    /// The digits after the point, without zeros at the end: perhaps none.
    const std::string& fraction() const noexcept { return fraction_; }
    /// The shortest way to write it without an exponent.
    std::string text() const;
    Decimal operator-() const;
    std::strong_ordering operator<=>(const Decimal& other) const noexcept;
    bool operator==(const Decimal& other) const noexcept = default;

  private:
    std::string whole_ = "0", fraction_;
    bool negative_ = false, is_plain_ = true;
};

/// A range of numbers; bounds that are not given do not bound.
struct NumberRange {
    Decimal minimum, maximum;
    bool has_minimum = false, has_maximum = false;
    bool excludes_minimum = false, excludes_maximum = false;

    /// Raises the minimum, if it is higher than the present one.
    void at_least(const Decimal& bound, bool exclusive);
    /// Lowers the maximum, if it is lower than the present one.
    void at_most(const Decimal& bound, bool exclusive);
    /// Whether no number is in it.
    bool is_empty() const noexcept;
};

// No number has more than 100 digits before the point, nor more than two digits in its exponent, so that a double holds
// it.

/// Any number of JSON.
[[nodiscard]] Regex number_regex(RegexSet& set);
/// Any integer, without point and exponent.
[[nodiscard]] Regex integer_regex(RegexSet& set);
/// The numbers in their shortest spelling without an exponent: each value once.
[[nodiscard]] Regex shortest_number_regex(RegexSet& set);
/// The numbers of a range. Where it is bounded elsewhere than at zero they are written without an exponent.
[[nodiscard]] Regex number_range_regex(RegexSet& set, const NumberRange& range);
/// The multiples of a number above zero, written without an exponent; `nothing` where it has too many digits for
/// RegexSet::remainder.
[[nodiscard]] Regex multiples_regex(RegexSet& set, const Decimal& divisor);

}  // namespace rwkv::inline RWKV_ABI::constraint

#ifndef RWKV_COMPILED
#include <rwkv/constraint/decimal.inl>
#endif
