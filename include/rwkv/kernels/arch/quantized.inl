// Products of quantized weights with a few tokens, written once over the `Simd` and the `Codes` of the including
// namespace. Tokens are brought to whole numbers (where bytes have dot products, however many they are), so that
// products are of whole numbers and exact. Not a header of its own.

// A panel of tokens as whole numbers, each block in units of its largest magnitude / the largest number.
template <QuantizedFormat Format>
void code_panel(const float* x, Index x_stride, Index tokens, Index cols, std::byte* room) noexcept {
    const CodedPanel<Codes::Value> coded(room, cols, Format::block_cols);
    constexpr float largest_code = std::numeric_limits<Codes::Value>::max();
    constexpr float smallest = 1e-30f;  // below, the quotient would be infinite
    for (Index t = 0; t < tokens; ++t, x += x_stride) {
        Codes::Value* values = coded.values(t);
        for (Index b = 0; b < coded.blocks(); ++b, values += Format::block_cols) {
            float padded_block[Format::block_cols];
            const float* block = x + b * Format::block_cols;
            if (const Index count = cols - b * Format::block_cols; count < Format::block_cols) {
                std::fill_n(std::copy_n(block, count, padded_block), Format::block_cols - count, 0.0f);
                block = padded_block;
            }
            const float largest = Codes::largest_magnitude(block, Format::block_cols);
            // With an infinity or NaN among them the scale is NaN, and no whole number matters.
            constexpr float most = std::numeric_limits<float>::max(), nan = std::numeric_limits<float>::quiet_NaN();
            const bool usable = largest > smallest && largest <= most;
            const float factor = usable ? largest_code / largest : 0;
            const std::int32_t sum = Codes::write(block, Format::block_cols, factor, values);
            coded.scales(t)[b] = {largest <= most ? largest / largest_code : nan, usable ? -128 * sum : 0};
        }
    }
}

// y = W x of one group for `Tokens` tokens from `first` on. Whole numbers within a block, floats over the blocks.
template <class Format, int Tokens>
inline void dot_group(const WeightMatrix<Format>& weights, Index group, const CodedPanel<Codes::Value>& x, Index first,
                      float* y, Index y_stride) noexcept {
    const std::uint8_t* codes = weights.codes(group);
    const Eigen::bfloat16* scales = weights.scales(group);
    const Codes::Value* values[Tokens];
    const CodedBlock* blocks[Tokens];
    V sums[Tokens][parts];
    for (int t = 0; t < Tokens; ++t) {
        values[t] = x.values(first + t);
        blocks[t] = x.scales(first + t);
        for (V& sum : sums[t]) sum = Simd::zero();
    }
    // A group is read in two places, its scales and its codes, but asked for in one, from its beginning on.
    constexpr Index lines = Format::block_cols / step_cols * Format::bits / 8, scale_bytes = group_rows * 2;
    const auto* ahead = reinterpret_cast<const char*>(scales);
    for (Index b = 0; b < x.blocks(); ++b, scales += group_rows, ahead += lines * 64 + scale_bytes) {
        read_ahead(ahead + lines * 64);
        typename Codes::Sum products[Tokens];
#pragma GCC unroll 8
        for (int t = 0; t < Tokens; ++t) products[t] = Codes::begin(blocks[t][b].bias);
        const auto step = [&](const typename Codes::Bytes& bytes) {
            const typename Codes::Step prepared = Codes::prepare(bytes);
#pragma GCC unroll 8
            for (int t = 0; t < Tokens; ++t) {
                Codes::add(products[t], prepared, values[t]);
                values[t] += step_cols;
            }
        };
#pragma GCC unroll 16
        for (Index s = 0; s < lines; ++s, codes += 64) {
            read_ahead(ahead + s * 64);
            const typename Codes::Bytes bytes = Codes::load(codes);
            if constexpr (Format::bits == 8) {
                step(bytes);
            } else {
                step(Codes::low(bytes));
                step(Codes::high(bytes));
            }
        }
#pragma GCC unroll 4
        for (int part = 0; part < parts; ++part) {
            const V scale = Simd::load(scales + part * Simd::width);
#pragma GCC unroll 8
            for (int t = 0; t < Tokens; ++t)
                sums[t][part] =
                    Simd::multiply_add(Codes::total(products[t], part),
                                       Simd::multiply(scale, Simd::broadcast(blocks[t][b].scale)), sums[t][part]);
        }
    }
    const Index rows = std::min(group_rows, weights.rows() - group * group_rows);
    for (int t = 0; t < Tokens; ++t, y += y_stride) {
        float all_rows[group_rows];
        for (int part = 0; part < parts; ++part) Simd::store(all_rows + part * Simd::width, sums[t][part]);
        std::copy_n(all_rows, rows, y + group * group_rows);
    }
}

// Rows [begin, end), whole groups, of y = W x for a few tokens coded by `code_panel`.
template <QuantizedFormat Format>
void few_tokens(const WeightMatrix<Format>& weights, Index begin, Index end, const Input& x, Index tokens, float* y,
                Index y_stride, float*) noexcept {
    const CodedPanel<Codes::Value> coded(x.panels, weights.cols(), Format::block_cols);
    for (Index g = begin / group_rows; g * group_rows < end; ++g) {
        over_some<Codes::few>(tokens, [&]<int Tokens>(Index t, std::integral_constant<int, Tokens>) {
            dot_group<Format, Tokens>(weights, g, coded, t, y + t * y_stride, y_stride);
        });
    }
}
