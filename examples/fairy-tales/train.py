#!/usr/bin/env python3
"""Trains a small RWKV-4 on texts and writes it as a Hugging Face model directory.

    pip install torch numpy tokenizers safetensors
    python train.py --texts fairy-tales.txt tales-more.txt.xz --work /tmp/tales --out /tmp/tales/model

It runs on a GPU where PyTorch finds one, else on the CPU, until it is stopped: by Ctrl-C, by the end of --minutes, or by
anything worse. Started again with the same --work directory it goes on from its last checkpoint, at most --save-every minutes back.
The learning rate stays the same all the time, so that the length of the training need not be known before; what is evaluated
and written is the running mean of the weights. `--decay 1000` ends a training: it brings the rate down to zero over 1000 steps,
and keeps the checkpoint before as before-decay.pt: in the place of checkpoint.pt the training goes on from it.

Held out are the last 2 % of the first text, and 20 stretches of 10 KB from every other one; neither the network nor the
tokenizer learns from them, and paragraphs like theirs elsewhere are left out. The first choose the best weights, which are written.
"""

import argparse
import copy
import hashlib
import json
import lzma
import math
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

# ---- The network: RWKV-4. Sequences are [time, batch, channel]; parameters carry the names they have at Hugging Face. ----


@torch.library.custom_op("fairy_tales::recurrence", mutates_args=())
def recurrence(x: torch.Tensor, decay: torch.Tensor, backwards: bool) -> torch.Tensor:
    """s[0] = 0, s[t + 1] = decay * s[t] + x[t], for every channel by itself; returns all of s but the last.

    A scan in chunks: time is cut into chunks, which are walked through all at once, each as if it were the first; then what
    each hands on to the next is summed up, and added to it, decayed. About 2 sqrt(time) tensor operations instead of `time`."""
    time, length = x.shape[0], 1 << (x.shape[0].bit_length() // 2)  # of a chunk
    if time % length:
        x = F.pad(x, [0, 0] * (x.dim() - 1) + [0, -time % length])
    x = x.unflatten(0, (-1, length))
    direction = -1 if backwards else 1
    steps, chunks = range(length)[::direction], range(len(x))[::direction]
    s = torch.empty_like(x, memory_format=torch.contiguous_format)
    s[:, steps[0]] = 0
    for t, following in zip(steps, steps[1:]):
        torch.addcmul(x[:, t], s[:, t], decay, out=s[:, following])
    end = torch.addcmul(x[:, steps[-1]], s[:, steps[-1]], decay)
    carry = torch.zeros_like(end)  # into each chunk
    for chunk, following in zip(chunks, chunks[1:]):
        torch.addcmul(end[chunk], carry[chunk], decay**length, out=carry[following])
    powers = decay ** torch.tensor(steps, device=x.device).view(-1, *[1] * (x.dim() - 2))
    return s.addcmul_(carry.unsqueeze(1), powers).flatten(0, 1)[:time]


@recurrence.register_fake
def _(x, decay, backwards):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def recurrence_gradient(ctx, grad):
    """The same recurrence run backwards in time."""
    s, decay = ctx.saved_tensors
    g = recurrence(grad, decay, True)  # g[t]: gradient of s[t + 1], which is that of x[t]
    return g, (g * s).sum(dim=tuple(range(g.dim() - 1))), None


recurrence.register_autograd(
    recurrence_gradient, setup_context=lambda ctx, inputs, output: ctx.save_for_backward(output, inputs[1])
)


def wkv(time_decay, time_first, k, v):
    """A weighted mean of all values so far: weights e^k, fading by e^(-e^time_decay) a step; the newest has e^(time_first + k).

    Inference keeps the largest exponent apart, so that no key overflows. Keys within +-60 need none of that in float32."""
    k, v = k.float().clamp(-60, 60), v.float()
    weight = k.exp()
    sums = recurrence(torch.stack((weight * v, weight), 1), torch.exp(-torch.exp(time_decay)), False)
    newest = weight * torch.exp(time_first)
    return (sums[:, 0] + newest * v) / (sums[:, 1] + newest)


def token_shift(x):
    """At each time the vector of the time before; zero at the start."""
    return F.pad(x, (0, 0, 0, 0, 1, -1))


class Attention(nn.Module):
    """Time mixing."""

    def __init__(self, width, depth, layer):
        super().__init__()
        late, early = layer / max(depth - 1, 1), 1 - layer / depth
        channel = torch.arange(width) / (width - 1)
        self.time_decay = nn.Parameter(-5 + 8 * channel ** (0.7 + 1.3 * late))
        self.time_first = nn.Parameter(math.log(0.3) + 0.5 * ((torch.arange(width) + 1) % 3 - 1))
        channel = (torch.arange(width) / width).view(1, 1, -1)
        self.time_mix_key = nn.Parameter(channel**early)
        self.time_mix_value = nn.Parameter(channel**early + 0.3 * late)
        self.time_mix_receptance = nn.Parameter(channel ** (0.5 * early))
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.receptance = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x):
        before = token_shift(x)
        k = self.key(torch.lerp(before, x, self.time_mix_key))
        v = self.value(torch.lerp(before, x, self.time_mix_value))
        r = self.receptance(torch.lerp(before, x, self.time_mix_receptance))
        return self.output(r.sigmoid() * wkv(self.time_decay, self.time_first, k, v))


class FeedForward(nn.Module):
    """Channel mixing."""

    def __init__(self, width, depth, layer):
        super().__init__()
        channel = (torch.arange(width) / width).view(1, 1, -1)
        self.time_mix_key = nn.Parameter(channel ** (1 - layer / depth))
        self.time_mix_receptance = nn.Parameter(channel ** (1 - layer / depth))
        self.key = nn.Linear(width, 4 * width, bias=False)
        self.receptance = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        before = token_shift(x)
        k = self.key(torch.lerp(before, x, self.time_mix_key))
        r = self.receptance(torch.lerp(before, x, self.time_mix_receptance))
        return r.sigmoid() * self.value(k.relu().square())


class Block(nn.Module):
    def __init__(self, width, depth, layer, dropout):
        super().__init__()
        if layer == 0:
            self.pre_ln = nn.LayerNorm(width)
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, depth, layer)
        self.feed_forward = FeedForward(width, depth, layer)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        if hasattr(self, "pre_ln"):
            x = self.pre_ln(x)
        x = x + self.dropout(self.attention(self.ln1(x)))
        return x + self.dropout(self.feed_forward(self.ln2(x)))


class Rwkv4(nn.Module):
    """The head is tied: its rows are the embeddings."""

    def __init__(self, vocabulary, width, depth, dropout):
        super().__init__()
        self.rwkv = nn.Module()
        self.rwkv.embeddings = nn.Embedding(vocabulary, width)
        self.rwkv.blocks = nn.ModuleList(Block(width, depth, layer, dropout) for layer in range(depth))
        self.rwkv.ln_out = nn.LayerNorm(width)
        # Every block starts as the identity, keys and gates as constants: what is zero here learns its place first.
        for name, weight in self.named_parameters():
            if re.search(r"attention\.(key|receptance|output)|feed_forward\.(receptance|value)", name):
                nn.init.zeros_(weight)
            elif re.search(r"attention\.value|feed_forward\.key", name):
                nn.init.orthogonal_(weight, gain=max(1, weight.shape[0] / weight.shape[1]) ** 0.5)
        nn.init.normal_(self.rwkv.embeddings.weight, std=0.008)  # small for the head's sake; pre_ln scales what goes in

    def forward(self, tokens):
        """Logits, in the precision of autocast."""
        x = self.rwkv.embeddings(tokens)
        for block in self.rwkv.blocks:
            x = block(x)
        return F.linear(self.rwkv.ln_out(x), self.rwkv.embeddings.weight)


# ---- The texts: held-out parts, tokenizer, batches. ----


def read_text(path):
    """UTF-8, one paragraph a line, a blank line between; may be compressed by xz."""
    return (lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()).decode()


def hold_out_end(text, share=0.02):
    """Cuts off the last part, at a paragraph: the rest, and it."""
    data = text.encode()
    cut = data.index(b"\n\n", int(len(data) * (1 - share))) + 2
    return data[:cut].decode(), data[cut:].decode()


def hold_out_stretches(text, count=20, size=10_000):
    """Cuts stretches out, evenly spread, at paragraphs: the rest, and they in one."""
    data, rest, held_out, end = text.encode(), [], [], 0
    for i in range(count if len(data) > 10 * count * size else 0):
        begin = data.index(b"\n\n", len(data) * i // count + len(data) // (2 * count)) + 2
        rest.append(data[end:begin])
        end = data.index(b"\n\n", begin + size) + 2
        held_out.append(data[begin:end])
    return b"".join(rest + [data[end:]]).decode(), b"".join(held_out).decode()


def without_paragraphs_of(held_out, text, run=12):
    """Leaves out of `text` each paragraph that is one of `held_out`, or has 12 words in a row with it; and how many.

    Words are letters and digits; case and all signs are ignored."""

    def paragraphs(of):
        return ((line, re.findall(r"\w+", line.lower())) for line in of.split("\n\n"))

    whole, runs = set(), set()
    for _, words in paragraphs(held_out):
        whole.add(" ".join(words))
        runs.update(" ".join(words[i : i + run]) for i in range(len(words) - run + 1))
    whole.discard("")
    kept = [
        line
        for line, words in paragraphs(text)
        if " ".join(words) not in whole and not any(" ".join(words[i : i + run]) in runs for i in range(len(words) - run + 1))
    ]
    return "\n\n".join(kept), text.count("\n\n") + 1 - len(kept)


def mark_stories(text):
    """Puts <|endoftext|> before each title in capitals, so that the model learns where stories begin and end."""
    return re.sub(r"(?<=\n\n)(?=(?!CHAPTER|THE END)[A-Z][^a-z\n]{5,}\n\n)", "<|endoftext|>", text)


def pieces(text, size=500_000):
    """The text cut at paragraphs, for tokenizers, which do many short texts at once."""
    return re.findall(rf"(?s).{{1,{size}}}.*?(?:(?<=\n\n)(?=.)|$)", text)


def train_tokenizer(texts, vocabulary):
    """Byte-level BPE with GPT-NeoX's settings (NFC, two special tokens first, runs of 24 to 2 spaces last), and one token
    for the end of a paragraph."""
    added = [AddedToken(" " * n, normalized=True, special=False) for n in range(24, 1, -1)]
    added.append(AddedToken("\n\n", normalized=True, special=False))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=True)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(added),
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Ends of paragraphs are no matter of merges.
    tokenizer.train_from_iterator((piece.replace("\n\n", "\n") for text in texts for piece in pieces(text)), trainer)
    tokenizer.add_tokens(added)
    return tokenizer


def prepare(args):
    """The tokenizer, the tokens to learn from, and the held-out parts; made once, in minutes, and kept in the work directory."""
    stamp = args.work / "data.json"
    made_of = {
        "texts": [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in args.texts],
        "vocabulary": args.vocabulary,
    }
    if not stamp.exists() or json.loads(stamp.read_text()) != made_of:
        if (args.work / "checkpoint.pt").exists():
            sys.exit(f"{args.work} belongs to other texts or another vocabulary: {stamp.read_text()}")
        texts, held_out = zip(*(
            (hold_out_stretches if i else hold_out_end)(read_text(path)) for i, path in enumerate(args.texts)
        ))
        texts = list(texts)
        for i, path in enumerate(args.texts):
            texts[i], left_out = without_paragraphs_of("\n\n".join(held_out), texts[i])
            print(f"{path}: {len(texts[i].encode()):,} bytes to learn from, {len(held_out[i].encode()):,} held out;"
                  f" {left_out:,} paragraphs are left out, which are like held-out ones", flush=True)
            (args.work / f"held-out-{i + 1}.txt").write_text(held_out[i])
        tokenizer = train_tokenizer(texts, args.vocabulary)
        tokenizer.save(str(args.work / "tokenizer.json"))
        ids = [e.ids for text in texts for e in tokenizer.encode_batch(pieces(mark_stories(text)))]
        np.save(args.work / "tokens.npy", np.concatenate([np.array(i, np.uint16) for i in ids]))
        stamp.write_text(json.dumps(made_of))
    held_out = [(args.work / f"held-out-{i + 1}.txt").read_text() for i in range(len(args.texts))]
    tokens = torch.from_numpy(np.load(args.work / "tokens.npy").astype(np.int32))
    return Tokenizer.from_file(str(args.work / "tokenizer.json")), tokens, [text for text in held_out if text]


def batch(tokens, step, size, context):
    """Inputs and targets of one step. An epoch is a random cut of the text into pieces, in random order."""
    count = (len(tokens) - context - 1) // context
    per_epoch = count // size
    epoch, place = divmod(step, per_epoch)
    random = np.random.default_rng(epoch)
    starts = random.integers(context) + context * random.permutation(count)
    columns = [tokens[start : start + context + 1] for start in starts[place * size : (place + 1) * size]]
    both = torch.stack(columns, dim=1).long()
    return both[:-1], both[1:]


# ---- Training. ----


def loss_of(model, inputs, targets):
    with torch.autocast(inputs.device.type, torch.bfloat16):  # matrices multiply in bfloat16, weights and sums stay in float32
        logits = model(inputs)
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


@torch.no_grad()
def bits_per_byte(model, tokenizer, text, device):
    """Of a whole text read in one go, as examples/score does it; the first token is context only."""
    tokens = torch.tensor(tokenizer.encode(text).ids, device=device)
    count = len(text.encode()) - len(tokenizer.decode(tokens[:1].tolist()).encode())
    model.eval()
    loss = loss_of(model, tokens[:-1, None], tokens[1:, None])
    return loss.item() * (len(tokens) - 1) / math.log(2) / count


def make_optimizers(model, args):
    """Muon for the matrices inside the blocks, Adam for everything else."""
    blocks = [p for p in model.rwkv.blocks.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() != 2]
    adam = torch.optim.AdamW(
        [{"params": [model.rwkv.embeddings.weight], "weight_decay": args.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=args.adam_rate, betas=(0.9, 0.99), eps=1e-10, fused=True,
    )
    muon = torch.optim.Muon(
        blocks, lr=args.muon_rate, weight_decay=args.weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    return [adam, muon]


def schedule(step, decay):
    """Share of the learning rate: 100 steps of warm-up, then 1; at the end, from step decay[0] to decay[1], down to nothing."""
    return min((step + 1) / 100, 1 - (step - decay[0]) / (decay[1] - decay[0]) if decay else 1)


def export(model, args):
    """A Hugging Face model directory; RwkvForCausalLM.from_pretrained reads it."""
    args.out.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["RwkvForCausalLM"],
        "model_type": "rwkv",
        "vocab_size": args.vocabulary,
        "context_length": args.context,
        "hidden_size": args.width,
        "attention_hidden_size": args.width,
        "intermediate_size": 4 * args.width,
        "num_hidden_layers": args.depth,
        "layer_norm_epsilon": 1e-5,
        "rescale_every": 0,  # nothing here overflows
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": "bfloat16",
    }
    (args.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = {name: weight.detach().bfloat16().cpu().contiguous() for name, weight in model.state_dict().items()}
    save_file(weights, args.out / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(args.work / "tokenizer.json", args.out / "tokenizer.json")


def save(state, path):
    """Whole or not at all."""
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, nargs="+", required=True,
                        help="UTF-8, one paragraph a line, a blank line between; or the same compressed by xz")
    parser.add_argument("--work", type=Path, required=True, help="where the tokens, checkpoints and the log go")
    parser.add_argument("--out", type=Path, required=True, help="model directory to write the best weights to")
    parser.add_argument("--minutes", type=float, default=math.inf, help="time of this run")
    parser.add_argument("--decay", type=int, help="bring the learning rate down to zero over this number of steps, and end")
    parser.add_argument("--save-every", type=float, default=10, help="minutes between checkpoints")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU; 1 on a busy machine: threads wait for each other")
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--width", type=int, default=224)
    parser.add_argument("--depth", type=int, default=7)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16, help="sequences a step")
    parser.add_argument("--micro-batch", type=int, help="sequences at once (4 on a CPU, to stay in its caches; all on a GPU)")
    parser.add_argument("--muon-rate", type=float, default=5e-3)
    parser.add_argument("--adam-rate", type=float, default=3e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0, help="0.1 for more than five epochs: the text is learnt by heart")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    args.work.mkdir(parents=True, exist_ok=True)

    tokenizer, tokens, held_out = prepare(args)
    bits = len(tokens) / len(tokenizer.decode(tokens[: 1 << 20].tolist()).encode()) * min(1, (1 << 20) / len(tokens)) / math.log(2)

    model = Rwkv4(args.vocabulary, args.width, args.depth, args.dropout).to(device)
    average = copy.deepcopy(model)  # the running mean of the weights
    optimizers = make_optimizers(model, args)
    compiled_loss = torch.compile(loss_of, dynamic=False) if shutil.which("c++") else loss_of
    micro_batch = args.micro_batch or (args.batch if device.type == "cuda" else 4)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters; {len(tokens):,} tokens to learn from; on {device}", flush=True)

    step, seconds, best, decay = 0, 0.0, math.inf, None
    checkpoint = args.work / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        step, seconds, best, decay = saved["step"], saved["seconds"], saved["best"], saved["decay"]
        torch.set_rng_state(saved["random"].cpu())
        if device.type == "cuda" and saved["cuda_random"] is not None:
            torch.cuda.set_rng_state(saved["cuda_random"].cpu())
    if args.decay and not decay:
        decay = [step, step + args.decay]
        if checkpoint.exists():
            shutil.copy(checkpoint, args.work / "before-decay.pt")
    if decay and step == decay[1]:
        sys.exit("this training has ended: before-decay.pt in the place of checkpoint.pt makes it go on")

    stop = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.append(True))
    began = last = last_save = time.monotonic()
    losses, line = [], ()
    while not stop:
        share = schedule(step, decay)
        for optimizer, rate in zip(optimizers, (args.adam_rate, args.muon_rate)):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
        model.train()
        inputs, targets = (half.to(device) for half in batch(tokens, step, args.batch, args.context))
        loss = 0.0
        for part_inputs, part_targets in zip(inputs.split(micro_batch, 1), targets.split(micro_batch, 1)):
            part = compiled_loss(model, part_inputs, part_targets) * (part_inputs.shape[1] / args.batch)
            part.backward()
            loss += part.detach()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        with torch.no_grad():  # a mean over about the last tenth of all steps, 1000 at most
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), max(1e-3, 10 / (step + 9)))
        losses.append(float(loss))
        now = time.monotonic()
        seconds, last = seconds + now - last, now

        if now - began > 60 * args.minutes or decay and step == decay[1]:
            stop.append(True)
        epochs, training_loss = step * args.batch * args.context / len(tokens), sum(losses) / len(losses) * bits
        if stop or now - last_save > 60 * args.save_every:
            candidates = [average, model] if decay else [average]  # at a falling rate the weights may be better than their mean
            found, better = min(
                ([bits_per_byte(candidate, tokenizer, text, device) for text in held_out], i) for i, candidate in enumerate(candidates)
            )
            line = (f"{seconds / 60:.1f}", step, f"{epochs:.2f}", f"{training_loss:.4f}", *(f"{x:.4f}" for x in found))
            losses.clear()
            if sys.stderr.isatty():
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            print(*line, sep="\t", flush=True)
            with open(args.work / "log.tsv", "a") as log:  # minutes, steps, epochs, training loss, held out: bits per byte
                print(*line, sep="\t", file=log)
            if found[0] < best:
                best = found[0]
                export(candidates[better], args)
            save({"model": model.state_dict(), "average": average.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                  "step": step, "seconds": seconds, "best": best, "decay": decay, "random": torch.get_rng_state(),
                  "cuda_random": torch.cuda.get_rng_state() if device.type == "cuda" else None}, checkpoint)
            last_save = last = time.monotonic()
        elif sys.stderr.isatty():
            part = (step - decay[0]) / (decay[1] - decay[0]) if decay else epochs % 1
            print(f"\r\x1b[K[{'#' * int(24 * part):-<24}] step {step}, epoch {epochs:.2f}, training loss {training_loss:.4f},"
                  f" held out {' '.join(line[4:]) or '-'} bits per byte", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
