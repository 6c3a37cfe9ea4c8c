package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// place is where Redis is: on loopback or at a distance.
type place struct {
	name, addr  string
	connections []int
	systems     []*system
}

// speed measures the builds and the baselines side by side.
func (b *bench) speed(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e, err := newEnv(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	proxy, err := startDistance(ctx, e.redisAddr, b.distance)
	if err != nil {
		return err
	}
	places := []*place{{name: "loopback", addr: e.redisAddr, connections: b.near}}
	if len(b.far) > 0 {
		places = append(places, &place{name: b.distance.String(), addr: proxy.addr, connections: b.far})
	}
	for _, at := range places {
		trip, err := roundTrip(ctx, at.addr)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "Redis at %s: a PING takes %.2f ms there and back.\n", at.name, trip.Seconds()*1e3)
	}
	programs, err := b.programs(ctx, e)
	if err != nil {
		return err
	}
	for _, p := range programs {
		for _, at := range places {
			s, err := e.startSystem(ctx, p, at.addr)
			if err != nil {
				return err
			}
			at.systems = append(at.systems, s)
		}
	}
	if b.samples, err = b.measure(ctx, b.groups(e, places)); err != nil {
		return err
	}
	if len(b.far) > 0 {
		_, _ = fmt.Fprintf(out, "Under load, the proxy forwarded %.2f ms late on average, each way.\n", proxy.lateness().Seconds()*1e3)
	}
	if b.raw != "" {
		if err := os.WriteFile(b.raw, benchmarkLines(b.samples), 0o600); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintln(out)
	bases := []string{baselineName}
	if len(b.services) > 1 {
		bases = append(bases, b.services[0].name)
	}
	return writeTable(out, b.samples, bases)
}

// groups returns what to measure: the systems at a place are compared.
func (b *bench) groups(e *env, places []*place) (groups [][]measurement) {
	for _, w := range b.workloads {
		for _, at := range places {
			for _, n := range at.connections {
				var group []measurement
				for _, s := range at.systems {
					group = append(group, measurement{e, s, w, at.name, n, true})
				}
				groups = append(groups, group)
			}
		}
	}
	return groups
}

// programs builds the services, and returns them with the baselines.
func (b *bench) programs(ctx context.Context, e *env) (programs []program, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, s := range b.services {
		b.report("building %s", s.name)
		p, err := e.build(ctx, s)
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	for _, name := range b.baselines {
		programs = append(programs, program{name, []string{self, name}})
	}
	return programs, nil
}

// roundTrip returns the median time of a PING to the Redis at addr.
func roundTrip(ctx context.Context, addr string) (time.Duration, error) {
	client := dialRedis(addr)
	defer func() { _ = client.Close() }()
	seconds := make([]float64, 101)
	for i := range seconds {
		begun := time.Now()
		if err := client.Ping(ctx).Err(); err != nil {
			return 0, fmt.Errorf("ping redis: %w", err)
		}
		seconds[i] = time.Since(begun).Seconds()
	}
	return time.Duration(median(seconds) * float64(time.Second)), nil
}
