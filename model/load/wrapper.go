package load

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/mlxlens/mlxlens/internal/exactjson"
)

// Unwrap returns the config of the text model in a config.json of a model that also sees or hears,
// its text_config, and whether there is one; else raw itself. What the outer config says of the
// vocabulary and its ties holds where the inner one says nothing. Programs differ in which
// tie_word_embeddings they read, and published files have two that differ: where the two differ neither is kept, and the checkpoint decides
// by having a head or not.
func Unwrap(arch string, raw []byte) (text []byte, wrapped bool, err error) {
	var outer struct {
		Text json.RawMessage `json:"text_config"`
		Tied *bool           `json:"tie_word_embeddings"`
		Size *int            `json:"vocab_size"`
	}
	if err := exactjson.Unmarshal(raw, &outer); err != nil {
		return nil, false, fmt.Errorf("%s: config.json: %w", arch, err)
	}
	if len(outer.Text) == 0 || string(outer.Text) == "null" {
		return raw, false, nil
	}
	var inner map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(outer.Text)))
	decoder.UseNumber()
	if err := decoder.Decode(&inner); err != nil {
		return nil, false, fmt.Errorf("%s: config.json: text_config: %w", arch, exactjson.Explain(err))
	}
	if outer.Tied != nil {
		switch own, said := inner["tie_word_embeddings"]; {
		case !said || own == nil:
			inner["tie_word_embeddings"] = *outer.Tied
		case !reflect.DeepEqual(own, *outer.Tied):
			delete(inner, "tie_word_embeddings")
		}
	}
	if own, said := inner["vocab_size"]; outer.Size != nil && !said {
		inner["vocab_size"] = *outer.Size
	} else if outer.Size != nil && fmt.Sprint(own) != fmt.Sprint(*outer.Size) {
		return nil, false, fmt.Errorf("%s: config.json: vocab_size is %d, and %v in text_config: programs differ in which they read; remove the wrong one", arch, *outer.Size, own)
	}
	text, err = json.Marshal(inner)
	return text, true, err
}

// besideText are paths of what a model that also sees or hears has beside its text model.
var besideText = []string{
	"vision_tower.", "vision_model.", "visual.", "vision_embed_tokens.", "audio_tower.", "audio_model.", "multi_modal_projector.", "vision_embedder.", "embed_vision.", "embed_audio.", "patch_merger.",
}

// Wrapped tells that the checkpoint is of a model that also sees or hears. The text model is below
// language_model. (mlx-lm, and Hugging Face's older files) or model.language_model. (its newer
// ones), or stands alone; what is beside it is left out.
func (l *Loader) Wrapped() {
	l.before = "language_model."
	l.Ignore(func(name string) bool {
		name = strings.TrimPrefix(name, "model.")
		for _, path := range besideText {
			if strings.HasPrefix(name, path) {
				return true
			}
		}
		return false
	})
}

// Path returns mlx-lm's path of a module that it calls so where nothing wraps it.
func (l *Loader) Path(module string) string { return l.before + module }

// within returns the paths that a module or a pattern may have in a wrapped checkpoint, mlx-lm's
// first.
func (l *Loader) within(module string) []string {
	if l.before == "" {
		return []string{module}
	}
	paths := []string{l.before + module}
	if inner, ok := strings.CutPrefix(module, "model."); ok {
		paths = append(paths, "model."+l.before+inner)
	}
	return append(paths, module)
}
