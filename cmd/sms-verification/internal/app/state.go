package app

import "sync/atomic"

// state is how far the process is in its life; see api.State.
type state struct{ prepared, draining atomic.Bool }

func (s *state) Ready() bool    { return s.prepared.Load() && !s.draining.Load() }
func (s *state) Draining() bool { return s.draining.Load() }
