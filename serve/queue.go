package serve

import (
	"context"
	"sync"
)

// queue lets one at a time work. The others wait in the order in which they came.
type queue struct {
	mu      sync.Mutex
	most    int // that may wait
	working bool
	closed  bool
	waiting []*waiter
	idle    chan struct{} // closed when nobody works or waits any more, after close
}

// waiter is somebody in line.
type waiter struct {
	turn  chan struct{} // closed when it is theirs
	place chan int      // the newest, 1 is the next
}

func newQueue(most int) *queue { return &queue{most: most, idle: make(chan struct{})} }

// enter waits for a turn, and tells its place in line whenever that changes. Who has entered leaves.
func (q *queue) enter(ctx context.Context, tell func(place int)) error {
	w, err := q.join()
	if err != nil || w == nil {
		return err
	}
	for {
		select {
		case <-w.turn:
			return nil
		case place := <-w.place:
			if tell != nil {
				tell(place)
			}
		case <-ctx.Done():
			if !q.abandon(w) {
				q.leave() // the turn had come
			}
			return context.Cause(ctx)
		}
	}
}

// join takes the turn, and returns nil, or a place in line.
func (q *queue) join() (*waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return nil, errClosed
	case !q.working:
		q.working = true
		return nil, nil
	case len(q.waiting) >= q.most:
		return nil, errBusy
	}
	w := &waiter{turn: make(chan struct{}), place: make(chan int, 1)}
	q.waiting = append(q.waiting, w)
	w.place <- len(q.waiting)
	return w, nil
}

// leave gives the turn to the next.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.working = false
		q.settle()
		return
	}
	close(q.waiting[0].turn)
	q.waiting = q.waiting[1:]
	q.tellPlaces()
}

// abandon takes a waiter out of the line; false when its turn has come.
func (q *queue) abandon(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range q.waiting {
		if other == w {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			q.tellPlaces()
			return true
		}
	}
	return false
}

// tellPlaces puts the newest place where each waiter finds it.
func (q *queue) tellPlaces() {
	for i, w := range q.waiting {
		select {
		case <-w.place: // an older one that was not read
		default:
		}
		w.place <- i + 1
	}
}

// close lets nobody in any more; those in line keep their places.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.settle()
	}
}

// settle tells who waits for the end, once there is nobody.
func (q *queue) settle() {
	if q.closed && !q.working && len(q.waiting) == 0 {
		select {
		case <-q.idle:
		default:
			close(q.idle)
		}
	}
}

// length is how many wait, and whether somebody works.
func (q *queue) length() (waiting int, working bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), q.working
}
