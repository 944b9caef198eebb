// Quantized weights as floats, for many_tokens: where bytes have no dot products of their own. Not a header of its own.

// Whole groups and whole blocks of weights (the last as far as the columns go, and to the end of its step).
template <QuantizedFormat Format>
inline void widen(const WeightMatrix<Format>& weights, Index begin, Index end, Index k, Index depth,
                  float* block) noexcept {
    for (Index g = begin / group_rows; g * group_rows < end; ++g, block += group_rows * depth) {
        const std::uint8_t* codes = weights.codes(g) + k * group_rows * Format::bits / 8;
        const Eigen::bfloat16* stored = weights.scales(g) + k / Format::block_cols * group_rows;
        float scales[group_rows] = {};
        for (Index c = 0; c < depth; c += step_cols) {
            if (c % Format::block_cols == 0) {
                for (Index r = 0; r < group_rows; r += Simd::width) Simd::store(scales + r, Simd::load(stored + r));
                stored += group_rows;
            }
            typename Codes::Bytes step = Codes::load(codes);
            if constexpr (Format::bits == 4) step = c % 8 == 0 ? Codes::low(step) : Codes::high(step);
            if (Format::bits == 8 || c % 8 != 0) codes += 64;
            Codes::widen(step, scales, block + c * group_rows);
        }
    }
}

// They are few bytes: the processor itself sees them coming.
template <QuantizedFormat Format>
inline Ahead after(const WeightMatrix<Format>&, Index, Index, const Input&, Index, Index) noexcept {
    return {};
}
