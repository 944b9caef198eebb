#!/usr/bin/env python3
"""Writes two small byte-level BPEs, tokenizers/small.json and, with everything about it odd that may be, odd.json; and
tokenizers/expected.json, what the Hugging Face `tokenizers` package (0.23) makes of text with them:

- "cases": texts with their ids, the text these decode to, and that without special tokens;
- "digests": FNV-1a digests over the ids of 100,000 generated texts, and over what 20,000 generated lists of ids decode
  to, with special tokens and without. The generator is below, and again in generated.hpp. Also for the other tokenizers
  on the command line, and for these also over whole texts: the passages of a .jsonl, or all of a .txt.

    python3 make_tokenizer_fixture.py [20B=…/20B_tokenizer.json lambada=…/lambada_test.jsonl tales=…/fairy-tales.txt]
"""
import hashlib
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


def number(value):
    return value.to_bytes(4, "little")


class Digests:
    """Of ids, and of the texts they decode to."""

    def __init__(self):
        self.ids = self.texts = 0xCBF29CE484222325

    def add_ids(self, ids):
        self.ids = fnv(b"".join(map(number, [len(ids), *ids])), self.ids)

    def add_text(self, text):
        text = text.encode()
        self.texts = fnv(number(len(text)) + text, self.texts)

    def values(self):
        return {"ids": f"{self.ids:016x}", "texts": f"{self.texts:016x}"}


def generated_digests(tokenizer):
    random, result = SplitMix(1), Digests()
    for encoding in tokenizer.encode_batch([generate_text(random) for _ in range(100_000)]):
        result.add_ids(encoding.ids)
    known = sorted(set(tokenizer.get_vocab().values()))
    for _ in range(20_000):
        chosen = [known[random.below(len(known))] for _ in range(random.below(20))]
        for skip in False, True:
            result.add_text(tokenizer.decode(chosen, skip_special_tokens=skip))
    return result.values()


def text_digests(tokenizer, path):
    text = pathlib.Path(path).read_bytes().decode()
    passages = [json.loads(line)["text"] for line in text.splitlines()] if path.endswith(".jsonl") else [text]
    result = Digests()
    for passage in passages:
        ids = tokenizer.encode(passage).ids
        result.add_ids(ids)
        result.add_text(tokenizer.decode(ids, skip_special_tokens=False))
    return result.values()


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


def make_odd(small):
    """The same with ids in no order and with gaps, merges in no order and several to one token, and added tokens that
    begin with marks, that NFC changes, that contain one another, and that are looked for at one time or the other."""
    random = SplitMix(3)

    def shuffled(items):
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = random.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items

    file = json.loads(small.to_str())
    tokens = list(file["model"]["vocab"])
    ids = [i if i % 7 else i + 5000 for i in shuffled(range(len(tokens)))]
    vocab = file["model"]["vocab"] = dict(zip(tokens, ids))
    merges = {tuple(merge) for merge in file["model"]["merges"]}
    others = {(token[:i], token[i:]) for token in vocab for i in range(1, len(token))} - merges
    others = sorted(pair for pair in others if pair[0] in vocab and pair[1] in vocab)
    file["model"]["merges"] = shuffled(sorted(merges) + shuffled(others)[:150])
    file["added_tokens"], next_id = [], len(vocab)
    for content, normalized, special in [
        ("<|endoftext|>", False, True), ("<|endof", True, False), ("e\u0301", True, True), ("\u00E9", False, False),
        ("\u0301", True, False), ("\u0323", False, False), ("a\u0338\u0301", True, True), ("\u212B", True, True),
        ("A\u030A\u0301", False, True), ("\u1112\u1161\u11AB", True, False), ("\u1112\u1161", False, True),
        ("\u0344", True, True), ("\u0308\u0301", False, True), ("'s", True, False), (" the", True, False),
        ("\u0120the", True, False), ("ing", True, True), ("in", False, False), ("  ", True, False),
        ("    ", False, False), ("\n\n", True, False), ("\u200D", False, True),
    ]:
        token_id = vocab.get(content, next_id)
        next_id += token_id == next_id
        file["added_tokens"].append({"id": token_id, "content": content, "single_word": False, "lstrip": False,
                                     "rstrip": False, "normalized": normalized, "special": special})
    return Tokenizer.from_str(json.dumps(file))


def main():
    HERE.mkdir(exist_ok=True)
    small = train()
    small.save(str(HERE / "small.json"))
    make_odd(small).save(str(HERE / "odd.json"))
    texts = [
        "", " ", "  ", "   ", "       ", " " * 25, "Hello world", "the quick brown fox", "it's they're I'M 'Tis", "a\n\nb",
        "a\r\nb", "a \n b", "x\u00A0y", "x\u3000\u3000y", "x\x1Cy", "caf\u00E9 cafe\u0301", "r\u00E9sum\u00E9",
        "re\u0301sume\u0301", "<sep>re\u0301<sep>\u0301", "<|endoftext|>", " <|endoftext|> x", "<|endoftext", "the then other",
        "\u212B\u0344\u2126", "\u1112\u1161\u11AB", "日本語", "👍🏽", "\U00011935\U00011930", "\x00\x7F", CORPUS,
        "a" * 200, "=" * 100, "the " * 50,
    ]
    random = SplitMix(7)
    texts += [generate_text(random) for _ in range(200)]
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    digests, cases = {}, []
    for name in "small", "odd":
        tokenizer = Tokenizer.from_file(str(HERE / f"{name}.json"))
        digests[name] = generated_digests(tokenizer)
        for text in texts:
            ids = tokenizer.encode(text).ids
            cases.append({"tokenizer": name, "text": text, "ids": ids,
                          "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                          "plain": tokenizer.decode(ids, skip_special_tokens=True)})
    for name, path in given.items():
        if path.endswith(".json"):
            tokenizer = Tokenizer.from_file(path)
            digests[name] = generated_digests(tokenizer) | {
                text: text_digests(tokenizer, file) for text, file in given.items() if not file.endswith(".json")}
    versions = {"python": platform.python_version(), "tokenizers": tokenizers.__version__}
    sha256 = {name: hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() for name, path in given.items()}
    head = json.dumps({"versions": versions, "sha256": sha256, "digests": digests}, indent=1)[:-2]
    rows = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "expected.json").write_text(f'{head},\n "cases": [\n{rows}\n]}}\n')
    print(versions, digests, len(cases), "cases")


if __name__ == "__main__":
    main()
