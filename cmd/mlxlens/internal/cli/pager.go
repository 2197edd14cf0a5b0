package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/mlxlens/mlxlens/lens/render"
)

// envPager names the pager of mlxlens alone.
const envPager = "MLXLENS_PAGER"

// A pager shows text of more lines than a terminal has in another program.
type pager struct {
	off bool // --no-pager

	mu      sync.Mutex
	running *os.Process
}

// command is the pager's, "" for none: $MLXLENS_PAGER, else $PAGER, else less where it is installed.
func (p *pager) command() string {
	if p.off {
		return ""
	}
	for _, name := range []string{envPager, "PAGER"} {
		if command, set := os.LookupEnv(name); set {
			if command = strings.TrimSpace(command); command == "cat" {
				return ""
			}
			return command
		}
	}
	if _, err := exec.LookPath("less"); err != nil {
		return ""
	}
	return "less"
}

// show runs the pager on a text, and reports whether it did.
func (p *pager) show(command string, text []byte, to *os.File) bool {
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = bytes.NewReader(text), to, os.Stderr, os.Environ()
	if _, set := os.LookupEnv("LESS"); !set {
		cmd.Env = append(cmd.Env, "LESS=FRX") // leave when all fits, colours as they are, no screen of its own
	}
	if _, set := os.LookupEnv("LV"); !set {
		cmd.Env = append(cmd.Env, "LV=-c")
	}
	p.mu.Lock()
	err := cmd.Start()
	if err == nil {
		p.running = cmd.Process
	}
	p.mu.Unlock()
	if err != nil {
		return false
	}
	err = cmd.Wait() // whoever leaves early has seen enough: a pipe that is closed then is no failure
	p.mu.Lock()
	p.running = nil
	p.mu.Unlock()
	var exit *exec.ExitError
	const notExecutable, notFound = 126, 127 // the shell's
	return !(errors.As(err, &exit) && (exit.ExitCode() == notExecutable || exit.ExitCode() == notFound))
}

// takes reports whether a signal is the pager's and not the program's: Ctrl-C reaches both, and
// stops a search in less. A pager that is to end with the program gets a moment to put the terminal
// back in order.
func (p *pager) takes(sig os.Signal) bool {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	if running == nil {
		return false
	}
	if sig == os.Interrupt {
		return true
	}
	_ = running.Signal(syscall.SIGTERM) // it may be gone
	for range 20 {
		time.Sleep(50 * time.Millisecond)
		p.mu.Lock()
		running = p.running
		p.mu.Unlock()
		if running == nil {
			break
		}
	}
	return false
}

// paged writes a text to stdout, through a pager where it has more lines than the terminal.
func (s *streams) paged(draw func(io.Writer) error) error {
	to, width, height := s.screen()
	command := ""
	if to != nil {
		command = s.pager.command()
	}
	if command == "" {
		return draw(s.out)
	}
	var text bytes.Buffer
	if err := draw(&text); err != nil {
		return err
	}
	if render.Lines(text.String(), width) < height || !s.pager.show(command, text.Bytes(), to) {
		_, err := s.out.Write(text.Bytes())
		return err
	}
	return nil
}

// screen is the terminal that stdout is, with its size; nil when it is none.
func (s *streams) screen() (to *os.File, width, height int) {
	c, ok := s.out.(*checkedWriter)
	if !ok {
		return nil, 0, 0
	}
	f, ok := c.Writer.(*os.File)
	if !ok {
		return nil, 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return nil, 0, 0
	}
	return f, width, height
}
