package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// errClosed is what reading a closed checkpoint ends in.
var errClosed = errors.New("the checkpoint is closed")

// Checkpoint is an open model: its mapped files, the tensors in them, and the
// configuration that came along. It may be read by many goroutines at once; none of
// its fields may be changed.
type Checkpoint struct {
	Path   string // what Open was given
	Format Format

	// Config is the text of config.json, a JSON object; nil for GGUF, whose
	// configuration is in Metadata.
	Config []byte

	// GenerationConfig is the text of generation_config.json, a JSON object; nil when
	// there is none.
	GenerationConfig []byte

	// Notes say what is odd about the files, though they could be opened.
	Notes []string

	// Metadata holds GGUF's key-values with the Go types of the file: uint8 to
	// float64, bool, string, and slices of them; or the strings of safetensors'
	// __metadata__, where the first shard that has a key wins.
	Metadata map[string]any

	maps    []*mapping
	tensors map[string]*Tensor
	names   []string

	partial bool              // shards may be absent
	absent  map[string]string // tensors of absent shards, and which these are
}

// Open opens a checkpoint: a directory in the layout of Hugging Face and
// mlx-community (config.json and model*.safetensors, with or without an index), or a
// .gguf file (of a split one, any part). Headers are read and checked in full; tensors
// are not touched. It fails, with all problems of a kind in one error, when
// anything is missing, damaged or of a type that is not read; nothing is then left
// open.
func Open(ref string) (*Checkpoint, error) {
	c, err := open(ref)
	if err == nil && len(c.tensors) == 0 {
		return nil, errors.Join(fmt.Errorf("checkpoint: %s: has no tensors", ref), c.Close())
	}
	return c, err
}

// OpenMetadata is Open for who needs no tensors: a file may have none, as those of a
// vocabulary alone.
func OpenMetadata(ref string) (*Checkpoint, error) { return open(ref) }

// OpenPart is Open for who needs some tensors alone: shards that an index names may be absent, and
// Absent tells which tensors these hold.
func OpenPart(ref string) (*Checkpoint, error) {
	c := &Checkpoint{partial: true}
	err := c.open(ref)
	if err == nil && len(c.tensors) == 0 {
		err = errors.Join(fmt.Errorf("checkpoint: %s: has no tensors: all shards of its index are absent", ref), c.Close())
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func open(ref string) (*Checkpoint, error) {
	c := &Checkpoint{}
	if err := c.open(ref); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Checkpoint) open(ref string) error {
	const want = "give a directory with config.json and model*.safetensors, or a .gguf file"
	info, err := os.Stat(ref)
	if errors.Is(err, fs.ErrNotExist) {
		if target, linkErr := os.Readlink(ref); linkErr == nil {
			return fmt.Errorf("checkpoint: %s: is a link to %q, which is missing; download it again", ref, target)
		}
		return fmt.Errorf("checkpoint: %s: no such file or directory; %s%s", ref, want, unfinished(ref))
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w; %s", ref, cause(err), want)
	}
	c.Path, c.Metadata, c.tensors = ref, map[string]any{}, map[string]*Tensor{}
	switch {
	case info.IsDir():
		c.Format = Safetensors
		err = c.openDirectory()
	case strings.EqualFold(filepath.Ext(ref), ".gguf"):
		c.Format = GGUF
		err = c.openGGUF()
	default:
		err = fmt.Errorf("checkpoint: %s: is neither a directory nor a .gguf file; %s", ref, want)
	}
	if err != nil {
		return errors.Join(err, c.Close())
	}
	c.names = slices.Sorted(maps.Keys(c.tensors))
	return nil
}

// Absent returns the shard that a tensor is in by the index, where that shard is not there ([OpenPart]);
// else "".
func (c *Checkpoint) Absent(name string) string { return c.absent[name] }

// Tensor returns the tensor of that name, or nil when there is none.
func (c *Checkpoint) Tensor(name string) *Tensor { return c.tensors[name] }

// Partial reports whether shards are absent ([OpenPart]).
func (c *Checkpoint) Partial() bool { return len(c.absent) > 0 }

// Names returns the names of all tensors, sorted.
func (c *Checkpoint) Names() []string { return slices.Clone(c.names) }

// Size returns how many bytes the files with the tensors take on disk.
func (c *Checkpoint) Size() int64 {
	var size int64
	for _, m := range c.maps {
		size += int64(m.size)
	}
	return size
}

// Files returns the paths of the files with the tensors, shards in order.
func (c *Checkpoint) Files() []string {
	files := make([]string, len(c.maps))
	for i, m := range c.maps {
		files[i] = m.path
	}
	return files
}

// Verify fails when a file no longer has the size that was mapped. Reading Bytes that
// were cut off kills the process, so ask before a load (see the package's text).
func (c *Checkpoint) Verify() error {
	var errs []error
	for _, m := range c.maps {
		errs = append(errs, m.verify())
	}
	return errors.Join(errs...)
}

// Close unmaps the files, once the readers that are under way have ended. All bytes
// that Tensor.Bytes gave become invalid; a Tensor's other readers fail from then on.
// Closing twice is fine.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, m := range c.maps {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

// add maps a file, parses its header and returns its tensors and metadata. The
// caller puts them in c; the mapping is c's from here on.
func (c *Checkpoint) add(path string, parse func([]byte) ([]headerTensor, map[string]any, error)) ([]*Tensor, map[string]any, error) {
	m, err := mapFile(path)
	if err != nil {
		return nil, nil, err
	}
	c.maps = append(c.maps, m)
	var entries []headerTensor
	var metadata map[string]any
	if fault := readMapped(func() { entries, metadata, err = parse(m.data) }); fault != nil {
		err = fault
	}
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: %s: %w%s", path, err, unfinished(path))
	}
	tensors := make([]*Tensor, len(entries))
	for i, e := range entries {
		tensors[i] = newTensor(m, e)
	}
	return tensors, metadata, nil
}

// put enters the tensors of one file and fails when a name is there already.
func (c *Checkpoint) put(tensors []*Tensor) error {
	for _, t := range tensors {
		if other := c.tensors[t.Name]; other != nil {
			return fmt.Errorf("checkpoint: %s: tensor %q is in %s and in %s", c.Path, t.Name,
				filepath.Base(other.file.path), filepath.Base(t.file.path))
		}
		c.tensors[t.Name] = t
	}
	return nil
}

// unfinished names the half-downloaded files that lie where path should be, as text
// to end an error with; it is empty when there are none. Downloads into the
// Hugging Face cache are written beside the blobs, those into a folder below its
// .cache (huggingface_hub/file_download.py).
func unfinished(path string) string {
	dir := path
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		dir = filepath.Dir(path)
	}
	var found []string
	for _, pattern := range []string{"*.incomplete", ".cache/huggingface/download/*.incomplete", "../../blobs/*.incomplete"} {
		if strings.HasPrefix(pattern, "..") && filepath.Base(filepath.Dir(dir)) != "snapshots" {
			continue
		}
		matches, err := fs.Glob(os.DirFS(filepath.Join(dir, filepath.Dir(pattern))), filepath.Base(pattern))
		if err == nil {
			found = append(found, matches...)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return fmt.Sprintf("; a download is unfinished (%s): let it end or download again", quoted(found))
}

// OpenFile opens a single .safetensors file that is no model, such as a tuned lens, as
// Open does a directory. There is no Config.
func OpenFile(path string) (*Checkpoint, error) {
	c := &Checkpoint{Path: path, Format: Safetensors, Metadata: map[string]any{}, tensors: map[string]*Tensor{}}
	tensors, metadata, err := c.add(path, parseSafetensors)
	if err == nil {
		err = c.put(tensors)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.addMetadata(metadata)
	c.names = slices.Sorted(maps.Keys(c.tensors))
	return c, nil
}
