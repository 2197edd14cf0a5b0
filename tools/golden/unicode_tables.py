#!/usr/bin/env python3
"""Write tokenizer/zunicode.go: what Hugging Face's tokenizers know of each character.

    python unicode_tables.py ../../tokenizer/zunicode.go

The library asks three tables of three versions of Unicode: oniguruma's for patterns, the regex crate's and Rust's own
for added tokens, digits and case, and those of its normalization crate. Each is read from the library itself, one
character at a time, so that the file has no opinion of its own.
"""

import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = "Cn Cc Cf Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs".split()
SCRIPTS = "Arabic Bopomofo Cyrillic Devanagari Greek Han Hangul Hebrew Hiragana Katakana Latin Thai".split()


def matches(pattern):
    """The characters that oniguruma's pattern, of one character, matches."""
    found = set()
    mark = normalizers.Replace(Regex(pattern), "\x00")
    for at in range(0, len(POINTS), 1 << 14):
        part = POINTS[at : at + (1 << 14)]
        text = mark.normalize_str("".join(map(chr, part)))
        assert len(text) == len(part), pattern
        found.update(c for c, t in zip(part, text) if t == "\x00" and c)
    if normalizers.Replace(Regex(pattern), "x").normalize_str("\x00") == "x":
        found.add(0)
    return found


def two_stages(value):
    """A table of bytes in pages of 256 characters, equal pages once: index and pages."""
    pages, index = {}, []
    for at in range(0, 0x110000, 256):
        page = bytes(value.get(c, 0) for c in range(at, at + 256))
        index.append(pages.setdefault(page, len(pages)))
    assert len(pages) <= 256
    return bytes(index), b"".join(pages)


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def added_words():
    """The characters that the regex crate's \\w has: no added token that is a single word touches one."""
    t = Tokenizer(models.BPE(vocab={"x": 0}, merges=[]))
    t.add_tokens([AddedToken("@@", single_word=True, normalized=False)])
    return {c for c in POINTS if t.token_to_id("@@") not in t.encode("@@" + chr(c)).ids}


def numeric():
    """The characters that Rust's char::is_numeric has: Digits cuts at each."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    return {c for c in POINTS if len(digits.pre_tokenize_str("a" + chr(c) + "a")) > 1}


def classes(form):
    """Canonical combining classes, by how marks of known classes change places with a character."""
    known = {}
    for line in (
        "334 1,16FF0 6,93C 7,3099 8,94D 9,5B0 10,5B1 11,5B2 12,5B3 13,5B4 14,5B5 15,5B6 16,5B7 17,5B8 18,5B9 19,5BB 20,5BC 21,5BD 22,5BF 23,5C1 24,5C2 25,"
        "FB1E 26,64B 27,64C 28,64D 29,64E 30,64F 31,650 32,651 33,652 34,670 35,711 36,C55 84,C56 91,E38 103,E48 107,EB8 118,EC8 122,F71 129,F72 130,F74 132,"
        "321 202,1DCE 214,31B 216,302A 218,316 220,59A 222,1D16D 226,302E 224,5AE 228,302B 232,301 230,315 232,35C 233,35D 234,345 240"
    ).split(","):
        point, number = line.split()
        known[int(number)] = chr(int(point, 16))
    numbers = [n for n in sorted(known) if n == 1 or form("\u0334" + known[n]) != known[n] + "\u0334"]
    numbers = [n for n in numbers if n == 1 or form(known[n] + "\u0334") == "\u0334" + known[n]]
    out = {}
    for c in POINTS:
        ch = chr(c)
        if form(ch) != ch or form(ch + "\u0334") == ch + "\u0334" and form("\u0345" + ch) == "\u0345" + ch:
            continue
        below = [n for n in numbers if known[n] != ch and form(ch + known[n]) == known[n] + ch]
        above = [n for n in numbers if known[n] != ch and form(known[n] + ch) == ch + known[n]]
        own = [n for n in numbers if n not in below and n not in above]
        assert len(own) == 1 and max(below, default=0) < own[0] < min(above, default=999), hex(c)
        out[c] = own[0]
    return out


def pairs(forms):
    """Characters that NFC makes of two: {composed: two characters}, without Hangul syllables."""
    out = {}
    for c in POINTS:
        whole = forms["NFD"](chr(c))
        if len(whole) < 2 or 0xAC00 <= c < 0xD7A4:
            continue
        first = forms["NFC"](whole[:-1])
        if len(first) == 1 and forms["NFC"](first + whole[-1]) == chr(c):
            out[c] = first + whole[-1]
    return out


def quoted(data):
    text = "".join(f"\\x{b:02x}" for b in data)
    return '"' + '" +\n\t"'.join(text[i : i + 480] for i in range(0, len(text), 480)) + '"'


def table(out, name, points, comment):
    out.append(f"// {comment}\nvar {name} = &unicode.RangeTable{{")
    for field, low, high in ("R16", 0, 0xFFFF), ("R32", 0x10000, 0x10FFFF):
        rows = [f"{{0x{a:04x}, 0x{b:04x}, 1}}" for a, b in ranges(c for c in points if low <= c <= high)]
        if rows:
            out.append(f"\t{field}: []unicode.Range{field[1:]}{{")
            out += ["\t\t" + ", ".join(rows[i : i + 6]) + "," for i in range(0, len(rows), 6)]
            out.append("\t},")
    out.append(f"\tLatinOffset: {sum(1 for a, b in ranges(c for c in points if c <= 0xFFFF) if b <= 0xFF)},\n}}\n")


def category_tables(out):
    category = {}
    for number, name in enumerate(CATEGORIES):
        if name in ("Cn", "Cs"):
            continue
        for c in matches(rf"\p{{{name}}}"):
            assert c not in category, (hex(c), name)
            category[c] = number
    for c in range(0xD800, 0xE000):
        category[c] = CATEGORIES.index("Cs")
    index, pages = two_stages(category)
    out.append("// The general categories, in the order of the numbers in categoryPages.")
    out.append("var categoryNames = [...]string{" + ", ".join(f'"{n}"' for n in CATEGORIES) + "}\n")
    out.append(f"// categoryOf reads them: the page of a character, and its place there.\nconst categoryIndex = {quoted(index)}\n")
    out.append(f"const categoryPages = {quoted(pages)}\n")
    name = {c: CATEGORIES[n] for c, n in category.items()}
    words = added_words()
    derived = {c for c, n in name.items() if n[0] in "LM" or n in ("Nd", "Nl", "Pc")}
    assert derived <= words
    table(out, "moreWord", words - derived, r"moreWord is what \w of added tokens has beside letters, marks, Nd, Nl and Pc.")
    own, within = matches(r"\w"), matches(r"[\w-]") - {ord("-")}
    assert derived <= within <= own
    table(out, "classWord", within - derived, r"classWord is what \w in a class of a pattern has beside letters, marks, Nd, Nl and Pc.")
    table(out, "patternWord", own - within, r"patternWord is what \w of a pattern has beside that, where it stands in no class.")
    number = {c for c, n in name.items() if n[0] == "N"}
    assert number <= numeric()
    table(out, "moreNumeric", numeric() - number, "moreNumeric is what Digits cuts at beside category N.")
    for script in SCRIPTS:
        table(out, "script" + script, matches(rf"\p{{{script}}}"), f"script{script} is \\p{{{script}}}.")


def normal_tables(out):
    forms = {n: getattr(normalizers, n)().normalize_str for n in ("NFD", "NFKD", "NFC", "NFKC")}
    for name, form, skip in ("canonical", "NFD", None), ("compatible", "NFKD", "NFD"):
        rows = []
        for c in POINTS:
            whole = forms[form](chr(c))
            if whole != chr(c) and not 0xAC00 <= c < 0xD7A4 and (skip is None or whole != forms[skip](chr(c))):
                rows.append(chr(c) + whole)
        out.append(f"// {name} has characters, each before its whole decomposition ({form}), but for Hangul syllables{'' if skip is None else ', where it is another than ' + skip}.")
        out.append(f"const {name} = {quoted(chr(0).join(rows).encode())}\n")
    rows = [two + chr(c) for c, two in pairs(forms).items()]
    out.append("// composed has pairs of characters, each before the one that NFC makes of it.")
    out.append(f"const composed = {quoted(''.join(rows).encode())}\n")
    rows = [f"{chr(c)}{chr(n)}" for c, n in classes(forms["NFD"]).items()]
    out.append("// combining has characters, each before a character of the number of its canonical combining class.")
    out.append(f"const combining = {quoted(''.join(rows).encode())}\n")
    low = normalizers.Lowercase().normalize_str
    rows = [chr(c) + low(chr(c)) for c in POINTS if len(low(chr(c))) == 1 and low(chr(c)) != chr(c)]
    out.append("// lowered has characters, each before its lower case; U+0130 has two and is not here.")
    out.append(f"const lowered = {quoted(''.join(rows).encode())}\n")


def main():
    out = [f"// Code generated by tools/golden/unicode_tables.py from tokenizers {tokenizers.__version__}; DO NOT EDIT.\n", "package tokenizer\n", 'import "unicode"\n']
    category_tables(out)
    normal_tables(out)
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        f.write("\n".join(out))


if __name__ == "__main__":
    main()
