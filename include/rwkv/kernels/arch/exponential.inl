// The exponential function. Not a header of its own.

// e^x within 2 units in the last place, to infinity as it should be and NaN for NaN; 0 for x below −87.33, a little
// before it is no normal number any more, since processors take long over those. x = n · ln 2 + r: the power of two is
// exact, and e^r for |r| ≤ ln 2 / 2 a polynomial (the coefficients of Cephes' expf).
inline V exp(V x) noexcept {
    x = Simd::min(Simd::broadcast(90.0f), Simd::max(Simd::broadcast(-105.0f), x));
    const V n = Simd::nearest(Simd::multiply(x, Simd::broadcast(1.44269504088896341f)));
    V r = Simd::multiply_add(n, Simd::broadcast(-0.693359375f), x);
    r = Simd::multiply_add(n, Simd::broadcast(2.12194440e-4f), r);
    V p = Simd::broadcast(1.9875691500e-4f);
    for (const float coefficient :
         {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        p = Simd::multiply_add(p, r, Simd::broadcast(coefficient));
    p = Simd::multiply_add(Simd::multiply(p, r), r, Simd::add(r, Simd::broadcast(1.0f)));
    return Simd::scale(p - Simd::above(Simd::broadcast(-87.33f), x, p), n);
}
