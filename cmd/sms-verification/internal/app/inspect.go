package app

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowroute/sms-verification/redisstore"
)

const (
	inspectEvery   = 5 * time.Minute
	inspectTimeout = 5 * time.Second
)

// inspected is the Redis that an inspector looks at.
type inspected interface {
	Prepare(ctx context.Context) error
	Inspect(ctx context.Context) (redisstore.Inspection, error)
}

// inspector warns of settings of Redis that break a promise of the service.
// Somebody may change them while the service runs.
type inspector struct {
	redis  inspected
	log    *slog.Logger
	every  time.Duration
	unsafe atomic.Int64 // warnings now
	warned []string
	unread string // settings that the log says cannot be read
}

// run inspects Redis until ctx ends.
func (i *inspector) run(ctx context.Context) {
	for ctx.Err() == nil {
		i.inspect(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(i.every):
		}
	}
}

// inspect logs what has changed since the inspection before. While Redis cannot
// be asked the last findings stand: its failures have alerts of their own.
func (i *inspector) inspect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	found, err := i.redis.Inspect(ctx)
	if err == nil {
		err = i.redis.Prepare(ctx)
	}
	if redisstore.IsMissingPermission(err) {
		found.Warnings = append(found.Warnings, "Redis refuses a command that the service needs: "+err.Error()+
			"; give its user the documented permissions")
	} else if err != nil {
		i.log.Debug("Redis could not be inspected", "error", err.Error())
		return
	}
	for _, warning := range found.Warnings {
		if !slices.Contains(i.warned, warning) {
			i.log.Warn(warning)
		}
	}
	for _, warning := range i.warned {
		if !slices.Contains(found.Warnings, warning) {
			i.log.Info("no longer so", "warning", warning)
		}
	}
	if unread := strings.Join(found.Unread, ", "); unread != i.unread && unread != "" {
		i.log.Info("some settings of Redis cannot be read by its user; check them yourself", "settings", unread)
		i.unread = unread
	}
	i.warned = found.Warnings
	i.unsafe.Store(int64(len(found.Warnings)))
}

// Unsafe returns how many warnings stand.
func (i *inspector) Unsafe() float64 { return float64(i.unsafe.Load()) }
