#!/usr/bin/env python3
"""Record what Hugging Face's tokenizers make of random texts.

    python tokenizers_fuzz.py TOKENIZER_JSON OUT.jsonl.gz --count 20000 --seed 1
    python tokenizers_fuzz.py forms OUT.jsonl.gz

A line has text, ids (with special tokens) and keep, the text of the ids; or, of forms, text and what each normalizer
makes of it, and the pieces that Digits cuts. The texts are drawn from what tokenizers
disagree on: every block of Unicode up to the newest, piles of marks in any order, jamo, compatibility characters,
every kind of white space and control, contractions and their look-alikes, numbers of all scripts, emoji sequences,
long words without a space, and the file's own added tokens, whole, cut and with spaces around.
"""

import argparse
import gzip
import json
import random

from tokenizers import Tokenizer, normalizers, pre_tokenizers

# Ranges by what they try; code points that no version has assigned are among them.
BLOCKS = {
    "ascii": [(0x20, 0x7E)],
    "latin": [(0xA0, 0x24F), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA720, 0xA7FF), (0xFB00, 0xFB4F)],
    "scripts": [(0x370, 0x1FFF), (0x2C80, 0x2DFF), (0xA000, 0xABFF)],
    "cjk": [(0x2E80, 0x33FF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFE30, 0xFFEF), (0x2F800, 0x2FA1F)],
    "jamo": [(0x1100, 0x11FF), (0xA960, 0xA97F), (0xAC00, 0xD7FF)],
    "marks": [(0x300, 0x36F), (0x591, 0x5C7), (0x610, 0x61A), (0x64B, 0x65F), (0x816, 0x82D), (0x897, 0x8FF), (0x93C, 0x94D), (0xF71, 0xF84), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0), (0x302A, 0x302F), (0x3099, 0x309A), (0x1D165, 0x1D182), (0x1E000, 0x1E02A)],
    "symbols": [(0x2000, 0x2BFF), (0x3000, 0x303F), (0x1F000, 0x1FBFF)],
    "numbers": [(0x30, 0x39), (0xB2, 0xB3), (0xBC, 0xBE), (0x660, 0x669), (0x966, 0x96F), (0x2150, 0x218B), (0x2460, 0x249B), (0x3007, 0x3029), (0x10D40, 0x10D49), (0x11DE0, 0x11DE9), (0x16130, 0x16139), (0x1CCF0, 0x1CCF9), (0x1D7CE, 0x1D7FF), (0x1FBF0, 0x1FBF9)],
    "astral": [(0x10000, 0x1FFFF), (0x20000, 0x323AF), (0x323B0, 0x3347F), (0xE0000, 0xE01EF), (0xF0000, 0xF00FF)],
    "newer": [(0x1C89, 0x1C8A), (0xA7CB, 0xA7DC), (0x105C0, 0x105F3), (0x10D40, 0x10D8F), (0x11380, 0x113E2), (0x11BC0, 0x11BF9), (0x13460, 0x143FA), (0x16100, 0x16139), (0x16D40, 0x16D79), (0x18CFF, 0x18CFF), (0x1CC00, 0x1CEB3), (0x1E5D0, 0x1E5FF), (0x2EBF0, 0x2EE5D), (0x10EC2, 0x10EC7), (0x16EA0, 0x16ED3)],
    "controls": [(0x0, 0x1F), (0x7F, 0xA0), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x2069), (0xFE00, 0xFE0F), (0xFFF9, 0xFFFF)],
}
SPACES = " \t\n\r\v\f\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u180e\ufeff"
WORDS = "the The THE of and is Paris don't I'M it's we'Ll 'ſ 'S ’s ' '' 're1 x's naïve café Straße ﬁn ǅ İstanbul ıI ΟΔΟΣ été hello世界 snake_case camelCase HTTPServer 3.14 1,000,000 12345678 0x1F == != -> // \\n <|x|> [INST] ▁the ▁ Ġthe ĠĠ <0x0A> <0xFF> <unk> e\u0301\u0323 a\u0345\u0300 \u1e0b\u0323 \u0344 \ufdfa 각 각 👩‍👩‍👧 🇫🇷🇩🇪 ☝🏽 🏴󠁧󠁢󠁥󠁮󠁧󠁿 한국어 ไทย हिन्दी עִבְרִית العربيّة".split(" ")


def point(r, block):
    low, high = r.choice(BLOCKS[block])
    c = r.randint(low, high)
    return " " if 0xD800 <= c < 0xE000 else chr(c)


def piece(r, added):
    kind = r.random()
    if kind < 0.22:
        return r.choice(WORDS)
    if kind < 0.37:
        return "".join(r.choice(SPACES if r.random() < 0.4 else " \n") for _ in range(r.randint(1, 5)))
    if kind < 0.45:
        return point(r, "ascii") * r.choice([1, 2, 3, 8, 33])
    if kind < 0.55:
        return point(r, r.choice(["ascii", "latin", "jamo", "cjk", "scripts"])) + "".join(point(r, "marks") for _ in range(r.choice([1, 2, 3, 5, 12, 40])))
    if kind < 0.63 and added:
        token = r.choice(added)
        cut = r.random()
        if cut < 0.15:
            token = token[: r.randint(0, len(token))]
        elif cut < 0.3:
            token = token.upper() if r.random() < 0.5 else token + token
        return r.choice(["", " ", "  ", "\n", "x", "_"]) + token + r.choice(["", " ", "\t ", "\n", "s", "é"])
    block = r.choice(list(BLOCKS))
    return "".join(point(r, block) for _ in range(r.randint(1, 6)))


def text(r, added):
    if r.random() < 0.02:
        return "".join(r.choice("ab ") if r.random() < 0.01 else r.choice("aeno") for _ in range(r.randint(100, 3000)))
    return "".join(piece(r, added) for _ in range(r.choice([1, 1, 2, 3, 5, 8, 13])))


FORMS = "NFC NFD NFKC NFKD Lowercase".split()


def forms(s):
    out = {name: getattr(normalizers, name)().normalize_str(s) for name in FORMS}
    out["Digits"] = [piece for piece, _ in pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str(s)]
    return out


def opened(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
        t = Tokenizer.from_buffer(f.read())
    t.no_truncation()
    t.no_padding()
    return t


def main():
    a = argparse.ArgumentParser()
    a.add_argument("tokenizer")
    a.add_argument("out")
    a.add_argument("--count", type=int, default=20000)
    a.add_argument("--seed", type=int, default=1)
    o = a.parse_args()
    t = None if o.tokenizer == "forms" else opened(o.tokenizer)
    added = [token.content for token in t.get_added_tokens_decoder().values()] if t else []
    if len(added) > 60:  # those that models use, and not all of the reserved ones
        added = added[:30] + added[-30:]
    r = random.Random(o.seed)
    with gzip.GzipFile(o.out, "wb", mtime=0) as f:
        for _ in range(o.count):
            s = text(r, added)
            if t:
                ids = t.encode(s).ids
                line = {"text": s, "ids": ids, "keep": t.decode(ids, skip_special_tokens=False)}
            else:
                line = {"text": s} | forms(s)
            f.write((json.dumps(line) + "\n").encode())


if __name__ == "__main__":
    main()
