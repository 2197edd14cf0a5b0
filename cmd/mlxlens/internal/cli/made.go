package cli

import (
	"path/filepath"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

// made says how a result of a model is made: with the digests of the model's files, and of those that were read besides.
func (s *streams) made(opened *auto.Opened) (*lens.Made, error) {
	digest, err := s.digest(opened)
	if err != nil {
		return nil, err
	}
	files, err := s.dependencies()
	if err != nil {
		return nil, err
	}
	return &lens.Made{Files: files, Version: programVersion(), Command: s.args, Ref: opened.Info.Ref, Model: digest, Revision: hubCommit(opened.Info.Ref)}, nil
}

// made says how a grid is made, where it is kept: in a file or as JSON, which is not another tool's.
func (o *traceOptions) made(s *streams, opened *auto.Opened) (*lens.Made, error) {
	if o.output == "" && !o.json || o.export != "" {
		return nil, nil
	}
	if err := s.dependOnLenses(o.lens.paths...); err != nil {
		return nil, err
	}
	return s.made(opened)
}

// made says how a comparison is made, where it is kept.
func (o *compareOptions) made(s *streams, a, b *side) (*lens.Made, error) {
	if o.output == "" && !o.json {
		return nil, nil
	}
	lenses := []string{o.lens.path}
	if o.lensB != noLens {
		lenses = append(lenses, o.lensB)
	}
	if err := s.dependOnLenses(lenses...); err != nil {
		return nil, err
	}
	made, err := s.made(a.opened)
	if err != nil || a.opened == b.opened {
		return made, err
	}
	made.ModelB, err = s.digest(b.opened)
	made.RevisionB = hubCommit(b.opened.Info.Ref)
	return made, err
}

// dependOnLenses notes the files of lenses, which a result depends on: of one that a server has open as they were when it was
// opened.
func (s *streams) dependOnLenses(names ...string) error {
	for _, name := range names {
		if name == "" || (&lensFlags{path: name}).named() {
			continue
		}
		var sum string
		if s.served != nil {
			sum = s.served.lensDigests[name]
		}
		if sum == "" {
			var err error
			if sum, err = lensDigest(name); err != nil {
				return err
			}
		}
		s.depends(name, sum)
	}
	return nil
}

// lensDigest is the digest of a lens: of its file or folder, or of its files together.
func lensDigest(name string) (string, error) {
	files := lensFiles(name)
	sums := map[string]string{}
	for _, file := range files {
		sum, err := pathDigest(file)
		if err != nil || len(files) == 1 {
			return sum, err
		}
		sums[filepath.Base(file)] = sum
	}
	return modelDigest(sums), nil
}

// unplaced is how a picture or a page was made, which do not say where they were written: see commandLine.
func unplaced(made *lens.Made) *lens.Made {
	if made == nil {
		return nil
	}
	is := *made
	is.Command = withoutOutput(made.Command)
	return &is
}
