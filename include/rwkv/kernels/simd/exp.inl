// The exponential function.
#ifndef RWKV_TARGET
#include <rwkv/kernels/simd/alone.inl>
#endif
#include <rwkv/kernels/simd/begin_target.inl>

namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET {

// e^x within 2 units in the last place, infinite for large x and NaN for NaN; 0 for x below −87.33, shortly before the
// result would be subnormal, because processors are slow on those. x = n · ln 2 + r: the power of two is exact, and e^r
// for |r| ≤ ln 2 / 2 is a polynomial (the coefficients of Cephes' expf).
inline Simd::V exp(Simd::V x) noexcept {
    using V = Simd::V;
    x = Simd::minimum(Simd::set(90.0f), Simd::maximum(Simd::set(-105.0f), x));
    const V n = Simd::round(Simd::mul(x, Simd::set(1.44269504088896341f)));
    V r = Simd::mul_add(n, Simd::set(-0.693359375f), x);
    r = Simd::mul_add(n, Simd::set(2.12194440e-4f), r);
    V p = Simd::set(1.9875691500e-4f);
    for (const float coefficient :
         {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        p = Simd::mul_add(p, r, Simd::set(coefficient));
    p = Simd::mul_add(Simd::mul(p, r), r, Simd::add(r, Simd::set(1.0f)));
    return Simd::ldexp(p - Simd::if_greater_then_else_zero(Simd::set(-87.33f), x, p), n);
}

}  // namespace rwkv::inline RWKV_ABI::kernels::RWKV_TARGET

#include <rwkv/kernels/simd/end_target.inl>
