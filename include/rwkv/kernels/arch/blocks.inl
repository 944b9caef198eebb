// What every product is made of. Not a header of its own.

// Calls use(first, std::integral_constant<int, Count>) for runs of tokens until all are done: of `Most` as long as
// there are so many, then of 4, 2 and 1.
template <int Most, class Use>
inline void over_some(Index tokens, Use&& use) noexcept {
    Index t = 0;
    const auto run = [&]<int Count>(std::integral_constant<int, Count> count) {
        use(t, count);
        t += Count;
    };
    while (tokens - t >= Most) run(std::integral_constant<int, Most>{});
    if constexpr (Most > 4)
        if (tokens - t >= 4) run(std::integral_constant<int, 4>{});
    if (tokens - t >= 2) run(std::integral_constant<int, 2>{});
    if (tokens - t >= 1) run(std::integral_constant<int, 1>{});
}

// Weights that will be read next, asked for a few cache lines at a time between the multiplications, so that memory and
// arithmetic do not wait for each other: `runs` runs of `bytes` bytes.
class Ahead {
  public:
    Ahead() = default;
    Ahead(const void* first, Index stride, Index runs, Index bytes) noexcept
        : run_(static_cast<const char*>(first)), stride_(stride), runs_(runs), bytes_(bytes) {}

    /// Has so many calls of ask() ask for all of them.
    void spread(Index asks) noexcept { at_once_ = (runs_ * ((bytes_ + 63) / 64) + asks - 1) / asks; }
    void ask() noexcept {
        for (Index lines = at_once_; lines > 0 && runs_ > 0; --lines) {
            Simd::prefetch_far(run_ + at_);
            at_ += 64;
            if (at_ >= bytes_) at_ = 0, run_ += stride_, --runs_;
        }
    }

  private:
    const char* run_ = nullptr;
    Index stride_ = 0, runs_ = 0, bytes_ = 0, at_ = 0, at_once_ = 0;
};
