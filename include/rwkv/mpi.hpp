#pragma once

// A model larger than one machine, over MPI: the only header that knows it. Not part of rwkv.hpp.

#include <mpi.h>

// windows.h without NOMINMAX defines min and max, which standard headers that follow it do not survive.
#pragma push_macro("min")
#pragma push_macro("max")
#undef min
#undef max

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <rwkv/core/error.hpp>
#include <rwkv/model/rank_group.hpp>
#include <rwkv/version.hpp>

namespace rwkv::inline RWKV_ABI {

/// The processes of a communicator as ranks that share a model by rows: LoadOptions::ranks takes it.
///
///     const auto ranks = std::make_shared<rwkv::MpiRanks>(MPI_COMM_WORLD);
///     const rwkv::Model model = rwkv::load_model(path, {.ranks = ranks});
///
/// From then on every process does the same: the same calls with the same tokens, options and seeds, as if it had the
/// model alone. What only one process knows (a prompt that was typed, a clock) is to be broadcast first. Where MPI
/// fails, a message says so and all processes end (MPI_Abort), as they do where one of them dies.
///
/// Thread safety: one call at a time, by a thread that MPI_Init_thread allows.
class MpiRanks final : public RankGroup {
  public:
    /// What was exchanged so far.
    struct Traffic {
        std::uint64_t exchanges = 0;  ///< collective operations
        std::uint64_t bytes = 0;      ///< that came from other processes
        double seconds = 0;           ///< spent in them, waiting for the slowest process included
    };

    /// A group with a copy of the communicator, made by all its processes together. MPI must have been initialised.
    explicit MpiRanks(MPI_Comm communicator) : MpiRanks(Copy(communicator)) {}
    /// Frees the copy, together with the other processes, unless MPI was finalised.
    ~MpiRanks() override {
        int finalized = 0;
        MPI_Finalized(&finalized);
        if (!finalized) MPI_Comm_free(&communicator_);
    }

    /// Since the group was made.
    [[nodiscard]] const Traffic& traffic() const noexcept { return traffic_; }

    void all_gather(MatrixView<float> columns) noexcept override {
        if (size() == 1) return;
        const double start = MPI_Wtime();
        const Index rows = columns.rows(), tokens = columns.cols();
        for (int rank = 0; rank < size(); ++rank) {
            const RowSpan span = rows_of(rank, rows);
            counts_[static_cast<std::size_t>(rank)] = static_cast<int>((span.end - span.begin) * tokens);
            begins_[static_cast<std::size_t>(rank)] = static_cast<int>(span.begin * tokens);
        }
        float* gathered = columns.data();
        if (tokens > 1) {
            // Each rank's rows lie together, one token after the other.
            gathered = buffer(rows * tokens);
            copy_rows(columns, own_rows(rows), gathered, true);
        }
        check_result("all-gather", MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, gathered, counts_.data(),
                                                  begins_.data(), MPI_FLOAT, communicator_));
        if (tokens > 1)
            for (int rank = 0; rank < size(); ++rank)
                if (rank != this->rank()) copy_rows(columns, rows_of(rank, rows), gathered, false);
        const RowSpan own = own_rows(rows);
        count(start, (rows - (own.end - own.begin)) * tokens);
    }

    void all_combine(MatrixView<float> columns) noexcept override {
        if (size() == 1) return;
        const double start = MPI_Wtime();
        const bool packed = columns.cols() > 1;
        if (packed) copy_rows(columns, {0, columns.rows()}, buffer(columns.size()), true);
        float* const numbers = packed ? buffer(columns.size()) : columns.data();
        // By bits: zeros change nothing.
        check_result("all-reduce", MPI_Allreduce(MPI_IN_PLACE, numbers, static_cast<int>(columns.size()), MPI_UINT32_T,
                                                 MPI_BOR, communicator_));
        if (packed) copy_rows(columns, {0, columns.rows()}, numbers, false);
        count(start, columns.size());
    }

    void agree(const std::string& where, std::uint64_t number, const std::string& error) override {
        struct Report {
            std::uint64_t number;
            std::uint32_t failed;
            std::array<char, 500> error;  // ends with a zero
        };
        Report own{number, error.empty() ? 0U : 1U, {}};
        error.copy(own.error.data(), own.error.size() - 1);
        std::vector<Report> reports(static_cast<std::size_t>(size()));
        check_result("all-gather",
                     MPI_Allgather(&own, sizeof own, MPI_BYTE, reports.data(), sizeof own, MPI_BYTE, communicator_));
        if (!error.empty()) return;
        for (int rank = 0; rank < size(); ++rank) {
            const Report& report = reports[static_cast<std::size_t>(rank)];
            if (report.failed)
                throw ModelError(where, "", "every rank to load it",
                                 "rank " + std::to_string(rank) + ": " + report.error.data());
        }
        for (int rank = 1; rank < size(); ++rank)
            if (reports[static_cast<std::size_t>(rank)].number != reports[0].number)
                throw ModelError(where, "", "the same files and options on every rank",
                                 "others on rank " + std::to_string(rank) + " than on rank 0");
    }

  private:
    struct Copy {
        explicit Copy(MPI_Comm of) {
            MPI_Comm_dup(of, &communicator);
            MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN);
            MPI_Comm_rank(communicator, &rank);
            MPI_Comm_size(communicator, &size);
        }
        MPI_Comm communicator = MPI_COMM_NULL;
        int rank = 0, size = 1;
    };

    explicit MpiRanks(const Copy& copy)
        : RankGroup(copy.rank, copy.size),
          communicator_(copy.communicator),
          counts_(static_cast<std::size_t>(copy.size)),
          begins_(static_cast<std::size_t>(copy.size)) {}

    /// A buffer of at least `floats` floats.
    float* buffer(Index floats) noexcept {
        if (std::ssize(buffer_) < floats) buffer_.resize(static_cast<std::size_t>(floats));
        return buffer_.data();
    }

    /// Copies the span's rows of all columns to where they lie in the buffer, or back.
    static void copy_rows(MatrixView<float> columns, RowSpan span, float* buffer, bool to_buffer) noexcept {
        const Index count = span.end - span.begin;
        float* packed = buffer + span.begin * columns.cols();
        for (Index t = 0; t < columns.cols(); ++t, packed += count) {
            float* const rows = columns.col(t) + span.begin;
            std::copy_n(to_buffer ? rows : packed, count, to_buffer ? packed : rows);
        }
    }

    void check_result(const char* operation, int result) const noexcept {
        if (result == MPI_SUCCESS) return;
        char text[MPI_MAX_ERROR_STRING] = "";
        int length = 0;
        MPI_Error_string(result, text, &length);
        std::fprintf(stderr, "rwkv: rank %d of %d: %s: %s; all ranks end\n", rank(), size(), operation, text);
        MPI_Abort(communicator_, 1);
    }

    void count(double start, Index floats) noexcept {
        ++traffic_.exchanges;
        traffic_.bytes += static_cast<std::uint64_t>(floats) * sizeof(float);
        traffic_.seconds += MPI_Wtime() - start;
    }

    MPI_Comm communicator_;
    std::vector<int> counts_, begins_;  // of each rank, in floats
    std::vector<float> buffer_;
    Traffic traffic_;
};

}  // namespace rwkv::inline RWKV_ABI

#pragma pop_macro("max")
#pragma pop_macro("min")
