// The C interface rwkv.h: handles are objects of the library, and what it throws becomes a status and a message.
#define RWKV_C_BUILD
#include "rwkv.h"

#include <cstring>
#include <exception>
#include <filesystem>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <rwkv/rwkv.hpp>

struct rwkv_model {
    rwkv::Model model;
};

struct rwkv_tokenizer {
    rwkv::Tokenizer tokenizer;
};

struct rwkv_state {
    rwkv::State state;
};

struct rwkv_workspace {
    rwkv::Workspace workspace;
};

struct rwkv_sampler {
    rwkv::Sampler sampler;
};

struct rwkv_generator {
    rwkv::Generator generator;
    std::optional<rwkv::TextStream> stream = {};              // opened by `start`
    std::optional<rwkv::TextStream::Iterator> position = {};  // none before the first `next`
    std::string chunk = {};                                   // the latest of `next`, which ends in NUL here
    rwkv::Generation result = {};                             // the latest of `rwkv_generator_result`
};

namespace {

static_assert(static_cast<int>(rwkv::WeightFormat::stored) == RWKV_STORED &&
              static_cast<int>(rwkv::WeightFormat::q4) == RWKV_Q4);
static_assert(static_cast<int>(rwkv::FinishReason::length) == RWKV_FINISH_LENGTH &&
              static_cast<int>(rwkv::FinishReason::eos) == RWKV_FINISH_EOS &&
              static_cast<int>(rwkv::FinishReason::stop) == RWKV_FINISH_STOP &&
              static_cast<int>(rwkv::FinishReason::callback) == RWKV_FINISH_CALLBACK);

rwkv_status report(rwkv_error* error, rwkv_status status, std::string_view message) noexcept {
    if (!error) return status;
    error->status = status;
    std::size_t size = message.size();
    if (size >= sizeof error->message) {
        size = sizeof error->message - 1;
        while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xC0U) == 0x80U) --size;  // within a character
    }
    if (size > 0) std::memcpy(error->message, message.data(), size);
    error->message[size] = '\0';
    return status;
}

/// Reports the exception that is being handled.
rwkv_status report_exception(rwkv_error* error) noexcept {
    try {
        throw;
    } catch (const rwkv::ArgumentError& e) {
        return report(error, RWKV_ARGUMENT_ERROR, e.what());
    } catch (const rwkv::FileError& e) {
        return report(error, RWKV_FILE_ERROR, e.what());
    } catch (const rwkv::FormatError& e) {
        return report(error, RWKV_FORMAT_ERROR, e.what());
    } catch (const rwkv::ModelError& e) {
        return report(error, RWKV_MODEL_ERROR, e.what());
    } catch (const rwkv::Cancelled& e) {
        return report(error, RWKV_CANCELLED, e.what());
    } catch (const std::bad_alloc&) {
        return report(error, RWKV_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& e) {
        return report(error, RWKV_SYSTEM_ERROR, e.what());
    } catch (...) {
        return report(error, RWKV_SYSTEM_ERROR, "an unknown exception");
    }
}

template <class Action>
rwkv_status run(rwkv_error* error, Action action) noexcept {
    try {
        action();
        return report(error, RWKV_OK, "");
    } catch (...) {
        return report_exception(error);
    }
}

/// The handle that `make` returns, or NULL.
template <class Make>
auto create(rwkv_error* error, Make make) noexcept -> decltype(make().release()) {
    try {
        auto handle = make();
        report(error, RWKV_OK, "");
        return handle.release();
    } catch (...) {
        report_exception(error);
        return nullptr;
    }
}

/// A new handle of that type with that content.
template <class Handle, class Content>
std::unique_ptr<Handle> handle_of(Content content) {
    return std::unique_ptr<Handle>(new Handle{std::move(content)});
}

template <class T>
T& required(T* pointer, const char* function, const char* argument) {
    if (!pointer) throw rwkv::ArgumentError(function, argument, "a pointer", "NULL");
    return *pointer;
}

template <class T>
std::span<T> required_array(T* pointer, std::size_t count, const char* function, const char* argument) {
    if (count > 0) required(pointer, function, argument);
    return {pointer, count};
}

std::string_view required_text(const char* text, std::size_t bytes, const char* function, const char* argument) {
    if (bytes == 0) return "";
    return {&required(text, function, argument), bytes};
}

std::filesystem::path required_path(const char* path, const char* function) {
    // UTF-8, also on Windows.
    return std::u8string(reinterpret_cast<const char8_t*>(&required(path, function, "path")));
}

/// Copies text to a caller's room for it, with a NUL at the end.
void give_text(std::string_view text, char* out, std::size_t capacity, std::size_t* bytes) noexcept {
    if (bytes) *bytes = text.size();
    if (!out || capacity == 0) return;
    const std::size_t size = text.size() < capacity ? text.size() : capacity - 1;
    std::memcpy(out, text.data(), size);
    out[size] = '\0';
}

/// Copies bytes to a caller's room for them, if they fit.
void give_bytes(const std::vector<std::byte>& all, void* out, std::size_t capacity, std::size_t* bytes) noexcept {
    if (bytes) *bytes = all.size();
    if (out && all.size() <= capacity) std::memcpy(out, all.data(), all.size());
}

rwkv::Progress progress_of(rwkv_progress progress, void* user_data) {
    if (!progress) return {};
    return [=](std::string_view stage, std::uint64_t done, std::uint64_t total) {
        return progress(user_data, std::string(stage).c_str(), done, total);
    };
}

/// A file whose bytes are asked for.
class CallbackSource final : public rwkv::ByteSource {
  public:
    CallbackSource(std::string name, const rwkv_file& file, std::shared_ptr<const void> owner)
        : ByteSource(std::move(name), file.size),
          read_(file.read),
          user_data_(file.user_data),
          owner_(std::move(owner)) {}

  private:
    std::size_t do_read(std::uint64_t offset, std::span<std::byte> out) const override {
        return read_(user_data_, offset, out.data(), out.size());
    }

    rwkv_read read_;
    void* user_data_;
    std::shared_ptr<const void> owner_;
};

/// Takes the files over: each is released when nothing uses it any more, and now if something is thrown.
rwkv::MemoryFiles take_files(const char* name, const rwkv_file* files, std::size_t count, const char* function) {
    struct Rest {
        std::span<const rwkv_file> files;
        ~Rest() {
            for (const rwkv_file& file : files)
                if (file.release) file.release(file.user_data);
        }
    } rest{required_array(files, count, function, "files")};

    rwkv::MemoryFiles taken(&required(name, function, "name"));
    while (!rest.files.empty()) {
        const rwkv_file& file = rest.files.front();
        rest.files = rest.files.subspan(1);
        std::shared_ptr<const void> owner;
        if (file.release) owner.reset(file.user_data, file.release);  // calls it, too, where there is no memory
        const std::string file_name = &required(file.name, function, "the name of a file");
        if (file.data || file.size == 0) {
            if (file.size > std::numeric_limits<std::size_t>::max())
                throw rwkv::ArgumentError(function, file_name, "a size that memory can have",
                                          std::to_string(file.size));
            const std::span bytes(static_cast<const std::byte*>(file.data), static_cast<std::size_t>(file.size));
            taken.add(file_name, bytes, std::move(owner));
        } else if (file.read) {
            taken.add(file_name,
                      std::make_shared<const CallbackSource>(taken.name_of(file_name), file, std::move(owner)));
        } else {
            throw rwkv::ArgumentError(function, file_name, "its data, or a function that reads them", "neither");
        }
    }
    return taken;
}

rwkv::LoadOptions load_options(const rwkv_load_options* given) {
    rwkv::LoadOptions options;
    if (!given) return options;
    if (given->format < RWKV_STORED || given->format > RWKV_Q4)
        throw rwkv::ArgumentError("rwkv_load_options", "format", "a format", std::to_string(given->format));
    options.format = static_cast<rwkv::WeightFormat>(given->format);
    options.threads = given->threads;
    options.mapped = given->mapped;
    options.rescale = !given->no_rescale;
    constexpr const char* where = "rwkv_load_options";
    for (const rwkv_adapter& adapter : required_array(given->adapters, given->adapter_count, where, "adapters")) {
        rwkv::Adapter& added = options.adapters.emplace_back();
        added.path = required_path(adapter.path, where);
        if (adapter.scale != 0) added.scale = adapter.scale;
    }
    options.progress = progress_of(given->progress, given->user_data);
    return options;
}

rwkv::WorkspaceOptions workspace_options(int threads, int chunk) {
    rwkv::WorkspaceOptions options;
    options.threads = threads;
    if (chunk != 0) options.chunk = chunk;
    return options;
}

rwkv::SamplingOptions sampling_options(const rwkv_sampling_options& given) {
    constexpr const char* where = "rwkv_sampling_options";
    rwkv::SamplingOptions options;
    options.temperature = given.temperature;
    options.top_k = given.top_k;
    options.top_p = given.top_p;
    options.min_p = given.min_p;
    options.typical_p = given.typical_p;
    options.mirostat_tau = given.mirostat_tau;
    options.mirostat_eta = given.mirostat_eta;
    options.order = given.hugging_face_order ? rwkv::SamplingOrder::hugging_face : rwkv::SamplingOrder::rwkv;
    options.presence_penalty = given.presence_penalty;
    options.frequency_penalty = given.frequency_penalty;
    options.penalty_decay = given.penalty_decay;
    options.repetition_penalty = given.repetition_penalty;
    options.no_repeat_ngram_size = given.no_repeat_ngram_size;
    for (const rwkv_logit_bias& bias : required_array(given.logit_bias, given.logit_bias_count, where, "logit_bias"))
        options.logit_bias[bias.token] = bias.bias;
    const auto suppressed = required_array(given.suppress_tokens, given.suppress_token_count, where, "suppress_tokens");
    options.suppress_tokens.assign(suppressed.begin(), suppressed.end());
    options.seed = given.seed;
    return options;
}

rwkv::GenerationOptions generation_options(const rwkv_generation_options* given) {
    constexpr const char* where = "rwkv_generation_options";
    rwkv::GenerationOptions options;
    if (!given) return options;
    options.max_new_tokens = static_cast<rwkv::Index>(given->max_new_tokens);
    options.sampling = sampling_options(given->sampling);
    for (const char* text : required_array(given->stop_strings, given->stop_string_count, where, "stop_strings"))
        options.stop_strings.emplace_back(&required(text, where, "stop_strings"));
    const auto ids = required_array(given->stop_token_ids, given->stop_token_id_count, where, "stop_token_ids");
    options.stop_token_ids.assign(ids.begin(), ids.end());
    options.progress = progress_of(given->progress, given->user_data);
    return options;
}

}  // namespace

#define RWKV_TEXT_OF(text) #text
#define RWKV_VERSION_OF(major, minor, patch) RWKV_TEXT_OF(major) "." RWKV_TEXT_OF(minor) "." RWKV_TEXT_OF(patch)

const char* rwkv_version(void) {
    return RWKV_VERSION_OF(RWKV_VERSION_MAJOR, RWKV_VERSION_MINOR, RWKV_VERSION_PATCH);
}

// Models and tokenizers

rwkv_model* rwkv_model_load(const char* path, const rwkv_load_options* options, rwkv_error* error) {
    return create(error, [&] {
        return handle_of<rwkv_model>(rwkv::load_model(required_path(path, "rwkv_model_load"), load_options(options)));
    });
}

rwkv_model* rwkv_model_load_files(const char* name, const rwkv_file* files, size_t count,
                                  const rwkv_load_options* options, rwkv_error* error) {
    return create(error, [&] {
        const rwkv::MemoryFiles taken = take_files(name, files, count, "rwkv_model_load_files");
        return handle_of<rwkv_model>(rwkv::load_model(taken, load_options(options)));
    });
}

void rwkv_model_free(rwkv_model* model) {
    delete model;
}

rwkv_status rwkv_model_config(const rwkv_model* model, rwkv_config* config, rwkv_error* error) {
    return run(error, [&] {
        const rwkv::Config& from = required(model, "rwkv_model_config", "model").model.config();
        rwkv_config& to = required(config, "rwkv_model_config", "config");
        to.vocab_size = from.vocab_size;
        to.hidden_size = from.hidden_size;
        to.num_hidden_layers = from.num_hidden_layers;
        to.attention_hidden_size = from.attention_hidden_size;
        to.intermediate_size = from.intermediate_size;
        to.context_length = from.context_length;
        to.rescale_every = from.rescale_every;
        to.bos_token_id = from.bos_token_id;
        to.eos_token_id = from.eos_token_id;
    });
}

const char* rwkv_model_warning(const rwkv_model* model, size_t i) {
    return model && i < model->model.warnings().size() ? model->model.warnings()[i].c_str() : nullptr;
}

rwkv_tokenizer* rwkv_tokenizer_load(const char* path, rwkv_error* error) {
    return create(error, [&] {
        return handle_of<rwkv_tokenizer>(rwkv::load_tokenizer(required_path(path, "rwkv_tokenizer_load")));
    });
}

rwkv_tokenizer* rwkv_tokenizer_load_files(const char* name, const rwkv_file* files, size_t count, rwkv_error* error) {
    return create(error, [&] {
        return handle_of<rwkv_tokenizer>(
            rwkv::load_tokenizer(take_files(name, files, count, "rwkv_tokenizer_load_files")));
    });
}

void rwkv_tokenizer_free(rwkv_tokenizer* tokenizer) {
    delete tokenizer;
}

rwkv_status rwkv_tokenizer_encode(const rwkv_tokenizer* tokenizer, const char* text, size_t bytes, rwkv_token* tokens,
                                  size_t capacity, size_t* count, rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_tokenizer_encode";
        const rwkv::Tokenizer& encoder = required(tokenizer, function, "tokenizer").tokenizer;
        const std::vector<rwkv::TokenId> ids = encoder.encode(required_text(text, bytes, function, "text"));
        if (count) *count = ids.size();
        const std::size_t size = ids.size() < capacity ? ids.size() : capacity;
        if (tokens && size > 0) std::memcpy(tokens, ids.data(), size * sizeof *tokens);
    });
}

rwkv_status rwkv_tokenizer_decode(const rwkv_tokenizer* tokenizer, const rwkv_token* tokens, size_t count, char* text,
                                  size_t capacity, size_t* bytes, rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_tokenizer_decode";
        const rwkv::Tokenizer& decoder = required(tokenizer, function, "tokenizer").tokenizer;
        give_text(decoder.decode(required_array(tokens, count, function, "tokens")), text, capacity, bytes);
    });
}

rwkv_status rwkv_tokenizer_token_bytes(const rwkv_tokenizer* tokenizer, rwkv_token token, char* out, size_t capacity,
                                       size_t* bytes, rwkv_error* error) {
    return run(error, [&] {
        const rwkv_tokenizer& decoder = required(tokenizer, "rwkv_tokenizer_token_bytes", "tokenizer");
        give_text(decoder.tokenizer.token_bytes(token), out, capacity, bytes);
    });
}

rwkv_status rwkv_tokenizer_describe_mismatch(const rwkv_tokenizer* tokenizer, const rwkv_model* model, char* text,
                                             size_t capacity, size_t* bytes, rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_tokenizer_describe_mismatch";
        const rwkv::Tokenizer& described = required(tokenizer, function, "tokenizer").tokenizer;
        const rwkv::Config& config = required(model, function, "model").model.config();
        give_text(rwkv::describe_mismatch(described, config), text, capacity, bytes);
    });
}

size_t rwkv_tokenizer_vocab_size(const rwkv_tokenizer* tokenizer) {
    return tokenizer ? tokenizer->tokenizer.vocab_size() : 0;
}

// Logits, token by token

rwkv_state* rwkv_state_new(const rwkv_model* model, rwkv_error* error) {
    return create(error, [&] {
        return handle_of<rwkv_state>(rwkv::State(required(model, "rwkv_state_new", "model").model.config()));
    });
}

rwkv_state* rwkv_state_copy(const rwkv_state* state, rwkv_error* error) {
    return create(error,
                  [&] { return handle_of<rwkv_state>(required(state, "rwkv_state_copy", "state").state.copy()); });
}

void rwkv_state_free(rwkv_state* state) {
    delete state;
}

rwkv_status rwkv_state_to_bytes(const rwkv_state* state, void* out, size_t capacity, size_t* bytes, rwkv_error* error) {
    return run(error, [&] {
        give_bytes(rwkv::to_bytes(required(state, "rwkv_state_to_bytes", "state").state), out, capacity, bytes);
    });
}

rwkv_state* rwkv_state_from_bytes(const rwkv_model* model, const void* data, size_t bytes, rwkv_error* error) {
    return create(error, [&] {
        constexpr const char* function = "rwkv_state_from_bytes";
        const rwkv::Config& config = required(model, function, "model").model.config();
        const auto all = required_array(static_cast<const std::byte*>(data), bytes, function, "data");
        return handle_of<rwkv_state>(rwkv::state_from_bytes(all, config));
    });
}

rwkv_workspace* rwkv_workspace_new(const rwkv_model* model, int threads, int chunk, rwkv_error* error) {
    return create(error, [&] {
        const rwkv::Config& config = required(model, "rwkv_workspace_new", "model").model.config();
        return handle_of<rwkv_workspace>(rwkv::Workspace(config, workspace_options(threads, chunk)));
    });
}

void rwkv_workspace_free(rwkv_workspace* workspace) {
    delete workspace;
}

rwkv_status rwkv_model_forward(const rwkv_model* model, const rwkv_token* tokens, size_t count, rwkv_state* state,
                               rwkv_workspace* workspace, float* logits, rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_model_forward";
        const rwkv::Model& network = required(model, function, "model").model;
        const auto ids = required_array(tokens, count, function, "tokens");
        rwkv::State& sequence = required(state, function, "state").state;
        rwkv::Workspace& scratch = required(workspace, function, "workspace").workspace;
        if (!logits) {
            network.forward_state(ids, sequence, scratch);
            return;
        }
        const auto last = network.forward(ids, sequence, scratch);
        std::memcpy(logits, last.data(), last.size_bytes());
    });
}

rwkv_status rwkv_model_forward_all(const rwkv_model* model, const rwkv_token* tokens, size_t count, rwkv_state* state,
                                   rwkv_workspace* workspace, rwkv_logits_callback callback, void* user_data,
                                   rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_model_forward_all";
        required(model, function, "model")
            .model.forward_all(
                required_array(tokens, count, function, "tokens"), required(state, function, "state").state,
                required(workspace, function, "workspace").workspace,
                [receive = &required(callback, function, "callback"), user_data](rwkv::Index position,
                                                                                 std::span<const float> logits) {
                    return receive(user_data, static_cast<size_t>(position), logits.data(), logits.size());
                });
    });
}

// Sampling

void rwkv_sampling_options_init(rwkv_sampling_options* options) {
    if (!options) return;
    const rwkv::SamplingOptions defaults;
    *options = {};
    options->temperature = defaults.temperature;
    options->top_k = defaults.top_k;
    options->top_p = defaults.top_p;
    options->min_p = defaults.min_p;
    options->typical_p = defaults.typical_p;
    options->mirostat_tau = defaults.mirostat_tau;
    options->mirostat_eta = defaults.mirostat_eta;
    options->presence_penalty = defaults.presence_penalty;
    options->frequency_penalty = defaults.frequency_penalty;
    options->penalty_decay = defaults.penalty_decay;
    options->repetition_penalty = defaults.repetition_penalty;
}

rwkv_sampler* rwkv_sampler_new(const rwkv_sampling_options* options, rwkv_error* error) {
    return create(error, [&] {
        return handle_of<rwkv_sampler>(rwkv::Sampler(options ? sampling_options(*options) : rwkv::SamplingOptions()));
    });
}

void rwkv_sampler_free(rwkv_sampler* sampler) {
    delete sampler;
}

rwkv_status rwkv_sampler_observe(rwkv_sampler* sampler, const rwkv_token* tokens, size_t count, rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_sampler_observe";
        required(sampler, function, "sampler").sampler.observe(required_array(tokens, count, function, "tokens"));
    });
}

rwkv_status rwkv_sampler_sample(rwkv_sampler* sampler, const float* logits, size_t count, rwkv_token* token,
                                rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_sampler_sample";
        rwkv_token& drawn = required(token, function, "token");
        drawn =
            required(sampler, function, "sampler").sampler.sample(required_array(logits, count, function, "logits"));
    });
}

// Text

void rwkv_generation_options_init(rwkv_generation_options* options) {
    if (!options) return;
    *options = {};
    options->max_new_tokens = rwkv::GenerationOptions().max_new_tokens;
    rwkv_sampling_options_init(&options->sampling);
}

rwkv_generator* rwkv_generator_new(const rwkv_model* model, const rwkv_tokenizer* tokenizer, int threads, int chunk,
                                   rwkv_error* error) {
    return create(error, [&] {
        constexpr const char* function = "rwkv_generator_new";
        const rwkv::Model& network = required(model, function, "model").model;
        const rwkv::Tokenizer& vocabulary = required(tokenizer, function, "tokenizer").tokenizer;
        return handle_of<rwkv_generator>(rwkv::Generator(network, vocabulary, workspace_options(threads, chunk)));
    });
}

void rwkv_generator_free(rwkv_generator* generator) {
    delete generator;
}

rwkv_status rwkv_generator_generate(rwkv_generator* generator, const char* prompt, size_t prompt_bytes,
                                    const rwkv_generation_options* options, rwkv_text_callback callback,
                                    void* user_data, rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_generator_generate";
        rwkv::Generator::OnPiece on_piece;
        if (callback)
            on_piece = [=](std::string_view text) {
                const std::string terminated(text);
                return callback(user_data, terminated.c_str(), terminated.size());
            };
        required(generator, function, "generator")
            .generator.generate(required_text(prompt, prompt_bytes, function, "prompt"), generation_options(options),
                                on_piece);
    });
}

rwkv_status rwkv_generator_start(rwkv_generator* generator, const char* prompt, size_t prompt_bytes,
                                 const rwkv_generation_options* options, rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_generator_start";
        rwkv_generator& handle = required(generator, function, "generator");
        auto stream = handle.generator.stream(required_text(prompt, prompt_bytes, function, "prompt"),
                                              generation_options(options));
        handle.position.reset();
        handle.stream.emplace(std::move(stream));
    });
}

rwkv_status rwkv_generator_next(rwkv_generator* generator, const char** text, size_t* bytes, rwkv_error* error) {
    if (text) *text = "";
    if (bytes) *bytes = 0;
    return run(error, [&] {
        rwkv_generator& handle = required(generator, "rwkv_generator_next", "generator");
        if (!handle.stream) return;
        try {
            if (handle.position)
                ++*handle.position;
            else
                handle.position = handle.stream->begin();
        } catch (...) {
            handle.stream.reset();
            throw;
        }
        if (*handle.position == handle.stream->end()) {
            handle.stream.reset();
            return;
        }
        handle.chunk = **handle.position;
        if (text) *text = handle.chunk.c_str();
        if (bytes) *bytes = handle.chunk.size();
    });
}

void rwkv_generator_stop(rwkv_generator* generator) {
    if (generator) generator->stream.reset();
}

rwkv_status rwkv_generator_result(rwkv_generator* generator, rwkv_generation* result, rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_generator_result";
        rwkv_generator& handle = required(generator, function, "generator");
        rwkv_generation& to = required(result, function, "result");
        handle.result = handle.generator.result();
        const rwkv::Generation& from = handle.result;
        to = {from.text.c_str(),  from.text.size(),
              from.tokens.data(), from.log_probabilities.data(),
              from.tokens.size(), static_cast<rwkv_finish_reason>(from.finish_reason),
              from.prompt_tokens, from.prompt_seconds,
              from.decode_seconds};
    });
}

const rwkv_token* rwkv_generator_tokens(const rwkv_generator* generator, size_t* count) {
    const std::span<const rwkv::TokenId> tokens =
        generator ? generator->generator.tokens() : std::span<const rwkv::TokenId>();
    if (count) *count = tokens.size();
    return tokens.data();
}

rwkv_status rwkv_generator_reset(rwkv_generator* generator, rwkv_error* error) {
    return run(error, [&] { required(generator, "rwkv_generator_reset", "generator").generator.reset(); });
}

rwkv_status rwkv_generator_to_bytes(const rwkv_generator* generator, void* out, size_t capacity, size_t* bytes,
                                    rwkv_error* error) {
    return run(error, [&] {
        const rwkv_generator& handle = required(generator, "rwkv_generator_to_bytes", "generator");
        give_bytes(rwkv::to_bytes(handle.generator.conversation()), out, capacity, bytes);
    });
}

rwkv_status rwkv_generator_from_bytes(rwkv_generator* generator, const void* data, size_t bytes, rwkv_error* error) {
    return run(error, [&] {
        constexpr const char* function = "rwkv_generator_from_bytes";
        rwkv::Generator& handle = required(generator, function, "generator").generator;
        const auto all = required_array(static_cast<const std::byte*>(data), bytes, function, "data");
        handle.resume(rwkv::conversation_from_bytes(all, handle.model().config()));
    });
}
