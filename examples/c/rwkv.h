#ifndef RWKV_C_INTERFACE_H
#define RWKV_C_INTERFACE_H

// A C99 interface of rwkv.hpp, for C and for languages that call C: Python, Rust, Go, C#. It covers what most programs
// need of the C++ library; rwkv_c.cpp is the implementation.
//
// Handles are opaque pointers. A function that creates one returns NULL on failure; other functions that can fail
// return a status. `error`, the last argument of each, may be NULL; otherwise it receives the status and the message.
// Freeing NULL does nothing. Handles may be freed in any order: a generator or a state keeps what it needs of its
// model.
//
// Text is UTF-8 with a length in bytes. Text passed in need not end in NUL; text returned does. A function that fills a
// buffer of the caller's also returns the size of the whole result, as snprintf does: call it with capacity 0,
// allocate, and call it again.
//
// Thread safety: models and tokenizers may be used by any number of threads at once, every other handle by one at a
// time. Callbacks are called by the thread that called the function, except `read`, which several threads call at once.
// They must not throw or longjmp, and must not call functions with the handle that is in use.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(RWKV_C_SHARED)
#ifdef RWKV_C_BUILD
#define RWKV_C_API __declspec(dllexport)
#else
#define RWKV_C_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define RWKV_C_API __attribute__((visibility("default")))
#else
#define RWKV_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// The version of the library, "0.1.0".
RWKV_C_API const char* rwkv_version(void);

// ---- Errors

typedef enum rwkv_status {
    RWKV_OK = 0,
    RWKV_ARGUMENT_ERROR = 1,  ///< an invalid argument
    RWKV_FILE_ERROR = 2,      ///< a file, or a `read`, that fails
    RWKV_FORMAT_ERROR = 3,    ///< a file that is invalid in its own format
    RWKV_MODEL_ERROR = 4,     ///< valid files, but not an RWKV-4 model or tokenizer that the library supports
    RWKV_CANCELLED = 5,       ///< a progress callback returned false
    RWKV_OUT_OF_MEMORY = 6,
    RWKV_SYSTEM_ERROR = 7  ///< no thread could be started, or another failure
} rwkv_status;

/// What went wrong: which file, tensor or option, what was expected and what was found. Owned by the caller.
typedef struct rwkv_error {
    rwkv_status status;
    char message[1020];  ///< UTF-8, cut short where it is longer
} rwkv_error;

// ---- Models and tokenizers

typedef struct rwkv_model rwkv_model;
typedef struct rwkv_tokenizer rwkv_tokenizer;
typedef int32_t rwkv_token;

typedef enum rwkv_format {
    RWKV_STORED = 0,  ///< as in the file
    RWKV_F32 = 1,
    RWKV_F16 = 2,
    RWKV_BF16 = 3,
    RWKV_Q8 = 4,  ///< 8.25 bits a weight
    RWKV_Q4 = 5   ///< 4.5 bits a weight
} rwkv_format;

/// Reports the progress of a long operation, in bytes or tokens. Return false to cancel it.
typedef bool (*rwkv_progress)(void* user_data, const char* stage, uint64_t done, uint64_t total);

/// A LoRA adapter, merged while the model is loaded.
typedef struct rwkv_adapter {
    const char* path;  ///< a PEFT directory, or a file
    float scale;       ///< factor of the adapter; 0: as trained (which a .pth of RWKV-LM-LoRA does not contain)
} rwkv_adapter;

/// How a model is loaded; zeros are the defaults. The array is owned by the caller, and only read.
typedef struct rwkv_load_options {
    int format;       ///< an rwkv_format: the format of the matrices
    int threads;      ///< number of threads that read; 0: one for each processor
    bool mapped;      ///< use weights in place: memory-mapped files, or `data`
    bool no_rescale;  ///< ignore the model's `rescale_every`, as rwkv.cpp does
    const rwkv_adapter* adapters;
    size_t adapter_count;
    rwkv_progress progress;  ///< or NULL
    void* user_data;         ///< passed to `progress`
} rwkv_load_options;

/// Reads bytes of a file from `offset` on. Returns their number, from 1 to `bytes`; the function is called again
/// for the rest. Any other value is an error. Several threads call it at once, unless rwkv_load_options.threads is 1.
typedef size_t (*rwkv_read)(void* user_data, uint64_t offset, void* out, size_t bytes);

/// A file that the caller keeps, in memory or elsewhere.
typedef struct rwkv_file {
    const char* name;                  ///< as in a directory from Hugging Face: "config.json", "model.safetensors"
    uint64_t size;                     ///< in bytes
    const void* data;                  ///< all bytes, or NULL: `read` returns them
    rwkv_read read;                    ///< or NULL
    void (*release)(void* user_data);  ///< called once when the file is not needed any more, also after an error; or
                                       ///< NULL. Without it `data` must outlive a model loaded with `mapped`
    void* user_data;                   ///< passed to `read` and `release`
} rwkv_file;

/// Loads a model from a directory as downloaded from Hugging Face, or from a file with weights. `options` may be NULL.
RWKV_C_API rwkv_model* rwkv_model_load(const char* path, const rwkv_load_options* options, rwkv_error* error);

/// Loads a model from the caller's own files; messages call them `name`.
RWKV_C_API rwkv_model* rwkv_model_load_files(const char* name, const rwkv_file* files, size_t count,
                                             const rwkv_load_options* options, rwkv_error* error);

RWKV_C_API void rwkv_model_free(rwkv_model* model);

/// The shape and settings of a model, under the names of config.json.
typedef struct rwkv_config {
    int64_t vocab_size;  ///< the number of logits; token ids are less
    int64_t hidden_size, num_hidden_layers, attention_hidden_size, intermediate_size, context_length, rescale_every;
    rwkv_token bos_token_id, eos_token_id;
} rwkv_config;

RWKV_C_API rwkv_status rwkv_model_config(const rwkv_model* model, rwkv_config* config, rwkv_error* error);

/// Warning number `i` about the model's files, a sentence that is valid as long as the model; NULL if there are no
/// more.
RWKV_C_API const char* rwkv_model_warning(const rwkv_model* model, size_t i);

/// Loads a tokenizer from a model directory, or from the file given.
RWKV_C_API rwkv_tokenizer* rwkv_tokenizer_load(const char* path, rwkv_error* error);

/// Loads the tokenizer that is among the caller's own files.
RWKV_C_API rwkv_tokenizer* rwkv_tokenizer_load_files(const char* name, const rwkv_file* files, size_t count,
                                                     rwkv_error* error);

RWKV_C_API void rwkv_tokenizer_free(rwkv_tokenizer* tokenizer);

/// The ids of a text: writes up to `capacity` of them, and their number to `count`.
RWKV_C_API rwkv_status rwkv_tokenizer_encode(const rwkv_tokenizer* tokenizer, const char* text, size_t bytes,
                                             rwkv_token* tokens, size_t capacity, size_t* count, rwkv_error* error);

/// The text of ids, in valid UTF-8: writes up to `capacity` bytes, a NUL at the end among them, and the number of bytes
/// of the whole text, without the NUL, to `bytes`.
RWKV_C_API rwkv_status rwkv_tokenizer_decode(const rwkv_tokenizer* tokenizer, const rwkv_token* tokens, size_t count,
                                             char* text, size_t capacity, size_t* bytes, rwkv_error* error);

/// The bytes of one token, perhaps part of a character, as `rwkv_tokenizer_decode` writes a text.
RWKV_C_API rwkv_status rwkv_tokenizer_token_bytes(const rwkv_tokenizer* tokenizer, rwkv_token token, char* out,
                                                  size_t capacity, size_t* bytes, rwkv_error* error);

/// A sentence for the user if the tokenizer has far fewer tokens than the model's vocab_size, and so probably belongs
/// to another model; otherwise empty. Written as `rwkv_tokenizer_decode` writes a text.
RWKV_C_API rwkv_status rwkv_tokenizer_describe_mismatch(const rwkv_tokenizer* tokenizer, const rwkv_model* model,
                                                        char* text, size_t capacity, size_t* bytes, rwkv_error* error);

/// The largest id plus one; 0 for NULL.
RWKV_C_API size_t rwkv_tokenizer_vocab_size(const rwkv_tokenizer* tokenizer);

// ---- Logits, token by token

typedef struct rwkv_state rwkv_state;          ///< what the model remembers of one sequence
typedef struct rwkv_workspace rwkv_workspace;  ///< scratch memory and threads of one caller

/// The state of an empty sequence.
RWKV_C_API rwkv_state* rwkv_state_new(const rwkv_model* model, rwkv_error* error);
RWKV_C_API rwkv_state* rwkv_state_copy(const rwkv_state* state, rwkv_error* error);
RWKV_C_API void rwkv_state_free(rwkv_state* state);

/// The bytes of a state, a safetensors file: writes them where all fit into `capacity`, and their number to `bytes`.
RWKV_C_API rwkv_status rwkv_state_to_bytes(const rwkv_state* state, void* out, size_t capacity, size_t* bytes,
                                           rwkv_error* error);
/// The state of these bytes, of a model of that shape.
RWKV_C_API rwkv_state* rwkv_state_from_bytes(const rwkv_model* model, const void* data, size_t bytes,
                                             rwkv_error* error);

/// `threads` 0: one for each processor. `chunk` is the maximum number of tokens computed together, 0: 256; 1 saves
/// memory.
RWKV_C_API rwkv_workspace* rwkv_workspace_new(const rwkv_model* model, int threads, int chunk, rwkv_error* error);
RWKV_C_API void rwkv_workspace_free(rwkv_workspace* workspace);

/// Reads tokens into the state. `logits`, unless NULL, receives the vocab_size logits after the last.
RWKV_C_API rwkv_status rwkv_model_forward(const rwkv_model* model, const rwkv_token* tokens, size_t count,
                                          rwkv_state* state, rwkv_workspace* workspace, float* logits,
                                          rwkv_error* error);

/// Receives the logits after token number `position`, valid during the call. Return false to stop there.
typedef bool (*rwkv_logits_callback)(void* user_data, size_t position, const float* logits, size_t count);

/// The same with the logits after every token, to score a text.
RWKV_C_API rwkv_status rwkv_model_forward_all(const rwkv_model* model, const rwkv_token* tokens, size_t count,
                                              rwkv_state* state, rwkv_workspace* workspace,
                                              rwkv_logits_callback callback, void* user_data, rwkv_error* error);

// ---- Sampling

typedef struct rwkv_sampler rwkv_sampler;

typedef struct rwkv_logit_bias {
    rwkv_token token;
    float bias;  ///< added to the logit; -INFINITY forbids the token
} rwkv_logit_bias;

/// How tokens are sampled. rwkv_sampling_options_init sets the defaults, which are greedy. Arrays are owned by the
/// caller, and only read.
typedef struct rwkv_sampling_options {
    float temperature;         ///< 0: the most likely token
    int top_k;                 ///< 0: all
    float top_p;               ///< 1: all
    float min_p;               ///< 0: all
    float typical_p;           ///< 1: all
    float mirostat_tau;        ///< 0: off
    float mirostat_eta;        ///< 0.1
    bool hugging_face_order;   ///< temperature before the filters, as transformers; else after, as ChatRWKV
    float presence_penalty;    ///< 0: off
    float frequency_penalty;   ///< 0: off
    float penalty_decay;       ///< 0.996
    float repetition_penalty;  ///< 1: off
    int no_repeat_ngram_size;  ///< 0: off
    const rwkv_logit_bias* logit_bias;
    size_t logit_bias_count;
    const rwkv_token* suppress_tokens;
    size_t suppress_token_count;
    uint64_t seed;
} rwkv_sampling_options;

RWKV_C_API void rwkv_sampling_options_init(rwkv_sampling_options* options);

/// A sampler, for programs with a decoding loop of their own. `options` NULL: greedy.
RWKV_C_API rwkv_sampler* rwkv_sampler_new(const rwkv_sampling_options* options, rwkv_error* error);
RWKV_C_API void rwkv_sampler_free(rwkv_sampler* sampler);
/// Adds tokens that it did not sample, such as the prompt, to the history for penalties.
RWKV_C_API rwkv_status rwkv_sampler_observe(rwkv_sampler* sampler, const rwkv_token* tokens, size_t count,
                                            rwkv_error* error);
/// Samples the next token, and adds it to the history.
RWKV_C_API rwkv_status rwkv_sampler_sample(rwkv_sampler* sampler, const float* logits, size_t count, rwkv_token* token,
                                           rwkv_error* error);

// ---- Text

/// A conversation with a model: each call reads only new tokens.
typedef struct rwkv_generator rwkv_generator;

/// How a text is continued. rwkv_generation_options_init sets the defaults. Arrays are owned by the caller, and only
/// read.
typedef struct rwkv_generation_options {
    int64_t max_new_tokens;  ///< 256; 0: only read the prompt
    rwkv_sampling_options sampling;
    const char* const* stop_strings;  ///< NUL-terminated; the text ends before the first of these
    size_t stop_string_count;
    const rwkv_token* stop_token_ids;
    size_t stop_token_id_count;
    rwkv_progress progress;  ///< of reading the prompt, or NULL
    void* user_data;         ///< passed to `progress`
} rwkv_generation_options;

RWKV_C_API void rwkv_generation_options_init(rwkv_generation_options* options);

typedef enum rwkv_finish_reason {
    RWKV_FINISH_LENGTH = 0,   ///< max_new_tokens
    RWKV_FINISH_EOS = 1,      ///< the model's eos_token_id, or one of stop_token_ids
    RWKV_FINISH_STOP = 2,     ///< a stop string
    RWKV_FINISH_CALLBACK = 4  ///< the caller
} rwkv_finish_reason;

/// The result of the latest generation. The pointers are valid until the next call that changes the generator.
typedef struct rwkv_generation {
    const char* text;
    size_t text_bytes;
    const rwkv_token* tokens;         ///< of the text
    const double* log_probabilities;  ///< of each of them, by the model itself
    size_t token_count;
    rwkv_finish_reason finish_reason;
    int64_t prompt_tokens;  ///< that were read
    double prompt_seconds, decode_seconds;
} rwkv_generation;

/// Receives each chunk of text as soon as it is certain, always whole characters. Return false to end the text there.
typedef bool (*rwkv_text_callback)(void* user_data, const char* text, size_t bytes);

/// `threads` and `chunk` as for rwkv_workspace_new.
RWKV_C_API rwkv_generator* rwkv_generator_new(const rwkv_model* model, const rwkv_tokenizer* tokenizer, int threads,
                                              int chunk, rwkv_error* error);
RWKV_C_API void rwkv_generator_free(rwkv_generator* generator);

/// Continues the conversation with the prompt, and then with text from the model. `options` NULL: the defaults;
/// `callback` NULL: the text is in rwkv_generator_result.
RWKV_C_API rwkv_status rwkv_generator_generate(rwkv_generator* generator, const char* prompt, size_t prompt_bytes,
                                               const rwkv_generation_options* options, rwkv_text_callback callback,
                                               void* user_data, rwkv_error* error);

/// The same step by step: `start`, then `next` until it returns no text.
RWKV_C_API rwkv_status rwkv_generator_start(rwkv_generator* generator, const char* prompt, size_t prompt_bytes,
                                            const rwkv_generation_options* options, rwkv_error* error);
/// The next chunk of text, valid until the next call; empty when the text is finished.
RWKV_C_API rwkv_status rwkv_generator_next(rwkv_generator* generator, const char** text, size_t* bytes,
                                           rwkv_error* error);
/// Ends the text that was started, if it is not finished. Before that, other calls that change the conversation fail.
RWKV_C_API void rwkv_generator_stop(rwkv_generator* generator);

RWKV_C_API rwkv_status rwkv_generator_result(rwkv_generator* generator, rwkv_generation* result, rwkv_error* error);

/// All tokens of the conversation, read and generated; valid until the next call.
RWKV_C_API const rwkv_token* rwkv_generator_tokens(const rwkv_generator* generator, size_t* count);

/// Forgets the conversation.
RWKV_C_API rwkv_status rwkv_generator_reset(rwkv_generator* generator, rwkv_error* error);

/// The conversation as bytes, to continue later; as rwkv_state_to_bytes.
RWKV_C_API rwkv_status rwkv_generator_to_bytes(const rwkv_generator* generator, void* out, size_t capacity,
                                               size_t* bytes, rwkv_error* error);
/// Continues from these bytes, and forgets the present conversation.
RWKV_C_API rwkv_status rwkv_generator_from_bytes(rwkv_generator* generator, const void* data, size_t bytes,
                                                 rwkv_error* error);

#ifdef __cplusplus
}
#endif

#endif
