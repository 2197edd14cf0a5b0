package docs

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

const names = "names.md"

// architectures are what the page calls them, and the recorded model that is opened for each.
var architectures = [][2]string{
	{"Llama", "llama"}, {"Mistral", "mistral"}, {"Qwen2", "qwen2"}, {"Qwen3", "qwen3"}, {"SmolLM3", "smollm3"}, {"Gemma", "gemma"}, {"Gemma 2", "gemma2"}, {"Gemma 3", "gemma3"},
	{"Gemma 4", "gemma4-text"}, {"Gemma 4 MoE", "gemma4"},
	{"Llama 4", "llama4"}, {"Phi-3", "phi3"}, {"OLMo 2", "olmo2"}, {"OLMo 3", "olmo3"},
	{"Ministral 3", "ministral3"}, {"Mistral 3", "mistral3"}, {"Mixtral", "mixtral"}, {"Qwen3 MoE", "qwen3-moe"}, {"OLMoE", "olmoe"}, {"gpt-oss", "gpt-oss"}, {"Qwen3-Next", "qwen3-next"}, {"LFM2", "lfm2"}, {"LFM2 MoE", "lfm2-moe"}, {"Qwen2.5-VL", "qwen2-5-vl"}, {"Qwen3-VL", "qwen3-vl"}, {"Qwen3-VL MoE", "qwen3-vl-moe"}, {"GPT-2", "gpt2"}, {"GPT-NeoX", "gpt-neox"}, {"GPT-NeoX (sequential)", "gpt-neox-sequential"},
	{"Granite", "granite"}, {"Granite 4.0", "granite4-h"}, {"Nemotron-H", "nemotron-h"}, {"Cohere", "cohere"}, {"Cohere 2", "cohere2"}, {"DeepSeek V2", "deepseek-v2"}, {"DeepSeek V3", "deepseek-v3"}, {"GLM-4", "glm"}, {"GLM-4-0414", "glm4"}, {"GLM-4.5", "glm4-moe"}, {"GLM-4.7-Flash", "glm4-moe-lite"},
	{"GPT-J", "gptj"}, {"Phi", "phi"}, {"StableLM", "stablelm"}, {"StableLM 2 12B", "stablelm-parallel-qk-layernorm"}, {"StarCoder2", "starcoder2"},
}

func code(name string) string {
	if name == "" {
		return "–"
	}
	return "`" + name + "`"
}

// sitesTable has a row for each site: what it means, its shape, its names.
func sitesTable() string {
	dialects := []model.Dialect{model.TransformerLens, model.MLXLM, model.InterpEngine}
	var b strings.Builder
	b.WriteString("| site | means | shape | TransformerLens | mlx-lm (Llama), the output of | interp-engine |\n|---|---|---|---|---|---|\n")
	for _, s := range model.Sites() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` |", s.In(model.Ours), s.Means(), s.ShapeText())
		for _, d := range dialects {
			fmt.Fprintf(&b, " %s |", code(s.In(d)))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// lacksTable has a row for each reason for which architectures lack a site.
func lacksTable(paths map[string]model.Paths) string {
	var b strings.Builder
	b.WriteString("| site | is not there because | in |\n|---|---|---|\n")
	for _, s := range model.Sites() {
		var reasons []string
		in := map[string][]string{}
		for _, a := range architectures {
			why := paths[a[0]].Lacks[s]
			if why == "" {
				continue
			}
			if in[why] == nil {
				reasons = append(reasons, why)
			}
			in[why] = append(in[why], a[0])
		}
		for _, why := range reasons {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s, why, inWords(in[why]))
		}
		for _, a := range architectures {
			for _, why := range reasonsOfLayers(paths[a[0]], s) {
				fmt.Fprintf(&b, "| `%s` | %s | some layers of %s |\n", s, why, a[0])
			}
		}
	}
	return b.String()
}

// reasonsOfLayers returns why layers lack a site that others have, each reason once.
func reasonsOfLayers(p model.Paths, s model.Site) []string {
	var reasons []string
	for _, lacks := range p.LayerLacks {
		if why := lacks[s]; why != "" && !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	return reasons
}

// modulesOfLayers returns the modules whose output a site is in layers where it is another's than
// in the rest.
func modulesOfLayers(p model.Paths, s model.Site) []string {
	var modules []string
	for _, own := range p.LayerModules {
		if module := own[s]; module != "" && !slices.Contains(modules, module) {
			modules = append(modules, module)
		}
	}
	return modules
}

// inWords lists architectures, by those that are not among them where they are most.
func inWords(these []string) string {
	var others []string
	for _, a := range architectures {
		if !slices.Contains(these, a[0]) {
			others = append(others, a[0])
		}
	}
	switch {
	case len(others) == 0:
		return "all"
	case len(others) < len(these):
		return "all but " + strings.Join(others, ", ")
	}
	return strings.Join(these, ", ")
}

// namesTable has the names that are not those of the first table, and the architectures that
// have them.
func namesTable(paths map[string]model.Paths) string {
	var rows []string
	in := map[string][]string{}
	usual := model.LlamaModules()
	for _, a := range architectures {
		p := paths[a[0]]
		for _, s := range p.Sites() {
			hook := "as above"
			for name, site := range p.TransformerLens {
				if site == s {
					hook = code("blocks.N." + name)
				}
			}
			modules := modulesOfLayers(p, s)
			if module := p.Modules[s]; (module != usual[s] || hook != "as above") && (module != "" || modules == nil) {
				modules = append(modules, p.Modules[s])
			}
			for _, module := range modules {
				row := fmt.Sprintf("`%s` | %s | %s", s.In(model.Ours), code(strings.Replace(module, "%d", "N", 1)), hook)
				if in[row] == nil {
					rows = append(rows, row)
				}
				in[row] = append(in[row], a[0])
			}
		}
	}
	var b strings.Builder
	b.WriteString("| architecture | site | mlx-lm, the output of | TransformerLens |\n|---|---|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(in[row], ", "), row)
	}
	return b.String()
}

// between replaces what stands between the markers of a table.
func between(t *testing.T, page, marker, table string) string {
	t.Helper()
	begin, end := "<!-- "+marker+": made by go test ./docs -run ", "<!-- end of "+marker+" -->"
	before, rest, ok := strings.Cut(page, begin)
	require.True(t, ok, "the page has no %q", begin)
	which, rest, _ := strings.Cut(rest, "\n")
	begin += which + "\n"
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the page has no %q", end)
	return before + begin + table + end + after
}

func TestTablesOfNamesAreWhatTheModelsSay(t *testing.T) {
	page, err := os.ReadFile(names)
	require.NoError(t, err)
	paths := map[string]model.Paths{}
	for _, a := range architectures {
		paths[a[0]] = modeltest.Architecture(t, a[1], nil).Paths()
	}
	want := between(t, string(page), "sites", sitesTable())
	want = between(t, want, "lacks", lacksTable(paths))
	want = between(t, want, "names", namesTable(paths))
	if *update {
		require.NoError(t, os.WriteFile(names, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(page), "the tables are not those of the models: go test ./docs -run Names -update")
}
