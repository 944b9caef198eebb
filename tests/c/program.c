// A C99 program that calls every function of rwkv.h: program MODEL_DIR
#include <math.h>
#include <rwkv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                                                                \
    do {                                                                                                \
        if (!(condition)) {                                                                             \
            ++failures;                                                                                 \
            fprintf(stderr, "%s:%d: failed: %s (%s)\n", __FILE__, __LINE__, #condition, error.message); \
        }                                                                                               \
    } while (0)

static rwkv_error error;

static bool has(const char* part) {
    return strstr(error.message, part) != NULL;
}

/// The whole of a file; the program ends where there is none.
static char* read_all(const char* directory, const char* name, size_t* size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE* file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char* bytes = malloc(*size);
    if (!bytes || fread(bytes, 1, *size, file) != *size) exit(1);
    fclose(file);
    return bytes;
}

// An asset that is read in pieces.

typedef struct asset {
    const char* bytes;
    size_t size, most;
    int reads, releases;
    bool fails;
} asset;

static size_t read_asset(void* user_data, uint64_t offset, void* out, size_t bytes) {
    asset* from = user_data;
    ++from->reads;
    if (from->fails) return 0;
    if (bytes > from->most) bytes = from->most;
    memcpy(out, from->bytes + offset, bytes);
    return bytes;
}

static void release_asset(void* user_data) {
    ++((asset*)user_data)->releases;
}

// Callbacks.

typedef struct received {
    char text[4096];
    size_t bytes;
    int chunks, limit;
    rwkv_generator* nested;
    rwkv_status nested_status;
} received;

static bool receive(void* user_data, const char* text, size_t bytes) {
    received* to = user_data;
    if (strlen(text) != bytes || to->bytes + bytes >= sizeof to->text) return false;
    memcpy(to->text + to->bytes, text, bytes + 1);
    to->bytes += bytes;
    if (to->nested) to->nested_status = rwkv_generator_reset(to->nested, NULL);
    return ++to->chunks != to->limit;
}

static bool refuse(void* user_data, const char* stage, uint64_t done, uint64_t total) {
    (void)done;
    (void)total;
    snprintf(user_data, 100, "%s", stage);
    return false;
}

typedef struct rows {
    size_t count, size, limit;
    float last[1024];
} rows;

static bool receive_logits(void* user_data, size_t position, const float* logits, size_t count) {
    rows* to = user_data;
    if (position != to->count++ || count > 1024) return false;
    to->size = count;
    memcpy(to->last, logits, count * sizeof *logits);
    return to->count != to->limit;
}

static void check_errors(const char* directory) {
    CHECK(rwkv_model_load("no-such-directory", NULL, &error) == NULL);
    CHECK(error.status == RWKV_FILE_ERROR && has("cannot open no-such-directory: No such file or directory"));
    CHECK(rwkv_model_load("no-such-directory", NULL, NULL) == NULL);
    CHECK(rwkv_model_load(NULL, NULL, &error) == NULL);
    CHECK(error.status == RWKV_ARGUMENT_ERROR && has("rwkv_model_load: path: expected a pointer, found NULL"));
    rwkv_load_options options = {0};
    options.format = 99;
    CHECK(rwkv_model_load(directory, &options, &error) == NULL && error.status == RWKV_ARGUMENT_ERROR && has("99"));
    const rwkv_adapter adapter = {.path = "no-such-adapter"};
    options = (rwkv_load_options){.adapters = &adapter, .adapter_count = 1};
    CHECK(rwkv_model_load(directory, &options, &error) == NULL && error.status == RWKV_FILE_ERROR);
    CHECK(has("no-such-adapter"));
    options.adapters = NULL;
    CHECK(rwkv_model_load(directory, &options, &error) == NULL && error.status == RWKV_ARGUMENT_ERROR);
    char stage[100] = "";
    options = (rwkv_load_options){.progress = refuse, .user_data = stage};
    CHECK(rwkv_model_load(directory, &options, &error) == NULL && error.status == RWKV_CANCELLED);
    CHECK(strcmp(stage, "loading") == 0 && has("loading was cancelled"));
    char long_path[5000];
    for (size_t i = 0; i + 2 < sizeof long_path; i += 2) memcpy(long_path + i, "\xC3\xA9", 2);  // é
    long_path[sizeof long_path - 2] = '\0';
    CHECK(rwkv_tokenizer_load(long_path, &error) == NULL && error.status == RWKV_FILE_ERROR);
    const size_t length = strlen(error.message);
    CHECK(length >= sizeof error.message - 2 && error.message[length - 1] == '\xA9');  // whole characters

    CHECK(rwkv_state_new(NULL, &error) == NULL && error.status == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_generator_new(NULL, NULL, 1, 0, &error) == NULL && error.status == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_model_config(NULL, NULL, &error) == RWKV_ARGUMENT_ERROR && error.status == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_generator_next(NULL, NULL, NULL, &error) == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_model_warning(NULL, 0) == NULL && rwkv_tokenizer_vocab_size(NULL) == 0);
    size_t count = 1;
    CHECK(rwkv_generator_tokens(NULL, &count) == NULL && count == 0);
    rwkv_model_free(NULL);
    rwkv_tokenizer_free(NULL);
    rwkv_state_free(NULL);
    rwkv_workspace_free(NULL);
    rwkv_sampler_free(NULL);
    rwkv_generator_free(NULL);
    rwkv_generator_stop(NULL);
    rwkv_sampling_options_init(NULL);
    rwkv_generation_options_init(NULL);
}

static void check_tokenizer(const rwkv_tokenizer* tokenizer) {
    const char* text = "The cat sat";
    size_t count = 0, bytes = 0;
    CHECK(rwkv_tokenizer_encode(tokenizer, text, strlen(text), NULL, 0, &count, &error) == RWKV_OK && count > 1);
    rwkv_token tokens[64] = {0}, few[64] = {0};
    CHECK(rwkv_tokenizer_encode(tokenizer, text, strlen(text), tokens, 64, &count, &error) == RWKV_OK);
    CHECK(rwkv_tokenizer_encode(tokenizer, text, strlen(text), few, 1, &count, NULL) == RWKV_OK && count > 1);
    CHECK(few[0] == tokens[0] && few[1] == 0);
    char found[64];
    CHECK(rwkv_tokenizer_decode(tokenizer, tokens, count, found, sizeof found, &bytes, &error) == RWKV_OK);
    CHECK(bytes == strlen(text) && strcmp(found, text) == 0);
    CHECK(rwkv_tokenizer_decode(tokenizer, tokens, count, found, 4, &bytes, &error) == RWKV_OK);
    CHECK(bytes == strlen(text) && strcmp(found, "The") == 0);
    CHECK(rwkv_tokenizer_token_bytes(tokenizer, tokens[0], found, sizeof found, &bytes, &error) == RWKV_OK);
    CHECK(bytes > 0 && memcmp(found, text, bytes) == 0);
    const rwkv_token none = 1 << 30;
    CHECK(rwkv_tokenizer_decode(tokenizer, &none, 1, found, sizeof found, &bytes, &error) == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_tokenizer_encode(tokenizer, "\xFF", 1, NULL, 0, &count, &error) == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_tokenizer_encode(tokenizer, NULL, 0, NULL, 0, &count, &error) == RWKV_OK && count == 0);
    CHECK(rwkv_tokenizer_vocab_size(tokenizer) > 64);
}

static void check_logits(const rwkv_model* model) {
    rwkv_config config;
    CHECK(rwkv_model_config(model, &config, &error) == RWKV_OK);
    CHECK(config.vocab_size > 0 && config.vocab_size <= 1024 && config.num_hidden_layers > 0);
    CHECK(rwkv_model_warning(model, 0) == NULL);
    const size_t vocab = (size_t)config.vocab_size;
    const rwkv_token tokens[] = {1, 2, 3, 4, 5};
    float logits[1024], again[1024];
    rwkv_state* state = rwkv_state_new(model, &error);
    rwkv_workspace* workspace = rwkv_workspace_new(model, 1, 0, &error);
    CHECK(state && workspace);
    CHECK(rwkv_model_forward(model, tokens, 5, state, workspace, logits, &error) == RWKV_OK);

    rwkv_state* other = rwkv_state_new(model, &error);
    static rows all;
    CHECK(rwkv_model_forward_all(model, tokens, 5, other, workspace, receive_logits, &all, &error) == RWKV_OK);
    CHECK(all.count == 5 && all.size == vocab);
    for (size_t i = 0; i < vocab; ++i) CHECK(fabsf(all.last[i] - logits[i]) < 1e-4f);
    rwkv_state_free(other);

    // A state is copied, and goes to bytes and back.
    size_t size = 0, written = 0;
    CHECK(rwkv_state_to_bytes(state, NULL, 0, &size, &error) == RWKV_OK && size > 0);
    char* bytes = malloc(size);
    CHECK(rwkv_state_to_bytes(state, bytes, size, &written, &error) == RWKV_OK && written == size);
    other = rwkv_state_copy(state, &error);
    rwkv_state* third = rwkv_state_from_bytes(model, bytes, size, &error);
    CHECK(other && third);
    CHECK(rwkv_state_from_bytes(model, bytes, size - 1, &error) == NULL && error.status == RWKV_FORMAT_ERROR);
    free(bytes);
    const rwkv_token next = 7;
    CHECK(rwkv_model_forward(model, &next, 1, state, workspace, logits, &error) == RWKV_OK);
    CHECK(rwkv_model_forward(model, &next, 1, other, workspace, again, &error) == RWKV_OK);
    CHECK(memcmp(logits, again, vocab * sizeof *logits) == 0);
    CHECK(rwkv_model_forward(model, &next, 1, third, workspace, again, &error) == RWKV_OK);
    CHECK(memcmp(logits, again, vocab * sizeof *logits) == 0);
    CHECK(rwkv_model_forward(model, &next, 1, third, workspace, NULL, &error) == RWKV_OK);
    const rwkv_token none = (rwkv_token)config.vocab_size;
    CHECK(rwkv_model_forward(model, &none, 1, third, workspace, again, &error) == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_model_forward(model, NULL, 1, third, workspace, again, &error) == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_workspace_new(model, 1, -1, &error) == NULL && error.status == RWKV_ARGUMENT_ERROR);

    // Samplers.
    size_t best = 0;
    for (size_t i = 1; i < vocab; ++i)
        if (logits[i] > logits[best]) best = i;
    rwkv_sampler* sampler = rwkv_sampler_new(NULL, &error);
    rwkv_token drawn = -1;
    CHECK(rwkv_sampler_observe(sampler, tokens, 5, &error) == RWKV_OK);
    CHECK(rwkv_sampler_sample(sampler, logits, vocab, &drawn, &error) == RWKV_OK && (size_t)drawn == best);
    rwkv_sampler_free(sampler);
    rwkv_sampling_options options;
    rwkv_sampling_options_init(&options);
    const rwkv_logit_bias bias = {9, 1e6f};
    options.temperature = 1;
    options.logit_bias = &bias;
    options.logit_bias_count = 1;
    sampler = rwkv_sampler_new(&options, &error);
    CHECK(rwkv_sampler_sample(sampler, logits, vocab, &drawn, &error) == RWKV_OK && drawn == 9);
    CHECK(rwkv_sampler_sample(sampler, logits, 0, &drawn, &error) == RWKV_ARGUMENT_ERROR);
    rwkv_sampler_free(sampler);
    options.top_p = 3;
    CHECK(rwkv_sampler_new(&options, &error) == NULL && error.status == RWKV_ARGUMENT_ERROR && has("top_p"));

    rwkv_state_free(third);
    rwkv_state_free(other);
    rwkv_state_free(state);
    rwkv_workspace_free(workspace);
}

static void check_generator(rwkv_generator* generator) {
    const char* prompt = "The cat";
    rwkv_generation_options options;
    rwkv_generation_options_init(&options);
    CHECK(options.max_new_tokens == 256);
    options.max_new_tokens = 20;
    received whole = {.nested = generator};
    CHECK(rwkv_generator_generate(generator, prompt, strlen(prompt), &options, receive, &whole, &error) == RWKV_OK);
    CHECK(whole.bytes > 0 && whole.nested_status == RWKV_ARGUMENT_ERROR);
    rwkv_generation result;
    CHECK(rwkv_generator_result(generator, &result, &error) == RWKV_OK);
    CHECK(result.text_bytes == whole.bytes && strcmp(result.text, whole.text) == 0 && result.token_count == 20);
    CHECK(result.finish_reason == RWKV_FINISH_LENGTH && result.log_probabilities[0] < 0 && result.prompt_tokens > 0);
    size_t count = 0;
    CHECK(rwkv_generator_tokens(generator, &count) && count == (size_t)result.prompt_tokens + 20);

    // Where the conversation stands goes to bytes; from there it goes on twice in the same way.
    size_t size = 0;
    CHECK(rwkv_generator_to_bytes(generator, NULL, 0, &size, &error) == RWKV_OK && size > 0);
    char* bytes = malloc(size);
    CHECK(rwkv_generator_to_bytes(generator, bytes, size, &size, &error) == RWKV_OK);
    received first = {0}, second = {0};
    CHECK(rwkv_generator_generate(generator, " and", 4, &options, receive, &first, &error) == RWKV_OK);
    CHECK(rwkv_generator_reset(generator, &error) == RWKV_OK);
    CHECK(rwkv_generator_tokens(generator, &count) != &result.tokens[0] && count == 0);
    CHECK(rwkv_generator_from_bytes(generator, bytes, size, &error) == RWKV_OK);
    CHECK(rwkv_generator_generate(generator, " and", 4, &options, receive, &second, &error) == RWKV_OK);
    CHECK(first.bytes > 0 && strcmp(first.text, second.text) == 0);
    CHECK(rwkv_generator_from_bytes(generator, bytes, 10, &error) == RWKV_FORMAT_ERROR);
    free(bytes);

    // The same step by step.
    CHECK(rwkv_generator_reset(generator, &error) == RWKV_OK);
    CHECK(rwkv_generator_start(generator, prompt, strlen(prompt), &options, &error) == RWKV_OK);
    CHECK(rwkv_generator_start(generator, prompt, strlen(prompt), &options, &error) == RWKV_ARGUMENT_ERROR);
    received steps = {0};
    for (;;) {
        const char* text = NULL;
        size_t length = 0;
        CHECK(rwkv_generator_next(generator, &text, &length, &error) == RWKV_OK);
        if (length == 0) break;
        receive(&steps, text, length);
    }
    CHECK(strcmp(steps.text, whole.text) == 0 && steps.chunks > 1);
    const char* text = NULL;
    size_t length = 1;
    CHECK(rwkv_generator_next(generator, &text, &length, &error) == RWKV_OK && length == 0 && text[0] == '\0');

    // Ended by the caller: a stop, a callback, a stop string, the prompt's progress.
    CHECK(rwkv_generator_reset(generator, &error) == RWKV_OK);
    CHECK(rwkv_generator_start(generator, prompt, strlen(prompt), NULL, &error) == RWKV_OK);
    CHECK(rwkv_generator_next(generator, &text, &length, &error) == RWKV_OK && length > 0);
    rwkv_generator_stop(generator);
    CHECK(rwkv_generator_result(generator, &result, &error) == RWKV_OK);
    CHECK(result.finish_reason == RWKV_FINISH_CALLBACK);
    received few = {.limit = 2};
    CHECK(rwkv_generator_generate(generator, prompt, strlen(prompt), &options, receive, &few, &error) == RWKV_OK);
    CHECK(few.chunks == 2);
    CHECK(rwkv_generator_reset(generator, &error) == RWKV_OK);
    const char* const stops[] = {whole.text + whole.bytes - 1, "no such text"};
    options.stop_strings = stops;
    options.stop_string_count = 2;
    CHECK(rwkv_generator_generate(generator, prompt, strlen(prompt), &options, NULL, NULL, &error) == RWKV_OK);
    CHECK(rwkv_generator_result(generator, &result, &error) == RWKV_OK);
    CHECK(result.finish_reason == RWKV_FINISH_STOP && result.text_bytes < whole.bytes);
    char stage[100] = "";
    options.progress = refuse;
    options.user_data = stage;
    CHECK(rwkv_generator_generate(generator, prompt, strlen(prompt), &options, NULL, NULL, &error) == RWKV_OK);
    CHECK(rwkv_generator_result(generator, &result, &error) == RWKV_OK);
    CHECK(result.finish_reason == RWKV_FINISH_CALLBACK && result.text_bytes == 0 && strcmp(stage, "prompt") == 0);
    options.stop_strings = NULL;
    CHECK(rwkv_generator_generate(generator, prompt, 7, &options, NULL, NULL, &error) == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_generator_generate(generator, NULL, 7, NULL, NULL, NULL, &error) == RWKV_ARGUMENT_ERROR);
}

/// A model and a tokenizer from assets; each is released once, whatever happens.
static void check_files(const char* directory, const rwkv_model* expected) {
    const char* const names[] = {"config.json", "model.safetensors", "tokenizer.json"};
    asset assets[3];
    rwkv_file files[3];
    for (int kind = 0; kind < 4; ++kind) {  // in memory, mapped, read in pieces, failing
        for (int i = 0; i < 3; ++i) {
            size_t size = 0;
            const char* bytes = read_all(directory, names[i], &size);
            assets[i] = (asset){.bytes = bytes, .size = size, .most = 1000, .fails = kind == 3 && i == 1};
            files[i] = (rwkv_file){.name = names[i], .size = size, .release = release_asset, .user_data = &assets[i]};
            if (kind < 2)
                files[i].data = bytes;
            else
                files[i].read = read_asset;
        }
        const rwkv_load_options options = {.mapped = kind == 1, .threads = 1};
        rwkv_model* model = rwkv_model_load_files("assets", files, 3, &options, &error);
        CHECK((model != NULL) == (kind != 3));
        CHECK((assets[1].reads > 0) == (kind > 1));
        if (kind == 3) CHECK(error.status == RWKV_FILE_ERROR && has("assets/model.safetensors: expected"));
        CHECK(assets[1].releases == (kind != 1));  // mapped, its weights are still there
        if (model) {
            float logits[2][1024] = {{0}};
            for (int i = 0; i < 2; ++i) {
                const rwkv_token tokens[] = {1, 2, 3};
                const rwkv_model* one = i == 0 ? model : expected;
                rwkv_state* state = rwkv_state_new(one, &error);
                rwkv_workspace* workspace = rwkv_workspace_new(one, 1, 1, &error);
                CHECK(rwkv_model_forward(one, tokens, 3, state, workspace, logits[i], &error) == RWKV_OK);
                rwkv_workspace_free(workspace);
                rwkv_state_free(state);
            }
            for (int i = 0; i < 1024; ++i) CHECK(fabsf(logits[0][i] - logits[1][i]) < 1e-4f);
        }
        rwkv_model_free(model);
        for (int i = 0; i < 3; ++i) CHECK(assets[i].releases == 1);
        rwkv_tokenizer* tokenizer = rwkv_tokenizer_load_files("assets", files, 3, &error);
        CHECK(tokenizer != NULL);
        if (tokenizer) check_tokenizer(tokenizer);
        rwkv_tokenizer_free(tokenizer);
        for (int i = 0; i < 3; ++i) {
            CHECK(assets[i].releases == 2);
            free((void*)assets[i].bytes);
        }
    }
    assets[0].releases = assets[1].releases = 0;
    files[0] = (rwkv_file){.name = "config.json", .size = 5, .release = release_asset, .user_data = &assets[0]};
    files[1] = (rwkv_file){.name = "more", .release = release_asset, .user_data = &assets[1]};
    CHECK(rwkv_model_load_files("assets", files, 2, NULL, &error) == NULL && error.status == RWKV_ARGUMENT_ERROR);
    CHECK(has("config.json: expected its data, or a function that reads them, found neither"));
    CHECK(assets[0].releases == 1 && assets[1].releases == 1);
    CHECK(rwkv_model_load_files("assets", NULL, 0, NULL, &error) == NULL && error.status == RWKV_FILE_ERROR);
    CHECK(rwkv_model_load_files("assets", NULL, 2, NULL, &error) == NULL && error.status == RWKV_ARGUMENT_ERROR);
    CHECK(rwkv_model_load_files(NULL, NULL, 0, NULL, &error) == NULL && error.status == RWKV_ARGUMENT_ERROR);
}

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    CHECK(strcmp(rwkv_version(), "0.1.0") == 0);
    check_errors(argv[1]);
    rwkv_model* model = rwkv_model_load(argv[1], NULL, &error);
    rwkv_tokenizer* tokenizer = rwkv_tokenizer_load(argv[1], &error);
    if (!model || !tokenizer) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    check_tokenizer(tokenizer);
    char mismatch[64];
    size_t mismatch_bytes = 1;
    CHECK(rwkv_tokenizer_describe_mismatch(tokenizer, model, mismatch, sizeof mismatch, &mismatch_bytes, &error) ==
              RWKV_OK &&
          mismatch_bytes == 0);
    check_logits(model);
    check_files(argv[1], model);
    rwkv_generator* generator = rwkv_generator_new(model, tokenizer, 1, 0, &error);
    CHECK(generator != NULL);
    rwkv_model_free(model);  // the generator keeps what it needs
    rwkv_tokenizer_free(tokenizer);
    check_generator(generator);
    CHECK(rwkv_generator_start(generator, "x", 1, NULL, &error) == RWKV_OK);
    rwkv_generator_free(generator);  // with a text that is not finished
    if (failures == 0) printf("all of the C interface holds\n");
    return failures != 0;
}
