package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

const capacityFile = "deploy/capacity.md"

// The assumptions of the document, which states them.
const (
	peak       = 5     // times the mean of the day
	busy       = 0.6   // of a processor at the peak
	perReplica = 2     // processors of a replica
	shard      = 8e9   // bytes of one Redis master
	dayLong    = 86400 // seconds, the longest window of the default limits

	pendingShare = peak * lifetime / float64(dayLong) // entries that are pending at the peak, for each verification a day
)

// capacity measures everything and writes the results into the document.
func (b *bench) capacity(ctx context.Context, e *env, out io.Writer) {
	if !slices.Contains(b.connections, planned) || b.distance == 0 || len(b.workloads) < len(workloads) {
		check(fmt.Errorf("capacity needs all workloads, %d among -connections, and a -distance above 0", planned))
	}
	b.services = b.services[:1]
	document := section(string(must(os.ReadFile(capacityFile))), "machine", machine(ctx))
	for _, c := range []struct {
		name    string
		measure func(context.Context, *env, io.Writer)
	}{{"speed", b.speed}, {"memory", b.memory}, {"growth", b.growth}, {"start", b.start}} {
		var table strings.Builder
		c.measure(ctx, e, &table)
		e.end()
		document = section(document, c.name, "```\n"+table.String()+"```\n")
	}
	figures, size := b.plan()
	document = section(section(document, "figures", figures), "size", size)
	_, _ = fmt.Fprintln(out, "writing", capacityFile)
	check(os.WriteFile(capacityFile, []byte(document), 0o644))
}

// section replaces what stands between the two comments with that name.
func section(document, name, text string) string {
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
	before, rest, found := strings.Cut(document, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		check(errors.New(capacityFile + " has no section " + name))
	}
	return before + begin + text + end + after
}

// plan works out the size of deployments from what was measured with Redis at
// the distance. A verification is a create, one wrong code and the right one.
func (b *bench) plan() (figures, size string) {
	figures = fmt.Sprintf("| Redis at | request, %d connections | requests/s | requests/s for each busy processor of a replica | requests/s for each Redis master |\n"+
		"| --- | --- | --- | --- | --- |\n", planned)
	var own, redis float64 // microseconds of a verification
	for _, at := range []string{"loopback", b.distance.String()} {
		own, redis = 0, 0
		for _, w := range workloads {
			m := b.medians[row{w.name, planned, at, b.services[0].name}]
			own, redis = own+m[cpu], redis+m[redisCPU]
			figures += fmt.Sprintf("| %s | %s | %s | %s | %s |\n", at, w.name, number(m[rate]), number(1e6/m[cpu]), number(1e6/m[redisCPU]))
		}
	}
	figures += "\n| kept in Redis | bytes | until |\n| --- | --- | --- |\n"
	var daily, before float64 // bytes
	for i, stage := range stages {
		figures += fmt.Sprintf("| %s | %.0f | %s |\n", stage.adds, b.bytes[i]-before, stage.until)
		daily += stage.kept * (b.bytes[i] - before)
		before = b.bytes[i]
	}
	size = "| verifications a day | at the peak, a second | pending entries | Redis memory " +
		"| processors busy: replicas, Redis | replicas | Redis masters of 8 GB |\n| --- | --- | --- | --- | --- | --- | --- |\n"
	for _, day := range []float64{100_000, 1_000_000, 10_000_000, 100_000_000} {
		second, bytes := peak*day/dayLong, day*daily
		ownBusy, redisBusy := second*own/1e6, second*redis/1e6
		replicas := 1 + math.Ceil(ownBusy/busy/perReplica) // one may be down
		masters := max(math.Ceil(redisBusy/busy), math.Ceil(bytes/shard))
		size += fmt.Sprintf("| %s | %s | %s | %s GB | %s, %s | %s | %s |\n", number(day), number(second), number(day*pendingShare),
			number(bytes/1e9), number(ownBusy), number(redisBusy), number(replicas), number(masters))
	}
	return figures, size
}

// machine describes this machine.
func machine(ctx context.Context) string {
	version := must(exec.CommandContext(ctx, "redis-server", "--version").Output())
	redis := strings.TrimPrefix(strings.Fields(string(version))[2], "v=") // Redis server v=7.0.15 …
	_, model, _ := strings.Cut(string(must(os.ReadFile("/proc/cpuinfo"))), "model name\t: ")
	model, _, _ = strings.Cut(model, "\n")
	return fmt.Sprintf("Measured on %s: %d processors %s, Redis %s, %s, at a load average of %.2f before it began.\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), model, redis, runtime.Version(), must(must(procfs.NewDefaultFS()).LoadAvg()).Load1)
}

// number writes a number as people read it: 1,200,000, and small ones with
// one or two decimals.
func number(f float64) string {
	decimals := 0
	switch {
	case f < 1:
		decimals = 2
	case f < 10 && f != math.Trunc(f):
		decimals = 1
	}
	return message.NewPrinter(language.English).Sprintf("%.*f", decimals, f)
}
