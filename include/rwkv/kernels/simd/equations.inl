// RWKV-4 between its matrices: what is done to activations element by element, written once over the registers `V` of a
// `Simd`. Everything runs over the features or channels of one token (a column); the last register is filled up with
// zeros.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>

#include <rwkv/kernels/simd/exp.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

using V = Simd::V;
using Scalar = Simd::Scalar;

// The numbers from the i-th of n on that fill a register; zeros past the last.
template <class T>
inline V load_partial(const T* from, Index i, Index n) noexcept {
    if (n - i >= Simd::lanes) return Simd::load(from + i);
    T rest[Simd::lanes] = {};
    std::copy_n(from + i, n - i, rest);
    return Simd::load(rest);
}

inline void store_partial(Scalar* to, Index i, Index n, V v) noexcept {
    if (n - i >= Simd::lanes) return Simd::store(to + i, v);
    Scalar rest[Simd::lanes];
    Simd::store(rest, v);
    std::copy_n(rest, n - i, to + i);
}

// Normalizes a token's features to mean 0 and variance 1, then scales and shifts them:
//
//   out = (x − mean x) / √(var x + ε) · weight + bias,    the variance over all n, without Bessel's correction
//
// x and out may be the same.
inline void layer_norm(const float* weight, const float* bias, Scalar epsilon, Index n, const Scalar* x,
                       Scalar* out) noexcept {
    V sum = Simd::set(Scalar(0));
    for (Index i = 0; i < n; i += Simd::lanes) sum = sum + load_partial(x, i, n);
    const Scalar mean = Simd::reduce_sum(sum) / static_cast<Scalar>(n);

    sum = Simd::set(Scalar(0));
    const Index whole = n / Simd::lanes * Simd::lanes;
    for (Index i = 0; i < whole; i += Simd::lanes) {
        const V difference = Simd::load(x + i) - Simd::set(mean);
        sum = sum + difference * difference;
    }
    Scalar squares = Simd::reduce_sum(sum);
    // The rest one by one: zeros past the end would count as (0 − mean)².
    for (Index i = whole; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const Scalar scale = 1 / std::sqrt(squares / static_cast<Scalar>(n) + epsilon);

    for (Index i = 0; i < n; i += Simd::lanes) {
        const V normed = (load_partial(x, i, n) - Simd::set(mean)) * Simd::set(scale);
        store_partial(out, i, n, normed * load_partial(weight, i, n) + load_partial(bias, i, n));
    }
}

// Token shift: every feature is a mix of this token's and the one's before it,
//
//   out_t = x_t · mix + x_(t−1) · (1 − mix)
inline void token_shift(const float* mix, Index n, const Scalar* x, const Scalar* previous, Scalar* out) noexcept {
    for (Index i = 0; i < n; i += Simd::lanes) {
        const V share = load_partial(mix, i, n);
        store_partial(out, i, n,
                      load_partial(x, i, n) * share + load_partial(previous, i, n) * (Simd::set(Scalar(1)) - share));
    }
}

// Rescales two numbers, held as multiples of e^a and e^b, to the larger exponent q = max(a, b), as in a stable
// log-sum-exp: the factors are e^(a − q) and e^(b − q), of which one is 1. Where q is infinite or NaN, one is NaN.
struct Rescale {
    V q, factor_a, factor_b;
};
inline Rescale rescale_to_max(V a, V b) noexcept {
    const V q = Simd::maximum(a, b), below = a - q, one = Simd::set(Scalar(1));
    const V smaller = exp(below + (b - q));
    return {q, Simd::if_negative_then_else(below, smaller, one), Simd::if_negative_then_else(below, one, smaller)};
}

// WKV for the channels [begin, end) of T tokens: a weighted average of the values seen so far, in which a token's
// weight is exp(key), fading by exp(w) with every step, and the current token's is exp(u + key) instead:
//
//   wkv_t = (Σ_(i<t) e^((t−1−i)·w + k_i) v_i  +  e^(u + k_t) v_t) / (Σ_(i<t) e^((t−1−i)·w + k_i)  +  e^(u + k_t))
//
// As a recurrence, with a = b = 0 before the first token (whose average is thus its own value):
//
//   wkv_t = (a + e^(u + k_t) v_t) / (b + e^(u + k_t)),    then    a ← e^w a + e^(k_t) v_t    and    b ← e^w b + e^(k_t)
//
// e^k overflows for keys that do occur. So a and b are held as numerator · e^p and denominator · e^p, where p ← max(p +
// w, k_t) follows the largest exponent of their terms, and no exponent is ever above 0 (the numerically stable form of
// the paper, arXiv:2305.13048). Only these three numbers go from token to token, and channels are independent: a
// register holds several channels, and the tokens are a loop. Columns of keys and of values are a stride apart; wkv
// takes the place of the values.
inline void wkv(const float* decay, const float* time_first, Index begin, Index end, Index tokens, const Scalar* key,
                Index key_stride, Scalar* value, Index value_stride, Scalar* numerators, Scalar* denominators,
                Scalar* maxima) noexcept {
    for (Index i = begin; i < end; i += Simd::lanes) {
        const V w = load_partial(decay, i, end), u = load_partial(time_first, i, end);
        V numerator = load_partial(numerators, i, end), denominator = load_partial(denominators, i, end),
          p = load_partial(maxima, i, end);
        for (Index t = 0; t < tokens; ++t) {
            const V k = load_partial(key + t * key_stride, i, end), v = load_partial(value + t * value_stride, i, end);

            // The average; the exponent q, common to past and present, cancels.
            const auto [q, past, now] = rescale_to_max(p, u + k);
            store_partial(value + t * value_stride, i, end, (past * numerator + now * v) / (past * denominator + now));

            // The sums for the next token; the past is one step older.
            const auto [next, older, newest] = rescale_to_max(p + w, k);
            numerator = older * numerator + newest * v;
            denominator = older * denominator + newest;
            p = next;
        }
        store_partial(numerators, i, end, numerator);
        store_partial(denominators, i, end, denominator);
        store_partial(maxima, i, end, p);
    }
}

// x = σ(receptance) ∘ x
inline void gate(Index begin, Index end, const Scalar* receptance, Scalar* x) noexcept {
    const V one = Simd::set(Scalar(1));
    for (Index i = begin; i < end; i += Simd::lanes)
        store_partial(x, i, end, load_partial(x, i, end) / (one + exp(-load_partial(receptance, i, end))));
}

// x = max(x, 0)²
inline void squared_relu(Index n, Scalar* x) noexcept {
    for (Index i = 0; i < n; i += Simd::lanes) {
        const V positive = Simd::maximum(Simd::set(Scalar(0)), load_partial(x, i, n));
        store_partial(x, i, n, positive * positive);
    }
}

// x = x + y
inline void add(Index n, const Scalar* y, Scalar* x) noexcept {
    for (Index i = 0; i < n; i += Simd::lanes) store_partial(x, i, n, load_partial(x, i, n) + load_partial(y, i, n));
}

inline constexpr Equations<Scalar> equations{layer_norm, token_shift, wkv, gate, squared_relu, add};

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
