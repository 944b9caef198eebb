#!/usr/bin/env bash
# The programs, run as a person or a script would: programs.sh PROGRAM_DIR FIXTURES_DIR
set -u -o pipefail
programs=$1 fixtures=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check NAME EXPECTED_EXIT FRAGMENT COMMAND…: the command's exit code, and what its output must hold.
check() {
    local name=$1 code=$2 fragment=$3 found
    shift 3
    "$@" >"$work/out" 2>"$work/err" </dev/null
    found=$?
    if [ "$found" -ne "$code" ] || ! cat "$work/out" "$work/err" | grep -qF -- "$fragment"; then
        echo "FAILED $name: exit $found (expected $code), expected to read \"$fragment\" in:"
        cat "$work/out" "$work/err"
        failed=$((failed + 1))
    fi
}
# same NAME FILE FILE: equal byte for byte.
same() { cmp -s "$2" "$3" || { echo "FAILED $1: $2 and $3 differ"; diff "$2" "$3" | head; failed=$((failed + 1)); }; }

model=$fixtures/text
generate=$programs/generate score=$programs/score inspect=$programs/inspect
for program in "$generate" "$score" "$inspect" "$programs/chat" "$programs/tokenize" "$programs/convert"; do
    check "help" 0 "Usage:" "$program" --help
done
check "unknown option" 2 "--frobnicate" "$generate" --model "$model" --frobnicate
check "unknown option" 2 "--frobnicate" "$inspect" "$model" --frobnicate

ln -s loop "$work/loop"
check "links that lead in a circle" 1 "cannot open $work/loop, a symbolic link to loop: " "$inspect" "$work/loop"

# generate
check "absent model" 1 "cannot open no-such-dir: No such file" "$generate" --model no-such-dir --prompt x
check "empty prompt" 1 "prompt: expected at least one token" "$generate" --model "$model" --prompt ""
check "an empty expression" 2 "--regex: expected what the text must match, found nothing" "$generate" --model "$model" --prompt x --regex ""
printf 'Once upon\r\na time\r\n' >"$work/windows.txt"
check "line ends of Windows" 0 "windows.txt: lines end in CR and LF" "$score" --model "$model" --text-file "$work/windows.txt"
check "bad mode" 2 "--mode" "$generate" --model "$model" --prompt x --mode sideways
check "bad threads" 2 "--threads" "$generate" --model "$model" --prompt x --threads -1
check "too many threads" 2 "--threads" "$generate" --model "$model" --prompt x --threads 1025
check "all processors" 0 "generated 5 tokens" "$generate" --model "$model" --prompt x --max-new-tokens 5 --threads 0
check "bad top_p" 2 "--top-p: expected a number from 0 to 1" "$generate" --model "$model" --prompt x --temperature 1 --top-p 3
check "bad id" 1 "expected a token id, found \"x\"" "$generate" --model "$model" --prompt x --ids
check "id out of range" 1 "expected an id from 0 to 255, found 256" "$generate" --model "$model" --prompt 256 --ids
check "no tokenizer" 1 "tokenizer.json" "$generate" --model "$fixtures/plain" --prompt x

# the model and its tokenizer, wherever they lie
mkdir "$work/loose" && cp "$model/model.safetensors" "$work/loose/RWKV-4.st" && cp "$model/tokenizer.json" "$work/loose/20B_tokenizer.json"
for place in "$work/loose/RWKV-4.st" "$fixtures/pytorch/blinkdl/RWKV-4-Pile-tiny.pth"; do
    check "weights as the model: $place" 0 "generated 5 tokens" "$generate" --model "$place" --ids --prompt "1 2" -n 5
done
check "a tokenizer beside the weights" 0 "generated 5 tokens" "$generate" --model "$work/loose/RWKV-4.st" --prompt x -n 5
check "weights by a bare name" 0 "generated 5 tokens" env -C "$work/loose" "$generate" --model RWKV-4.st --prompt x -n 5
check "a tokenizer given" 0 "generated 5 tokens" "$generate" --model "$model/model.safetensors" --tokenizer "$work/loose/20B_tokenizer.json" --prompt x -n 5
check "another model's tokenizer" 1 "at most the 101 tokens of the model, found 256" "$generate" --model "$fixtures/plain" --tokenizer "$model/tokenizer.json" --prompt x
check "a tokenizer that is none" 1 "no-such-file" "$programs/tokenize" --model "$model" --tokenizer no-such-file
hub=$work/models--RWKV--tiny
mkdir -p "$hub/refs" "$hub/snapshots/abc" && echo abc >"$hub/refs/main" && cp "$model"/* "$hub/snapshots/abc"
check "the Hub's cache" 0 "generated 5 tokens" "$generate" --model "$hub" --prompt x -n 5
mkdir "$work/pointer" && cp "$model/config.json" "$work/pointer" && echo "version https://git-lfs.github.com/spec/v1" >"$work/pointer/model.safetensors"
check "weights before the tokenizer" 1 "model.safetensors: expected a safetensors file, found a Git LFS pointer" "$generate" --model "$work/pointer" --prompt x
check "a model without a head" 1 "$fixtures/resaved/5/base: head.weight: expected a model with a head (as of RwkvForCausalLM), found none" "$generate" --model "$fixtures/resaved/5/base" --ids --prompt 1
check "a repository of the Hub" 1 "hf download RWKV/rwkv-4-169m-pile" "$generate" --model RWKV/rwkv-4-169m-pile --prompt x
check "a repository of the Hub by its address" 1 "hf download RWKV/rwkv-4-169m-pile" "$score" --model https://huggingface.co/RWKV/rwkv-4-169m-pile/tree/main --text-file x
check "an adapter" 1 "a LoRA adapter without its model" "$generate" --model "$fixtures/resaved/5/adapter" --prompt x
check "quantized by bitsandbytes" 1 "quantized by bitsandbytes" "$generate" --model "$fixtures/resaved/5/bitsandbytes_4_bits" --prompt x
check "a conversion without a tokenizer" 0 "there is no tokenizer beside" "$programs/convert" "$fixtures/plain" "$work/alone"
check "speed goes to stderr" 0 "generated 5 tokens" "$generate" --model "$model" --prompt x --max-new-tokens 5
check "missing prompt file" 1 "no-such-file" "$generate" --model "$model" --prompt-file no-such-file
"$generate" --model "$model" --prompt "The cat" --max-new-tokens 20 >"$work/rnn" --mode rnn 2>/dev/null
printf 'The cat' >"$work/prompt"
"$generate" --model "$model" --prompt-file "$work/prompt" --max-new-tokens 20 --threads 2 >"$work/parallel" 2>/dev/null
same "rnn and parallel" "$work/rnn" "$work/parallel"
"$generate" --model "$model" --max-new-tokens 20 <"$work/prompt" >"$work/stdin" 2>/dev/null
same "prompt from stdin" "$work/rnn" "$work/stdin"
"$generate" --model "$model" --prompt "84 104 101 32 99 97 116" --ids --max-new-tokens 20 >"$work/ids" 2>/dev/null
[ "$(wc -w <"$work/ids")" -eq 20 ] || { echo "FAILED --ids: not 20 ids"; failed=$((failed + 1)); }
n=0
for seed in 1 1 2; do
    n=$((n + 1))
    "$generate" --model "$model" --prompt x --temperature 1 --top-p 0.9 --top-k 50 --seed $seed --max-new-tokens 30 >"$work/seed$seed.$n" 2>/dev/null
done
same "one seed, one text" "$work/seed1.1" "$work/seed1.2"
cmp -s "$work/seed1.1" "$work/seed2.3" && { echo "FAILED: two seeds, one text"; failed=$((failed + 1)); }
check "negative count" 2 "--max-new-tokens" "$generate" --model "$model" --prompt x --max-new-tokens -1
check "unknown format" 2 "--format" "$generate" --model "$model" --prompt x --format q3
check "an empty stop string" 1 "stop string: expected at least one character" "$generate" --model "$model" --prompt x --stop ""
check "a bias of no token" 2 "expected ID=NUMBER, with an ID from 0 to 2147483647, found x=1" "$generate" --model "$model" --prompt x --logit-bias x=1
check "a bias beyond the vocabulary" 2 "--logit-bias: expected an integer from 0 to 255, found 256" "$generate" --model "$model" --prompt x --logit-bias 256=1
check "an order there is not" 2 "--order" "$generate" --model "$model" --prompt x --order sideways
check "alternatives only in JSON" 2 "--json" "$generate" --model "$model" --prompt x --top-logprobs 2
check "stop strings where there is no text" 1 "--stop: expected none with --ids" "$generate" --model "$model" --prompt 65 --ids --stop x
check "no words asked for" 0 "generated 0 tokens, -/s" "$generate" --model "$model" --prompt x --max-new-tokens 0
for program in "inspect '$model'" "score --json --model '$model' --text-file '$work/prompt'"; do
    check "a lost output is an error" 1 "standard output" bash -c "'$programs'/$program >/dev/full"
done
check "a prompt that cannot be read is an error" 1 "cannot read standard input: Is a directory" bash -c "'$generate' --model '$model' </"
check "a closed output is an error" 1 "standard output" bash -c "'$generate' --model '$model' --prompt x --max-new-tokens 5 >/dev/full"

# numbers: a value that the option does not have is a wrong command line, which names the option and what it takes
wrong() { # OPTION VALUE EXPECTED
    check "$1 $2" 2 "$1: expected $3, found $2" "$generate" --model "$model" --prompt x -n 1 --temperature 1 "$1" "$2"
}
for option in --chunk --threads --num --top-k --no-repeat-ngram-size --seed --stop-token-ids --suppress-tokens; do
    for value in 99999999999999999999 -99999999999999999999 -2 1x 1.5 "" " 1" 0x10 1e3; do
        case $option in
            --chunk) range="1 to 65536" ;;
            --threads) range="0 to 1024" ;;
            --num) range="1 to 1048576" ;;
            --seed) range="0 to 18446744073709551615, or -1 for another each time" ;;
            *) range="0 to 2147483647" ;;
        esac
        wrong "$option" "$value" "an integer from $range"
    done
done
for value in 9223372036854775808 -1 7% ""; do
    check "-n $value" 2 "--max-new-tokens: expected an integer from 0 to 9223372036854775807, found $value" \
        "$generate" --model "$model" --prompt x -n "$value"
done
wrong --seed 18446744073709551616 "an integer from 0 to 18446744073709551615, or -1 for another each time"
wrong --chunk 65537 "an integer from 1 to 65536"
for option in --top-p --min-p --typical-p --mirostat-tau --repetition-penalty --presence-penalty; do
    for value in 0.5x nan "" 1e99 0x1 ,5; do wrong "$option" "$value" "a number"; done
done
for option in --top-p --min-p --typical-p --mirostat-eta --penalty-decay; do
    check "$option 1.5" 2 "$option: expected a number from 0 to 1, found 1.5" "$generate" --model "$model" --prompt x "$option" 1.5
done
check "--temperature inf" 2 "--temperature: expected 0 or a positive number" "$generate" --model "$model" --prompt x --temperature inf
check "--repetition-penalty 0" 2 "--repetition-penalty: expected a positive number" "$generate" --model "$model" --prompt x --repetition-penalty 0
for option in --stop-token-ids --suppress-tokens; do
    check "$option beyond the vocabulary" 2 "$option: expected an integer from 0 to 255, found 256" \
        "$generate" --model "$model" --prompt x -n 1 "$option" 5 256
done
check "a bias of -inf" 0 "generated 1 token" "$generate" --model "$model" --prompt x -n 1 --logit-bias 3=-inf 4=+1.5e0
check "a bias out of range" 2 "expected ID=NUMBER" "$generate" --model "$model" --prompt x --logit-bias 99999999999=1
check "a leading zero is no octal number" 0 "generated 10 tokens" "$generate" --model "$model" --prompt x -n 010
for value in 1e99 0.5x nan ""; do
    check "--adapter PATH:$value" 2 "--adapter: expected a number after $model:, found $value" "$generate" --model "$model" --prompt x --adapter "$model:$value"
done
check "chat has them, too" 2 "--top-k: expected an integer" "$programs/chat" --model "$model" --top-k 1x
check "score has them, too" 2 "--threads: expected an integer from 0 to 1024" "$score" --model "$model" --text-file x -t 99999999999

# texts: from files, pipes and devices, with or without a byte order mark
printf '\xef\xbb\xbfThe cat' >"$work/marked"
printf '\xff\xfeT\0h\0e\0' >"$work/utf16le"
printf '\xfe\xff\0T\0h\0e' >"$work/utf16be"
printf 'T\0h\0e\0 \0c\0a\0t\0' >"$work/unmarked16"
printf '\xff\xfe\0\0T\0\0\0' >"$work/utf32"
printf 'one\ntwo caf\xe9\n' >"$work/latin1"
printf '\xef\xbb\xbf84 104' >"$work/marked-ids"
for input in "--prompt-file '$work/prompt'" "--prompt-file <(printf 'The cat')" "--prompt-file - <'$work/prompt'" \
    "--prompt-file /dev/stdin < <(printf 'The '; sleep 0.2; printf cat)" "< <(printf 'The '; sleep 0.2; printf cat)" \
    "--prompt-file '$work/marked'" "<'$work/marked'" "--prompt \"\$(cat '$work/marked')\"" "--prompt-file <(cat '$work/marked')"; do
    bash -c "'$generate' --model '$model' --max-new-tokens 20 $input" >"$work/read" 2>/dev/null
    same "a prompt by $input" "$work/rnn" "$work/read"
done
"$score" --model "$model" --text-file "$work/prompt" >"$work/score.file"
for input in "--text-file <(printf 'The cat')" "--text-file - <'$work/prompt'" "--text-file /dev/stdin < <(printf 'The cat')" \
    "--text-file '$work/marked'" "--text-file - <'$work/marked'"; do
    bash -c "'$score' --model '$model' $input" >"$work/read" 2>/dev/null
    same "a text by $input" "$work/score.file" "$work/read"
done
for input in "--ids-file <(echo 84 104)" "--ids-file - <<<[84,104]" "--ids-file '$work/marked-ids'"; do
    check "ids by $input" 0 "tokens          2" bash -c "'$score' --model '$model' $input"
done
for program in "$generate --prompt-file" "$score --text-file" "$score --ids-file"; do
    for file in utf16le utf16be unmarked16; do
        check "$program $file" 1 "$work/$file: line 1, byte 1: expected a text in UTF-8, found UTF-16" $program "$work/$file" --model "$model"
    done
    check "$program utf32" 1 "found UTF-32 (iconv -f UTF-32 -t UTF-8 converts it)" $program "$work/utf32" --model "$model"
done
for program in "$generate --prompt-file" "$score --text-file"; do
    check "$program latin1" 1 "$work/latin1: line 2, byte 8: expected UTF-8, found the byte E9, as in Latin-1" $program "$work/latin1" --model "$model"
done
check "a prompt that is cut" 1 "prompt: line 2, byte 1: expected UTF-8, found the byte E2, as of a character cut off or in Latin-1" "$generate" --model "$model" --prompt $'a\n\xe2\x82'
check "a prompt in Latin-1" 1 "prompt: line 1, byte 4: expected UTF-8, found the byte E9" "$generate" --model "$model" --prompt $'caf\xe9'
check "ids that are none" 1 "$work/latin1: line 1, byte 1: expected a token id, found \"one" "$score" --model "$model" --ids-file "$work/latin1"
check "a text from a directory" 1 "cannot read $work: Is a directory" "$score" --model "$model" --text-file "$work"
check "no text from a closed input" 1 "standard input" bash -c "'$generate' --model '$model' <&-"
check "no messages from a closed input" 1 "standard input: Bad file descriptor" timeout 20 bash -c "'$programs/chat' --model '$model' <&-"
check "a closed output is no file of the program's" 1 "cannot write to standard output" bash -c "'$programs/convert' '$model' '$work/closed' >&-"
check "nor is a closed standard error" 0 "" bash -c "'$programs/convert' '$model' '$work/closed2' 2>&- && '$inspect' '$work/closed2' 2>&-"

# score
echo 5 >"$work/one" && echo "[1, 2, 3]" >"$work/three"
printf 'A text to be scored, twice.' >"$work/text"
check "score" 0 "bits per byte" "$score" --model "$model" --text-file "$work/text"
check "score wants one input" 2 "" "$score" --model "$model"
check "score wants only one" 2 "" "$score" --model "$model" --text-file "$work/text" --ids-file "$work/three"
check "an empty name is a name" 1 "score: cannot open : No such file" "$score" --model "$model" --text-file ""
check "one token is too few" 1 "at least two tokens" "$score" --model "$model" --ids-file "$work/one"
check "ids without a tokenizer" 0 "perplexity" "$score" --model "$fixtures/plain" --ids-file "$work/three"
check "json" 0 "\"log_probabilities\":[null,-" "$score" --model "$model" --text-file "$work/text" --json
for mode in "--mode rnn" "--mode parallel --chunk 5" "--threads 3" "--logits $work/logits.safetensors"; do
    # shellcheck disable=SC2086
    "$score" --model "$model" --text-file "$work/text" $mode >"$work/score.all" || failed=$((failed + 1))
    grep "nats per token" "$work/score.all" >"$work/score.now" || failed=$((failed + 1))
    [ -f "$work/score.first" ] || cp "$work/score.now" "$work/score.first"
    same "score $mode" "$work/score.first" "$work/score.now"
done
check "the logits written are sound" 0 "[27, 256]" "$inspect" "$work/logits.safetensors"
check "no place for the logits" 1 "no-such-dir" "$score" --model "$model" --text-file "$work/text" --logits no-such-dir/x.safetensors
for format in stored f32 f16 bf16; do
    check "format $format" 0 "nats per token" "$score" --model "$model" --text-file "$work/text" --format $format
done
check "no rescale" 0 "nats per token" "$score" --model "$fixtures/odd" --ids-file "$work/three" --no-rescale

# without --model: the model of examples/fairy-tales
for program in generate chat score; do
    check "$program --help names its model" 0 "examples/fairy-tales" "$programs/$program" --help
done
check "generate by default" 0 "there was a man who had a son" "$generate" --prompt "Once upon a time" --max-new-tokens 12
check "chat by default" 0 "examples/fairy-tales\" does not look like a chat model" bash -c "echo 'Who are you?' | '$programs/chat' --max-new-tokens 5 --temperature 0"
check "an answer of chat by default" 0 "a king, who was a king" bash -c "echo 'There was once a king' | '$programs/chat' --max-new-tokens 12 --temperature 0"
check "score by default" 0 "perplexity" "$score" --text-file "$work/text"

# convert: what was quantized is itself a model
for format in q8 q4; do
    check "convert to $format" 0 "tokenizer.json" "$programs/convert" "$model" "$work/$format" --format $format
    check "inspect $format" 0 "sound" "$inspect" "$work/$format"
    "$score" --model "$model" --text-file "$work/text" --format $format >"$work/score.loaded"
    for options in "" "--mapped" "--format $format"; do
        # shellcheck disable=SC2086
        "$score" --model "$work/$format" --text-file "$work/text" $options >"$work/score.stored" || failed=$((failed + 1))
        same "score of stored $format" "$work/score.loaded" "$work/score.stored"
    done
    check "no way back" 1 "expected weights to convert to f32, found $format weights" "$score" --model "$work/$format" --text-file "$work/text" --format f32
    "$generate" --model "$work/$format" --mapped --prompt "The cat" --max-new-tokens 20 >"$work/text.stored" 2>/dev/null
    "$generate" --model "$model" --format $format --prompt "The cat" --max-new-tokens 20 >"$work/text.loaded" 2>/dev/null
    same "text of stored $format" "$work/text.loaded" "$work/text.stored"
done
check "a lost output is an error" 1 "standard output" bash -c "'$programs/convert' '$model' '$work/full' >/dev/full"

# adapters
adapter=$fixtures/adapters/rwkv-lm-lora/rwkv-0.pth
check "adapter without a scale" 1 "lora_alpha / lora_r" "$programs/convert" "$fixtures/bf16" "$work/merged" --adapter "$adapter"
check "adapter of another model" 1 "by the model" "$generate" --model "$model" --prompt x --adapter "$adapter:2"
check "adapter, merged" 0 "tensors" "$programs/convert" "$fixtures/bf16" "$work/merged" --format f32 --adapter "$adapter:2"
check "adapters, merged" 0 "tensors" "$programs/convert" "$fixtures/plain" "$work/twice" \
    --adapter "$fixtures/adapters/default" --adapter "$fixtures/adapters/second:-0.5"

# inspect
for config in "$fixtures"/*/config.json; do check "inspect $config" 0 "sound" "$inspect" "${config%/*}"; done
check "inspect a file" 0 "blocks.0.attention.key.weight" "$inspect" "$model/model.safetensors"
check "inspect an index" 0 "in 3 files" "$inspect" "$fixtures/sharded/model.safetensors.index.json"
for kind in blinkdl mixed sharded views; do
    check "inspect PyTorch's $kind" 0 "sound" "$inspect" "$fixtures/pytorch/$kind"
done
check "inspect a PyTorch file" 0 '"turned"' "$inspect" "$fixtures/pytorch/new.pth"
check "inspect a PyTorch program" 1 "TorchScript" "$inspect" "$fixtures/pytorch/refused/torchscript.pt"
check "inspect nothing" 1 "cannot open $work/none" "$inspect" "$work/none"
mkdir "$work/world" && cp "$fixtures"/text/{config.json,model.safetensors} "$work/world" && echo "1 'a" >"$work/world/rwkv_vocab_v20230424.txt"
check "inspect a broken World vocabulary" 1 "rwkv_vocab_v20230424.txt" "$inspect" "$work/world"
head -c 500 "$model/model.safetensors" >"$work/short.safetensors"
check "inspect a file cut short" 1 "inspect: " "$inspect" "$work/short.safetensors"
mkdir "$work/lying" && cp "$fixtures"/text/* "$work/lying" && sed -i 's/"vocab_size": 256/"vocab_size": 255/' "$work/lying/config.json"
check "inspect a model whose config lies" 1 "expected shape [255" "$inspect" "$work/lying"

# a disk that takes no more than a kilobyte of each file
mkdir "$work/disk"
full() { bash -c "trap '' XFSZ; ulimit -f 1; $1"; }
check "no room for a model" 1 "disk/model/model.safetensors: File too large" full "'$programs/convert' '$model' '$work/disk/model'"
check "no room for logits" 1 "disk/logits: File too large" full "'$score' --model '$model' --text-file '$work/text' --logits '$work/disk/logits'"
check "no room for a conversation" 1 "disk/talk: File too large" full "printf 'x\n/save $work/disk/talk\n' | '$programs/chat' --model '$model' --max-new-tokens 2"
[ -z "$(ls -A "$work/disk")" ] || { echo "FAILED: half-written files stay: $(ls -A "$work/disk")"; failed=$((failed + 1)); }

[ "$failed" -eq 0 ] && echo "all programs behave"
exit "$((failed > 0))"
