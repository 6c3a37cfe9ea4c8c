package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const mallocsMetric = "go_memstats_mallocs_total"

// usage is what a system and the Redis below it have used since they began.
type usage struct {
	cpu, redis time.Duration // user and system
	mallocs    float64       // of the system
}

func (l *lab) usageOf(ctx context.Context, s *system) (u usage, err error) {
	if u.mallocs, err = s.mallocs(ctx); err != nil {
		return usage{}, err
	}
	if u.cpu, err = cpuOf(s.pid()); err != nil {
		return usage{}, err
	}
	u.redis, err = cpuOf(l.redis.pid())
	return u, err
}

// mallocs is the number of allocations so far.
func (s *system) mallocs(ctx context.Context) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.metrics, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), mallocsMetric+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", s.metrics, mallocsMetric)
}

// tick is the unit of /proc/PID/stat, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpuOf is the time that all threads of a process have run.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; utime and stime are the 14th and 15th field.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("/proc/PID/stat is too short")
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(errUser, errSystem)
}
