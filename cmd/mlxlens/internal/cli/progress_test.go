package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A clock that only the test moves.
func TestProgressIsALineEachTenSecondsWhereStderrIsNoTerminal(t *testing.T) {
	var now time.Time
	clock := func() time.Time { return now }
	var said bytes.Buffer
	s := &streams{err: &said}
	parts, counted := rhythmOf(clock).parts(s, "tracing"), rhythmOf(clock).counted(s, "prompts")
	for i := range 300 { // 30 s
		now = now.Add(100 * time.Millisecond)
		parts(float64(i) / 300)
		counted(i, 300)
	}
	require.Equal(t, `mlxlens: tracing: 33 % after 10s, about 20s left
mlxlens: prompts: 99 of 300 after 10s, about 20s left
mlxlens: tracing: 66 % after 20s, about 10s left
mlxlens: prompts: 199 of 300 after 20s, about 10s left
mlxlens: tracing: 99 % after 30s, about 0s left
mlxlens: prompts: 299 of 300 after 30s, about 0s left
`, said.String())
	said.Reset()
	now = now.Add(time.Hour)
	parts(1)
	counted(300, 300)
	require.Empty(t, said.String(), "all is done")
}

func TestProgressIsSilentWhereItIsToBe(t *testing.T) {
	s := &streams{err: new(bytes.Buffer)}
	require.Nil(t, s.progress("prompts", true))
	require.Nil(t, s.progressOf("tracing", true))
	require.NotNil(t, s.progress("prompts", false))
	require.NotNil(t, s.progressOf("tracing", false))
}
