package lens

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"
)

// TraceSchema names the version of Grid's JSON form. Additions never rename.
const TraceSchema = "mlxlens.trace/1"

// Grid is the logit lens of one prompt: plain data, a row for each site that was
// read and a column for each position. Logits have no unit; entropy and KL are in
// nats.
type Grid struct {
	Schema    string     `json:"schema"`
	Made      *Made      `json:"made,omitempty"` // nil: by no command, or a line of many
	Model     ModelInfo  `json:"model"`
	Lens      string     `json:"lens"`           // "logit", a Translator's name, or several
	Prompt    *string    `json:"prompt"`         // nil when ids were given instead of text
	Chat      bool       `json:"chat,omitempty"` // the model's chat template wrote the tokens: around the prompt, or with --messages the prompt too
	BOSAdded  bool       `json:"bos_added"`
	Tokens    []Token    `json:"tokens"`              // the whole prompt
	Rows      []string   `json:"rows"`                // sites in forward order; of several lenses with the kind of a fitted one: "layers.3.resid_post (jacobian)"
	Continued int        `json:"continued,omitempty"` // of the tokens, the last so many are the model's own
	Positions []int      `json:"positions"`           // indices into Tokens, ascending
	Contrasts []Contrast `json:"contrasts,omitempty"` // what each cell's contrasts are of
	Cells     [][]Cell   `json:"cells"`               // [row][position]
	// Tracked are the tokens of best rank in any row, for each position; best first.
	Tracked [][]Trajectory `json:"tracked,omitempty"`
	Final   Final          `json:"final"`
	Lenses  []Reading      `json:"lenses,omitempty"` // of several lenses what each reads
	Edits   []string       `json:"edits"`
	Check   *Check         `json:"check,omitempty"` // only when asked for
	Timing  Timing         `json:"timing"`
}

// Contrast is a pair of tokens whose logits are compared.
type Contrast struct {
	Target Token `json:"target"`
	Versus Token `json:"vs"`
}

// ModelInfo says which model a result is of.
type ModelInfo struct {
	Ref          string `json:"ref"`
	Type         string `json:"type"` // the config's model_type
	Layers       int    `json:"layers"`
	DModel       int    `json:"d_model"`
	DVocab       int    `json:"d_vocab"`
	Quantization string `json:"quantization"` // "affine 4-bit group 32", or "none"
}

// Token is a token id with the bytes that it stands for, which need not be text.
type Token struct {
	ID    int
	Bytes string // raw bytes
}

// Text returns the token's bytes as text, U+FFFD in place of each maximal part
// that is not.
func (t Token) Text() string {
	if utf8.ValidString(t.Bytes) {
		return t.Bytes
	}
	return string([]rune(t.Bytes)) // one U+FFFD a byte that is no text, as Python's errors="replace" does for a lone byte
}

// TokenJSON is a token's JSON form.
type TokenJSON struct {
	ID    int    `json:"id"`
	Text  string `json:"text"`
	Bytes string `json:"bytes,omitempty"` // base64, where text loses something
}

// JSON returns the token's JSON form.
func (t Token) JSON() TokenJSON {
	j := TokenJSON{ID: t.ID, Text: t.Text()}
	if j.Text != t.Bytes {
		j.Bytes = base64.StdEncoding.EncodeToString([]byte(t.Bytes))
	}
	return j
}

// MarshalJSON writes id, text, and bytes in base64 where text loses something.
func (t Token) MarshalJSON() ([]byte, error) { return marshal(t.JSON()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Token) UnmarshalJSON(data []byte) error {
	var j TokenJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	return t.set(j)
}

func (t *Token) set(j TokenJSON) error {
	t.ID, t.Bytes = j.ID, j.Text
	if j.Bytes != "" {
		raw, err := base64.StdEncoding.DecodeString(j.Bytes)
		if err != nil {
			return err
		}
		t.Bytes = string(raw)
	}
	return nil
}

// marshal is json.Marshal without the escaping of <, > and & for web pages.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// Cell is the lens at one site and position: a distribution over the vocabulary
// for the token at position+1.
type Cell struct {
	Top       []Candidate // score descending, then id ascending
	LogSumExp float64     // ln Σ e^logit
	Entropy   float64     // −Σ p ln p
	KL        float64     // KL(final ‖ this) = Σ p_final (ln p_final − ln p)
	Norm      float64     // L2 norm of the state, before the final norm
	Targets   []Target    // those asked for
	Contrasts []float64   // logit of each contrast's target less that of its other

	// Answer is the final row's top token at this position, as this row scores it.
	Answer Target

	// Experts are those that the layer's router chose at this position, the greatest weight
	// first: only in the row of a layer's last state, and only when asked for.
	Experts []Expert
}

// MarshalJSON writes null for a number that is not finite.
func (c Cell) MarshalJSON() ([]byte, error) {
	return marshal(cellJSON{c.Top, Number(c.LogSumExp), Number(c.Entropy), Number(c.KL), Number(c.Norm), c.Targets, convert[Number](c.Contrasts), c.Answer, c.Experts})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Cell) UnmarshalJSON(data []byte) error {
	var j cellJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*c = Cell{j.Top, float64(j.LogSumExp), float64(j.Entropy), float64(j.KL), float64(j.Norm), j.Targets, nil, j.Answer, j.Experts}
	if len(j.Contrasts) > 0 {
		c.Contrasts = convert[float64](j.Contrasts)
	}
	return nil
}

type cellJSON struct {
	Top       []Candidate `json:"top"`
	LogSumExp Number      `json:"logsumexp"`
	Entropy   Number      `json:"entropy"`
	KL        Number      `json:"kl"`
	Norm      Number      `json:"norm"`
	Targets   []Target    `json:"targets,omitempty"`
	Contrasts []Number    `json:"contrasts,omitempty"`
	Answer    Target      `json:"answer"`
	Experts   []Expert    `json:"experts,omitempty"`
}

// Number is null in JSON when it is not finite.
type Number float64

// MarshalJSON writes null for NaN and the infinities.
func (x Number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(x))
}

// UnmarshalJSON reads null as NaN.
func (x *Number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*x = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(x))
}

// Candidate is one of a cell's best tokens.
type Candidate struct {
	Token
	Logit float64
	Prob  float64
}

type candidateJSON struct {
	TokenJSON
	Logit Number `json:"logit"`
	Prob  Number `json:"prob"`
}

// MarshalJSON writes the token's fields, logit and prob.
func (c Candidate) MarshalJSON() ([]byte, error) {
	return marshal(candidateJSON{c.Token.JSON(), Number(c.Logit), Number(c.Prob)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Candidate) UnmarshalJSON(data []byte) error {
	var j candidateJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	c.Logit, c.Prob = float64(j.Logit), float64(j.Prob)
	return c.Token.set(j.TokenJSON)
}

// Target is a given token as a cell scores it. Rank 1 is the best.
type Target struct {
	Token
	Logit float64
	Prob  float64
	Rank  int
}

type targetJSON struct {
	TokenJSON
	Logit Number `json:"logit"`
	Prob  Number `json:"prob"`
	Rank  int    `json:"rank"`
}

// MarshalJSON writes the token's fields, logit, prob and rank.
func (t Target) MarshalJSON() ([]byte, error) {
	return marshal(targetJSON{t.Token.JSON(), Number(t.Logit), Number(t.Prob), t.Rank})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Target) UnmarshalJSON(data []byte) error {
	var j targetJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	t.Logit, t.Prob, t.Rank = float64(j.Logit), float64(j.Prob), j.Rank
	return t.Token.set(j.TokenJSON)
}

// Trajectory is a token at one position as each row scores it, in the order of
// Grid.Rows. Rank 1 is the best.
type Trajectory struct {
	Token
	Logit []float64
	Prob  []float64
	Rank  []int
}

type trajectoryJSON struct {
	TokenJSON
	Logit []Number `json:"logit"`
	Prob  []Number `json:"prob"`
	Rank  []int    `json:"rank"`
}

// MarshalJSON writes the token's fields, and arrays logit, prob and rank.
func (t Trajectory) MarshalJSON() ([]byte, error) {
	return marshal(trajectoryJSON{t.Token.JSON(), convert[Number](t.Logit), convert[Number](t.Prob), t.Rank})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Trajectory) UnmarshalJSON(data []byte) error {
	var j trajectoryJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	t.Logit, t.Prob, t.Rank = convert[float64](j.Logit), convert[float64](j.Prob), j.Rank
	return t.Token.set(j.TokenJSON)
}

func convert[To, From ~float64](xs []From) []To {
	out := make([]To, len(xs))
	for i, x := range xs {
		out[i] = To(x)
	}
	return out
}

// Final is what the model says at the last position that was read, and where its
// answer crystallises; of several lenses as the first of them reads it.
type Final struct {
	Position   int     `json:"position"` // as asked: −1 is the last
	Token      Token   `json:"token"`
	FirstTop1  *string `json:"first_top1"`  // the first row whose top-1 it is; nil: none that was read
	StableFrom *string `json:"stable_from"` // the first row from which it stays top-1
}

// Reading is what one of a grid's several lenses reads, and where Final's token crystallises by it. A row that
// several lenses read alike is of each of them: the last one, which a fitted lens reads as it is.
type Reading struct {
	Name       string  `json:"name"`        // "logit", or the Translator's
	Kind       string  `json:"kind"`        // the name in short, as Rows have it: "tuned"
	Rows       []int   `json:"rows"`        // indices into Grid.Rows, ascending
	FirstTop1  *string `json:"first_top1"`  // the first of them whose top-1 it is; nil: none
	StableFrom *string `json:"stable_from"` // the first of them from which it stays top-1
}

// Check is the comparison of the last lens row with the model's own logits.
type Check struct {
	MaxDifference float64 // of a logit, over all positions read
	Tolerance     float64
	OK            bool
}

type checkJSON struct {
	MaxDifference Number `json:"max_difference"`
	Tolerance     Number `json:"tolerance"`
	OK            bool   `json:"ok"`
}

// MarshalJSON writes null for a number that is not finite.
func (c Check) MarshalJSON() ([]byte, error) {
	return json.Marshal(checkJSON{Number(c.MaxDifference), Number(c.Tolerance), c.OK})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Check) UnmarshalJSON(data []byte) error {
	var j checkJSON
	err := json.Unmarshal(data, &j)
	*c = Check{float64(j.MaxDifference), float64(j.Tolerance), j.OK}
	return err
}

// Timing is wall time in seconds.
type Timing struct {
	Load    float64 `json:"load_s"`
	Forward float64 `json:"forward_s"`
	Lens    float64 `json:"lens_s"`
}
