#!/usr/bin/env python3
"""Trains a small RWKV-4 on one text file, on a CPU, and writes it as a Hugging Face model directory.

    pip install torch numpy tokenizers safetensors
    python train.py --text fairy-tales.txt --work /tmp/demo --out . --minutes 80

Started again with the same --work directory, it goes on from its last checkpoint. The last 2 % of the text are held out:
neither the network nor the tokenizer learns from them; they only draw the curve in log.tsv.
"""

import argparse
import json
import math
import re
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

# ---- The network: RWKV-4. Sequences are [time, batch, channel]; parameters carry the names they have at Hugging Face. ----


class Recurrence(torch.autograd.Function):
    """s[0] = 0, s[t + 1] = decay * s[t] + x[t], for every channel by itself; returns all of s but the last.

    One tensor operation a time step. Its gradient is the same recurrence run backwards in time."""

    @staticmethod
    def forward(ctx, x, decay):
        s = torch.zeros_like(x)
        for new, before, after in zip(x.unbind(), s.unbind(), s[1:].unbind()):
            torch.addcmul(new, before, decay, out=after)
        ctx.save_for_backward(s, decay)
        return s

    @staticmethod
    def backward(ctx, grad):
        s, decay = ctx.saved_tensors
        g = torch.zeros_like(grad)  # g[t]: gradient of s[t + 1], which is that of x[t]
        for new, after, before in zip(reversed(grad.unbind()), reversed(g.unbind()), reversed(g[:-1].unbind())):
            torch.addcmul(new, after, decay, out=before)
        return g, (g * s).sum(dim=tuple(range(g.dim() - 1)))


def wkv(time_decay, time_first, k, v):
    """A weighted mean of all values so far: weights e^k, fading by e^(-e^time_decay) a step; the newest has e^(time_first + k).

    Inference keeps the largest exponent apart, so that no key overflows. Keys within +-60 need none of that in float32."""
    k, v = k.float().clamp(-60, 60), v.float()
    weight = k.exp()
    numerator, denominator = Recurrence.apply(torch.stack((weight * v, weight), 1), torch.exp(-torch.exp(time_decay))).unbind(1)
    newest = weight * torch.exp(time_first)
    return (numerator + newest * v) / (denominator + newest)


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
    def __init__(self, vocabulary, width, depth, dropout):
        super().__init__()
        self.rwkv = nn.Module()
        self.rwkv.embeddings = nn.Embedding(vocabulary, width)
        self.rwkv.blocks = nn.ModuleList(Block(width, depth, layer, dropout) for layer in range(depth))
        self.rwkv.ln_out = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        # Every block starts as the identity, keys and gates as constants: what is zero here learns its place first.
        for name, weight in self.named_parameters():
            if re.search(r"attention\.(key|receptance|output)|feed_forward\.(receptance|value)", name):
                nn.init.zeros_(weight)
            elif re.search(r"attention\.value|feed_forward\.key", name):
                nn.init.orthogonal_(weight, gain=max(1, weight.shape[0] / weight.shape[1]) ** 0.5)
        nn.init.uniform_(self.rwkv.embeddings.weight, -1e-4, 1e-4)  # small: pre_ln scales it, so it learns fast
        nn.init.orthogonal_(self.head.weight, gain=0.5)

    def forward(self, tokens):
        x = self.rwkv.embeddings(tokens)
        for block in self.rwkv.blocks:
            x = block(x)
        return self.head(self.rwkv.ln_out(x))


# ---- The text: split, tokenizer, batches. ----


def split(text, held_out=0.02):
    """Cuts off the last part, at a paragraph."""
    data = text.encode()
    cut = data.index(b"\n\n", int(len(data) * (1 - held_out))) + 2
    return data[:cut].decode(), data[cut:].decode()


def mark_stories(text):
    """Puts <|endoftext|> before each title in capitals, so that the model learns where stories begin and end."""
    return re.sub(r"(?<=\n\n)(?=(?!CHAPTER|THE END)[A-Z][^a-z\n]{5,}\n\n)", "<|endoftext|>", text)


def train_tokenizer(text, vocabulary):
    """Byte-level BPE with GPT-NeoX's settings: NFC, two special tokens first, runs of 24 to 2 spaces last."""
    runs = [AddedToken(" " * n, normalized=True, special=False) for n in range(24, 1, -1)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=True)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(runs),
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    tokenizer.add_tokens(runs)
    return tokenizer


def batch(tokens, step, size, context):
    """Inputs and targets of one step. An epoch is a random cut of the text into pieces, in random order."""
    pieces = (len(tokens) - context - 1) // context
    per_epoch = pieces // size
    epoch, place = divmod(step, per_epoch)
    random = np.random.default_rng(epoch)
    starts = random.integers(context) + context * random.permutation(pieces)
    columns = [tokens[start : start + context + 1] for start in starts[place * size : (place + 1) * size]]
    both = torch.stack(columns, dim=1)
    return both[:-1], both[1:]


# ---- Training. ----


def loss_of(model, inputs, targets):
    with torch.autocast("cpu", torch.bfloat16):  # matrices multiply in bfloat16, weights and sums stay in float32
        logits = model(inputs)
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


@torch.no_grad()
def bits_per_byte(model, tokens, count):
    """Of a whole text of `count` bytes read in one go, as examples/score does it; the first token is context only."""
    model.eval()
    loss = loss_of(model, tokens[:-1, None], tokens[1:, None])
    model.train()
    return loss.item() * (len(tokens) - 1) / math.log(2) / count


def make_optimizers(model, args):
    """Muon for the matrices inside the blocks, Adam for everything else."""
    blocks = [p for p in model.rwkv.blocks.parameters() if p.dim() == 2]
    tables = [model.rwkv.embeddings.weight, model.head.weight]
    vectors = [p for p in model.parameters() if p.dim() != 2]
    adam = torch.optim.AdamW(
        [{"params": tables, "weight_decay": args.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=args.adam_rate, betas=(0.9, 0.99), eps=1e-10, fused=True,
    )
    muon = torch.optim.Muon(
        blocks, lr=args.muon_rate, weight_decay=args.weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    for optimizer in (adam, muon):
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return [adam, muon]


def schedule(progress):
    """Share of the peak learning rate: 2 % of warm-up, then half a cosine down to nothing."""
    return min(progress / 0.02, 0.5 + 0.5 * math.cos(math.pi * min(progress, 1)))


def export(model, tokenizer, args):
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
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": "bfloat16",
    }
    (args.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = {name: weight.detach().bfloat16().contiguous() for name, weight in model.state_dict().items()}
    save_file(weights, args.out / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(args.out / "tokenizer.json"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True, help="UTF-8, one paragraph a line, a blank line between")
    parser.add_argument("--work", type=Path, required=True, help="where checkpoints and the log go")
    parser.add_argument("--out", type=Path, required=True, help="model directory to write at the end")
    parser.add_argument("--minutes", type=float, default=80, help="training time; pauses and evaluations do not count")
    parser.add_argument("--save-every", type=float, default=5, help="minutes between checkpoints")
    parser.add_argument("--threads", type=int, default=2, help="1 on a busy machine: threads wait for each other")
    parser.add_argument("--vocabulary", type=int, default=3072)
    parser.add_argument("--width", type=int, default=240)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--muon-rate", type=float, default=5e-3)
    parser.add_argument("--adam-rate", type=float, default=3e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.1, help="without, the text is learnt by heart from the third epoch on")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    args.work.mkdir(parents=True, exist_ok=True)

    train_text, held_out_text = split(args.text.read_text(encoding="utf-8"))
    tokenizer = train_tokenizer(train_text, args.vocabulary)
    tokens = torch.tensor(tokenizer.encode(mark_stories(train_text)).ids)
    held_out = torch.tensor(tokenizer.encode(held_out_text).ids)
    held_out_bytes = len(held_out_text.encode()) - len(tokenizer.decode(held_out[:1].tolist()).encode())
    bits = len(tokens) / len(train_text.encode()) / math.log(2)  # of a nat per token, in bits per byte

    model = Rwkv4(args.vocabulary, args.width, args.depth, args.dropout)
    optimizers = make_optimizers(model, args)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters; {len(tokens):,} tokens to learn from, {len(held_out):,} held out", flush=True)

    step, seconds, recent, losses = 0, 0.0, [], []  # recent: durations of the last steps
    checkpoint = args.work / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        step, seconds, recent = saved["step"], saved["seconds"], saved["recent"]
        torch.set_rng_state(saved["random"])

    budget, next_save = 60 * args.minutes, seconds
    while seconds < budget:
        start = time.perf_counter()
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * schedule(seconds / budget)
        loss = loss_of(model, *batch(tokens, step, args.batch, args.context))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        step += 1
        recent = recent[-100:] + [time.perf_counter() - start]
        seconds += min(recent[-1], 3 * statistics.median(recent))  # a step with a pause in it counts as three

        if seconds >= min(next_save, budget):
            next_save = seconds + 60 * args.save_every
            line = (f"{seconds / 60:.1f}", step, f"{step * args.batch * args.context / len(tokens):.2f}",
                    f"{statistics.mean(losses) * bits:.4f}", f"{bits_per_byte(model, held_out, held_out_bytes):.4f}")
            losses.clear()
            print(*line, sep="\t", flush=True)
            with open(args.work / "log.tsv", "a") as log:  # minutes, steps, epochs, train loss, held-out bits per byte
                print(*line, sep="\t", file=log)
            state = {"model": model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                     "step": step, "seconds": seconds, "recent": recent, "random": torch.get_rng_state()}
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
    export(model, tokenizer, args)


if __name__ == "__main__":
    main()
