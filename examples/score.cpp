// How well a model predicts a text: nats per token, perplexity, bits per byte; every logit, if asked.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numbers>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rwkv/io/safetensors_writer.hpp>

#include "ids.hpp"
#include "model_options.hpp"
#include "text_input.hpp"

namespace {

struct Score {
    std::vector<std::optional<double>> log_probabilities;  ///< of each id given those before it; none for the first
    double nats = 0, divergence = 0;                       ///< sums over the ids predicted
    rwkv::Index predicted = 0;
    double zero_keys = 0;  ///< share of the keys of channel mixing
};

/// KL(reference ‖ logits) in nats.
double divergence(std::span<const float> reference, std::span<const float> logits) {
    const rwkv::LogProbabilities p(reference), q(logits);
    double sum = 0;
    for (rwkv::TokenId i = 0; i < std::ssize(logits); ++i) sum += std::exp(p(i)) * (p(i) - q(i));
    return sum;
}

/// The logits of a second model, position by position.
class Reference {
  public:
    Reference(const rwkv::Model& model, std::span<const rwkv::TokenId> ids, rwkv::WorkspaceOptions options)
        : model_(model), ids_(ids), state_(model.config()), workspace_(model.config(), options) {}

    std::span<const float> at(rwkv::Index position) {
        const auto V = static_cast<std::size_t>(model_.config().vocab_size);
        const auto at = static_cast<std::size_t>(position);
        if (at >= first_ + rows_.size() / V) {
            first_ = at;
            rows_.clear();
            const auto count = std::min(ids_.size() - first_, static_cast<std::size_t>(workspace_.chunk()));
            model_.forward_all(ids_.subspan(first_, count), state_, workspace_,
                               [&](rwkv::Index, std::span<const float> row) {
                                   rows_.insert(rows_.end(), row.begin(), row.end());
                                   return true;
                               });
        }
        return std::span(rows_).subspan((at - first_) * V, V);
    }

  private:
    const rwkv::Model& model_;
    std::span<const rwkv::TokenId> ids_;
    rwkv::State state_;
    rwkv::Workspace workspace_;
    std::size_t first_ = 0;
    std::vector<float> rows_;  ///< of the positions from `first_` on
};

Score score(const rwkv::Model& model, Reference* reference, const std::vector<rwkv::TokenId>& ids,
            rwkv::WorkspaceOptions options, const std::string& logits_path) {
    std::optional<rwkv::io::SafetensorsWriter> writer;
    if (!logits_path.empty())
        writer.emplace(logits_path,
                       std::vector<rwkv::TensorInfo>{
                           {.name = "logits",
                            .dtype = rwkv::DType::f32,
                            .shape = {ids.size(), static_cast<std::uint64_t>(model.config().vocab_size)}}});
    Score result;
    result.log_probabilities.resize(ids.size());
    rwkv::State state(model.config());
    rwkv::Workspace workspace(model.config(), options);
    workspace.count_keys();
    model.forward_all(ids, state, workspace,
                      [&](rwkv::Index position, std::span<const float> logits) {
                          if (writer) writer->write(std::as_bytes(logits));
                          const auto next = static_cast<std::size_t>(position) + 1;
                          if (next == ids.size()) return true;
                          const double value = rwkv::LogProbabilities(logits)(ids[next]);
                          if (!std::isfinite(value))
                              throw rwkv::ModelError("score", "logits after token " + std::to_string(position),
                                                     "finite numbers", std::to_string(value));
                          result.log_probabilities[next] = value;
                          result.nats -= value;
                          if (reference) result.divergence += divergence(reference->at(position), logits);
                          ++result.predicted;
                          return true;
                      },
                      {.progress = terminal::progress()});
    if (Signals::ending() != 0) throw rwkv::Cancelled("scoring");
    if (writer) writer->finish();
    result.zero_keys = workspace.key_counts().zero_share();
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Computes how well a model predicts a text: nats per token, perplexity and bits per byte.\n"
        "The first token is only context; each later one is predicted from all tokens before it.");
    ModelOptions options;
    std::string text_file, ids_file, logits_path, reference_format;
    bool as_json = false;
    options.add_to(app);
    app.add_flag("--no-rescale", options.no_rescale, "ignore rescale_every, as rwkv.cpp does");
    auto* input = app.add_option_group("input");
    auto* text_option =
        input->add_option("--text-file", text_file, "file with the text to score, in UTF-8; -: standard input")
            ->type_name("FILE");
    input
        ->add_option("--ids-file", ids_file,
                     "file with the token ids to score, separated by white space or commas; -: standard input")
        ->type_name("FILE");
    input->require_option(1);
    app.add_option("--logits", logits_path, "write all logits to this safetensors file")->type_name("OUT.safetensors");
    app.add_option("--kl-from", reference_format,
                   "also compute the mean KL divergence from the same model in this format")
        ->check(CLI::IsMember(format_names()).description(""))
        ->type_name("FORMAT");
    app.add_flag("--json", as_json, "print a JSON object that includes each token's id and log-probability");
    return terminal::run(app, argc, argv, [&] {
        constexpr std::uint64_t largest_text = std::uint64_t(4) << 30;
        const std::string& name = *text_option ? text_file : ids_file;
        const std::string source = name == "-" ? "standard input" : name;
        std::vector<rwkv::TokenId> ids;
        std::optional<double> bytes;  // of the tokens predicted
        if (*text_option) {
            const rwkv::Tokenizer tokenizer = options.load_tokenizer();
            const std::string text = text_input::read(name, largest_text, "the text to score");
            ids = text_input::encode(tokenizer, text, source);
            if (!ids.empty()) bytes = static_cast<double>(text.size() - tokenizer.token_bytes(ids[0]).size());
        } else {
            ids = parse_ids(text_input::read(name, largest_text, "the token ids to score"), source);
        }
        if (ids.size() < 2) throw rwkv::ArgumentError(source, "", "at least two tokens", std::to_string(ids.size()));

        if (!logits_path.empty()) Signals::catch_end(terminal::ending_signals);  // a half-written file is removed
        const rwkv::Model model = options.load();
        std::optional<rwkv::Model> other;
        std::optional<Reference> reference;
        if (!reference_format.empty()) {
            other = options.load_as(reference_format);
            reference.emplace(*other, ids, options.workspace(ids.size()));
        }
        const Score result =
            score(model, reference ? &*reference : nullptr, ids, options.workspace(ids.size()), logits_path);
        const double divergence = result.divergence / static_cast<double>(result.predicted);
        const double nats = result.nats / static_cast<double>(result.predicted);
        std::optional<double> bits_per_byte;
        if (bytes && *bytes > 0) bits_per_byte = result.nats / std::numbers::ln2 / *bytes;
        if (as_json) {
            nlohmann::json object{{"tokens", ids.size()},
                                  {"predicted", result.predicted},
                                  {"nats_per_token", nats},
                                  {"perplexity", std::exp(nats)},
                                  {"bits_per_byte", nullptr},
                                  {"zero_keys", result.zero_keys},
                                  {"ids", ids},
                                  {"log_probabilities", nlohmann::json::array()}};
            if (bits_per_byte) object["bits_per_byte"] = *bits_per_byte;
            if (reference) object["kl_divergence"] = divergence;
            for (const auto& value : result.log_probabilities)
                object["log_probabilities"].push_back(value ? nlohmann::json(*value) : nlohmann::json());
            std::printf("%s\n", object.dump().c_str());
        } else {
            std::printf("tokens          %zu (%td predicted)\n", ids.size(), result.predicted);
            std::printf("nats per token  %.6f\n", nats);
            std::printf("perplexity      %.4f\n", std::exp(nats));
            if (bits_per_byte) std::printf("bits per byte   %.4f\n", *bits_per_byte);
            if (reference)
                std::printf("KL divergence   %.6f nats per token, from %s\n", divergence, reference_format.c_str());
        }
    });
}
