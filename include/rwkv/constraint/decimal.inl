#pragma once

#include <algorithm>

#include <rwkv/constraint/decimal.hpp>
#include <rwkv/core/inline.hpp>

namespace rwkv::inline RWKV_ABI::constraint {

RWKV_INLINE Decimal::Decimal(std::string_view text) {
    negative_ = text.starts_with('-');
    if (negative_) text.remove_prefix(1);
    std::string digits;
    std::int64_t scale = 0, exponent = 0;  // the value is digits × 10^(exponent - scale)
    std::size_t i = 0;
    bool in_fraction = false;
    for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
        if (text[i] == '.') {
            in_fraction = true;
            continue;
        }
        digits.push_back(text[i]);
        scale += in_fraction;
    }
    if (i < text.size()) {
        const bool negative_exponent = text[++i] == '-';
        if (text[i] == '-' || text[i] == '+') ++i;
        for (; i < text.size(); ++i) exponent = (std::min)(exponent * 10 + (text[i] - '0'), std::int64_t{1} << 40U);
        if (negative_exponent) exponent = -exponent;
    }
    const std::size_t first = digits.find_first_not_of('0');
    if (first == digits.npos) {
        negative_ = false;
        return;
    }
    digits.erase(0, first);
    while (digits.back() == '0') {
        digits.pop_back();
        --scale;
    }
    scale -= exponent;  // digits × 10^-scale, without zeros at either end
    const auto count = static_cast<std::int64_t>(digits.size());
    if (scale > max_digits || count - scale > max_digits || count > max_digits) {
        // Kept so that equal numbers stay equal.
        is_plain_ = false;
        whole_ = digits + "e" + std::to_string(-scale);
        return;
    }
    if (scale <= 0) {
        whole_ = digits.append(static_cast<std::size_t>(-scale), '0');
    } else if (scale >= count) {
        fraction_ = std::string(static_cast<std::size_t>(scale - count), '0') + digits;
    } else {
        whole_ = digits.substr(0, static_cast<std::size_t>(count - scale));
        fraction_ = digits.substr(static_cast<std::size_t>(count - scale));
    }
}

RWKV_INLINE std::string Decimal::text() const {
    std::string text = negative_ ? "-" + whole_ : whole_;
    return fraction_.empty() ? text : text + "." + fraction_;
}

RWKV_INLINE Decimal Decimal::operator-() const {
    Decimal result = *this;
    result.negative_ = !negative_ && !is_zero();
    return result;
}

RWKV_INLINE std::strong_ordering Decimal::operator<=>(const Decimal& other) const noexcept {
    if (negative_ != other.negative_) return negative_ ? std::strong_ordering::less : std::strong_ordering::greater;
    std::strong_ordering order = whole_.size() <=> other.whole_.size();
    if (std::is_eq(order)) order = whole_.compare(other.whole_) <=> 0;
    if (std::is_eq(order)) order = fraction_.compare(other.fraction_) <=> 0;
    if (!negative_ || std::is_eq(order)) return order;
    return std::is_lt(order) ? std::strong_ordering::greater : std::strong_ordering::less;
}

RWKV_INLINE void NumberRange::at_least(const Decimal& bound, bool exclusive) {
    if (has_minimum && (bound < minimum || (bound == minimum && !exclusive))) return;
    minimum = bound;
    has_minimum = true;
    excludes_minimum = exclusive;
}

RWKV_INLINE void NumberRange::at_most(const Decimal& bound, bool exclusive) {
    if (has_maximum && (bound > maximum || (bound == maximum && !exclusive))) return;
    maximum = bound;
    has_maximum = true;
    excludes_maximum = exclusive;
}

RWKV_INLINE bool NumberRange::is_empty() const noexcept {
    if (!has_minimum || !has_maximum) return false;
    return minimum > maximum || (minimum == maximum && (excludes_minimum || excludes_maximum));
}

/// Languages of numbers without a sign: digits, and perhaps a point and digits.
class NumberRegexes {
  public:
    explicit NumberRegexes(RegexSet& set)
        : set_(set), digits_(set.star(digit('0', '9'))), zeros_(set.star(digit('0', '0'))) {}

    Regex digit(int first, int last) {
        return first > last ? Regex::nothing
                            : set_.bytes(ByteSet::range(static_cast<unsigned>(first), static_cast<unsigned>(last)));
    }
    Regex whole(std::uint32_t digits = max_whole) {
        return set_.any_of({digit('0', '0'), set_.concat({digit('1', '9'), up_to(digits - 1)})});
    }
    /// A point and digits, or nothing.
    Regex fraction() { return set_.optional(set_.concat({point(), digit('0', '9'), digits_})); }
    Regex exponent() {
        ByteSet letters, signs;
        letters.add('e');
        letters.add('E');
        signs.add('+');
        signs.add('-');
        return set_.optional(
            set_.concat({set_.bytes(letters), set_.optional(set_.bytes(signs)), set_.repeat(digit('0', '9'), 1, 2)}));
    }
    /// A number whose digits are not all zero.
    Regex not_zero() {
        const Regex some = set_.concat({zeros_, digit('1', '9'), digits_});
        return set_.any_of({set_.concat({digit('1', '9'), up_to(max_whole - 1), fraction()}),
                            set_.concat({digit('0', '0'), point(), some})});
    }

    /// The numbers that are larger than the bound, or smaller, or else equal.
    Regex beyond(const Decimal& bound, bool larger, bool or_equal) {
        const std::string& whole = bound.whole();
        const auto length = static_cast<std::uint32_t>(whole.size());
        // As many digits: the first one that differs decides. From the last digit to the first.
        Regex same_length = fraction_beyond(bound.fraction(), larger, or_equal);
        for (std::uint32_t i = length; i-- > 0;) {
            const int lowest = i == 0 && length > 1 ? '1' : '0';
            const Regex differs = larger ? digit(whole[i] + 1, '9') : digit(lowest, whole[i] - 1);
            const Regex rest = set_.repeat(digit('0', '9'), length - i - 1, length - i - 1);
            same_length = set_.any_of(
                {set_.concat({differs, rest, fraction()}), set_.concat({digit(whole[i], whole[i]), same_length})});
        }
        Regex other_length = Regex::nothing;
        if (larger) {
            other_length = set_.concat(
                {digit('1', '9'), set_.repeat(digit('0', '9'), length, (std::max)(length, max_whole - 1)), fraction()});
        } else if (length > 1) {
            const Regex shorter = set_.any_of({digit('0', '0'), set_.concat({digit('1', '9'), up_to(length - 2)})});
            other_length = set_.concat({shorter, fraction()});
        }
        return set_.any_of({same_length, other_length});
    }

  private:
    static constexpr std::uint32_t max_whole = 100;

    Regex up_to(std::uint32_t count) { return set_.repeat(digit('0', '9'), 0, count); }
    Regex point() { return digit('.', '.'); }

    /// What follows the digits before the point where those are the bound's.
    Regex fraction_beyond(const std::string& bound, bool larger, bool or_equal) {
        // After all of the bound's digits: zeros where it is equal, a digit that is not zero where it is larger.
        Regex rest = larger ? (or_equal ? digits_ : set_.concat({zeros_, digit('1', '9'), digits_}))
                            : (or_equal ? zeros_ : Regex::nothing);
        if (bound.empty()) {
            const Regex with_point = set_.concat({point(), set_.all_of({rest, set_.plus(digit('0', '9'))})});
            return or_equal ? set_.optional(with_point) : with_point;
        }
        for (std::size_t i = bound.size(); i-- > 0;) {
            const Regex differs = larger ? digit(bound[i] + 1, '9') : digit('0', bound[i] - 1);
            Regex here = set_.any_of({set_.concat({differs, digits_}), set_.concat({digit(bound[i], bound[i]), rest})});
            // A number that ends before the bound does is smaller.
            rest = larger || i == 0 ? here : set_.optional(here);
        }
        const Regex with_point = set_.concat({point(), rest});
        return larger ? with_point : set_.optional(with_point);
    }

    RegexSet& set_;
    Regex digits_, zeros_;
};

RWKV_INLINE Regex number_regex(RegexSet& set) {
    NumberRegexes numbers(set);
    return set.concat({set.optional(set.literal("-")), numbers.whole(), numbers.fraction(), numbers.exponent()});
}

RWKV_INLINE Regex integer_regex(RegexSet& set) {
    return set.concat({set.optional(set.literal("-")), NumberRegexes(set).whole()});
}

RWKV_INLINE Regex shortest_number_regex(RegexSet& set) {
    NumberRegexes numbers(set);
    const Regex digits = set.star(numbers.digit('0', '9'));
    const Regex fraction = set.concat({set.literal("."), digits, numbers.digit('1', '9')});
    const Regex number = set.concat({set.optional(set.literal("-")), numbers.whole(), set.optional(fraction)});
    return set.difference(number, set.literal("-0"));
}

RWKV_INLINE Regex number_range_regex(RegexSet& set, const NumberRange& range) {
    if (range.is_empty()) return Regex::nothing;
    if (!range.has_minimum && !range.has_maximum) return number_regex(set);
    NumberRegexes numbers(set);
    const Regex plain = set.concat({numbers.whole(), numbers.fraction()});
    // The numbers without sign of [low, high], where a null pointer does not bound.
    const auto magnitudes = [&](const Decimal* low, bool excludes_low, const Decimal* high, bool excludes_high) {
        if (low && high && (*low > *high || (*low == *high && (excludes_low || excludes_high)))) return Regex::nothing;
        const bool above_zero = low && low->is_zero() && excludes_low;
        // What an exponent does is of no account where only zero bounds.
        if (!high && (!low || low->is_zero()))
            return set.concat({above_zero ? numbers.not_zero() : plain, numbers.exponent()});
        Regex result = plain;
        if (low && (!low->is_zero() || excludes_low))
            result = above_zero ? numbers.not_zero() : numbers.beyond(*low, true, !excludes_low);
        if (high) result = set.all_of({result, numbers.beyond(*high, false, !excludes_high)});
        return result;
    };
    const Decimal zero;
    Regex positive = Regex::nothing, negative = Regex::nothing;
    if (!range.has_maximum || !range.maximum.is_negative()) {
        const bool from_zero = !range.has_minimum || range.minimum.is_negative();
        positive = magnitudes(from_zero ? &zero : &range.minimum, !from_zero && range.excludes_minimum,
                              range.has_maximum ? &range.maximum : nullptr, range.excludes_maximum);
    }
    if (!range.has_minimum || range.minimum.is_negative()) {
        const bool from_zero = !range.has_maximum || !range.maximum.is_negative();
        const Decimal low = -range.maximum, high = -range.minimum;
        negative = magnitudes(from_zero ? &zero : &low, from_zero || range.excludes_maximum,
                              range.has_minimum ? &high : nullptr, range.excludes_minimum);
    }
    return set.any_of({positive, set.concat({set.literal("-"), negative})});
}

RWKV_INLINE Regex multiples_regex(RegexSet& set, const Decimal& divisor) {
    const std::string digits = (divisor.whole() == "0" ? "" : divisor.whole()) + divisor.fraction();
    std::uint64_t value = 0;
    for (const char c : digits) {
        if (value > (std::uint64_t{1} << 55U)) return Regex::nothing;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    NumberRegexes numbers(set);
    const auto scale = static_cast<std::uint32_t>(divisor.fraction().size());
    // Where a validator computes in doubles, these are exact.
    const std::uint32_t longest = digits.size() <= 12 ? 15 : Decimal::max_digits;
    const Regex multiples =
        set.all_of({set.concat({numbers.whole(longest), numbers.fraction()}), set.remainder(value, scale)});
    return set.concat({set.optional(set.literal("-")), multiples});
}

}  // namespace rwkv::inline RWKV_ABI::constraint
