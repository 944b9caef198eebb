#ifndef RWKV_C_INTERFACE_H
#define RWKV_C_INTERFACE_H

// rwkv.hpp for C99, and so for whatever calls C: Python, Rust, Go, C#, a plugin. It stands on the C++ library and can
// do what most programs need of it; rwkv_c.cpp beside it is the implementation.
//
// Handles are pointers to what the library holds. A function that makes one returns NULL where it fails; the others
// that can fail return a status. `error`, the last argument of each, may be NULL; else it receives the status and the
// message. Freeing NULL does nothing. A handle that was given to a function may be freed afterwards in any order: what
// a generator or a state needs of its model, it keeps.
//
// Text is UTF-8 with a length in bytes, and need not end in NUL; what is returned does. Where a caller gives room for a
// result, the number of elements of the whole result is returned as well, as snprintf does: call with no room,
// allocate, call again.
//
// Thread safety: models and tokenizers may be used by any number of threads at once, every other handle by one at a
// time. A callback is called by the thread that called the function, but `read`, which several threads call at once. It
// must not throw or jump out, and must not call functions of the handle that is at work.

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
    RWKV_ARGUMENT_ERROR = 1,  ///< an argument that a function does not take
    RWKV_FILE_ERROR = 2,      ///< a file, or a `read`, that fails
    RWKV_FORMAT_ERROR = 3,    ///< a file that breaks the rules of its format
    RWKV_MODEL_ERROR = 4,     ///< files that are no RWKV-4 model or tokenizer that the library can run
    RWKV_CANCELLED = 5,       ///< a progress callback returned false
    RWKV_OUT_OF_MEMORY = 6,
    RWKV_SYSTEM_ERROR = 7  ///< the system has no thread to give, or anything else went wrong
} rwkv_status;

/// What went wrong: which file, tensor or option, what was expected and what was found. The caller's own.
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

/// Reports the progress of long work, in bytes or tokens. Return false to cancel it.
typedef bool (*rwkv_progress)(void* user_data, const char* stage, uint64_t done, uint64_t total);

/// A LoRA adapter, merged while the model is loaded.
typedef struct rwkv_adapter {
    const char* path;  ///< PEFT's directory, or a file
    float scale;       ///< of its product; 0: as it was trained (RWKV-LM-LoRA's .pth does not hold that)
} rwkv_adapter;

/// Options of loading; all zero are the defaults. The array is the caller's, and only read.
typedef struct rwkv_load_options {
    int format;       ///< an rwkv_format, what matrices are converted to
    int threads;      ///< that read; 0: all processors
    bool mapped;      ///< leave weights where they are: in the files, or in `data`
    bool no_rescale;  ///< ignore the model's `rescale_every`, as rwkv.cpp does
    const rwkv_adapter* adapters;
    size_t adapter_count;
    rwkv_progress progress;  ///< or NULL
    void* user_data;         ///< passed to `progress`
} rwkv_load_options;

/// Reads bytes of a file from `offset` on. Returns how many were read, at least one and at most `bytes`; the rest is
/// then asked for. Anything else is an error. Several threads call it at once, unless rwkv_load_options.threads is 1.
typedef size_t (*rwkv_read)(void* user_data, uint64_t offset, void* out, size_t bytes);

/// A file that the caller keeps, in memory or elsewhere.
typedef struct rwkv_file {
    const char* name;                  ///< as in a directory from Hugging Face: "config.json", "model.safetensors"
    uint64_t size;                     ///< in bytes
    const void* data;                  ///< all bytes, or NULL: `read` has them
    rwkv_read read;                    ///< or NULL
    void (*release)(void* user_data);  ///< called once when the file is not needed any more, also after an error; or
                                       ///< NULL. Without it `data` must outlive a model loaded with `mapped`
    void* user_data;                   ///< passed to `read` and `release`
} rwkv_file;

/// Loads a model from a directory as downloaded from Hugging Face, or from a file with weights. `options` may be NULL.
RWKV_C_API rwkv_model* rwkv_model_load(const char* path, const rwkv_load_options* options, rwkv_error* error);

/// Loads a model from the caller's own files, which `name` stands for in messages.
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

/// Warning number `i` about the model's files, a sentence, valid as long as the model; NULL where there is none.
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

/// A sentence for the user where a tokenizer has far fewer tokens than a model has outputs, as another model's has; else
/// nothing. Written as `rwkv_tokenizer_decode` writes a text.
RWKV_C_API rwkv_status rwkv_tokenizer_describe_mismatch(const rwkv_tokenizer* tokenizer, const rwkv_model* model,
                                                        char* text, size_t capacity, size_t* bytes, rwkv_error* error);

/// The largest id plus one; 0 for NULL.
RWKV_C_API size_t rwkv_tokenizer_vocab_size(const rwkv_tokenizer* tokenizer);

// ---- Logits, token by token

typedef struct rwkv_state rwkv_state;          ///< what one sequence has left behind
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

/// `threads` 0: all processors. `chunk` is the maximum number of tokens computed together, 0: 256; 1 saves memory.
RWKV_C_API rwkv_workspace* rwkv_workspace_new(const rwkv_model* model, int threads, int chunk, rwkv_error* error);
RWKV_C_API void rwkv_workspace_free(rwkv_workspace* workspace);

/// Reads tokens into the state. `logits`, unless NULL, receives the vocab_size logits after the last.
RWKV_C_API rwkv_status rwkv_model_forward(const rwkv_model* model, const rwkv_token* tokens, size_t count,
                                          rwkv_state* state, rwkv_workspace* workspace, float* logits,
                                          rwkv_error* error);

/// Receives the logits after the token number `position` of a call, valid during the call. Return false to stop there.
typedef bool (*rwkv_logits_callback)(void* user_data, size_t position, const float* logits, size_t count);

/// The same with the logits after every token: what scoring a text needs.
RWKV_C_API rwkv_status rwkv_model_forward_all(const rwkv_model* model, const rwkv_token* tokens, size_t count,
                                              rwkv_state* state, rwkv_workspace* workspace,
                                              rwkv_logits_callback callback, void* user_data, rwkv_error* error);

// ---- Sampling

typedef struct rwkv_sampler rwkv_sampler;

typedef struct rwkv_logit_bias {
    rwkv_token token;
    float bias;  ///< added to the logit; -INFINITY forbids the token
} rwkv_logit_bias;

/// How tokens are drawn: greedily as rwkv_sampling_options_init leaves it. Arrays are the caller's, and only read.
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

/// A sampler by itself, for programs with a loop of their own. `options` NULL: greedy.
RWKV_C_API rwkv_sampler* rwkv_sampler_new(const rwkv_sampling_options* options, rwkv_error* error);
RWKV_C_API void rwkv_sampler_free(rwkv_sampler* sampler);
/// Tells it of tokens that it did not draw, such as the prompt, which penalties look at.
RWKV_C_API rwkv_status rwkv_sampler_observe(rwkv_sampler* sampler, const rwkv_token* tokens, size_t count,
                                            rwkv_error* error);
/// Draws the next token and remembers it.
RWKV_C_API rwkv_status rwkv_sampler_sample(rwkv_sampler* sampler, const float* logits, size_t count, rwkv_token* token,
                                           rwkv_error* error);

// ---- Text

/// A conversation with a model: each call gives it only what is new.
typedef struct rwkv_generator rwkv_generator;

/// How a text is continued. rwkv_generation_options_init sets the defaults. Arrays are the caller's, and only read.
typedef struct rwkv_generation_options {
    int64_t max_new_tokens;  ///< 256; 0: the prompt is read, and no token drawn
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

/// What came of the latest text. The pointers are valid until the next call with the generator that changes it.
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

/// Takes each chunk of text as soon as it is certain, whole characters always. Return false to end the text there.
typedef bool (*rwkv_text_callback)(void* user_data, const char* text, size_t bytes);

/// `threads` and `chunk` as of rwkv_workspace_new.
RWKV_C_API rwkv_generator* rwkv_generator_new(const rwkv_model* model, const rwkv_tokenizer* tokenizer, int threads,
                                              int chunk, rwkv_error* error);
RWKV_C_API void rwkv_generator_free(rwkv_generator* generator);

/// Continues the conversation with the prompt, and then with a text of the model. `options` NULL: the defaults;
/// `callback` NULL: the text is in rwkv_generator_result.
RWKV_C_API rwkv_status rwkv_generator_generate(rwkv_generator* generator, const char* prompt, size_t prompt_bytes,
                                               const rwkv_generation_options* options, rwkv_text_callback callback,
                                               void* user_data, rwkv_error* error);

/// The same step by step: `start`, then `next` until it gives no text.
RWKV_C_API rwkv_status rwkv_generator_start(rwkv_generator* generator, const char* prompt, size_t prompt_bytes,
                                            const rwkv_generation_options* options, rwkv_error* error);
/// The next chunk of text, valid until the next call; no bytes where the text is finished.
RWKV_C_API rwkv_status rwkv_generator_next(rwkv_generator* generator, const char** text, size_t* bytes,
                                           rwkv_error* error);
/// Ends the text that was started, if it is not finished. Until then other calls that change the conversation are
/// refused.
RWKV_C_API void rwkv_generator_stop(rwkv_generator* generator);

RWKV_C_API rwkv_status rwkv_generator_result(rwkv_generator* generator, rwkv_generation* result, rwkv_error* error);

/// All tokens of the conversation that were read or drawn, valid until the next call.
RWKV_C_API const rwkv_token* rwkv_generator_tokens(const rwkv_generator* generator, size_t* count);

/// Forgets the conversation.
RWKV_C_API rwkv_status rwkv_generator_reset(rwkv_generator* generator, rwkv_error* error);

/// The bytes of where the conversation stands, to go on from there later: as rwkv_state_to_bytes.
RWKV_C_API rwkv_status rwkv_generator_to_bytes(const rwkv_generator* generator, void* out, size_t capacity,
                                               size_t* bytes, rwkv_error* error);
/// Continues from there, forgetting the present conversation.
RWKV_C_API rwkv_status rwkv_generator_from_bytes(rwkv_generator* generator, const void* data, size_t bytes,
                                                 rwkv_error* error);

#ifdef __cplusplus
}
#endif

#endif
