// A model that several ranks share by rows, here threads of one process: the same bits as one machine.

#include <atomic>
#include <barrier>
#include <exception>
#include <limits>
#include <memory>

#include "../catch.hpp"
#include "../kernels/support.hpp"
#include "support.hpp"

using namespace rwkv;
using namespace rwkv::test;

namespace {

/// What ranks that are threads exchange.
struct Meeting {
    explicit Meeting(int size) : barrier(size), columns(static_cast<std::size_t>(size)), reports(columns.size()) {}
    std::barrier<> barrier;
    std::vector<MatrixView<float>*> columns;
    std::vector<std::pair<std::uint64_t, std::string>> reports;
    std::atomic<int> exchanges{0};
};

class ThreadRanks final : public RankGroup {
  public:
    ThreadRanks(int rank, Meeting& meeting)
        : RankGroup(rank, static_cast<int>(std::ssize(meeting.columns))), meeting_(meeting) {}

    void all_gather(MatrixView<float> columns) noexcept override {
        exchange(columns, [&](int from, const MatrixView<float>& theirs) {
            const RowSpan rows = rows_of(from, columns.rows());
            for (Index t = 0; t < columns.cols(); ++t)
                std::copy(theirs.col(t) + rows.begin, theirs.col(t) + rows.end, columns.col(t) + rows.begin);
        });
    }
    void all_combine(MatrixView<float> columns) noexcept override {
        std::vector<float> sums(static_cast<std::size_t>(columns.size()));
        exchange(columns, [&](int, const MatrixView<float>& theirs) {
            for (Index i = 0; i < columns.size(); ++i)
                sums[static_cast<std::size_t>(i)] += theirs(i % columns.rows(), i / columns.rows());
        });
        for (Index i = 0; i < columns.size(); ++i)
            columns(i % columns.rows(), i / columns.rows()) += sums[static_cast<std::size_t>(i)];
    }
    void agree(const std::string& where, std::uint64_t number, const std::string& error) override {
        meeting_.reports[static_cast<std::size_t>(rank())] = {number, error};
        meeting_.barrier.arrive_and_wait();
        const auto reports = meeting_.reports;
        meeting_.barrier.arrive_and_wait();
        if (!error.empty()) return;
        for (const auto& [theirs, failed] : reports)
            if (!failed.empty() || theirs != number) throw ModelError(where, "", "agreement", failed);
    }

  private:
    template <class Take>
    void exchange(MatrixView<float> columns, const Take& take) noexcept {
        ++meeting_.exchanges;
        meeting_.columns[static_cast<std::size_t>(rank())] = &columns;
        meeting_.barrier.arrive_and_wait();
        for (int from = 0; from < size(); ++from)
            if (from != rank()) take(from, *meeting_.columns[static_cast<std::size_t>(from)]);
        meeting_.barrier.arrive_and_wait();
    }

    Meeting& meeting_;
};

/// The logits after each of the tokens: read one by one, in chunks, and beside another sequence.
std::vector<float> all_logits(const Model& model, std::span<const TokenId> tokens) {
    std::vector<float> all;
    const auto keep = [&](std::span<const float> logits) {
        all.insert(all.end(), logits.begin(), logits.end());
        return true;
    };
    for (const Index chunk : {1, 7, 64}) {
        Workspace workspace(model.config(), {.threads = 1, .chunk = chunk});
        State state(model.config());
        model.forward_all(tokens, state, workspace, [&](Index, std::span<const float> logits) { return keep(logits); });
    }
    Workspace workspace(model.config(), {.threads = 2, .chunk = 64});
    State first(model.config()), second(model.config());
    const std::vector<SequenceTokens> batch{{tokens, &first, LogitsFor::last}, {tokens.first(3), &second}};
    model.forward(batch, workspace, [&](Index, Index, std::span<const float> logits) { return keep(logits); });
    return all;
}

/// Runs a rank on each of so many threads. Returns what each threw.
template <class Run>
std::vector<std::string> run_ranks(int count, const Run& run) {
    Meeting meeting(count);
    std::vector<std::string> errors(static_cast<std::size_t>(count));
    in_threads(static_cast<std::size_t>(count), [&](std::size_t rank) {
        try {
            run(std::make_shared<ThreadRanks>(static_cast<int>(rank), meeting));
        } catch (const std::exception& error) {
            errors[rank] = error.what();
        }
    });
    return errors;
}

}  // namespace

TEST_CASE("rows are shared out in whole row groups", "[ranks]") {
    for (const int count : {1, 2, 3, 4, 7}) {
        Meeting meeting(count);
        const ThreadRanks ranks(0, meeting);
        for (const Index rows : {1, 15, 16, 17, 37, 64, 257, 5120, 50277}) {
            CAPTURE(count, rows);
            Index next = 0, most = 0, least = rows + 16;
            for (int rank = 0; rank < count; ++rank) {
                const RowSpan span = ranks.rows_of(rank, rows);
                CHECK(span.begin == next);
                CHECK((span.begin % 16 == 0 || span.begin == rows));
                next = span.end;
                most = (std::max)(most, (span.end - span.begin + 15) / 16);
                least = (std::min)(least, (span.end - span.begin + 15) / 16);
            }
            CHECK(next == rows);
            CHECK(most <= least + 1);
        }
    }
}

TEST_CASE("ranks that share a model compute the numbers of one machine, bit by bit", "[ranks]") {
    const Expected expected("mixed");  // its tokens are in every vocabulary
    const std::span<const TokenId> tokens = std::span(expected.tokens).first(40);
    // Of the last one feed_forward.value is column-major.
    for (const std::filesystem::path& directory :
         {fixture("plain"), fixture("odd"), fixture("mixed"), fixture("../../examples/fairy-tales")}) {
        for (const WeightFormat format : {WeightFormat::stored, WeightFormat::f32, WeightFormat::f16,
                                          WeightFormat::bf16, WeightFormat::q8, WeightFormat::q4}) {
            for (const bool mapped : {false, true}) {
                const std::vector<float> alone =
                    all_logits(load_model(directory, {.format = format, .mapped = mapped}), tokens);
                for (const int count : {1, 2, 3, 4}) {
                    CAPTURE(directory.string(), name(format), count, mapped);
                    std::vector<int> same(static_cast<std::size_t>(count));
                    const auto errors = run_ranks(count, [&](std::shared_ptr<RankGroup> ranks) {
                        const Model model = load_model(directory, {.format = format, .mapped = mapped, .ranks = ranks});
                        same[static_cast<std::size_t>(ranks->rank())] = all_logits(model, tokens) == alone;
                    });
                    CHECK(errors == std::vector<std::string>(static_cast<std::size_t>(count)));
                    CHECK(same == std::vector<int>(static_cast<std::size_t>(count), 1));
                }
            }
        }
    }
}

TEST_CASE("each rank holds its share of every matrix", "[ranks]") {
    const auto held = [](const LoadOptions& options) {
        TempDir directory;
        write_wide(directory.path());
        return all_elements(load_model(directory.path(), options)).size();
    };
    const std::size_t whole = held({});
    std::vector<std::size_t> shares(2);
    const auto errors = run_ranks(2, [&](std::shared_ptr<RankGroup> ranks) {
        shares[static_cast<std::size_t>(ranks->rank())] = held({.ranks = ranks});
    });
    CHECK(errors == std::vector<std::string>(2));
    CHECK(shares[0] + shares[1] == whole);
    CHECK((std::max)(shares[0], shares[1]) < whole * 7 / 10);
}

TEST_CASE("what fails on one rank fails on all, and so do files that differ", "[ranks]") {
    const auto all_fail = [](const std::vector<std::string>& errors) {
        for (const std::string& error : errors) CHECK_FALSE(error.empty());
    };
    all_fail(run_ranks(3, [](std::shared_ptr<RankGroup> ranks) {
        const Model model = load_model(fixture(ranks->rank() == 1 ? "f16" : "bf16"), {.ranks = ranks});
    }));
    all_fail(run_ranks(2, [](std::shared_ptr<RankGroup> ranks) {
        const WeightFormat format = ranks->rank() == 0 ? WeightFormat::q8 : WeightFormat::q4;
        const Model model = load_model(fixture("plain"), {.format = format, .ranks = ranks});
    }));
    // A number that is not finite, in the rows of the last rank.
    TempDir directory;
    write_changed("plain", directory.path(), [](auto& tensors) {
        RawTensor& tensor = tensor_named(tensors, "rwkv.blocks.1.attention.output.weight");
        const float infinity = std::numeric_limits<float>::infinity();
        std::memcpy(tensor.bytes.data() + tensor.bytes.size() - sizeof infinity, &infinity, sizeof infinity);
    });
    all_fail(run_ranks(2, [&](std::shared_ptr<RankGroup> ranks) {
        const Model model = load_model(directory.path(), {.ranks = ranks});
    }));
}
