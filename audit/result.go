package audit

import (
	"github.com/mlxlens/mlxlens/lens"
)

// Schema names the version of Result's JSON form. Additions never rename.
const Schema = "mlxlens.audit/1"

// Number is null in JSON when it is not finite.
type Number = lens.Number

// Result is how far a candidate is from a reference: plain data. Divergences are in nats.
type Result struct {
	Schema    string `json:"schema"`
	Made      *Made  `json:"made,omitempty"`
	Reference Side   `json:"reference"`
	Candidate Side   `json:"candidate"`
	Corpus    Corpus `json:"corpus"`

	Final  Final   `json:"final"`
	Layers []Row   `json:"layers"` // those that were read, in forward order
	Parts  Parts   `json:"parts"`
	Blame  *Blamed `json:"blame,omitempty"`

	// Positions has those that were scored in any sequence, ascending; the [row][position] means of
	// [Result.Arrays] are of these.
	Positions []At `json:"positions"`

	means             [][]rowMeans // [row][position]
	eachKL, eachDelta []float32    // of the tokens
}

// Made says how a result was made.
type Made struct {
	Version string   `json:"version"`
	Command []string `json:"command"` // the arguments
}

// Side is one of the two models.
type Side struct {
	lens.ModelInfo
	Weights  string `json:"weights,omitempty"`  // how they are held: dense, packed
	Digest   string `json:"digest,omitempty"`   // of its files
	Revision string `json:"revision,omitempty"` // the commit, of a model of the hub
}

// Corpus is what the models were compared over.
type Corpus struct {
	Name      string `json:"name,omitempty"`
	Digest    string `json:"digest,omitempty"` // of the ids
	Sequences int    `json:"sequences"`
	Skipped   int    `json:"skipped"`        // of them, too short to have a position that is scored
	Skip      *int   `json:"skip,omitempty"` // positions before the first that is scored; absent: half of each sequence
	Tokens    int    `json:"tokens"`         // that were scored
}

// Estimate is a mean and its standard error, the tokens taken as independent.
type Estimate struct {
	Mean  Number `json:"mean"`
	Error Number `json:"error"`
}

// Percentile is the number below which so many percent of the tokens are, interpolated between them.
type Percentile struct {
	Percent float64 `json:"percent"`
	Value   Number  `json:"value"`
}

// Final has the numbers of llama-perplexity --kl-divergence, by its definitions: the candidate is its
// model, and the reference its base. Δp = q − p of the token that follows.
type Final struct {
	KL            Estimate     `json:"kl"` // KL(reference ‖ candidate)
	KLPercentiles []Percentile `json:"kl_percentiles"`

	PPLCandidate Estimate `json:"ppl_candidate"` // e^(mean −ln q)
	PPLReference Estimate `json:"ppl_reference"`
	Correlation  Number   `json:"ln_ppl_correlation"`
	LnRatio      Estimate `json:"ln_ppl_ratio"` // ln(PPL of the candidate / PPL of the reference)
	Ratio        Estimate `json:"ppl_ratio"`
	Difference   Estimate `json:"ppl_difference"`

	Delta            Estimate     `json:"delta_p"`
	DeltaRMS         Estimate     `json:"delta_p_rms"`
	DeltaPercentiles []Percentile `json:"delta_p_percentiles"`
	SameTop          Estimate     `json:"same_top"` // the part of the tokens whose best ids agree
}

// Row is the lens of a layer, over all scored tokens.
type Row struct {
	Row          string   `json:"row"` // layers.3.resid_post
	KL           Estimate `json:"kl"`  // of the lens of the candidate from that of the reference
	SameTop      Estimate `json:"same_top"`
	Apart        Number   `json:"relative_error"` // mean of ‖candidate − reference‖/‖reference‖ of the stream
	PPLReference Number   `json:"ppl_reference"`  // of the lens
	PPLCandidate Number   `json:"ppl_candidate"`
}

// At is the end of the models at a position, over the sequences that have it.
type At struct {
	Position int `json:"position"`
	Tokens   int `json:"tokens"`
	rowMeans
}

// rowMeans are means at a position.
type rowMeans struct {
	KL           Number `json:"kl"`
	SameTop      Number `json:"same_top"`
	Apart        Number `json:"relative_error"`
	PPLReference Number `json:"ppl_reference"`
	PPLCandidate Number `json:"ppl_candidate"`
}

// Parts says where the two models part.
type Parts struct {
	Threshold float64 `json:"threshold"`

	// Row is the first from which on the mean KL of the lens is above the threshold in all rows; nil: at the end it is not.
	Row *string `json:"row"`

	// Tokens has, by row, how many tokens whose best ids differ at the end differ in all rows from
	// that one on, and not in the one before.
	Tokens []int `json:"tokens"`
}

// Blamed ranks modules.
type Blamed struct {
	Sequences  int         `json:"sequences"`
	Tokens     int         `json:"tokens"`
	Directions []Direction `json:"directions"`
	Rankings   []Ranking   `json:"rankings"`

	// Left is the KL of the candidate with all modules of the reference, which is 0 where the two differ in
	// nothing but these.
	Left Number `json:"left"`

	Same          []string `json:"same"`           // modules that are the same in both
	OnlyReference []string `json:"only_reference"` // that have no counterpart
	OnlyCandidate []string `json:"only_candidate"`
}

// Ranking is modules by what they do, the worst first, by the first of the directions.
type Ranking struct {
	By      Grouping `json:"by"`
	Modules []Ranked `json:"modules"`

	// Stability is Spearman's rank correlation of the two halves of the sequences, by direction.
	Stability map[Direction]Number `json:"stability"`
}

// Ranked is a module, or a group of them.
type Ranked struct {
	Name       string `json:"name"` // layers.3.q, q, layers.3
	Modules    int    `json:"modules"`
	Parameters int    `json:"parameters"`
	Reference  string `json:"reference_form"` // affine 4-bit group 32; of a group the forms that there are
	Candidate  string `json:"candidate_form"`
	Difference Number `json:"relative_error"` // ‖W_candidate − W_reference‖/‖W_reference‖

	Effects map[Direction]Effect `json:"effects"`

	place int // in the order of the model
}

// Effect is what replacing does, in nats a token.
type Effect struct {
	Estimate
	Halves [halves]Number `json:"halves"` // the means of the two halves of the sequences
}
