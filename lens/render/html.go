package render

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/lens"
)

// The page is one file without a request to anywhere: its style and script stand in it,
// and its policy allows these two, by their hashes, and nothing else.
var (
	//go:embed html
	pageFiles embed.FS

	page    = template.Must(template.ParseFS(pageFiles, "html/page.html", "html/share.html"))
	pageCSS = joined("base.css", "page.css")
	pageJS  = joined(append(slices.Clone(commonScripts), lensScripts...)...)
)

// The files of a page's one script. What a file computes while it is read uses only the files
// above it; functions may call into the files below.
var (
	commonScripts = []string{"script/common.js", "script/caption.js", "script/share.js"}
	lensScripts   = []string{"script/data.js", "script/state.js", "script/canvas.js", "script/overview.js", "script/cell.js", "script/pins.js", "script/search.js", "script/moving.js", "script/ranks.js", "script/picture.js", "script/start.js"}
)

// joined puts files of html behind each other.
func joined(names ...string) string {
	var parts []string
	for _, name := range names {
		text, err := pageFiles.ReadFile("html/" + name)
		if err != nil {
			panic(err) // a file of the list was not built in
		}
		parts = append(parts, string(text))
	}
	return strings.Join(parts, "\n")
}

// HTMLOptions say how HTML's page opens.
type HTMLOptions struct {
	View    View
	Command string // the command line that made the grid, which the page offers to copy; "": none
}

// HTML writes the grid as one self-contained page: the views to switch between, a cell's
// candidates on hover and focus, a token's rank and probability by row on a click, search
// and zoom. Its address keeps what is chosen, it prints whole, saves itself as a picture, and
// fits the frame of another page (docs/pages.md). It needs a browser of 2023 or later, and no network. The same grid leads to the
// same bytes.
func HTML(w io.Writer, g *lens.Grid, o HTMLOptions) error {
	data, err := PageData(g, o.View)
	if err != nil {
		return err
	}
	v := pageValues{
		Title: pageTitle(g), Subtitle: subtitle(g),
		Policy: fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; img-src blob:; base-uri 'none'; form-action 'none'", sourceHash(pageCSS), sourceHash(pageJS)),
		CSS:    template.CSS(pageCSS), JS: template.JS(pageJS), Data: template.JS(data),
		Command: o.Command, Height: embedHeight(g), Made: madeText(g.Made), Papers: papers(g),
	}
	v.Embed = embedTag(v.Height)
	if len(g.Rows) > 0 && len(g.Positions) > 0 {
		v.Crystallisation = crystallised(g, answerOf(g), shown)
		v.Last = lastPosition(g)
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "page.html", v); err != nil {
		return fmt.Errorf("render: HTML: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("render: HTML: %w", err)
	}
	return nil
}

// embedHeight is the height, in CSS pixels, at which a frame shows all rows of a grid in comfort; the
// page fits lower ones by lower rows.
func embedHeight(g *lens.Grid) int { return min(900, 290+18*max(1, len(g.Rows))) }

// embedTag is what puts a page of a height into another.
func embedTag(height int) string {
	return fmt.Sprintf(`<iframe src="FILE.html" title="mlxlens" width="100%%" height="%d" frameborder="0" loading="lazy"></iframe>`, height)
}

// PageParts are the pieces of HTML's and FigureHTML's pages, for a page that shows grids and figures as they
// come: the elements of a grid, the style, and the script, whose function show takes [PageData] as often as
// there is another.
func PageParts() (elements, style, script string) {
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "lens", nil); err != nil {
		panic(err) // the template has no values
	}
	return b.String(), joined("base.css", "page.css", "figure.css"), joined(slices.Concat(commonScripts, lensScripts, figureScripts)...)
}

// PageData is what the page's script reads of a grid: JSON, with < and > escaped.
func PageData(g *lens.Grid, v View) ([]byte, error) {
	data, err := json.Marshal(newPageData(g, v))
	if err != nil {
		return nil, fmt.Errorf("render: HTML: %w", err)
	}
	return data, nil
}

// sourceHash is a source expression of Content Security Policy level 3 for a text.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

type pageValues struct {
	Title, Subtitle, Crystallisation, Policy string
	Command, Embed, Made                     string
	Height                                   int // of a frame that shows all of it
	Papers                                   []string

	CSS  template.CSS
	JS   template.JS
	Data template.JS
	Last []pageRow // what stands there without a script
}

type pageRow struct {
	Name       string
	Candidates []string
}

// pageData is what the script reads. Numbers of cells are arrays [row][position] of
// 32-bit elements, little-endian, in base64; rows are in forward order.
type pageData struct {
	Rows      []string       `json:"rows"` // names in short
	Sites     []string       `json:"sites"`
	Places    []string       `json:"places,omitempty"` // of several lenses: the rows' names without theirs
	Lenses    []pageLens     `json:"lenses,omitempty"` // several
	Positions []int          `json:"positions"`
	Title     string         `json:"title"` // what it is of, and what was asked
	About     string         `json:"about"`
	Model     string         `json:"model"` // as it was named
	Edits     []string       `json:"edits"`
	Tokens    []int          `json:"tokens"` // all of the text, shown or not: index into IDs
	IDs       []int          `json:"ids"`    // of the tokens that are named anywhere
	Texts     []string       `json:"texts"`  // as they are shown
	Input     []int          `json:"input"`  // [position] index into IDs, and so all tokens below
	Next      []int          `json:"next"`   // −1 where nothing came next
	Answer    []int          `json:"answer"` // the final row's best token
	Views     []pageView     `json:"views"`
	View      string         `json:"view"`
	Ramp      string         `json:"ramp"` // 256 colours, rrggbb each
	Light     string         `json:"light"`
	K         int            `json:"k"`
	Top       encoded        `json:"top"`    // [row][position][k] uint32, none: 2³²−1
	Logits    encoded        `json:"logits"` // [row][position][k]
	LSE       encoded        `json:"lse"`
	Scored    bool           `json:"scored"` // there are probabilities
	Norm      encoded        `json:"norm"`
	Experts   []string       `json:"experts,omitempty"` // [row][position] those chosen, with their weights; "" where there are none
	Targets   []pageTarget   `json:"targets"`
	Contrasts []pageContrast `json:"contrasts"`
	Tracked   [][]pageCurve  `json:"tracked"` // [position]
}

// pageLens is one of several lenses, and the rows that it reads.
type pageLens struct {
	Name string `json:"name"`
	Rows []int  `json:"rows"`
}

type pageView struct {
	Name   string  `json:"name"`
	Title  string  `json:"title"` // its name in words
	Means  string  `json:"means"`
	Help   string  `json:"help"` // a sentence
	Digits int     `json:"digits"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
	Log    bool    `json:"log"`
	Fewer  bool    `json:"fewer"` // the less the lighter
	Values encoded `json:"values"`
}

type pageTarget struct {
	Token  int     `json:"token"`
	Logits encoded `json:"logits"`
	Ranks  encoded `json:"ranks"`
}

type pageContrast struct {
	Target int     `json:"target"`
	Versus int     `json:"vs"`
	Values encoded `json:"values"`
}

// pageCurve is a token at one position, by row.
type pageCurve struct {
	Token  int     `json:"token"`
	Logits encoded `json:"logits"`
	Ranks  encoded `json:"ranks"`
}

// encoded is an array of 32-bit elements.
type encoded []byte

func (e *encoded) float(x float64) {
	*e = binary.LittleEndian.AppendUint32(*e, math.Float32bits(float32(x)))
}

func (e *encoded) uint(x int) { *e = binary.LittleEndian.AppendUint32(*e, uint32(int32(x))) }

// names gives each token that is named a number, and another one where it is another part of a character.
type names struct {
	d      *pageData
	of     map[name]int
	pieces pieces
}

type name struct {
	id    int
	shown string
}

func (n *names) number(id int, shown []glyph) int {
	of := name{id, onPage(shown)}
	i, ok := n.of[of]
	if !ok {
		i = len(n.d.IDs)
		n.of[of] = i
		n.d.IDs = append(n.d.IDs, id)
		n.d.Texts = append(n.d.Texts, of.shown)
	}
	return i
}

// given is a token of the prompt, candidate one that would come after a column, asked one of no place.
func (n *names) given(i int) int { return n.number(n.pieces.tokens[i].ID, n.pieces.given(i)) }
func (n *names) candidate(column int, t lens.Token) int {
	return n.number(t.ID, n.pieces.candidate(column, t.Bytes))
}
func (n *names) asked(t lens.Token) int { return n.number(t.ID, token(t.Bytes)) }

func newPageData(g *lens.Grid, view View) *pageData {
	d := &pageData{Title: pageTitle(g), About: subtitle(g), Model: g.Model.Ref, Edits: append([]string{}, g.Edits...), Sites: g.Rows, Positions: g.Positions, View: views[view].name}
	n := &names{d, map[name]int{}, pieces{tokens: g.Tokens, at: g.Positions}}
	for i := range g.Tokens {
		d.Tokens = append(d.Tokens, n.given(i))
	}
	for _, r := range g.Rows {
		d.Rows = append(d.Rows, label(r))
	}
	for _, by := range g.Lenses {
		d.Lenses = append(d.Lenses, pageLens{by.Kind, by.Rows})
	}
	for r := 0; r < len(g.Rows) && len(g.Lenses) > 0; r++ {
		d.Places = append(d.Places, label(*placeOf(&g.Rows[r])))
	}
	for i := range 256 {
		c := ramp(float64(i) / 255)
		d.Ramp += fmt.Sprintf("%02x%02x%02x", c.r, c.g, c.b)
		d.Light += map[rgb]string{white: "0", black: "1"}[ink(c)]
	}
	for p, at := range g.Positions {
		d.Input = append(d.Input, n.given(at))
		next := -1
		if at+1 < len(g.Tokens) {
			next = n.given(at + 1)
		}
		d.Next = append(d.Next, next)
		if len(g.Rows) > 0 {
			d.Answer = append(d.Answer, n.candidate(p, g.Cells[0][p].Answer.Token))
		}
	}
	d.views(g)
	d.cells(g, n)
	for p := range g.Tracked {
		var curves []pageCurve
		for _, t := range g.Tracked[p] {
			c := pageCurve{Token: n.candidate(p, t.Token)}
			for r := range t.Rank {
				c.Logits.float(t.Logit[r])
				c.Ranks.uint(t.Rank[r])
			}
			curves = append(curves, c)
		}
		d.Tracked = append(d.Tracked, curves)
	}
	return d
}

func (d *pageData) views(g *lens.Grid) {
	for i := range views {
		v := View(i)
		if v == Experts && !hasExperts(g) {
			continue
		}
		s := v.scale(g)
		p := pageView{Name: views[i].name, Title: views[i].title, Means: views[i].means, Help: views[i].help, Log: s.log, Fewer: s.fewer()}
		if s.lo <= s.hi { // there is a number
			p.Lo, p.Hi = s.lo, s.hi
		}
		if _, digits, ok := strings.Cut(views[i].format, "."); ok {
			p.Digits, _ = strconv.Atoi(strings.TrimSuffix(digits, "f"))
		}
		if v != Token {
			for r := range g.Cells {
				for c := range g.Cells[r] {
					p.Values.float(v.number(&g.Cells[r][c]))
				}
			}
		}
		d.Views = append(d.Views, p)
	}
}

func (d *pageData) cells(g *lens.Grid, n *names) {
	for r := range g.Cells {
		for p := range g.Cells[r] {
			d.K = max(d.K, len(g.Cells[r][p].Top))
		}
	}
	if hasExperts(g) {
		for r := range g.Cells {
			for p := range g.Cells[r] {
				d.Experts = append(d.Experts, expertsText(g.Cells[r][p].Experts))
			}
		}
	}
	if len(g.Cells) > 0 && len(g.Cells[0]) > 0 {
		for _, t := range g.Cells[0][0].Targets {
			d.Targets = append(d.Targets, pageTarget{Token: n.asked(t.Token)})
		}
	}
	for _, c := range g.Contrasts {
		d.Contrasts = append(d.Contrasts, pageContrast{Target: n.asked(c.Target), Versus: n.asked(c.Versus)})
	}
	for r := range g.Cells {
		for p := range g.Cells[r] {
			c := &g.Cells[r][p]
			for k := range d.K {
				if k >= len(c.Top) {
					d.Top.uint(-1)
					d.Logits.float(math.NaN())
					continue
				}
				d.Top.uint(n.candidate(p, c.Top[k].Token))
				d.Logits.float(c.Top[k].Logit)
				d.Scored = d.Scored || c.Top[k].Prob > 0
			}
			d.LSE.float(c.LogSumExp)
			d.Norm.float(c.Norm)
			for i := range d.Targets {
				d.Targets[i].Logits.float(c.Targets[i].Logit)
				d.Targets[i].Ranks.uint(c.Targets[i].Rank)
			}
			for i := range d.Contrasts {
				d.Contrasts[i].Values.float(c.Contrasts[i])
			}
		}
	}
}
