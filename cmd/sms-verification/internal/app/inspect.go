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

// inspected is the part of the store that an inspector uses.
type inspected interface {
	Prepare(ctx context.Context) error
	Inspect(ctx context.Context) (redisstore.Inspection, error)
}

// inspector warns about Redis settings that break a promise of the service. They
// can change while the service runs.
type inspector struct {
	redis  inspected
	log    *slog.Logger
	every  time.Duration
	unsafe atomic.Int64 // number of warnings in force
	warned []string
	unread string // unreadable settings that are logged already
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

// inspect logs the changes since the last inspection. If Redis does not answer, the
// last findings stay in force: its failures have alerts of their own.
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
			i.log.Info("warning resolved", "warning", warning)
		}
	}
	if unread := strings.Join(found.Unread, ", "); unread != i.unread && unread != "" {
		i.log.Info("the Redis user may not read some settings; check them yourself", "settings", unread)
		i.unread = unread
	}
	i.warned = found.Warnings
	i.unsafe.Store(int64(len(found.Warnings)))
}

// unsafeSettings returns the number of warnings in force.
func (i *inspector) unsafeSettings() float64 { return float64(i.unsafe.Load()) }
