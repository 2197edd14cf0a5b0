package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/audit"
	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/model/auto"
)

// auditState keeps what an audit has summed, beside its output; without a file to keep it in it
// does nothing.
type auditState struct {
	s       *streams
	name    string
	quiet   bool
	journal *output.Journal
	from    *origin
}

// auditStateFile is what stands in the file, with its sum behind it.
type auditStateFile struct {
	Schema string       `json:"schema"`
	Origin *origin      `json:"origin"`
	State  *audit.State `json:"state"`
}

const auditStateSchema = "mlxlens.audit-state/1"

// state opens the file, and says of what its sums must be.
func (o *auditOptions) state(s *streams, reference, candidate *auto.Opened, c *corpus) (*auditState, error) {
	k := &auditState{s: s, name: o.output + ".state", quiet: o.quiet}
	if o.output == "" || s.answer == nil || !s.answer.Whole() {
		return k, nil
	}
	digest, err := s.digest(candidate)
	if err != nil {
		return nil, err
	}
	against, err := s.digest(reference)
	if err != nil {
		return nil, err
	}
	k.from = &origin{Model: digest, Revision: hubCommit(candidate.Info.Ref), Options: map[string]string{
		"--file": c.digest, "--against": against, "--device": candidate.Info.Device, "--weights": string(candidate.Info.Weights), "--weights-against": string(reference.Info.Weights),
		"--blame": strconv.Itoa(o.blame), "--max-memory": o.maxMemory,
	}}
	place, err := output.Find(k.name, s.out)
	if err != nil {
		return nil, err
	}
	k.journal, err = place.Continue()
	return k, err
}

// restore goes on with what stands in the file.
func (k *auditState) restore(a *audit.Audit) error {
	if k.journal == nil {
		return nil
	}
	in, err := k.journal.Lines()
	if err != nil || in == nil {
		return err
	}
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		if !k.quiet {
			k.s.say("what is done is kept in %s: if this stops, the same command goes on", k.name)
		}
		return nil
	}
	refuse := func(why error) error {
		return failf("%q: %w: remove it to begin anew, or give another --output", k.name, why)
	}
	var file auditStateFile
	if err := json.Unmarshal(data, &file); err != nil || file.Schema != auditStateSchema || file.Origin == nil || file.State == nil {
		return refuse(fmt.Errorf("it is not what audit keeps"))
	}
	if !sealed(data) {
		return refuse(fmt.Errorf("it has been changed: its sum is not that of what stands there"))
	}
	if file.Origin.digest() != k.from.digest() {
		return refuse(fmt.Errorf("%s", file.Origin.differs(k.from)))
	}
	if err := a.Restore(file.State); err != nil {
		return refuse(err)
	}
	if !k.quiet {
		k.s.say("%s has %s already", k.name, english.Plural(file.State.Sequences(), "sequence", ""))
	}
	return nil
}

// save keeps the sums so far.
func (k *auditState) save(a *audit.Audit) error {
	if k.journal == nil {
		return nil
	}
	return k.journal.Replace(func(w io.Writer) error {
		return writeSealed(w, auditStateFile{auditStateSchema, k.from, a.State()})
	})
}

// finish removes the file: the result has all.
func (k *auditState) finish() error {
	if k.journal == nil {
		return nil
	}
	return os.Remove(k.name)
}

func (k *auditState) close() {
	if k.journal != nil {
		k.journal.Close()
	}
}
