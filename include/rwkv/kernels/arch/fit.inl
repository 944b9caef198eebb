// How well codes fit weights, the inner loop of 4-bit quantization. Not a header of its own.

// For the block of weights · factor and their nearest places in Q4::table.
inline Fit fit_q4(const float* weights, float factor) noexcept {
    constexpr auto& table = Q4::table;
    V product = Simd::zero(), square = Simd::zero();
    for (Index i = 0; i < Q4::block_cols; i += Simd::width) {
        const V x = Simd::multiply(Simd::load(weights + i), Simd::broadcast(factor));
        V nearest = Simd::broadcast(static_cast<float>(table[0]));
#pragma GCC unroll 16
        for (std::size_t c = 1; c < table.size(); ++c)
            nearest =
                Simd::add(nearest, Simd::above(x, Simd::broadcast(0.5f * static_cast<float>(table[c - 1] + table[c])),
                                               Simd::broadcast(static_cast<float>(table[c] - table[c - 1]))));
        product = Simd::multiply_add(x, nearest, product);
        square = Simd::multiply_add(nearest, nearest, square);
    }
    return {Simd::sum(product), Simd::sum(square)};
}

// The codes of the block of weights · factor: their nearest places in Q4::table.
inline void place_q4(const float* weights, float factor, std::uint8_t* codes) noexcept {
    constexpr auto& table = Q4::table;
    for (Index i = 0; i < Q4::block_cols; i += Simd::width) {
        const V x = Simd::multiply(Simd::load(weights + i), Simd::broadcast(factor));
        V place = Simd::zero();
#pragma GCC unroll 16
        for (std::size_t c = 1; c < table.size(); ++c)
            place = Simd::add(place, Simd::above(x, Simd::broadcast(0.5f * static_cast<float>(table[c - 1] + table[c])),
                                                 Simd::broadcast(1.0f)));
        float places[Simd::width];
        Simd::store(places, place);
        for (Index j = 0; j < Simd::width; ++j) codes[i + j] = static_cast<std::uint8_t>(places[j]);
    }
}
