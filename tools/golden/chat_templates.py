#!/usr/bin/env python3
"""Record what jinja2 makes of chat templates, in the environment of transformers.

    python chat_templates.py ../../tokenizer/jinja/testdata

It reads expressions.txt (a template a line, ↵ for a newline; a line of nothing but {{ … }} is a template for each),
templates/*.jinja with conversations.json, and variables.json, and writes expected.jsonl.gz: the text of each, or the
exception's class.
"""

import copy
import datetime
import gzip
import io
import json
import pathlib
import re
import sys

import jinja2
import transformers
from transformers.utils import chat_template_utils

NOW = datetime.datetime(2026, 7, 4, 15, 5, 9, 123456)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(template, variables):
    try:
        return {"want": chat_template_utils._compile_jinja_template(template).render(**copy.deepcopy(variables))}  # {{ l | indent }} changes l
    except Exception as e:  # noqa: BLE001 – whatever a template raises is what is recorded
        return {"error": type(e).__name__}


def expressions(path):
    several = re.compile(r"(\{\{ (?:(?!\}\} ).)*? \}\}\|?x? ?)+")
    for line in path.read_text(encoding="utf-8").splitlines():
        template = line.replace("↵", "\n")
        yield template
        parts = re.findall(r"\{\{ .*? \}\}(?= |\||$)", template)
        if len(parts) > 1 and several.fullmatch(template):
            yield from parts


def main(folder):
    chat_template_utils.datetime = Clock
    variables = json.loads((folder / "variables.json").read_text(encoding="utf-8"))
    records, seen = [], set()
    for template in expressions(folder / "expressions.txt"):
        if template not in seen:
            seen.add(template)
            records.append({"template": template, **render(template, variables)})
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    conversations = json.loads((folder / "conversations.json").read_text(encoding="utf-8"))
    for path in sorted((folder / "templates").glob("*.jinja")):
        for c in conversations:
            for answer in (False, True):
                given = {"messages": c["messages"], "tools": c.get("tools"), "documents": c.get("documents"),
                         "add_generation_prompt": answer, **tokens, **c.get("variables", {})}
                records.append({"file": path.name, "conversation": c["name"], "answer": answer,
                                **render(path.read_text(encoding="utf-8"), given)})
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as f:
        for r in records:
            f.write((json.dumps(r, ensure_ascii=False) + "\n").encode())
    (folder / "expected.jsonl.gz").write_bytes(out.getvalue())
    print(f"{len(records)} records by jinja2 {jinja2.__version__}, transformers {transformers.__version__}, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
