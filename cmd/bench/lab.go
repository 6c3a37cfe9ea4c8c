package main

import (
	"context"
	"os"
	"sync/atomic"
)

// lab is what every system under test stands on.
type lab struct {
	dir     string // for files, empty to the programs that start in it
	redis   *redisServer
	carrier *carrier
	used    atomic.Uint64 // numbers of entries, none of which is used twice
}

func openLab(ctx context.Context) (l *lab, err error) {
	l = &lab{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return l, err
	}
	if l.redis, err = startRedis(ctx, l.dir); err != nil {
		return l, err
	}
	l.carrier, err = startCarrier()
	return l, err
}

// reserve returns the first of n unused numbers of entries.
func (l *lab) reserve(n uint64) uint64 { return l.used.Add(n) - n }

func (l *lab) close() {
	if l.carrier != nil {
		_ = l.carrier.Close()
	}
	if l.redis != nil {
		l.redis.close()
	}
	if l.dir != "" {
		_ = os.RemoveAll(l.dir)
	}
}
