#!/usr/bin/env python3
"""Write Phi-3's tokenizer.json from Llama 2's: the same vocabulary, with tokens that take the white space behind them.

    python tokenizers_phi3.py LLAMA2_JSON OUT.json
"""

import json
import sys

MORE = "endoftext assistant placeholder1 placeholder2 placeholder3 placeholder4 system end placeholder5 placeholder6 user".split()

with open(sys.argv[1], encoding="utf-8") as f:
    file = json.load(f)
file["added_tokens"][2] |= {"rstrip": True, "special": False}  # </s>
for i, name in enumerate(MORE):
    file["added_tokens"].append(
        {"id": 32000 + i, "content": f"<|{name}|>", "single_word": False, "lstrip": False, "rstrip": i > 0, "normalized": False, "special": True}
    )
with open(sys.argv[2], "w", encoding="utf-8") as f:
    json.dump(file, f)
