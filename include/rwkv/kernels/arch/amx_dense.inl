// Products of weights of one number each with many tokens, on tiles of BF16. A float is the sum of three BF16 numbers,
// each the upper half of what the ones before have left of it, a half the sum of two:
//
//   w x = (w₀ + w₁ + w₂)(x₀ + x₁ + x₂) ≈ w₀x₀ + w₀x₁ + w₀x₂ + w₁x₀ + w₁x₁ + w₂x₀
//
// What is left out is about what the product of two floats is rounded by; tiles add up in floats. They take numbers
// below 2^−126 for 0, pieces too, so that features below 2^−110 or so lose some of theirs; of an infinity they make
// NaN. Of 32 columns tiles want pairs; which makes no difference to the sum, so it is the i-th and the one sixteen
// after it, which is two registers laid over each other. Not a header of its own.

/// Columns of a tile.
inline constexpr Index tile_cols = 32;

/// BF16 numbers that a token's feature is the sum of.
inline constexpr int token_pieces = 3;

/// BF16 numbers that a weight is the sum of.
template <DenseFormat Format>
inline constexpr int weight_pieces = std::is_same_v<Format, BF16>  ? 1
                                     : std::is_same_v<Format, F16> ? 2
                                                                   : 3;

/// With fewer tokens than this it takes longer to split weights than to widen and multiply them.
template <DenseFormat Format>
inline constexpr Index fewest_tokens = weight_pieces<Format> == 3 ? 64 : 32;

// One thread multiplies parts of many tokens one after the other, several all together: both must be many enough.
static_assert(fewest_tokens<F32> <= best_part / 2);

// Sixteen pairs of floats in pieces, each a row of a tile.
template <int Pieces>
inline void split_pairs(V first, V second, std::byte* to) noexcept {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
    const auto cut = [&](V v) { return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(v), upper)); };
#pragma GCC unroll 3
    for (int piece = 0; piece < Pieces; ++piece) {
        const V cut_first = cut(first), cut_second = cut(second);
        _mm512_storeu_si512(to + piece * tile_bytes,
                            _mm512_or_si512(_mm512_maskz_srli_epi32(Simd::all, _mm512_castps_si512(first), 16),
                                            _mm512_castps_si512(cut_second)));
        first = _mm512_sub_ps(first, cut_first);
        second = _mm512_sub_ps(second, cut_second);
    }
}

// A panel of tokens in pieces: [step of 32 features][piece][16 tokens][16 pairs], features and tokens past the last as
// zeros.
inline void split_panel(const float* x, Index x_stride, Index tokens, Index cols, std::byte* room) noexcept {
    for (Index c = 0; c < cols; c += tile_cols, room += token_pieces * tile_bytes) {
        const auto here = static_cast<std::uint32_t>((std::uint64_t(1) << std::min(tile_cols, cols - c)) - 1);
        for (Index t = 0; t < panel; ++t) {
            const std::uint32_t have = t < tokens ? here : 0;
            const float* const from = x + t * x_stride + c;
            split_pairs<token_pieces>(_mm512_maskz_loadu_ps(static_cast<__mmask16>(have), from),
                                      _mm512_maskz_loadu_ps(static_cast<__mmask16>(have >> 16), from + 16),
                                      room + t * 64);
        }
    }
}

// Up to 32 columns of a group of weights in pieces: [piece][16 pairs][16 rows][2 columns], columns past the last as
// zeros.
template <int Pieces, class T>
inline void split_columns(const T* columns, Index count, std::byte* to) noexcept {
    constexpr Index half = tile_cols / 2;
    for (Index c = 0; c < half; ++c, columns += group_rows, to += 64)
        split_pairs<Pieces>(c < count ? Simd::load(columns) : Simd::zero(),
                            c + half < count ? Simd::load(columns + half * group_rows) : Simd::zero(), to);
}

// Rows [begin, end) × columns [k, k + depth) as tiles: [group][step of 32 columns][piece].
template <DenseFormat Format>
inline void split_weights(const WeightMatrix<Format>& weights, Index begin, Index end, Index k, Index depth,
                          std::byte* to) noexcept {
    for (Index r = begin; r < end; r += group_rows)
        for (Index c = k; c < k + depth; c += tile_cols, to += weight_pieces<Format> * tile_bytes) {
            const Index here = std::min(tile_cols, k + depth - c);
            if (weights.layout() == Layout::by_group) {
                split_columns<weight_pieces<Format>>(weights.group(r / group_rows) + c * group_rows, here, to);
            } else {
                float widened[group_rows * tile_cols];
                avx512::widen(weights, r, std::min(r + group_rows, end), c, here, widened);
                split_columns<weight_pieces<Format>>(widened, here, to);
            }
        }
}

// Where a tile of sums lies.
struct Place {
    float* at;
    Index stride;
};

// What `steps` steps of columns add to the sums of `Panels` panels of tokens by two groups of weights, which are at
// places[panel][group]. Between the multiplications asks for what comes next.
template <int Pieces, int Panels>
inline void split_tile(const std::byte* tokens, Index panel_bytes, const std::byte* weights, Index group_stride,
                       Index steps, const Place (&places)[2][2], bool first, Ahead& ahead) noexcept {
    if (first) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    } else {
        _tile_loadd(0, places[0][0].at, places[0][0].stride);
        _tile_loadd(1, places[0][1].at, places[0][1].stride);
        if constexpr (Panels == 2) {
            _tile_loadd(2, places[1][0].at, places[1][0].stride);
            _tile_loadd(3, places[1][1].at, places[1][1].stride);
        }
    }
    for (Index s = 0; s < steps; ++s, tokens += token_pieces * tile_bytes, weights += Pieces * tile_bytes) {
#pragma GCC unroll 3
        for (int w = 0; w < Pieces; ++w) {
            _tile_loadd(6, weights + w * tile_bytes, 64);
            _tile_loadd(7, weights + group_stride + w * tile_bytes, 64);
#pragma GCC unroll 3
            for (int x = 0; x < token_pieces - w; ++x) {
                ahead.ask();
                _tile_loadd(4, tokens + x * tile_bytes, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                if constexpr (Panels == 2) {
                    _tile_loadd(5, tokens + panel_bytes + x * tile_bytes, 64);
                    _tile_dpbf16ps(2, 5, 6);
                    _tile_dpbf16ps(3, 5, 7);
                }
            }
        }
    }
    _tile_stored(0, places[0][0].at, places[0][0].stride);
    _tile_stored(1, places[0][1].at, places[0][1].stride);
    if constexpr (Panels == 2) {
        _tile_stored(2, places[1][0].at, places[1][0].stride);
        _tile_stored(3, places[1][1].at, places[1][1].stride);
    }
}

// What a block of weights as tiles adds to the tokens, `rows` rows of y: the same for every format of so many pieces.
template <int Pieces>
inline void multiply_split(const std::byte* weights, Index rows, Index depth, const std::byte* panels,
                           Index panel_bytes, Index tokens, float* y, Index y_stride, bool first,
                           Ahead ahead) noexcept {
    constexpr Index line = group_rows * static_cast<Index>(sizeof(float));
    const Index steps = (depth + tile_cols - 1) / tile_cols, group_bytes = steps * Pieces * tile_bytes;
    constexpr Index terms = Pieces * (2 * token_pieces + 1 - Pieces) / 2;
    ahead.spread((padded(tokens) / panel + 1) / 2 * ((rows + 2 * group_rows - 1) / (2 * group_rows)) * steps * terms);
    by_twos(padded(tokens) / panel, [&]<int Panels>(Index p, std::integral_constant<int, Panels>) {
        for (Index r = 0; r < rows; r += 2 * group_rows) {
            // Sums that do not fill a tile of y have one of their own.
            alignas(64) float own[2][2][panel][group_rows];
            Place places[2][2];
            const auto over_own = [&](auto&& copy) {
                for (int i = 0; i < Panels; ++i)
                    for (int j = 0; j < 2; ++j) {
                        const Index t = (p + i) * panel, row = r + j * group_rows;
                        float* const in_y = y + t * y_stride + row;
                        places[i][j] = {in_y, y_stride * static_cast<Index>(sizeof(float))};
                        if (t + panel <= tokens && row + group_rows <= rows) continue;
                        places[i][j] = {own[i][j][0], line};
                        const Index count = std::min(group_rows, rows - row);
                        for (Index u = 0; count > 0 && u < std::min(panel, tokens - t); ++u)
                            copy(in_y + u * y_stride, own[i][j][u], count);
                    }
            };
            over_own([&](const float* in_y, float* sums, Index count) {
                if (!first) std::copy_n(in_y, count, sums);
            });
            written();
            const Index g = r / group_rows, next_group = r + group_rows < rows ? group_bytes : 0;  // or the same twice
            split_tile<Pieces, Panels>(panels + p * panel_bytes, panel_bytes, weights + g * group_bytes, next_group,
                                       steps, places, first, ahead);
            over_own([](float* in_y, const float* sums, Index count) { std::copy_n(sums, count, in_y); });
        }
    });
}

// Rows [begin, end), at most turn_rows of them and from a whole group on, of y = W x, or of one slab's part of it, for
// tokens in pieces.
template <DenseFormat Format>
void split_tokens(const WeightMatrix<Format>& weights, Index begin, Index end, const Input& x, Index tokens, float* y,
                  Index y_stride, float* scratch) noexcept {
    constexpr int pieces = weight_pieces<Format>;
    constexpr Index at_once = slab / pieces;
    static_assert(at_once % tile_cols == 0 &&
                  turn_rows * at_once * pieces * 2 <= block_floats(0) * Index(sizeof(float)));
    auto* const tiles_of_weights = reinterpret_cast<std::byte*>(scratch);
    const Tiles<64> tiles;
    for (Index k = x.begin; k < x.end; k += at_once) {
        const Index depth = std::min(at_once, x.end - k);
        split_weights(weights, begin, end, k, depth, tiles_of_weights);
        multiply_split<pieces>(tiles_of_weights, end - begin, depth,
                               x.panels + k / tile_cols * token_pieces * tile_bytes, x.panel_bytes, tokens, y + begin,
                               y_stride, k == 0, after(weights, begin, end, x, k, at_once));
    }
}
