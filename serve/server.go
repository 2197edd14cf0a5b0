package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve answers who connects to l until stopping is closed: then no more is let in, what runs and waits
// is finished, for as long as patience lasts, and Serve returns. The end of ctx ends all at once.
func (s *Service) Serve(ctx context.Context, l net.Listener, d Door, stopping <-chan struct{}, finish time.Duration) error {
	server := &http.Server{
		Handler:           s.Handler(d),
		ReadHeaderTimeout: s.o.Patience,
		ReadTimeout:       2 * s.o.Patience,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // of connections that break
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	case <-stopping:
	}
	limited, cancel := context.WithTimeout(ctx, finish)
	defer cancel()
	err := s.Stop(limited)
	if shut := server.Shutdown(limited); err == nil {
		err = shut
	}
	_ = server.Close() // connections that were not done in time
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("not all requests were done in time, and what ran was stopped")
	}
	return err
}
