#!/usr/bin/env python3
"""Record what oniguruma, as Hugging Face's tokenizers call it, matches of random patterns in random texts.

    python patterns_fuzz.py OUT.jsonl.gz --count 2000 --seed 1

A line has a pattern, and for each of some texts the matches as pairs of places, in characters.
"""

import argparse
import gzip
import json
import random

from tokenizers import Regex, pre_tokenizers

ATOMS = r"a b A 1 - \s \S \d \D \w \W \h \p{L} \p{N} \P{L} \p{Lu} \p{^N} \p{M} \p{Han} . [ab] [^a] [a-c1] [^\s\p{L}\p{N}] [\p{L}&&[^a]] [a\s] [^\r\n\p{L}\p{N}] \n \r é \x41 \. ' [\w-] [^\W_] [[a-b]1] [\p{Lu}\p{Lt}]".split(" ")
REPEATS = ["*", "+", "?", "{2}", "{1,3}", "{2,}", "{,2}", "*?", "+?", "??", "{1,2}?", "++", "?+", "*+", "{1,2}+"]
PLACES = ["^", "$", r"\A", r"\z", r"\Z", r"\b", r"\B"]
KNOWN = [
    r"(a+)+$", r"(a|aa)+b", r"'(?i:[sdmt]|ll|ve|re)|\p{L}+", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\s+(?!\S)|\s+", r"[0-9][0-9][0-9]", r"\p{N}{1,3}(?=(?:\p{N}{3})*\b)", r"(?<=a)b|(?<![ab])1", r"\s*[\r\n]+", r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", r"(?i:k+s)", r"\p{L}++1?|(?>a+|ab)c|\s++$",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]


def pattern(r, depth=0):
    kind = r.random()
    if depth > 3 or kind < 0.45:
        return r.choice(ATOMS)
    if kind < 0.6:
        return "".join(pattern(r, depth + 1) for _ in range(r.randint(2, 3)))
    if kind < 0.8:
        inner = pattern(r, depth + 1)
        return (inner if r.random() < 0.3 and len(inner) <= 2 else f"(?:{inner})") + r.choice(REPEATS)
    if kind < 0.9:
        return "(" + "|".join(pattern(r, depth + 1) for _ in range(r.randint(2, 3))) + ")"
    if kind < 0.96:
        return r.choice(["(?=", "(?!", "(?<=", "(?<!", "(?>"]) + pattern(r, depth + 1) + ")" + pattern(r, depth + 1)
    return r.choice(PLACES) + pattern(r, depth + 1) if r.random() < 0.5 else pattern(r, depth + 1) + r.choice(PLACES)


def text(r):
    return "".join(r.choice("aaabbbcA11 \n\r-'sSkKK ſlL.é世\u0301_\u00b2\u10d4\t") for _ in range(r.choice([1, 3, 8, 20, 40])))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("out")
    a.add_argument("--count", type=int, default=2000)
    a.add_argument("--seed", type=int, default=1)
    o = a.parse_args()
    r = random.Random(o.seed)
    with gzip.GzipFile(o.out, "wb", mtime=0) as f:
        for n in range(o.count):
            p = KNOWN[n] if n < len(KNOWN) else pattern(r)
            try:
                split = pre_tokenizers.Split(Regex(p), "removed", invert=True)
            except Exception:  # oniguruma refuses it
                continue
            texts = [text(r) for _ in range(6)] + ["aaaaaaaaaaaa", "ab 1\nab\n"]
            try:
                cases = [[s, [list(at) for _, at in split.pre_tokenize_str(s)]] for s in texts]
            except BaseException as e:  # it panics where it has tried for too long
                if isinstance(e, KeyboardInterrupt):
                    raise
                continue
            f.write((json.dumps({"pattern": p, "cases": cases}) + "\n").encode())


if __name__ == "__main__":
    main()
