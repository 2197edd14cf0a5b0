package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/serve"
)

const hearing = `{ window.sent = []; const really = window.fetch; window.fetch = (address, how) => { if (how && how.body) sent.push(how.body); return really(address, how); }; }`

// openHeard opens a page whose requests of the API are kept, their texts, in window.sent.
func openHeard(t *testing.T, fragment string) *tab {
	b := openTab(t, serve.Door{}, "", 1440, 800)
	b.Do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(hearing).Do(ctx)
		return err
	}))
	if fragment != "" {
		browsertest.JS[any](b.Page, `history.replaceState(null, "", `+quotedJS(fragment)+`); null`)
	}
	b.Do(chromedp.Reload(), chromedp.WaitVisible("#run", chromedp.ByQuery))
	b.until(`document.getElementById("model").textContent !== "no model yet"`)
	return b
}

func quotedJS(text string) string {
	quoted, _ := json.Marshal(text) // a text is always JSON
	return string(quoted)
}

// fill sets a field as if it were typed.
func fill(b *tab, key, value string) {
	browsertest.JS[any](b.Page, `{ const e = document.getElementById("f-`+key+`"); e.value = `+quotedJS(value)+`; e.dispatchEvent(new Event("input", { bubbles: true })); } null`)
}

// runForm runs what the form has and returns the request.
func runForm(t *testing.T, b *tab) string {
	t.Helper()
	before := browsertest.JS[int](b.Page, `sent.length`)
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	require.Equal(t, before+1, browsertest.JS[int](b.Page, `sent.length`))
	b.done()
	return browsertest.JS[string](b.Page, `sent[sent.length - 1]`)
}

func TestAnAddressHoldsTheRequestThatWasRun(t *testing.T) {
	b := openHeard(t, "")
	for _, c := range []struct{ mode, set, wants, address string }{
		{"Compare", `set("prompt_b", ""); set("edit_b", "layers.29.mlp_out=zero"); set("layers", "28:")`,
			`{"prompt":"The capital of France is","edit_b":["layers.29.mlp_out=zero"],"layers":"28:","format":"html"}`, "prompt_b=&"},
		{"Steer", `set("pairs", "good|bad\nnice|nasty"); set("layers", "")`,
			`{"pairs":[{"positive":"good","negative":"bad"},{"positive":"nice","negative":"nasty"}],"held_out":"0","format":"html"}`, "layers="},
		{"Lens", `set("prompt", ""); set("ids", "504,3575"); set("layers", "28:")`, `{"layers":"28:","ids":"504,3575"}`, "prompt=&"},
		{"Lens", `set("prompt", "true"); set("layers", "28:"); set("top", "3"); tick("mlp"); tick("mid"); tick("mid")`, `{"prompt":"true","layers":"28:","top":3,"mlp":true}`, "mlp=true"},
		{"Generate", `set("max_tokens", "1"); set("temperature", "0.5"); set("seed", "9007199254740993"); set("layers", "28:")`,
			`{"lens":true,"prompt":"Once upon a time","max_tokens":1,"temperature":0.5,"layers":"28:","seed":9007199254740993}`, "seed=9007199254740993"},
	} {
		b.Press(c.mode)
		browsertest.JS[any](b.Page, `{ const set = (key, value) => { const e = document.getElementById("f-" + key); e.value = value; e.dispatchEvent(new Event("input", { bubbles: true })); },
			tick = key => { const e = document.getElementById("f-" + key); e.checked = !e.checked; e.dispatchEvent(new Event("change", { bubbles: true })); }; `+c.set+` } null`)
		require.Equal(t, c.wants, runForm(t, b), c.mode)
		require.Contains(t, browsertest.JS[string](b.Page, `location.hash + "&"`), c.address)
		require.NotContains(t, browsertest.JS[string](b.Page, `location.hash`), "mid=")

		b.Press("Chat")                                     // and back
		browsertest.JS[any](b.Page, `history.back(); null`) // behind what the page has pushed
		b.until(`sent.length >= 2`)
		b.done()
		require.Equal(t, c.wants, browsertest.JS[string](b.Page, `sent[sent.length - 1]`), "%s: back", c.mode)
		b.Do(chromedp.Reload())
		b.until(`window.sent && sent.length === 1`)
		b.done()
		require.Equal(t, c.wants, browsertest.JS[string](b.Page, `sent[0]`), "%s: reload", c.mode)
	}
	require.Contains(t, browsertest.JS[string](b.Page, `document.getElementById("history").textContent`), "ids 504,3575", "what has no prompt is told by the rest")
}

func TestAKeyThatTheServerDoesNotKnowIsRefused(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=lens&prompt=a&layer=3", 1440, 800)
	b.until(`document.getElementById("status").textContent.includes('trace has no "layer"')`)
	b.Expect("400")
}

func TestTheViewThatIsAskedForIsShown(t *testing.T) {
	b := openHeard(t, "#mode=lens&prompt=a+b&layers=20%3A")
	b.done()
	require.Equal(t, "prob", browsertest.JS[string](b.Page, `view.name`))
	fill(b, "view", "rank")
	require.Contains(t, runForm(t, b), `"view":"rank"`)
	require.Equal(t, "rank", browsertest.JS[string](b.Page, `view.name`))
}

func TestACellActsOnTheRequestThatItIsOf(t *testing.T) {
	b := openHeard(t, "#mode=lens&prompt=The+capital+of+Spain+is&layers=20%3A")
	b.done()
	fill(b, "prompt", "something else")
	x, y := place(b, 9, 4)
	b.Do(chromedp.MouseClickXY(x, y))
	b.until(`location.hash.includes("cell=layers.29.resid_post%404")`)
	require.Contains(t, browsertest.JS[string](b.Page, `location.hash`), "prompt=The+capital", "the address is of what is shown")
	b.Press("edit and run")
	b.until(`sent.length === 2`)
	b.done()
	require.Equal(t, `{"prompt":"The capital of Spain is","layers":"20:","edit":["layers.29.resid_post@4=zero"]}`, browsertest.JS[string](b.Page, `sent[1]`))
	require.Equal(t, "The capital of Spain is", browsertest.JS[string](b.Page, `document.getElementById("f-prompt").value`))
}

// messages are those of the latest request of a chat.
func messages(t *testing.T, b *tab) (all []string) {
	t.Helper()
	var body struct {
		Messages []struct{ Role, Content string }
	}
	require.NoError(t, json.Unmarshal([]byte(browsertest.JS[string](b.Page, `sent[sent.length - 1]`)), &body))
	for _, m := range body.Messages {
		all = append(all, m.Role+": "+m.Content)
	}
	return all
}

// onScreen is what the screen shows of a conversation, without what is remarked on it.
func onScreen(b *tab) []string {
	return browsertest.JS[[]string](b.Page, `[...document.querySelectorAll("#said .turn")].map(p => { const q = p.cloneNode(true), who = q.querySelector("b").textContent; q.querySelector("b").remove(); for (const s of q.querySelectorAll(".sub")) s.remove();
		return (who === "you" ? "user: " : "assistant: ") + q.textContent; })`)
}

func TestAConversationOnTheScreenIsTheOneThatIsSent(t *testing.T) {
	b := openHeard(t, "")
	b.Press("Chat")
	fill(b, "max_tokens", "8")
	fill(b, "say", "My name is Bob. What is my name?")
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	fill(b, "say", "And how many letters has it?") // while the answer comes
	b.done()
	first := onScreen(b)
	require.Len(t, first, 2)
	require.Equal(t, "user: My name is Bob. What is my name?", first[0])
	runForm(t, b)
	require.Equal(t, append(first[:2:2], "user: And how many letters has it?"), messages(t, b))
	second := onScreen(b)
	require.Len(t, second, 4)

	browsertest.JS[any](b.Page, `history.back(); null`) // behind what the page has pushed
	b.until(`document.querySelectorAll("#said .turn").length === 2`)
	require.Equal(t, first, onScreen(b))
	browsertest.JS[any](b.Page, `history.forward(); null`)
	b.until(`document.querySelectorAll("#said .turn").length === 4`)
	require.Equal(t, second, onScreen(b))
	require.Equal(t, 2, browsertest.JS[int](b.Page, `sent.length`), "back and forward ask nothing")
	require.Contains(t, browsertest.JS[string](b.Page, `document.querySelector("#history li").textContent`), "Chat: My name is Bob. What is my name? · And")
	b.Shot("serve-chat-again")

	b.Do(chromedp.Reload())
	b.until(`document.querySelectorAll("#said .turn").length === 4`)
	require.Equal(t, second, onScreen(b))
	fill(b, "say", "Thanks.")
	runForm(t, b)
	require.Equal(t, append(second[:4:4], "user: Thanks."), messages(t, b))
	require.Equal(t, "", browsertest.JS[string](b.Page, `document.getElementById("f-say").value`))

	// A cell belongs to the turn that was asked, which is asked again.
	x, y := place(b, 0, 0) // the end of the prompt, which can be edited
	b.Do(chromedp.MouseClickXY(x, y))
	b.Press("edit and run")
	b.until(`sent.length === 2`)
	b.done()
	require.Equal(t, append(second[:4:4], "user: Thanks."), messages(t, b))
	require.Len(t, onScreen(b), 6)
}

func TestAStoppedAnswerBelongsToTheConversation(t *testing.T) {
	b := openHeard(t, "#mode=chat&max_tokens=400&ignore_eos=true&layers=29")
	b.until(`document.getElementById("f-max_tokens").value === "400"`)
	require.Empty(t, browsertest.JS[[]string](b.Page, `sent`), "a chat without a message asks nothing")
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.until(`document.querySelectorAll("#said .token").length > 2`)
	b.Do(chromedp.Click("#halt", chromedp.ByQuery))
	b.until(`document.getElementById("status").textContent === "stopped: what was answered so far belongs to the conversation"`)
	stopped := onScreen(b)
	require.Len(t, stopped, 2)
	require.Contains(t, b.Text("#said"), "(stopped)")
	fill(b, "max_tokens", "2")
	fill(b, "say", "Go on.")
	runForm(t, b)
	require.Equal(t, append(stopped[:2:2], "user: Go on."), messages(t, b))

	// A message that has no answer is not on the screen, but in its field.
	had := onScreen(b)
	fill(b, "max_tokens", "no number")
	fill(b, "say", "And this?")
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.until(`document.getElementById("status").textContent.includes('"max_tokens": want a whole number')`)
	b.Expect("400")
	b.until(`document.getElementById("f-say").value === "And this?"`)
	require.Equal(t, had, onScreen(b))
}

// The page is there before the server has said what it can do: what is chosen and typed by then is not taken for a link.
func TestWhatIsTypedWhileThePageLoadsStands(t *testing.T) {
	loads := make(chan struct{})
	opened := modeltest.SmolLM2(t)
	whole := serve.New(newEngine(&served{opened: opened.Kept()}, ""), serve.Options{}).Handler(serve.Door{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "openapi.json") {
			select {
			case <-loads:
			case <-r.Context().Done(): // the browser is gone, for the test has failed: the server's Close waits for this answer
			}
		}
		whole.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b := &tab{browsertest.Open(t, server.URL+"/", "#run", 1440, 800)}
	b.Press("Generate")
	browsertest.JS[any](b.Page, `{ const e = document.getElementById("f-max_tokens"); e.value = "3"; e.dispatchEvent(new Event("input", { bubbles: true })); } null`)
	close(loads)
	b.until(`document.getElementById("model").textContent.includes("SmolLM2")`)
	require.Equal(t, "3", browsertest.JS[string](b.Page, `document.getElementById("f-max_tokens").value`))
	require.True(t, browsertest.JS[bool](b.Page, `document.getElementById("halt").disabled`), "nothing runs that nobody has asked for")
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	require.Equal(t, 3, browsertest.JS[int](b.Page, `document.querySelectorAll("#said .token").length`))
}

// What cannot be sent, or opened, is told and asks nothing.
func TestWhatThePageCannotReadIsTold(t *testing.T) {
	b := openHeard(t, "#mode=constructor")
	b.until(`document.getElementById("status").textContent.startsWith("the address has mode=constructor, which is none (have: lens, generate, ")`)
	require.Empty(t, browsertest.JS[string](b.Page, `location.hash`))
	b.Press("Steer")
	fill(b, "pairs", "I love | hate it. | I hate it.\ngood | bad")
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.until(`document.getElementById("status").textContent === 'pair 1, "I love | hate it. | I hate it.": want two prompts and one | between them'`)
	require.Zero(t, browsertest.JS[int](b.Page, `sent.length`))
}

// A page that comes over plain HTTP from another machine has no clipboard.
func TestWithoutAClipboardTheTextStandsThereToCopy(t *testing.T) {
	b := openHeard(t, "")
	browsertest.JS[any](b.Page, `Object.defineProperty(navigator, "clipboard", { value: undefined }); null`)
	fill(b, "layers", "28:")
	runForm(t, b)
	browsertest.JS[any](b.Page, `[...document.querySelectorAll("#saves button")].find(b => b.textContent === "copy command").click(); null`)
	b.until(`document.getElementById("status").textContent === "copy the command from below"`)
	require.Regexp(t, "^mlxlens trace .*--layers=28:", browsertest.JS[string](b.Page, `document.getElementById("tag").value`))
	require.False(t, browsertest.JS[bool](b.Page, `document.getElementById("tag").hidden`))
}
