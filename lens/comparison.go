package lens

import "encoding/json"

// CompareSchema names the version of Comparison's JSON form. Additions never rename.
const CompareSchema = "mlxlens.compare/1"

// Comparison is how far two lenses are from each other, row by row and position by
// position: plain data. Divergences are in nats.
type Comparison struct {
	Schema    string         `json:"schema"`
	Made      *Made          `json:"made,omitempty"` // nil: by no command
	A         Compared       `json:"a"`
	B         Compared       `json:"b"`
	Rows      []string       `json:"rows"`                // of a, in forward order
	RowsB     []string       `json:"rows_b"`              // that each is compared with
	Positions [][2]int       `json:"positions"`           // in a's tokens and in b's
	Contrasts []Contrast     `json:"contrasts,omitempty"` // what each cell's contrasts are of
	Cells     [][]Difference `json:"cells"`               // [row][position]
	Threshold float64        `json:"threshold"`           // JS above it is a divergence

	// First is the earliest row, and in it the earliest position, that diverges; nil: none.
	First *Divergence `json:"first"`
	// FirstAt is, for each position, the earliest row that diverges; nil: none.
	FirstAt []*string `json:"first_at"`
	ByRow   []Average `json:"by_row"` // over the positions
}

// Compared is a side of a comparison.
type Compared struct {
	Model    ModelInfo `json:"model"`
	Lens     string    `json:"lens"`
	Prompt   *string   `json:"prompt"` // nil when ids were given instead of text
	BOSAdded bool      `json:"bos_added"`
	Tokens   []Token   `json:"tokens"`
	Edits    []string  `json:"edits"`
}

// Difference is between two distributions over the vocabulary.
type Difference struct {
	KL    float64     // KL(a ‖ b) = Σ p_a (ln p_a − ln p_b)
	KLBA  float64     // KL(b ‖ a)
	JS    float64     // Jensen–Shannon divergence: (KL(a ‖ m) + KL(b ‖ m))/2, m = (p_a + p_b)/2
	Agree bool        // the same best token
	A, B  []Candidate // the best of each

	Targets   [][2]Target  // those asked for, of a and of b
	Contrasts [][2]float64 // logit of each contrast's target less that of its other, of a and of b
}

type differenceJSON struct {
	KL    Number      `json:"kl"`
	KLBA  Number      `json:"kl_ba"`
	JS    Number      `json:"js"`
	Agree bool        `json:"agree"`
	A     []Candidate `json:"a"`
	B     []Candidate `json:"b"`

	Targets   [][2]Target `json:"targets,omitempty"`
	Contrasts [][2]Number `json:"contrasts,omitempty"`
}

// MarshalJSON writes null for a number that is not finite.
func (d Difference) MarshalJSON() ([]byte, error) {
	j := differenceJSON{KL: Number(d.KL), KLBA: Number(d.KLBA), JS: Number(d.JS), Agree: d.Agree, A: d.A, B: d.B, Targets: d.Targets}
	for _, c := range d.Contrasts {
		j.Contrasts = append(j.Contrasts, [2]Number{Number(c[0]), Number(c[1])})
	}
	return marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Difference) UnmarshalJSON(data []byte) error {
	var j differenceJSON
	err := json.Unmarshal(data, &j)
	*d = Difference{KL: float64(j.KL), KLBA: float64(j.KLBA), JS: float64(j.JS), Agree: j.Agree, A: j.A, B: j.B, Targets: j.Targets}
	for _, c := range j.Contrasts {
		d.Contrasts = append(d.Contrasts, [2]float64{float64(c[0]), float64(c[1])})
	}
	return err
}

// Divergence is where two lenses part.
type Divergence struct {
	Row      string `json:"row"`
	Position [2]int `json:"position"` // in a's tokens and in b's
}

// Average is a row's mean over the positions.
type Average struct {
	KL, KLBA, JS float64
	Agree        float64 // share of the positions with the same best token
}

type averageJSON struct {
	KL    Number `json:"kl"`
	KLBA  Number `json:"kl_ba"`
	JS    Number `json:"js"`
	Agree Number `json:"agree"`
}

// MarshalJSON writes null for a number that is not finite.
func (a Average) MarshalJSON() ([]byte, error) {
	return marshal(averageJSON{Number(a.KL), Number(a.KLBA), Number(a.JS), Number(a.Agree)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Average) UnmarshalJSON(data []byte) error {
	var j averageJSON
	err := json.Unmarshal(data, &j)
	*a = Average{float64(j.KL), float64(j.KLBA), float64(j.JS), float64(j.Agree)}
	return err
}

// summarize finds where the sides part, and averages the rows. A divergence that is no
// number is above every threshold.
func (c *comparing) summarize(threshold float64) {
	out := c.out
	out.FirstAt = make([]*string, len(out.Positions))
	for r, row := range out.Cells {
		var mean Average
		for p, d := range row {
			mean.KL += d.KL
			mean.KLBA += d.KLBA
			mean.JS += d.JS
			if d.Agree {
				mean.Agree++
			}
			if d.JS <= threshold {
				continue
			}
			if out.First == nil {
				out.First = &Divergence{out.Rows[r], out.Positions[p]}
			}
			if out.FirstAt[p] == nil {
				out.FirstAt[p] = &out.Rows[r]
			}
		}
		n := float64(len(row))
		out.ByRow = append(out.ByRow, Average{mean.KL / n, mean.KLBA / n, mean.JS / n, mean.Agree / n})
	}
}
