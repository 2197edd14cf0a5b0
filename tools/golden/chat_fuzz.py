#!/usr/bin/env python3
"""Write random templates with what jinja2 makes of them, in the environment of transformers.

    python chat_fuzz.py ../../tokenizer/jinja/testdata SEED COUNT > fuzz.jsonl
    MLXLENS_JINJA_FUZZ=fuzz.jsonl go test ./tokenizer/jinja -run Random -v
"""

import json
import logging
import pathlib
import random
import sys
import warnings

import chat_templates
from transformers.utils import chat_template_utils

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

NAMES = ["n", "f", "s", "e", "l", "m", "d", "t", "no", "z", "text", "users", "messages", "nested", "missing", "emoji", "loop", "x", "y", "big"]
CONSTS = ["0", "1", "2", "-1", "3", "10", "2.5", "0.1", "-0.0", "1e16", "''", "'a'", "'b c'", "'aXbXa'", "' é ß\\n'", "'%s'", "'{}'", "'3'", "'0x1f'", "\"it's\"",
          "true", "false", "none", "[]", "{}", "()", "[1, 2, 3]", "['b', 'a', 'B']", "(1, 'x')", "{'a': 1, 'b': [2]}", "{1: 'i', none: 0}", "range(4)", "[[1, 2], [3]]"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
FILTERS = ["abs", "attr('a')", "batch(2)", "batch(2, 'z')", "capitalize", "center(7)", "count", "default('D')", "d('D', true)", "dictsort", "dictsort(by='value')", "e",
           "filesizeformat", "first", "float", "float(7.5)", "format(1)", "format('u', 2)", "groupby('a')", "groupby(0)", "indent", "indent(2, true)", "int", "int(9)",
           "int(base=16)", "items", "join", "join(', ')", "join('-', 'name')", "last", "length", "list", "lower", "map('upper')", "map('int')", "map(attribute='name')", "map('first')",
           "max", "min", "reject", "reject('odd')", "select", "select('string')", "select('>', 1)", "selectattr('age', 'gt', 26)", "rejectattr('tags')", "replace('a', 'o')",
           "replace('X', '', 1)", "reverse", "round", "round(1)", "round(1, 'floor')", "safe", "slice(2)", "sort", "sort(true)", "sort(attribute='name')", "string", "sum", "sum(start=1)",
           "title", "tojson", "tojson(indent=1)", "trim", "trim('a ')", "truncate(5)", "truncate(3, true, '')", "unique", "upper", "urlencode", "wordcount", "xmlattr", "list", "list",
           "join", "string", "length"]
TESTS = ["defined", "undefined", "none", "true", "false", "boolean", "integer", "float", "number", "string", "mapping", "iterable", "sequence", "callable", "odd", "even",
         "divisibleby 2", "divisibleby(0)", "lower", "upper", "escaped", "eq 1", "ne 'a'", "gt 1", "in [1, 'a']", "sameas none", "filter", "test"]
METHODS = ["upper()", "lower()", "title()", "capitalize()", "swapcase()", "casefold()", "strip()", "strip('a')", "lstrip()", "rstrip('a ')", "split()", "split('X')", "split('X', 1)",
           "split(none, 1)", "rsplit('X', 1)", "rsplit(none, 1)", "splitlines()", "splitlines(true)", "startswith('a')", "startswith(('b', 'a'))", "endswith('a', 1)", "removeprefix('a')",
           "removesuffix('a')", "partition('X')", "rpartition('X')", "find('X')", "rfind('X', 1)", "index('a')", "count('a')", "replace('a', 'bb')", "replace('', '-', 2)", "join(['p', 'q'])",
           "join('xy')", "zfill(5)", "center(6, '*')", "ljust(4)", "rjust(5, '.')", "isdigit()", "isalpha()", "isalnum()", "isspace()", "islower()", "isupper()", "istitle()",
           "format('f', 5)", "format(1.5)", "expandtabs(3)", "get('a')", "get('z', 0)", "items()", "keys()", "values()", "copy()", "count(1)", "index(2)", "append(1)", "pop()", "name", "role",
           "content", "a", "z", "items", "nope", "nope.x", "real", "__class__"]
SUBSCRIPTS = ["0", "-1", "1", "9", "'a'", "'name'", "none", "1:", ":1", "::-1", "-2:", "::2", "1:9:3", "2:0:-1", "true", "1.0", "'key with space'", ":", "n", "l"]
FORMATS = ["%s", "%d", "%5.2f", "%-6s|", "%05d", "%x", "%r", "%e", "%g", "%+d", "%%", "%c", "%i"]
SPECS = ["", ":5", ":<6", ":>6", ":^7", ":05", ":+", ":,", ":.2f", ":.3", ":e", ":g", ":x", ":#x", ":b", ":%", "!r", "!s:>5", ":*^9", ":_", ":010.2f", ":s", ":d", ":,.1f", ":#o", ":G", ":.0f", ": d", ":=5", ":<05"]
BODIES = ["{{{{ {0} }}}}", "{{% if {0} %}}y{{% else %}}n{{% endif %}}", "{{% for x in {0} %}}{{{{ x }}}},{{% else %}}none{{% endfor %}}",
          "{{% for x in {0} %}}{{{{ loop.index }}}}{{{{ {1} }}}}{{% if loop.last %}}.{{% endif %}}{{% endfor %}}", "{{% for x in {0} if {1} %}}{{{{ x }}}}{{{{ loop.length }}}}{{% endfor %}}",
          "{{% set x = {0} %}}{{{{ {1} }}}}", "{{% set x %}}{{{{ {0} }}}}{{% endset %}}{{{{ {1} }}}}", "{{% macro q(x, y={0}) %}}[{{{{ {1} }}}}]{{% endmacro %}}{{{{ q({0}) }}}}{{{{ q(y={1}) }}}}",
          "{{% set ns = namespace(a={0}) %}}{{% for x in [1, 2] %}}{{% set ns.a = {1} %}}{{% endfor %}}{{{{ ns.a }}}}", "{{% with x = {0}, y = {1} %}}{{{{ x }}}}{{{{ y }}}}{{% endwith %}}",
          "{{% for x, y in {0} %}}{{{{ x }}}}={{{{ y }}}} {{% endfor %}}", "a \n  {{%- if {0} -%}} \n b {{%- else %}}\n c\n  {{% endif +%}}\nd", "{{% filter upper %}}{{{{ {0} }}}}{{% endfilter %}}",
          "{{% for x in {0} %}}{{% set y = x %}}{{% if y == {1} %}}{{% break %}}{{% endif %}}{{{{ y }}}}{{% endfor %}}{{{{ y }}}}"]


def expression(r, depth):
    if depth <= 0 or r.random() < 0.12:
        return r.choice(NAMES) if r.random() < 0.5 else r.choice(CONSTS)
    sub = lambda: expression(r, depth - 1)  # noqa: E731
    kind = r.randrange(16)
    if kind < 4:
        return f"{sub()} | {r.choice(FILTERS)}" if r.random() < 0.3 else f"({sub()}) | {r.choice(FILTERS)}"
    if kind < 7:
        return f"({sub()}).{r.choice(METHODS)}"
    if kind < 9:
        a, b = sub(), sub()
        op = r.choice(BINARY)
        if op == "**":
            b = r.choice(["2", "-1", "0.5", "0", "3"])
        return f"({a}) {op} ({b})" if r.random() < 0.7 else f"{a} {op} {b}"
    if kind == 9:
        return f"({sub()})[{r.choice(SUBSCRIPTS)}]"
    if kind == 10:
        return f"({sub()} is {'not ' if r.random() < 0.3 else ''}{r.choice(TESTS)})"
    if kind == 11:
        return f"({sub()} if {sub()}{' else ' + sub() if r.random() < 0.8 else ''})"
    if kind == 12:
        return r.choice(["[{0}, {1}]", "({0}, {1})", "{{'a': {0}, 'k': {1}}}", "[{0}]", "dict(a={0}, b={1})"]).format(sub(), sub())
    if kind == 13:
        return f"'{r.choice(FORMATS)}{r.choice(FORMATS)}' % ({sub()}, {sub()})" if r.random() < 0.5 else f"'{r.choice(FORMATS)}' % ({sub()})"
    if kind == 14:
        return f"'{{{r.choice(SPECS)}}}'.format({sub()})"
    return r.choice(["not {0}", "-{0}", "({0})", "{0} < {1} <= {0}", "{0} in {1} == {0}", "{0} and {1} or {0}", "{0} ~ {1}"]).format(sub(), sub())


def main(folder, seed, count):
    r = random.Random(seed)
    variables = json.loads((folder / "variables.json").read_text(encoding="utf-8"))
    chat_template_utils.datetime = chat_templates.Clock
    for _ in range(count):
        template = r.choice(BODIES).format(expression(r, r.randrange(1, 5)), expression(r, r.randrange(1, 3))) if r.random() < 0.6 else "{{ " + expression(r, r.randrange(1, 5)) + " }}"
        result = chat_templates.render(template, variables)
        if " at 0x" in result.get("want", ""):
            result = {"error": "Address"}
        print(json.dumps({"template": template, **result}, ensure_ascii=False))


main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
