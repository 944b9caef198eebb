#!/usr/bin/env python3
"""Writes tokenizers/small.json, a small byte-level BPE, and tokenizers/expected.json, what the Hugging Face
`tokenizers` package (0.23) makes of text with it:

- "cases": texts with their ids and the text these decode to;
- "digests": for this tokenizer, and for others named on the command line as NAME=PATH (20B=…/20B_tokenizer.json), an
  FNV-1a digest over the ids of 100,000 generated texts, and one over the texts of 20,000 generated lists of ids. The
  generator is below, and again in generated.hpp.

    python3 make_tokenizer_fixture.py [NAME=PATH ...]
"""
import json
import pathlib
import platform
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent / "tokenizers"
CORPUS = """
The quick brown fox jumps over the lazy dog, and the dog doesn't mind; it's asleep. They're here, we've been there,
I'm sure you'll see what he'd said. In a shocking finding, scientists discovered a herd of dragons living in a remote,
previously unexplored valley, in Tibet. 12 dogs, 345 foxes, 6789 dragons and 10,000 hens in 2024.
Größe, Straße, über, naïve café, déjà vu, señor, façade, Ångström, Ελλάδα, Москва, жизнь, снег, наука.
日本語の文章と中国語的文章，한국어 문장도 있다。 नमस्ते दुनिया สวัสดี مرحبا بالعالم שלום עולם 👍 🎉 ½ ² Ⅳ
def main():\n    for i in range(10):\n        print(i)\n\n\nif x == 1:\n\treturn None\n
"""

MASK = (1 << 64) - 1
RANGES = [
    (0x20, 0x7E, 8), (0x61, 0x7A, 10), (0x30, 0x39, 6), (0x09, 0x0D, 3), (0x20, 0x20, 30), (0xA0, 0x17F, 4),
    (0x300, 0x36F, 5), (0x370, 0x52F, 6), (0x590, 0x6FF, 6), (0x900, 0xDFF, 6), (0xE00, 0xEFF, 6),
    (0x1100, 0x11FF, 4), (0xAC00, 0xD7A3, 3), (0x1D00, 0x1FFF, 4), (0x2000, 0x214F, 4), (0x3000, 0x30FF, 5),
    (0x4E00, 0x9FFF, 5), (0xF900, 0xFAFF, 2), (0xFB00, 0xFE2F, 3), (0x10900, 0x11FFF, 3), (0x1D100, 0x1D1FF, 4),
    (0x1E000, 0x1E95F, 3), (0x1F300, 0x1FAFF, 2), (0x2F800, 0x2FA1F, 2),
]
LITERALS = [
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'", "<|endoftext|>", "<|padding|>", "<|endof", "e\u0301",
    "\u0344", "\u212B", "\n\n", "\r\n", "  ", "     ", "\u200D", "\uFE0F", "\u1112\u1161\u11AB", "A\u030A",
    "a\u0338\u0301", "<sep>", "re\u0301sume\u0301", " the", "ing",
]


class SplitMix:
    def __init__(self, seed):
        self.state = seed

    def below(self, count):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return (z ^ z >> 31) % count


def generate_text(random):
    text = ""
    for _ in range(1 + random.below(8)):
        kind = random.below(3)
        if kind == 0 and random.below(4) == 0:
            c = random.below(0x110000)
            text += "x" if 0xD800 <= c <= 0xDFFF else chr(c)
        elif kind == 1:
            text += LITERALS[random.below(len(LITERALS))]
        else:
            first, last, longest = RANGES[random.below(len(RANGES))]
            for _ in range(1 + random.below(longest)):
                text += chr(first + random.below(last - first + 1))
    return text


def fnv(data, digest):
    for byte in data:
        digest = (digest ^ byte) * 0x100000001B3 & MASK
    return digest


def digests(tokenizer):
    random = SplitMix(1)
    texts = [generate_text(random) for _ in range(100_000)]
    ids = 0xCBF29CE484222325
    for encoding in tokenizer.encode_batch(texts):
        ids = fnv(b"".join(i.to_bytes(4, "little") for i in [len(encoding.ids), *encoding.ids]), ids)
    decoded = 0xCBF29CE484222325
    for _ in range(20_000):
        chosen = [random.below(tokenizer.get_vocab_size()) for _ in range(random.below(20))]
        text = tokenizer.decode(chosen, skip_special_tokens=False).encode()
        decoded = fnv(len(text).to_bytes(4, "little") + text, decoded)
    return {"ids": f"{ids:016x}", "texts": f"{decoded:016x}"}


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, min_frequency=1, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator([CORPUS] * 2, trainer)
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in (8, 4, 3, 2)])
    # One looked for as it is, one looked for in its composed form, and one that is a token of the model already.
    tokenizer.add_tokens([AddedToken("<sep>", normalized=False), AddedToken("re\u0301sume\u0301", normalized=True),
                          AddedToken("the", normalized=True)])
    assert tokenizer.get_vocab_size(with_added_tokens=False) > tokenizer.token_to_id("the")
    return tokenizer


def main():
    HERE.mkdir(exist_ok=True)
    tokenizer = train()
    tokenizer.save(str(HERE / "small.json"))
    tokenizer = Tokenizer.from_file(str(HERE / "small.json"))
    texts = [
        "", " ", "  ", "   ", "       ", " " * 25, "Hello world", "the quick brown fox", "it's they're I'M 'Tis", "a\n\nb",
        "a\r\nb", "a \n b", "x\u00A0y", "x\u3000\u3000y", "x\x1Cy", "caf\u00E9 cafe\u0301", "r\u00E9sum\u00E9",
        "re\u0301sume\u0301", "<sep>re\u0301<sep>\u0301", "<|endoftext|>", " <|endoftext|> x", "<|endoftext", "the then other",
        "\u212B\u0344\u2126", "\u1112\u1161\u11AB", "日本語", "👍🏽", "\U00011935\U00011930", "\x00\x7F", CORPUS,
        "a" * 200, "=" * 100, "the " * 50,
    ]
    random = SplitMix(7)
    texts += [generate_text(random) for _ in range(200)]
    cases = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                      "plain": tokenizer.decode(ids, skip_special_tokens=True)})
    others = dict(argument.split("=", 1) for argument in sys.argv[1:])
    expected = {
        "versions": {"python": platform.python_version(), "tokenizers": tokenizers.__version__},
        "digests": {"small": digests(tokenizer)}
                   | {name: digests(Tokenizer.from_file(path)) for name, path in others.items()},
        "cases": cases,
    }
    rows = ",\n".join(json.dumps(case) for case in expected.pop("cases"))
    head = json.dumps(expected, indent=1)[:-2]
    (HERE / "expected.json").write_text(f'{head},\n "cases": [\n{rows}\n]}}\n')
    print(expected["versions"], expected["digests"], len(cases), "cases")


if __name__ == "__main__":
    main()
