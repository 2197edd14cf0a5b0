package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model/auto"
)

// questionFlags say what an experiment asks of a run's logits.
type questionFlags struct {
	metric string
	target string
	versus string
	within int64  // bytes that a run for an answer may take, 0: no bound
	usual  string // what --metric is where it is not given, in words
	alone  bool   // there is one run
}

func (o *questionFlags) flags(cmd *cobra.Command) {
	var names []string
	for _, m := range experiment.Metrics() {
		names = append(names, string(m))
	}
	answer, against := "the clean run's answer", " (default the corrupted run's answer)"
	if o.alone {
		answer, against = "the answer", ", with --metric logit_diff"
	}
	f := cmd.Flags()
	f.StringVar(&o.metric, "metric", "", "what is measured: "+strings.Join(names, ", ")+" (default "+o.usual+")")
	f.StringVar(&o.target, "target", "", "the token that the metric is of, such as \" Paris\", one without a text by its number, \"<61>\" (default "+answer+")")
	f.StringVar(&o.versus, "vs", "", "the token that the target is set against"+against)
}

func (o *questionFlags) check() error {
	m := experiment.Metric(o.metric)
	switch {
	case o.metric == "":
		return nil
	case !m.OfToken() && !m.Distance():
		return usagef("--metric %q is unknown%s (have: %s)", o.metric, spelling.DidYouMean(o.metric, experiment.Metrics()), metricNames())
	case m.Distance() && (o.target != "" || o.versus != ""):
		return usagef("--metric %s is a distance from the clean run, and has no --target and --vs", o.metric)
	case m != experiment.LogitDiff && o.versus != "":
		return usagef("--metric %s is of one token: leave --vs out, or take logit_diff", o.metric)
	}
	return nil
}

func metricNames() string {
	var names []string
	for _, m := range experiment.Metrics() {
		names = append(names, string(m))
	}
	return strings.Join(names, ", ")
}

// question resolves the tokens. Those that were not named are what the two runs answer; where
// they answer the same, what is asked is how far a run is from the clean one.
func (o *questionFlags) question(ctx context.Context, s *streams, opened *auto.Opened, clean, corrupted edit.Input, quiet bool) (experiment.Question, error) {
	q := experiment.Question{Metric: experiment.Metric(o.metric)}
	if q.Metric.Distance() {
		return q, nil
	}
	var err error
	if q.Target, err = o.token(ctx, s, opened, "target", o.target, clean, quiet); err != nil {
		return q, err
	}
	if q.Metric != "" && q.Metric != experiment.LogitDiff {
		return q, nil
	}
	if o.versus == "" && o.target != "" && q.Metric == "" {
		q.Metric = experiment.Prob
		return q, nil
	}
	if q.Versus, err = o.token(ctx, s, opened, "vs", o.versus, corrupted, quiet); err != nil {
		return q, err
	}
	switch {
	case q.Target != q.Versus:
		q.Metric = experiment.LogitDiff
	case o.target != "" || o.versus != "" || q.Metric != "":
		return q, o.same(opened, q.Target)
	default:
		q.Metric = experiment.KL
		if !quiet {
			s.say("both runs answer %q: what is measured is KL(clean ‖ run); name tokens with --target and --vs", labels(opened.Tokenizer)(q.Target))
		}
	}
	return q, nil
}

// ofOne resolves a question about one run, of its answer where no token is named; usual is the metric
// without a second token.
func (o *questionFlags) ofOne(ctx context.Context, s *streams, opened *auto.Opened, in edit.Input, usual experiment.Metric, quiet bool) (q experiment.Question, err error) {
	if q.Metric = experiment.Metric(o.metric); q.Metric == "" {
		if q.Metric = usual; o.versus != "" {
			q.Metric = experiment.LogitDiff
		}
	}
	switch {
	case q.Metric.Distance():
		return q, nil
	case q.Metric == experiment.LogitDiff && o.versus == "":
		return q, usagef("--metric logit_diff needs --vs: there is no other run whose answer it could be")
	}
	if q.Target, err = o.token(ctx, s, opened, "target", o.target, in, quiet); err != nil || o.versus == "" {
		return q, err
	}
	if q.Versus, err = o.token(ctx, s, opened, "vs", o.versus, in, quiet); err == nil && q.Target == q.Versus {
		err = o.same(opened, q.Target)
	}
	return q, err
}

// same refuses a token that is set against itself.
func (o *questionFlags) same(opened *auto.Opened, id int) error {
	return usagef("the target and the token that it is set against are both %q: name others with --target and --vs", labels(opened.Tokenizer)(id))
}

// token is one that a flag names, or a run's answer.
func (o *questionFlags) token(ctx context.Context, s *streams, opened *auto.Opened, flag theFlag, text string, in edit.Input, quiet bool) (int, error) {
	if text != "" {
		return target(s, opened, flag, text, quiet)
	}
	return experiment.AnswerWithin(ctx, opened.Model, in, o.within)
}

// found is what an experiment found, in the forms that it is shown in.
type found interface {
	Figure() *render.Figure
	Arrays() []checkpoint.Array
}

// foundFlags say how what was found is shown.
type foundFlags struct {
	outputFlags
	screenFlags
	json    bool
	how     *lens.Made // what is kept was made; nil: nothing is kept
	picture pictureFlags
	edited  []string // edits of the run, for a picture to name
	of      string   // the name of the model

	interrupted bool // not all of the result was computed, which CSV and npz say beside how
}

// foundFormats are those of --output of an experiment.
var foundFormats = []string{"json", "csv", "npz", "html", "png", "svg", "pdf"}

// flags adds them; more are formats beside the usual ones.
func (o *foundFlags) flags(cmd *cobra.Command, schema string, more ...string) {
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print JSON (schema "+schema+")")
	o.screenFlags.flags(cmd)
	o.picture.flags(cmd)
	formats := append(slices.Clone(foundFormats), more...)
	o.outputFlags.flags(cmd, "write to a file instead: "+extensions(formats), formats...)
}

func (o *foundFlags) check(formats ...string) error {
	if err := o.screenFlags.check(); err != nil {
		return err
	}
	if err := cmp.Or(o.outputFlags.check(formats...), o.beside(o.json)); err != nil {
		return err
	}
	return o.picture.check(&o.outputFlags)
}

// show writes what was found to the output, or on stdout.
func (o *foundFlags) show(s *streams, file *answer, result found) error {
	if file != nil {
		return file.write(func(w io.Writer) error { return o.write(s, w, result) })
	}
	figure := result.Figure()
	if o.json {
		return cmp.Or(render.WriteJSON(s.out, result), s.inWords(o.editedLine(), func(w io.Writer, t render.TerminalOptions) error { return render.FigureTerminal(w, figure, t) }))
	}
	t := o.screenFlags.options(s, "a larger --width shows them, and --output x.html all")
	return s.paged(func(w io.Writer) error { return render.FigureTerminal(w, figure, t) })
}

// editedLine names the edits of the run, where there are some.
func (o *foundFlags) editedLine() []string {
	if len(o.edited) == 0 {
		return nil
	}
	return []string{"edited: " + render.Visible(strings.Join(o.edited, ", "))}
}

func (o *foundFlags) write(s *streams, w io.Writer, result found) error {
	how, err := json.Marshal(struct {
		*lens.Made
		Interrupted bool `json:"interrupted,omitempty"`
	}{o.how, o.interrupted})
	if err != nil {
		return err
	}
	figure := result.Figure()
	figure.Made, figure.Command = string(how), commandLine(s.args)
	switch o.format() {
	case "csv":
		return render.FigureCSV(w, figure)
	case "npz": // which has numbers alone: the text's bytes
		return npz.Write(w, append(result.Arrays(), checkpoint.Array{Name: "made", Type: checkpoint.U8, Shape: []int{len(how)}, Bytes: how}))
	case "html":
		return render.FigureHTML(w, figure)
	case "png", "svg", "pdf":
		p := o.picture.options(s, o.format(), o.edited...)
		p.Origin.Model = o.of
		return render.FigurePicture(w, figure, p)
	}
	return render.WriteJSON(w, result)
}

// made says how a result is made, where it is kept: in a file or as JSON.
func (o *foundFlags) made(s *streams, opened *auto.Opened) (*lens.Made, error) {
	if o.output == "" && !o.json {
		return nil, nil
	}
	o.of = opened.Info.Ref
	var err error
	o.how, err = s.made(opened)
	return o.how, err
}

// describeRun says in a result what a run is of.
func describeRun(r *experiment.Run, e encoded) { r.Prompt, r.BOSAdded = e.text, e.bos }

// describeModel says which model it is of.
func describeModel(to *lens.ModelInfo, opened *auto.Opened) {
	to.Ref, to.Type, to.Quantization = opened.Info.Ref, opened.Info.Type, opened.Info.Quantization
}

// describePair says in a result what its two runs are of.
func describePair(b *experiment.Between, opened *auto.Opened, clean, corrupted patchRun) {
	describeRun(&b.Clean, clean.encoded)
	describeRun(&b.Corrupted, corrupted.encoded)
	describeModel(&b.Model, opened)
}
