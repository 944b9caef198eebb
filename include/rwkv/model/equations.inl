// RWKV-4 between its matrices: what is done to activations element by element, written once over the registers `V` of
// a `Simd` and compiled for each instruction set by elementwise.hpp. Everything runs over features or channels of one
// token (a column), the last register being filled up with zeros. Not a header of its own.

using V = Simd::V;
using Scalar = Simd::Scalar;

// The numbers from the i-th of n on, as many as a register holds; past the last, zeros.
template <class T>
inline V get(const T* from, Index i, Index n) noexcept {
    if (n - i >= Simd::width) return Simd::load(from + i);
    T rest[Simd::width] = {};
    std::copy_n(from + i, n - i, rest);
    return Simd::load(rest);
}

inline void put(Scalar* to, Index i, Index n, V v) noexcept {
    if (n - i >= Simd::width) return Simd::store(to + i, v);
    Scalar rest[Simd::width];
    Simd::store(rest, v);
    std::copy_n(rest, n - i, to + i);
}

// Brings a token's features to mean 0 and variance 1, then scales and moves them:
//
//   out = (x − mean x) / √(var x + ε) · weight + bias,    the variance over all n (no Bessel's correction)
//
// x and out may be the same.
inline void layer_norm(const float* weight, const float* bias, Scalar epsilon, Index n, const Scalar* x,
                       Scalar* out) noexcept {
    V sum = Simd::broadcast(Scalar(0));
    for (Index i = 0; i < n; i += Simd::width) sum = sum + get(x, i, n);
    const Scalar mean = Simd::sum(sum) / static_cast<Scalar>(n);

    sum = Simd::broadcast(Scalar(0));
    const Index whole = n / Simd::width * Simd::width;
    for (Index i = 0; i < whole; i += Simd::width) {
        const V difference = Simd::load(x + i) - Simd::broadcast(mean);
        sum = sum + difference * difference;
    }
    Scalar squares = Simd::sum(sum);
    // The rest one by one: zeros past the end would count as (0 − mean)².
    for (Index i = whole; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const Scalar scale = 1 / std::sqrt(squares / static_cast<Scalar>(n) + epsilon);

    for (Index i = 0; i < n; i += Simd::width) {
        const V normed = (get(x, i, n) - Simd::broadcast(mean)) * Simd::broadcast(scale);
        put(out, i, n, normed * get(weight, i, n) + get(bias, i, n));
    }
}

// Token shift: every feature a mix of this token and the one before it,
//
//   out_t = x_t · mix + x_(t−1) · (1 − mix)
inline void token_shift(const float* mix, Index n, const Scalar* x, const Scalar* previous, Scalar* out) noexcept {
    for (Index i = 0; i < n; i += Simd::width) {
        const V share = get(mix, i, n);
        put(out, i, n, get(x, i, n) * share + get(previous, i, n) * (Simd::broadcast(Scalar(1)) - share));
    }
}

// Two numbers, held as multiples of e^a and e^b, brought to the larger exponent: q, and the factors e^(a − q) and
// e^(b − q), of which one is 1. With q infinite or NaN, one is NaN.
struct Common {
    V q, of_a, of_b;
};
inline Common common_exponent(V a, V b) noexcept {
    const V q = Simd::max(a, b), below = a - q, one = Simd::broadcast(Scalar(1));
    const V smaller = exp(below + (b - q));
    return {q, Simd::negative(below, smaller, one), Simd::negative(below, one, smaller)};
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
// the paper, arXiv:2305.13048). Only these three go from token to token: several tokens are a loop over t. Channels do
// not need each other: a register holds several. Each column of keys, or values, is a stride after the one before; wkv
// takes the place of the values.
inline void wkv(const float* decay, const float* time_first, Index begin, Index end, Index tokens, const Scalar* key,
                Index key_stride, Scalar* value, Index value_stride, Scalar* numerators, Scalar* denominators,
                Scalar* maxima) noexcept {
    for (Index i = begin; i < end; i += Simd::width) {
        const V w = get(decay, i, end), u = get(time_first, i, end);
        V numerator = get(numerators, i, end), denominator = get(denominators, i, end), p = get(maxima, i, end);
        for (Index t = 0; t < tokens; ++t) {
            const V k = get(key + t * key_stride, i, end), v = get(value + t * value_stride, i, end);

            // The average, past and present brought to the common exponent q, which cancels.
            const auto [q, past, now] = common_exponent(p, u + k);
            put(value + t * value_stride, i, end, (past * numerator + now * v) / (past * denominator + now));

            // The sums that the next token finds, the past a step older.
            const auto [next, older, newest] = common_exponent(p + w, k);
            numerator = older * numerator + newest * v;
            denominator = older * denominator + newest;
            p = next;
        }
        put(numerators, i, end, numerator);
        put(denominators, i, end, denominator);
        put(maxima, i, end, p);
    }
}

// x = σ(receptance) ∘ x
inline void gate(Index begin, Index end, const Scalar* receptance, Scalar* x) noexcept {
    const V one = Simd::broadcast(Scalar(1));
    for (Index i = begin; i < end; i += Simd::width)
        put(x, i, end, get(x, i, end) / (one + exp(-get(receptance, i, end))));
}

// x = max(x, 0)²
inline void squared_relu(Index n, Scalar* x) noexcept {
    for (Index i = 0; i < n; i += Simd::width) {
        const V positive = Simd::max(Simd::broadcast(Scalar(0)), get(x, i, n));
        put(x, i, n, positive * positive);
    }
}

// x = x + y
inline void add(Index n, const Scalar* y, Scalar* x) noexcept {
    for (Index i = 0; i < n; i += Simd::width) put(x, i, n, get(x, i, n) + get(y, i, n));
}

inline constexpr Elementwise<Scalar> all{layer_norm, token_shift, wkv, gate, squared_relu, add};
